"""Distributions, correlations and rank agreement of plain arrays. NaN is no value. Knows nothing of specs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

BINS: Final = 12
SAFE: Final = 200  # powers of two of which fourth powers are summed without passing a bound


@dataclass(frozen=True, slots=True)
class Distribution:
    """Of the values that are there. `sd` divides by n - 1. `histogram` counts equal bins from `minimum` to `maximum`. All
    None or empty where there is no value."""

    count: int
    mean: float | None
    sd: float | None
    minimum: float | None
    quartiles: tuple[float, float, float] | None
    maximum: float | None
    histogram: tuple[int, ...]


def distribution_of(values: Numbers) -> Distribution:
    """Of the finite values."""
    found = values[np.isfinite(values)]
    if not len(found):
        return Distribution(0, None, None, None, None, None, ())
    small, power = scaled(found)
    low, middle, high = (_grown(value, power) for value in np.quantile(small, (0.25, 0.5, 0.75)))
    first, last = float(small.min()), float(small.max())
    counts = np.histogram(small, bins=BINS, range=(first, last))[0] if last > first else np.array([len(found)])
    sd = _grown(float(small.std(ddof=1)), power) if len(found) > 1 else None
    return Distribution(len(found), _grown(float(small.mean()), power), sd, float(found.min()), (low, middle, high),
                        float(found.max()), tuple(int(count) for count in counts))


def _grown(value: float, power: int) -> float:
    """A scaled number as it was; the deviation of the largest numbers there are may be none."""
    try:
        return math.ldexp(value, power)
    except OverflowError:
        return math.inf


def scaled(values: Numbers) -> tuple[Numbers, int]:
    """The values divided by a power of two, exactly but for numbers that are nothing beside the largest, and that power."""
    power = int(np.frexp(np.abs(values).max())[1]) if values.size else 0
    power = power if abs(power) > SAFE else 0
    found: Numbers = np.ldexp(values, -power)
    return found, power


def pearson(x: Numbers, y: Numbers) -> float | None:
    """Of the places where both have a value; None where one of them does not vary there."""
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    if len(x) < 2 or x.min() == x.max() or y.min() == y.max():
        return None
    x, y = scaled(x)[0], scaled(y)[0]
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip((x @ y) / np.sqrt((x @ x) * (y @ y)), -1.0, 1.0))


def spearman(x: Numbers, y: Numbers) -> float | None:
    """Pearson's of the ranks, equal values sharing the mean of theirs."""
    both = np.isfinite(x) & np.isfinite(y)
    return pearson(ranks(x[both]), ranks(y[both]))


def ranks(values: Numbers) -> Numbers:
    """From 1; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    means: Numbers = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    return means


def kendall(x: Numbers, y: Numbers) -> float | None:
    """Kendall's tau-b: (concordant - discordant) / sqrt((pairs - tied in x) (pairs - tied in y)), exact, in O(n log^2 n)."""
    both = np.isfinite(x) & np.isfinite(y)
    (_, one, same_x), (_, other, same_y) = (
        np.unique(values[both], return_inverse=True, return_counts=True) for values in (x, y))
    pairs, tied_x, tied_y = _pairs(np.array([len(one)])), _pairs(same_x), _pairs(same_y)
    if not pairs or pairs in (tied_x, tied_y):
        return None
    code = np.sort(one * len(same_y) + other)
    tied_both = _pairs(np.unique(code, return_counts=True)[1])
    discordant = inversions(code % len(same_y))
    concordant = pairs - tied_x - tied_y + tied_both - discordant
    return float((concordant - discordant) / np.sqrt(float(pairs - tied_x) * float(pairs - tied_y)))


def inversions(codes: Indices) -> int:
    """Pairs of places of which the first has the larger whole number: bit by bit, those that differ first in that bit."""
    total, bits = 0, max(1, int(codes.max()).bit_length()) if len(codes) else 0
    for bit in range(bits):
        order = np.argsort(codes >> (bit + 1), kind="stable")
        groups, ones = codes[order] >> (bit + 1), (codes[order] >> bit) & 1
        before = np.cumsum(ones) - ones
        starts = np.searchsorted(groups, groups, side="left")
        total += int((before - before[starts])[ones == 0].sum())
    return total


def _pairs(counts: Indices) -> int:
    """Pairs within sets of these sizes."""
    return int((counts.astype(np.int64) * (counts - 1) // 2).sum())


def best_of(values: Numbers, groups: Indices) -> Indices:
    """The place of the largest value of each group, the first of ties; -1 for a group without values."""
    count = int(groups.max()) + 1 if len(groups) else 0
    found = np.full(count, -1, np.int64)
    order = np.lexsort((np.arange(len(values)), -np.where(np.isnan(values), -np.inf, values), groups))
    present = order[~np.isnan(values[order])]
    owners, first = np.unique(groups[present], return_index=True)
    found[owners] = present[first]
    return found


def centred(values: Numbers, groups: Indices) -> Numbers:
    """Values minus the mean of their group."""
    present = ~np.isnan(values)
    sums = np.bincount(groups[present], values[present], minlength=int(groups.max()) + 1 if len(groups) else 0)
    counts = np.bincount(groups[present], minlength=len(sums))
    found: Numbers = values - (sums / np.maximum(counts, 1))[groups]
    return found
