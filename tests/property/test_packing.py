"""The order in which a batch is packed, and where its rows lie in memory, change nothing but the order of the gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rldsl.kernels.rows import Rows
from tests.laws.scenes import below, rearranged
from tests.property.splitting import (
    NAMES,
    VOCABULARY,
    Backend,
    Batch,
    Leaves,
    Lengths,
    at_once,
    batch_of,
    cuts,
    gathered,
    in_runs,
    is_same,
    lengths,
    objective_of,
)

every_objective = pytest.mark.parametrize("name", NAMES)
RAGGED: Lengths = ((3, 1, 0, 2), (4,), (6, 5))


def repacked(batch: Batch, seed: int) -> tuple[Batch, dict[str, np.ndarray]]:
    """Prompts in another order, and the samples of each; tokens stay in theirs."""
    random = np.random.default_rng(seed)
    axes = below(batch.layout, "batch") | {"y.sample"}
    scene, old = rearranged(batch.scene, lambda axis, places: random.permutation(places) if axis in axes else places)
    return replace(batch, scene=scene), old


@pytest.mark.wide(2)
@every_objective
@settings(max_examples=8)
@given(shape=lengths, seed=st.integers(0, 99))
def test_packing_in_another_order_permutes_the_gradient(name: str, shape: Lengths, seed: int) -> None:
    """At once, and cut into the runs that the new order gives."""
    check_packing("numba", name, shape, seed, every=3)


@pytest.mark.wide(2)
@every_objective
def test_in_torch_packing_in_another_order_permutes_the_gradient(name: str) -> None:
    for seed in range(2):
        check_packing("torch", name, RAGGED, seed, every=5)


def check_packing(backend: Backend, name: str, shape: Lengths, seed: int, every: int) -> None:
    objective, batch = objective_of(name, backend), batch_of(name, shape, seed)
    other, old = repacked(batch, seed)
    wanted = gathered(at_once(objective, batch), batch, old)
    assert is_same(at_once(objective, other), wanted)
    for runs in cuts(objective, other)[::every]:
        assert is_same(in_runs(objective, other, runs), wanted)


@every_objective
@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_rows_between_paddings_and_in_any_order_have_the_same_gradient(name: str, backend: Backend) -> None:
    """As a padded forward pass leaves them: `places` finds the rows, and what lies between them has no gradient."""
    objective, batch = objective_of(name, backend), batch_of(name, RAGGED, 6)
    wanted = at_once(objective, batch, Leaves.of(batch, as_logits=True))
    runs = cuts(objective, batch)[2]
    leaves, places = padded(Leaves.of(batch, as_logits=True), np.random.default_rng(0))
    for found in (at_once(objective, batch, leaves), in_runs(objective, batch, runs, padded_again(leaves))):
        picked = {response: gradient[places[response]] for response, gradient in found.rows.items()}
        assert is_same(replace(found, rows=picked), wanted)
        assert all(int(gradient.any(1).sum()) == int(wanted.rows[response].any(1).sum())
                   for response, gradient in found.rows.items())


def padded(leaves: Leaves, random: np.random.Generator) -> tuple[Leaves, dict[str, torch.Tensor]]:
    """The logits scattered over twice as many rows, the others of which hold numbers that must not matter."""
    found, places = {}, {}
    for (model, response), rows in leaves.rows.items():
        count = len(rows.targets)
        place = torch.from_numpy(random.permutation(2 * count)[:count])
        logits = torch.full((2 * count, VOCABULARY), 7.0)
        logits[place] = rows.given.detach()
        found[model, response] = Rows(rows.targets, logits=logits.requires_grad_(), places=place)
        places[response] = place
    return Leaves(found, None), places


def padded_again(leaves: Leaves) -> Leaves:
    """The same rows, without a gradient yet."""
    return Leaves({key: replace(rows, logits=rows.given.detach().clone().requires_grad_())
                   for key, rows in leaves.rows.items()}, None)
