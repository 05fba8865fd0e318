"""Objectives of every coupling level: the numba schedules against float64 autograd, however a batch is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rldsl.kernels import head
from rldsl.kernels.rows import Rows
from rldsl.program import CompiledObjective
from tests.head.objectives import (
    as_logits,
    close,
    compiled,
    gradients,
    in_runs,
    ragged,
    reference,
)

NAMES = ["token", "sample", "prompt", "batch", "pairs", "exact"]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks may have a single row, so that small tests cut as large batches do."""
    monkeypatch.setattr(head, "LEAST_ROWS", 1)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_from_logits_are_those_of_the_reference(name: str) -> None:
    """In place and into a copy."""
    batch = as_logits(ragged(name))
    wanted = gradients(reference(name), batch)
    before = [leaf.detach().clone() for leaf in batch.leaves()]
    assert close(gradients(compiled(name), batch), wanted)
    assert all(torch.equal(leaf.detach(), kept) for leaf, kept in zip(batch.leaves(), before, strict=True))
    assert close(gradients(compiled(name), batch, in_place=True), wanted)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_from_hidden_states_are_those_of_the_reference(name: str) -> None:
    """By hidden states, weight and bias, scaled by what comes from above."""
    batch = ragged(name, bias=True)
    wanted = gradients(reference(name), batch, scale=-3.0)
    assert len(wanted) == len(batch.leaves())
    assert close(gradients(compiled(name), batch, scale=-3.0), wanted)


@pytest.mark.parametrize("rows", [1, 2, 5, 100])
@pytest.mark.parametrize("name", NAMES)
def test_chunks_of_any_size_give_the_same_gradient(name: str, rows: int) -> None:
    """From one row, where most pieces need a second pass, to all."""
    batch = ragged(name)
    objective = CompiledObjective(compiled(name).staged, chunk_bytes=rows * 4 * 300)
    assert close(gradients(objective, batch), gradients(compiled(name), batch))


@pytest.mark.parametrize("backend", ["numba", "torch"])
@pytest.mark.parametrize("name", NAMES)
def test_runs_of_any_size_give_the_same_gradient(name: str, backend: str) -> None:
    """Micro-batches of one sample, of some, of all; with a second pass where values couple more than a run holds."""
    batch = ragged(name)
    objective = compiled(name) if backend == "numba" else reference(name)
    wanted = gradients(compiled(name), batch)
    needed = set()
    for rows in (1, 6, 15, 1000):
        passes, found, values = in_runs(objective, batch, rows)
        needed.add(passes)
        assert close(found, wanted)
        assert np.isfinite(values["loss"])
    assert needed == ({1, 2} if name in ("prompt", "batch") else {1})


@pytest.mark.parametrize("name", ["token", "sample", "batch", "pairs"])
def test_runs_of_logits_give_the_same_gradient(name: str) -> None:
    """As those of hidden states do."""
    batch = as_logits(ragged(name))
    wanted = gradients(compiled(name), batch)
    for rows in (1, 15):
        assert close(in_runs(compiled(name), batch, rows)[1], wanted)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", ["token", "sample", "batch"])
def test_the_number_of_threads_changes_nothing(name: str, threads: int) -> None:
    """Rows are computed alone: the same bits for any number."""
    batch = as_logits(ragged(name, vocabulary=20000, repeat=3))
    wanted = gradients(compiled(name), batch)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = gradients(compiled(name), batch)
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_values_are_those_of_the_reference() -> None:
    """Loss and terms, at once and from runs."""
    for name in NAMES:
        batch = ragged(name)
        _, _, wanted = in_runs(reference(name), batch, 1000)
        _, _, found = in_runs(compiled(name), batch, 1)
        assert found.keys() == wanted.keys()
        assert all(abs(found[label] - wanted[label]) <= 1e-6 * max(1.0, abs(wanted[label])) for label in wanted)


def test_a_batch_without_signal_has_exactly_no_gradient() -> None:
    """All advantages 0: rows are zeros, and no GEMM runs backward."""
    batch = ragged("plain")
    batch.inputs["advantage"][:] = 0.0
    assert all(not gradient.any() for gradient in gradients(compiled("plain"), batch))
    assert all(not gradient.any() for gradient in gradients(compiled("plain"), as_logits(batch)))


@pytest.mark.parametrize("zeros", [0.2, 0.9])
def test_rows_without_a_gradient_leave_before_the_gemms(zeros: float) -> None:
    """The gradient is that of all rows: their part of it is exactly 0."""
    batch = ragged("plain", repeat=4)
    rng = np.random.default_rng(0)
    batch.inputs["advantage"][rng.random(len(batch.inputs["advantage"])) < zeros] = 0.0
    wanted = gradients(reference("plain"), batch)
    hidden = next(iter(batch.rows.values())).hidden
    assert hidden is not None
    for chunk_bytes in (1, 10 * 4 * 300, 1 << 20):
        found = gradients(CompiledObjective(compiled("plain").staged, chunk_bytes=chunk_bytes), batch)
        assert close(found, wanted)
        assert torch.equal(found[0].any(1), wanted[0].any(1))


def test_reading_leaves_logits_as_they_are() -> None:
    """Without autograd only the values are computed."""
    for name in ("plain", "token", "batch"):
        batch = as_logits(ragged(name))
        before = [leaf.detach().clone() for leaf in batch.leaves()]
        objective = compiled(name)
        with torch.no_grad():
            loss, values = objective.loss(objective.batch(batch.layout, batch.inputs), batch.rows, in_place=True)
        assert not loss.requires_grad and float(loss) == pytest.approx(values["loss"], rel=1e-6)
        assert all(torch.equal(leaf.detach(), kept) for leaf, kept in zip(batch.leaves(), before, strict=True))


def test_two_groups_may_lie_in_one_tensor() -> None:
    """Pairs scored in one forward pass: places say which row each token is scored at; other rows have no gradient."""
    batch = as_logits(ragged("pairs"))
    wanted = gradients(reference("pairs"), batch)
    order = list(batch.rows)
    given = [batch.rows[key].given.detach() for key in order]
    padding = torch.randn(3, given[0].shape[1])
    both = torch.cat([given[0], padding, given[1]]).requires_grad_()
    first = torch.arange(len(given[0]))
    places = {order[0]: first, order[1]: torch.arange(len(given[1])) + len(first) + 3}
    rows = {key: Rows(batch.rows[key].targets, logits=both, places=places[key]) for key in order}
    objective = compiled("pairs")
    for in_place in (False, True):
        both.grad = None
        loss, _ = objective.loss(objective.batch(batch.layout, batch.inputs), rows, in_place=in_place)
        loss.backward()
        assert both.grad is not None
        by_leaf = {id(leaf): gradient for leaf, gradient in zip(batch.leaves(), wanted, strict=True)}
        assert close([both.grad[places[key]] for key in order], [by_leaf[id(batch.rows[key].given)] for key in order])
        assert not both.grad[len(first) : len(first) + 3].any()
