"""How often row kernels read and write the logits, counted lane by lane, beside what the model of `rldsl.plan` says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

from rldsl.batch import UpdateBatch
from rldsl.emit.triton.load import interprets
from rldsl.kernels.rows import Rows
from rldsl.plan.tiles import RowWork
from rldsl.plan.work import Sizes, row_work
from rldsl.program import CompiledObjective
from tests.head.objectives import Batch, as_logits, ragged
from tests.triton.moved import counted
from tests.triton.test_triton_backend import TOKENS, VOCABULARY, on_triton

pytestmark = pytest.mark.skipif(not interprets(), reason="lanes are counted where they are interpreted")
BF16 = 2
ROW = VOCABULARY * BF16


def narrow(name: str) -> tuple[Batch, Rows]:
    """Flat rows of bf16 logits: where one token has more than half of the probability, part of its row is read once more."""
    batch = as_logits(ragged(name))
    entry = next(iter(batch.rows.values()))
    assert entry.logits is not None
    others = {policy: (0.2 * other).bfloat16() for policy, other in entry.others.items() if isinstance(other, torch.Tensor)}
    rows = replace(entry, logits=(0.2 * entry.logits.detach()).bfloat16().requires_grad_(), others=others)
    return replace(batch, rows=dict.fromkeys(batch.rows, rows)), rows


def model(objective: CompiledObjective) -> RowWork:
    """Of the only group."""
    return row_work(objective.staged, objective.staged.groups[0], Sizes(TOKENS, VOCABULARY))


def active(updated: UpdateBatch) -> int:
    """Rows with a gradient."""
    return int(np.any([slopes != 0 for slopes in updated.slopes.values()], axis=0).sum())


@pytest.mark.parametrize("name", ["token", "sample", "prompt"])
def test_from_logits_a_row_is_read_twice_and_written_once(name: str) -> None:
    """In one kernel, or in two with the coefficients between them. The chosen logit is read by itself; rows without a gradient are
    not read a second time, and become zeros."""
    batch, rows = narrow(name)
    objective = on_triton(name)
    updated = objective.batch(batch.layout, batch.inputs)
    with counted(rows.given.detach()) as (moved,):
        objective.loss(updated, batch.rows, in_place=True)
    kept, work = active(updated), model(objective)
    assert kept == TOKENS if name == "token" else 0 < kept < TOKENS
    assert (moved.loaded, moved.stored) == (TOKENS * (ROW + BF16) + kept * ROW, TOKENS * ROW)
    again = (TOKENS - kept) * ROW
    assert moved.loaded - TOKENS * BF16 + again == TOKENS * VOCABULARY * work.width * work.sweeps
    assert moved.stored == TOKENS * VOCABULARY * work.written


def test_what_is_only_read_is_read_once() -> None:
    batch, rows = narrow("token")
    objective = on_triton("token")
    with torch.no_grad(), counted(rows.given.detach()) as (moved,):
        objective.loss(objective.batch(batch.layout, batch.inputs), batch.rows)
    work = replace(model(objective), written=0)
    assert (moved.loaded, moved.stored) == (TOKENS * (ROW + BF16), 0)
    assert moved.loaded - TOKENS * BF16 == TOKENS * VOCABULARY * work.width * work.sweeps


def test_samples_without_an_advantage_are_read_once() -> None:
    """Of nine samples the first, of 5 tokens, and the fourth, of 9: no slope, no second read. The ratios of the others are about
    e^-5, and advantages positive: nothing is clipped."""
    batch, rows = narrow("plain")
    advantage = np.ones(batch.layout.size("y.sample"))
    advantage[[0, 3]] = 0.0
    objective = on_triton("plain")
    old = np.full(TOKENS, np.log(1 / VOCABULARY))
    updated = objective.batch(batch.layout, {**batch.inputs, "advantage": advantage, "y_logp": old + 5.0})
    with counted(rows.given.detach()) as (moved,):
        objective.loss(updated, batch.rows, in_place=True)
    assert active(updated) == TOKENS - 5 - 9
    assert (moved.loaded, moved.stored) == (TOKENS * (ROW + BF16) + (TOKENS - 14) * ROW, TOKENS * ROW)


def test_beside_a_second_policy_both_rows_are_read_for_sums_for_their_distance_and_for_the_gradient() -> None:
    batch, rows = narrow("exact")
    objective = on_triton("exact")
    (other,) = (given for given in rows.others.values() if isinstance(given, torch.Tensor))
    with counted(rows.given.detach(), other) as (own, beside):
        objective.loss(objective.batch(batch.layout, batch.inputs), batch.rows, in_place=True)
    work = model(objective)
    assert (own.loaded, own.stored) == (3 * TOKENS * ROW, TOKENS * ROW)
    assert (beside.loaded, beside.stored) == (3 * TOKENS * ROW, 0)
    assert own.loaded + beside.loaded == TOKENS * VOCABULARY * work.width * (1 + work.others) * work.sweeps
