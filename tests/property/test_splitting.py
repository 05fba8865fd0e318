"""The same update batch gives the same loss, values and gradients however it is cut into micro-batches, for all couplings."""

from __future__ import annotations

from itertools import permutations
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rldsl.batch import Runs
from rldsl.graph.spec import Amount
from rldsl.program import CompiledObjective
from rldsl.rollouts.models import LoadedModel
from rldsl.train.micro import runs_of
from tests.property.splitting import (
    COUPLING,
    NAMES,
    VOCABULARY,
    Batch,
    Leaves,
    Lengths,
    at_once,
    batch_of,
    cuts,
    in_runs,
    inputs_of,
    is_same,
    lengths,
    objective_of,
)

ANY_MODEL: LoadedModel = None  # type: ignore[assignment]  # is asked only where no micro-batch is named
RAGGED: Lengths = ((3, 1, 0, 2), (4,), (6, 5))
every_objective = pytest.mark.parametrize("name", NAMES)
seeds = st.integers(0, 99)


def shuffled(count: int, seed: int) -> list[int]:
    return Random(seed).sample(range(count), count)


@pytest.mark.parametrize(("name", "coupling"), COUPLING.items())
def test_the_objectives_have_the_couplings_that_they_stand_for(name: str, coupling: str) -> None:
    assert objective_of(name).staged.coupling.word == coupling


@pytest.mark.wide(2)
@every_objective
@settings(max_examples=10)
@given(shape=lengths, seed=seeds)
def test_every_micro_batch_gives_the_same_gradient(name: str, shape: Lengths, seed: int) -> None:
    """Runs of one token, as far as values allow it, to all at once."""
    objective, batch = objective_of(name), batch_of(name, shape, seed)
    wanted = at_once(objective, batch)
    for runs in cuts(objective, batch):
        assert is_same(in_runs(objective, batch, runs), wanted)
        assert is_same(in_runs(objective, batch, runs, order=shuffled(len(runs), seed)), wanted)


@pytest.mark.wide(2)
@every_objective
@settings(max_examples=6)
@given(shape=lengths, seed=seeds)
def test_from_logits_every_micro_batch_gives_the_same_bits(name: str, shape: Lengths, seed: int) -> None:
    """No GEMM is in the way: reads, coefficients, values and gradients do not depend on how a batch is cut at all."""
    objective, batch = objective_of(name), batch_of(name, shape, seed)
    wanted = at_once(objective, batch, Leaves.of(batch, as_logits=True))
    for runs in cuts(objective, batch):
        found = in_runs(objective, batch, runs, Leaves.of(batch, as_logits=True), shuffled(len(runs), seed))
        assert str(found.values) == str(wanted.values)
        assert all(torch.equal(found.rows[response], gradient) for response, gradient in wanted.rows.items())


@pytest.mark.wide(2)
@every_objective
@settings(max_examples=2)
@given(shape=lengths, seed=seeds)
def test_in_torch_every_micro_batch_gives_the_same_gradient(name: str, shape: Lengths, seed: int) -> None:
    """Autograd on the spec's own graph; also what the CPU kernels say of the same batch."""
    objective, batch = objective_of(name, "torch"), batch_of(name, shape, seed)
    wanted = at_once(objective, batch)
    assert is_same(at_once(objective_of(name), batch), wanted)
    for runs in cuts(objective, batch)[::3]:
        assert is_same(in_runs(objective, batch, runs, order=shuffled(len(runs), seed)), wanted)


@pytest.mark.wide(2)
@every_objective
def test_every_order_of_the_pieces_gives_the_same_gradient(name: str) -> None:
    """All of them, of up to four pieces."""
    objective, batch = objective_of(name), batch_of(name, RAGGED, 1)
    wanted = at_once(objective, batch)
    tried = 0
    for runs in cuts(objective, batch):
        if 1 < len(runs) <= 4:
            for order in permutations(range(len(runs))):
                assert is_same(in_runs(objective, batch, runs, order=order), wanted)
                tried += 1
    assert tried >= 6


# ------------------------------------------------------------------ micro-batches as a spec names them
def named(objective: CompiledObjective, batch: Batch, number: int, unit: str) -> Runs:
    """The runs of `micro_batch: number unit`."""
    return runs_of(objective, objective.batch(batch.layout, inputs_of(batch)), Amount(number, unit), ANY_MODEL)


@every_objective
@settings(max_examples=5)
@given(shape=lengths, seed=seeds)
def test_every_accumulation_count_gives_the_same_gradient(name: str, shape: Lengths, seed: int) -> None:
    """From one step over the whole batch to as many as there are prompts."""
    objective, batch = objective_of(name), batch_of(name, shape, seed)
    wanted = at_once(objective, batch)
    for count in range(1, len(shape) + 1):
        runs = named(objective, batch, -(-len(shape) // count), "prompts")
        assert len(runs) <= count
        assert is_same(in_runs(objective, batch, runs, order=shuffled(len(runs), seed)), wanted)


@pytest.mark.parametrize("name", [name for name in NAMES if COUPLING[name] != "prompt" or name == "preference"])
def test_every_number_of_samples_gives_the_same_gradient(name: str) -> None:
    """Also where a group is torn apart by it, if nothing but frozen numbers holds the group together."""
    objective, batch = objective_of(name), batch_of(name, RAGGED, 3)
    wanted = at_once(objective, batch)
    for number in range(1, 8):
        assert is_same(in_runs(objective, batch, named(objective, batch, number, "samples")), wanted)


# ------------------------------------------------------------------ chunks, inside a run
@pytest.mark.wide(4)
@every_objective
@pytest.mark.parametrize("rows", [1, 3, 7, 1000])
@pytest.mark.parametrize("threads", [1, 2])
def test_chunks_of_any_size_give_the_same_gradient(name: str, rows: int, threads: int) -> None:
    """From one row, where most pieces need a second pass over their logits, to all; in one call and in runs."""
    objective, batch = objective_of(name), batch_of(name, RAGGED, 4)
    wanted = at_once(objective, batch)
    chunked = CompiledObjective(objective.staged, chunk_bytes=4 * VOCABULARY * rows)
    torch.set_num_threads(threads)
    try:
        assert is_same(at_once(chunked, batch), wanted)
        for runs in cuts(chunked, batch)[::4]:
            assert is_same(in_runs(chunked, batch, runs), wanted)
    finally:
        torch.set_num_threads(1)


@pytest.mark.slow
@every_objective
@settings(max_examples=150)
@given(shape=lengths, seed=st.integers(0, 10**6))
def test_it_is_so_on_many_batches(name: str, shape: Lengths, seed: int) -> None:
    objective, batch = objective_of(name), batch_of(name, shape, seed)
    chunked = CompiledObjective(objective.staged, chunk_bytes=4 * VOCABULARY * (1 + seed % 9))
    wanted = at_once(objective, batch)
    for runs in cuts(objective, batch):
        assert is_same(in_runs(chunked, batch, runs, order=shuffled(len(runs), seed)), wanted)
