"""The arithmetic of numpy gives what torch's gives: name by name, at what is absent, infinite and zero, over ragged segments."""

from __future__ import annotations

import inspect
from itertools import product

import numpy as np
import pytest
import torch

from rldsl.emit.evaluation import PRODUCTS
from rldsl.graph.model import Function
from rldsl.kernels import pointwise, reference
from rldsl.kernels.arrays import pointwise as array_pointwise
from rldsl.kernels.arrays import reference as array_reference

EDGES = [-np.inf, -750.0, -2.5, -1.0, -1e-9, -0.0, 0.0, 0.3, 1.0, 2.0, 40.0, 750.0, np.inf, np.nan]
LOGICAL = (Function.AND, Function.OR, Function.NOT)
FUNCTIONS = [f"logical_{entry.value}" if entry in LOGICAL else entry.value for entry in Function if entry not in PRODUCTS]
SIZES = (3, 0, 1, 5, 2, 0)


def close(found: object, expected: torch.Tensor, what: str) -> None:
    """Equal to a few ulps, nothing where there is nothing."""
    np.testing.assert_allclose(np.asarray(found), expected.numpy(), rtol=1e-13, atol=1e-300, equal_nan=True, err_msg=what)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_functions_of_one_place_are_those_of_torch(name: str) -> None:
    theirs, ours = getattr(pointwise, name), getattr(array_pointwise, name)
    count = len(inspect.signature(theirs).parameters)
    columns = np.array(list(product(EDGES, repeat=count))).T
    close(ours(*columns), theirs(*map(torch.from_numpy, columns.copy())), name)


# ------------------------------------------------------------------ over segments
OWNERS = np.repeat(np.arange(len(SIZES)), SIZES)
VALUES = {
    "plain": np.array([2.0, -1, 2, 0.5, 3, 3, -4, 0, 3, 1, 1]),
    "absent": np.array([2.0, np.nan, 2, np.nan, 3, np.nan, -4, 0, 3, np.nan, np.nan]),
    "infinite": np.array([np.inf, -1, 2, 0.5, -np.inf, 3, -4, np.inf, 3, 1, -np.inf]),
}
KEEPS = {"all": None, "some": np.array([1, 0, 1, 1, 0, 1, 1, 1, 0, 0, 0], np.bool_)}
REDUCTIONS = [f"segment_{word}" for word in ("sum", "mean", "min", "max", "count", "any", "all", "first", "last", "var", "std")]
PICKS = ["pick_min", "pick_max"]


@pytest.mark.parametrize(("values", "keep"), list(product(VALUES, KEEPS)))
@pytest.mark.parametrize("name", [*REDUCTIONS, *PICKS])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_reductions_are_those_of_torch(name: str, values: str, keep: str) -> None:
    x, marks = VALUES[values], KEEPS[keep]
    found = getattr(array_reference, name)(x, OWNERS, len(SIZES), marks)
    there = None if marks is None else torch.from_numpy(marks)
    close(found, getattr(reference, name)(torch.from_numpy(x), torch.from_numpy(OWNERS), len(SIZES), there), name)


@pytest.mark.parametrize(("values", "keep"), list(product(("plain", "absent"), KEEPS)))
@pytest.mark.parametrize("level", [0.0, 0.3, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("name", ["segment_quantile", "pick_quantile"])
def test_quantiles_are_those_of_torch(name: str, level: float, values: str, keep: str) -> None:
    x, marks, levels = VALUES[values], KEEPS[keep], np.full(len(SIZES), level)
    there = None if marks is None else torch.from_numpy(marks)
    expected = getattr(reference, name)(
        torch.from_numpy(x), torch.from_numpy(OWNERS), len(SIZES), torch.from_numpy(levels), there)
    close(getattr(array_reference, name)(x, OWNERS, len(SIZES), levels, marks), expected, name)


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("direction", [False, True])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_ranks_shifts_and_scans_are_those_of_torch(values: str, direction: bool) -> None:
    x, owners = VALUES[values], torch.from_numpy(OWNERS)
    like, decay = torch.from_numpy(x), np.linspace(0.1, 1.1, len(x))
    close(array_reference.rank(x, OWNERS, len(SIZES), direction), reference.rank(like, owners, len(SIZES), direction), "rank")
    scanned = reference.scan(like, torch.from_numpy(decay), owners, direction)
    close(array_reference.scan(x, decay, OWNERS, direction), scanned, "scan")
    offset = 2 if direction else -1
    close(array_reference.shift(x, -x, OWNERS, offset), reference.shift(like, -like, owners, offset), "shift")


def test_places_and_sizes_are_those_of_torch() -> None:
    owners, like = torch.from_numpy(OWNERS), torch.zeros((), dtype=torch.float64)
    for name in ("position", "size"):
        expected = getattr(reference, name)(owners, len(SIZES), like)
        close(getattr(array_reference, name)(OWNERS, len(SIZES), np.zeros(())), expected, name)
    # pairs of the members of groups of 3, 1 and 2: 2 + 2 + 2, none, 1 + 1
    first, groups = np.array([0, 0, 1, 1, 2, 2, 4, 5]), np.array([0, 0, 0, 1, 2, 2])
    found = array_reference.mirror_places(first, groups, 6, 3)
    assert found.tolist() == [2, 4, 0, 5, 1, 3, 7, 6]
    close(found, reference.mirror_places(torch.from_numpy(first), torch.from_numpy(groups), 6, 3), "mirror")


@pytest.mark.parametrize("name", ["segment_sum", "segment_mean", "segment_min", "segment_first", "pick_max"])
def test_no_values_at_all_are_as_in_torch(name: str) -> None:
    nothing, nowhere = np.zeros(0), np.zeros(0, np.int64)
    with np.errstate(all="ignore"):
        found = getattr(array_reference, name)(nothing, nowhere, 2)
    close(found, getattr(reference, name)(torch.from_numpy(nothing), torch.from_numpy(nowhere), 2), name)
