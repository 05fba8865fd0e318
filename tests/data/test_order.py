"""The order of draws: fair, repeatable, restored from a position alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rldsl.data.order import RowOrder


def test_an_epoch_gives_every_row_once() -> None:
    order = RowOrder(100, seed=3)
    for epoch in range(5):
        assert sorted(order.draw(100 * epoch, 100).tolist()) == list(range(100))


def test_the_order_follows_the_seed_and_the_epoch() -> None:
    first = RowOrder(50, seed=1).draw(0, 50).tolist()
    assert RowOrder(50, seed=1).draw(0, 50).tolist() == first
    assert RowOrder(50, seed=2).draw(0, 50).tolist() != first
    assert RowOrder(50, seed=1).draw(50, 50).tolist() != first


def test_a_position_alone_restores_the_order() -> None:
    whole = [RowOrder(37, seed=5).draw(8 * step, 8).tolist() for step in range(40)]
    resumed = RowOrder(37, seed=5)
    assert [resumed.draw(8 * step, 8).tolist() for step in range(23, 40)] == whole[23:]


def test_draws_do_not_depend_on_how_they_are_cut() -> None:
    order = RowOrder(90, seed=0)
    whole = np.concatenate([order.draw(30 * step, 30) for step in range(12)])
    pieces = np.concatenate([order.draw(10 * step, 10) for step in range(36)])
    assert np.array_equal(whole, pieces)


@given(count=st.integers(1, 60), position=st.integers(0, 300), n=st.integers(0, 60), seed=st.integers(0, 5))
@settings(max_examples=200)
def test_one_draw_never_holds_a_row_twice_where_there_are_enough(count: int, position: int, n: int,
                                                                 seed: int) -> None:
    drawn = RowOrder(count, seed).draw(position, n).tolist()
    assert len(drawn) == n
    assert all(0 <= row < count for row in drawn)
    if n <= count:
        assert len(set(drawn)) == n


def test_draws_of_up_to_a_third_of_the_rows_give_every_row_equally_often() -> None:
    order = RowOrder(31, seed=0)
    counts = Counter(row for step in range(31) for row in order.draw(10 * step, 10).tolist())
    assert set(counts.values()) == {10}


def test_more_rows_than_there_are_repeat_by_epochs() -> None:
    counts = Counter(RowOrder(5, seed=0).draw(0, 12).tolist())
    assert sum(counts.values()) == 12
    assert set(counts.values()) <= {2, 3}


def test_epochs_do_not_fall_into_fixed_halves() -> None:
    order = RowOrder(30, seed=0)
    firsts = [frozenset(order.draw(30 * epoch, 10).tolist()) for epoch in range(200)]
    counts = Counter(row for first in firsts for row in first)
    assert len(set(firsts)) == 200
    assert min(counts.values()) > 35  # 66.7 on average
    assert max(counts.values()) < 100


def test_an_order_of_no_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        RowOrder(0, seed=0)
    with pytest.raises(ValueError, match="must not be negative"):
        RowOrder(3, seed=0).draw(-1, 2)


def test_a_million_rows_are_ordered_quickly() -> None:
    order = RowOrder(1_000_000, seed=0)
    assert len(set(order.draw(999_900, 200).tolist())) == 200
