"""Statistics against independent ways to compute them: pairs counted one by one, numpy's own."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rldsl.scores.comparing import compare_values
from rldsl.scores.statistics import best_of, centred, distribution_of, inversions, kendall, pearson, ranks, spearman

values = st.lists(st.sampled_from([0.0, 1.0, 2.0, 2.5, -1.0, math.nan]), min_size=2, max_size=12)


def tau_by_pairs(x: list[float], y: list[float]) -> float | None:
    """Kendall's tau-b as it is defined."""
    points = [(a, b) for a, b in zip(x, y, strict=True) if not math.isnan(a) and not math.isnan(b)]
    signs = [((a > c) - (a < c), (b > d) - (b < d)) for (a, b), (c, d) in combinations(points, 2)]
    first, second = sum(a != 0 for a, _ in signs), sum(b != 0 for _, b in signs)
    return sum(a * b for a, b in signs) / math.sqrt(first * second) if first and second else None


@given(st.data())
def test_kendalls_tau_is_that_of_the_pairs(data: st.DataObject) -> None:
    x = data.draw(values)
    y = data.draw(st.lists(st.sampled_from([0.0, 1.0, 3.0, math.nan]), min_size=len(x), max_size=len(x)))
    expected, found = tau_by_pairs(x, y), kendall(np.array(x), np.array(y))
    assert found == (None if expected is None else pytest.approx(expected))


@given(st.lists(st.integers(0, 40), max_size=30))
def test_inversions_are_the_pairs_that_stand_wrong(codes: list[int]) -> None:
    assert inversions(np.array(codes, np.int64)) == sum(a > b for a, b in combinations(codes, 2))


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1, 3.5, 2]


def test_correlations_are_numpys_and_nothing_where_one_does_not_vary() -> None:
    x, y = np.array([1.0, 2.0, 4.0, math.nan]), np.array([2.0, 1.0, 7.0, 5.0])
    assert pearson(x, y) == pytest.approx(np.corrcoef(x[:3], y[:3])[0, 1])
    assert spearman(x, y) == pytest.approx(0.5)  # ranks 1 2 3 against 2 1 3
    assert pearson(x, np.ones(4)) is None
    assert kendall(x, np.ones(4)) is None
    assert pearson(np.array([1.0]), np.array([1.0])) is None


def test_nothing_has_no_distribution_and_one_value_no_deviation() -> None:
    assert distribution_of(np.array([math.nan])).mean is None
    alone = distribution_of(np.array([2.0, math.nan]))
    assert (alone.count, alone.mean, alone.sd, alone.quartiles, alone.histogram) == (1, 2, None, (2, 2, 2), (1,))


def test_the_best_of_a_group_is_the_first_of_ties() -> None:
    groups = np.array([0, 0, 1, 1, 2, 3, 3])
    found = best_of(np.array([1, 1, 0, 2, math.nan, math.nan, -5.0]), groups)
    assert found.tolist() == [0, 3, -1, 6]
    assert centred(np.array([1, 2, 0, 2, math.nan, math.nan, -5.0]), groups)[:4].tolist() == [-0.5, 0.5, -1, 1]


@given(st.data())
def test_agreement_within_groups_is_the_mean_of_that_of_each(data: st.DataObject) -> None:
    x = data.draw(st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=1, max_size=14))
    y = data.draw(st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=len(x), max_size=len(x)))
    groups = np.cumsum(data.draw(st.lists(st.integers(0, 1), min_size=len(x), max_size=len(x))))
    groups -= groups[0]
    one, other = np.array(x), np.array(y)
    found = compare_values("", "", one, other, groups)
    each = [tau for group in range(groups[-1] + 1) if (tau := kendall(one[groups == group], other[groups == group])) is not None]
    assert found.ranked == len(each)
    assert found.kendall_within == (pytest.approx(sum(each) / len(each)) if each else None)
    rho = [r for group in range(groups[-1] + 1) if (r := spearman(one[groups == group], other[groups == group])) is not None]
    assert found.spearman_within == (pytest.approx(sum(rho) / len(rho)) if rho else None)


@pytest.mark.parametrize("scale", [2.0**720, 2.0**1015, 2.0**-1015])
def test_large_and_small_numbers_have_the_statistics_of_their_ratios(scale: float) -> None:
    """Of 1, 2, 3, 6: mean 3, variance (4 + 1 + 0 + 9) / 3."""
    values = np.array([1.0, 2.0, 3.0, 6.0])
    found = distribution_of(values * scale)
    assert found.mean == pytest.approx(3 * scale, rel=1e-12, abs=0)
    assert found.sd == pytest.approx(math.sqrt(14 / 3) * scale, rel=1e-12, abs=0)
    other = np.array([1.0, 3.0, 2.0, 5.0])
    assert pearson(values * scale, other) == pytest.approx(pearson(values, other), rel=1e-12)


def test_opposite_numbers_at_the_end_of_the_range_have_statistics() -> None:
    """The deviation of -m, m is sqrt(2) m, which is no number."""
    most = float(np.finfo(np.float64).max)
    found = distribution_of(np.array([-most, most]))
    assert (found.mean, found.sd, sum(found.histogram)) == (0.0, math.inf, 2)
