"""What may not be cut is not: a run holds whole pieces, or is read before any is differentiated, or is refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings

import rldsl
from rldsl.graph.spec import Amount
from rldsl.train.micro import TooFine, check_micro_batch
from tests.property.splitting import (
    COUPLING,
    NAMES,
    Batch,
    Leaves,
    Lengths,
    at_once,
    batch_of,
    in_runs,
    inputs_of,
    is_same,
    lengths,
    micro_batch,
    objective_of,
    text_of,
)

every_objective = pytest.mark.parametrize("name", NAMES)
RAGGED: Lengths = ((3, 1, 0, 2), (4,), (6, 5))
TRAIN = """train {{
  repeat 1 {{
    draw 4 prompts
    update actor with main {{ minibatch: 4 prompts, micro_batch: {amount}, optimizer: adamw(lr: 1e-3) }}
  }}
}}
"""
# What a micro-batch may count, finest first.
ALLOWED = {"token": ("samples", "prompts"), "sample": ("samples", "prompts"), "prompt": ("prompts",),
           "batch": ("samples", "prompts")}


def chain(batch: Batch, axis: str) -> list[str]:
    """An axis and what it lies in."""
    return [axis, *chain(batch, batch.layout.parents[axis])] if axis in batch.layout.parents else [axis]


@every_objective
@settings(max_examples=15)
@given(shape=lengths)
def test_runs_hold_whole_pieces_or_take_two_passes(name: str, shape: Lengths) -> None:
    """They follow each other without a gap; none has more tokens than asked for, unless it is a single place."""
    objective, batch = objective_of(name), batch_of(name, shape, 0)
    update = objective.batch(batch.layout, inputs_of(batch))
    for rows in (1, 2, 5, 9, batch.tokens + 1):
        runs = objective.pieces(update, rows=rows)
        assert [run.start for run in runs] == [0, *(run.stop for run in runs)][:-1]
        assert runs.runs[-1].stop == batch.layout.size(runs.runs[0].axis)
        for run in runs:
            assert sum(tokens.stop - tokens.start for tokens in run.tokens.values()) <= rows or len(run) == 1
            assert run.is_whole == (runs.passes == 1)
            assert not run.is_whole or run.axis in chain(batch, objective.staged.piece_axis.name)


@every_objective
def test_two_passes_are_taken_where_more_is_coupled_than_a_run_may_hold_and_nowhere_else(name: str) -> None:
    """A prompt with both answers of a pair is never torn apart: its place is the row."""
    objective, batch = objective_of(name), batch_of(name, RAGGED, 0)
    update = objective.batch(batch.layout, inputs_of(batch))
    passes = [objective.pieces(update, rows=rows).passes for rows in (1, 6, 11, batch.tokens)]
    wanted = {"token": [1, 1, 1, 1], "sample": [1, 1, 1, 1], "prompt": [2, 2, 1, 1], "batch": [2, 2, 2, 1]}
    assert passes == ([1, 1, 1, 1] if name == "preference" else wanted[COUPLING[name]])


@pytest.mark.parametrize("name", ["live leave-one-out", "pairs of a prompt", "uncertain part", "ratio of means"])
def test_a_piece_is_refused_before_everything_that_it_depends_on_was_read(name: str) -> None:
    """Not approximated by what is there. Once it was read, nothing is missing."""
    objective, batch = objective_of(name), batch_of(name, RAGGED, 0)
    leaves = Leaves.of(batch)
    update = objective.batch(batch.layout, inputs_of(batch))
    runs = objective.pieces(update, rows=2)
    with pytest.raises(ValueError, match="tokens of `y`"):
        objective.piece(update, runs.runs[0], micro_batch(leaves, runs.runs[0]))
    for run in runs.runs[1:]:
        objective.read_piece(update, run, micro_batch(leaves, run))
    with pytest.raises(ValueError, match="tokens of `y`"):
        objective.piece(update, runs.runs[1], micro_batch(leaves, runs.runs[1]))
    assert all(rows.given.grad is None for rows in leaves.rows.values())
    assert is_same(in_runs(objective, batch, runs), at_once(objective, batch))


@every_objective
def test_a_run_that_is_left_out_is_no_smaller_gradient_but_an_error(name: str) -> None:
    objective, batch = objective_of(name), batch_of(name, RAGGED, 0)
    leaves = Leaves.of(batch)
    update = objective.batch(batch.layout, inputs_of(batch))
    runs = objective.pieces(update, rows=11)
    for run in runs.runs[1:]:
        objective.read_piece(update, run, micro_batch(leaves, run))
    with pytest.raises(ValueError, match="tokens of"):
        objective.finish(update)
    assert leaves.weight is not None and leaves.weight.grad is None


@pytest.mark.wide(3)
@every_objective
@pytest.mark.parametrize("unit", ["samples", "prompts"])
def test_a_micro_batch_that_tears_a_piece_apart_is_refused(name: str, unit: str) -> None:
    """By the check (RL801), before anything runs, and by the training loop. A given response has one sample a row."""
    staged = objective_of(name).staged
    codes = [entry.code for entry in rldsl.check(text_of(name, TRAIN.format(amount=f"1 {unit}")))]
    if unit in ALLOWED[COUPLING[name]]:
        check_micro_batch(staged, Amount(1, unit))
        assert "RL801" not in codes
    elif name == "preference":
        check_micro_batch(staged, Amount(1, unit))
    else:
        with pytest.raises(TooFine, match="RL801"):
            check_micro_batch(staged, Amount(1, unit))
        assert "RL801" in codes


def test_half_a_group_would_have_another_gradient() -> None:
    """So that the refusals above refuse something: each half as a batch of its own."""
    objective = objective_of("live leave-one-out")
    batch = batch_of("live leave-one-out", ((3, 2, 4, 1),), 0)
    halves = batch_of("live leave-one-out", ((3, 2), (4, 1)), 0)
    assert all(torch.equal(batch.scene[name], halves.scene[name]) for name in batch.scene.columns)
    assert not is_same(at_once(objective, halves), at_once(objective, batch))
