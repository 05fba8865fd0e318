"""Strengths from comparisons: the Bradley-Terry model of one group, fitted to how often each member won over each other."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
MOST_STEPS: Final = 200
PRECISE: Final = 1e-12  # of the gradient, for each comparison


def log_strengths(wins: Numbers) -> Numbers | None:
    """The log-strengths s of n members at which `sum w_ij log sigmoid(s_i - s_j)` is largest, their mean being 0 (Bradley and Terry
    1952). `wins[i]` are the shares in [0, 1] that member i won over each other, in their order; NaN where they were not compared.

    None where the data do not identify them: fewer than two members, or two parts of the group of which one never won over the
    other (Ford 1957), whose distance would be infinite, or unknown.
    """
    won = _won(wins)
    if len(won) < 2 or not _is_connected(won > 0):
        return None
    strengths = np.zeros(len(won))
    for _ in range(MOST_STEPS):
        slope, bend = _derivatives(won, strengths)
        if np.abs(slope).max() <= PRECISE * won.sum():
            break
        step: Numbers = np.linalg.solve(bend + np.ones_like(bend), slope).astype(np.float64)
        strengths = _climbed(won, strengths, step)
    centred: Numbers = strengths - strengths.mean()
    return centred


def _won(wins: Numbers) -> Numbers:
    """How much each member won over each other, from both sides of a pair: what i says of (i, j) is also what j lost."""
    count = len(wins)
    share = np.full((count, count), np.nan)
    share[~np.eye(count, dtype=np.bool_)] = wins.reshape(-1)
    there = ~np.isnan(share)
    found: Numbers = np.where(there, share, 0.0) + np.where(there, 1.0 - share, 0.0).T
    return found


def _is_connected(beats: npt.NDArray[np.bool_]) -> bool:
    """Whether every member is beaten, over some others, by every other."""
    reach = beats | np.eye(len(beats), dtype=np.bool_)
    for _ in range(max(1, int(np.ceil(np.log2(len(beats)))))):
        reach = reach @ reach
    return bool(reach.all())


def _likelihood(won: Numbers, strengths: Numbers) -> float:
    gaps = strengths[:, None] - strengths[None, :]
    return -float((won * np.logaddexp(0.0, -gaps)).sum())


def _derivatives(won: Numbers, strengths: Numbers) -> tuple[Numbers, Numbers]:
    """The gradient of the likelihood, and minus its Hessian (singular along the mean)."""
    chance = 1.0 / (1.0 + np.exp(strengths[None, :] - strengths[:, None]))
    met = won + won.T
    spread = met * chance * (1.0 - chance)
    bend: Numbers = np.diag(spread.sum(1)) - spread
    slope: Numbers = (won - met * chance).sum(1)
    return slope, bend


def _climbed(won: Numbers, strengths: Numbers, step: Numbers) -> Numbers:
    """A Newton step, halved until it does not go down."""
    start, share = _likelihood(won, strengths), 1.0
    while share > 1e-9 and _likelihood(won, strengths + share * step) < start:
        share /= 2
    return strengths + share * step
