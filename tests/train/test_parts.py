"""Update batches: they partition the rows, take everything below them, and depend on the seed and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rldsl.kernels.layout import Layout
from rldsl.train.parts import part_of, shuffled_batches

PARENTS = {"rows": "batch", "y.sample": "rows", "y.token": "y.sample", "pairs": "batch"}
COUNTS = {"rows": [3], "y.sample": [2, 0, 1], "y.token": [1, 2, 3], "pairs": [2]}


def test_a_part_takes_everything_below_its_rows_in_their_order() -> None:
    part = part_of(Layout.of(PARENTS, COUNTS), {"rows": np.array([2, 0])})
    assert part.places["y.sample"].tolist() == [2, 0, 1]
    assert part.places["y.token"].tolist() == [3, 4, 5, 0, 1, 2]
    assert part.layout.offsets["y.sample"].tolist() == [0, 1, 3]
    assert part.layout.offsets["y.token"].tolist() == [0, 3, 4, 6]
    assert part.places["pairs"].tolist() == [0, 1]
    assert part.take("y.sample", np.array([10.0, 11.0, 12.0])).tolist() == [12.0, 10.0, 11.0]
    assert part.take("batch", np.array([7.0])).tolist() == [7.0]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5), st.integers(1, 60))
def test_batches_partition_the_rows_of_every_data_set(rows: int, pairs: int, seed: int, size: int) -> None:
    batches = shuffled_batches({"rows": rows, "pairs": pairs}, size, seed, 1)
    for name, count in (("rows", rows), ("pairs", pairs)):
        assert sorted(np.concatenate([batch[name] for batch in batches]).tolist()) == list(range(count))
    assert all(len(batch["rows"]) == size for batch in batches[:-1])


def test_without_a_size_there_is_one_batch() -> None:
    assert [len(batch["rows"]) for batch in shuffled_batches({"rows": 5}, None, 0)] == [5]


@pytest.mark.parametrize("purpose", [(0, 0), (0, 1), (1, 0)])
def test_the_order_depends_on_seed_and_purpose(purpose: tuple[int, int]) -> None:
    first, again, other = (shuffled_batches({"rows": 30}, 10, seed, *purpose) for seed in (0, 0, 1))
    assert all((one["rows"] == two["rows"]).all() for one, two in zip(first, again, strict=True))
    assert any((one["rows"] != two["rows"]).any() for one, two in zip(first, other, strict=True))
