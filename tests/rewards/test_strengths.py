"""Bradley-Terry strengths: against the closed form of two, against another algorithm, absent where nothing identifies them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rldsl.rewards.strengths import log_strengths


def rows(chances: np.ndarray) -> np.ndarray:
    """A matrix of chances as each member's row of the others."""
    count = len(chances)
    return chances[~np.eye(count, dtype=bool)].reshape(count, count - 1)


def by_minorization(chances: np.ndarray) -> np.ndarray:
    """Hunter 2004, "MM algorithms for generalized Bradley-Terry models": `p_i <- W_i / sum_j n_ij / (p_i + p_j)`."""
    won = np.nan_to_num(chances) + np.nan_to_num(1 - chances).T
    np.fill_diagonal(won, 0)
    met, strength = won + won.T, np.ones(len(won))
    for _ in range(20_000):
        strength = won.sum(1) / (met / (strength[:, None] + strength[None, :])).sum(1)
        strength /= np.exp(np.log(strength).mean())
    return np.log(strength)


def test_two_members_are_as_far_apart_as_the_log_odds() -> None:
    found = log_strengths(np.array([[0.8], [0.2]]))
    assert found is not None and found == pytest.approx([math.log(4) / 2, -math.log(4) / 2], abs=1e-12)


def test_chances_that_come_from_strengths_give_them_back() -> None:
    strength = np.array([1.5, -0.5, 0.25, -1.25])
    chances = 1 / (1 + np.exp(strength[None, :] - strength[:, None]))
    assert log_strengths(rows(chances)) == pytest.approx(strength, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_it_agrees_with_another_algorithm(seed: int) -> None:
    draw = np.random.default_rng(seed)
    chances = draw.choice([0.0, 0.25, 0.5, 0.75, 1.0], (6, 6), p=[0.1, 0.25, 0.3, 0.25, 0.1])
    chances[draw.random((6, 6)) < 0.3] = np.nan
    found = log_strengths(rows(chances))
    assert found is not None
    assert found == pytest.approx(by_minorization(chances), abs=1e-6)


@pytest.mark.parametrize("wins", [
    np.zeros((1, 0)),                                        # alone
    np.array([[1.0], [0.0]]),                                # the second never wins: infinitely far
    np.array([[np.nan], [np.nan]]),                          # never compared
    np.array([[1.0, 1.0], [0.0, 0.5], [0.0, 0.5]]),          # the first always wins
    np.array([[0.5, np.nan], [0.5, np.nan], [np.nan, np.nan]]),  # the third met nobody
])
def test_what_the_comparisons_do_not_identify_is_absent(wins: np.ndarray) -> None:
    assert log_strengths(wins) is None


def test_one_side_of_a_pair_says_both() -> None:
    assert log_strengths(np.array([[0.8], [np.nan]])) == pytest.approx([math.log(4) / 2, -math.log(4) / 2], abs=1e-12)


def test_a_cycle_is_a_tie() -> None:
    assert log_strengths(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])) == pytest.approx([0, 0, 0], abs=1e-12)
