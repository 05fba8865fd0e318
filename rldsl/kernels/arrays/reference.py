"""The reductions, scans and orders of `kernels.reference` on numpy arrays, name by name; no gradients, no torch.

`owners` gives, for each value, its segment, and rises. An absent value is NaN. `keep` (or None for all) marks the values that a
reduction looks at.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rldsl.kernels.arrays.pointwise import divide

Numbers: TypeAlias = "npt.NDArray[np.float64]"
Indices: TypeAlias = "npt.NDArray[np.int64]"
Mask: TypeAlias = "npt.NDArray[np.bool_]"


# ------------------------------------------------------------------ from coarse to fine
def position(owners: Indices, count: int, like: Numbers) -> Any:
    """0-based index of each place within its segment."""
    return (np.arange(len(owners)) - segment_starts(owners, count)[owners]).astype(like.dtype)


def size(owners: Indices, count: int, like: Numbers) -> Any:
    """How many places each segment has."""
    return np.bincount(owners, minlength=count).astype(like.dtype)


def segment_starts(owners: Indices, count: int) -> Any:
    """The first place of each segment."""
    sizes = np.bincount(owners, minlength=count)
    return np.cumsum(sizes) - sizes


def mirror_places(owners: Indices, groups: Indices, members: int, count: int) -> Any:
    """Of each ordered pair (i, j) of two members of a group, where (j, i) stands."""
    starts, low = segment_starts(owners, members), segment_starts(groups, count)[groups][owners]
    other = low + np.arange(len(owners)) - starts[owners]
    other = other + (other >= owners)
    return starts[other] + owners - low - (owners > other)


# ------------------------------------------------------------------ reductions of each segment
def present(x: Numbers, mask: Numbers | None, optional: bool) -> Any:
    """What a reduction keeps: where the mask holds, and if `optional` where x is there. None: everything."""
    keep = None if mask is None else (mask != 0) & ~np.isnan(mask)
    if optional:
        there = ~np.isnan(x)
        keep = there if keep is None else keep & there
    return keep


def kept(x: Numbers, keep: Mask | None, instead: float) -> Any:
    """x, and `instead` where it is left out."""
    return x if keep is None else np.where(keep, x, instead)


def segment_sum(x: Numbers, owners: Indices, count: int, keep: Mask | None = None) -> Any:
    """Sum; of nothing 0."""
    return np.bincount(owners, weights=kept(x, keep, 0.0), minlength=count)


def segment_count(x: Numbers, owners: Indices, count: int, keep: Mask | None = None) -> Any:
    """How many values."""
    return segment_sum(np.ones(len(owners)), owners, count, keep)


def segment_mean(x: Numbers, owners: Indices, count: int, keep: Mask | None = None) -> Any:
    """Mean; of nothing absent. Of equal values it is that value, whatever their sum rounds to."""
    number = segment_count(x, owners, count, keep)
    mean = divide(segment_sum(x, owners, count, keep), number)
    rest = divide(segment_sum(x - mean[owners], owners, count, keep), number)
    return mean + np.where(np.isfinite(rest), rest, 0.0)


def segment_var(x: Numbers, owners: Indices, count: int, keep: Mask | None = None, correction: int = 1) -> Any:
    """Variance: squared deviations from the mean over n - correction. Absent for n <= correction."""
    deviation = x - segment_mean(x, owners, count, keep)[owners]
    squares = segment_sum(deviation * deviation, owners, count, keep)
    degrees = segment_count(x, owners, count, keep) - correction
    return divide(squares, np.where(degrees > 0, degrees, np.nan))


def segment_std(x: Numbers, owners: Indices, count: int, keep: Mask | None = None, correction: int = 1) -> Any:
    """Standard deviation: root of the variance."""
    return np.sqrt(segment_var(x, owners, count, keep, correction))


def segment_any(x: Numbers, owners: Indices, count: int, keep: Mask | None = None) -> Any:
    """Whether one holds; of nothing 0."""
    return (segment_sum((x != 0).astype(x.dtype), owners, count, keep) > 0).astype(x.dtype)


def segment_all(x: Numbers, owners: Indices, count: int, keep: Mask | None = None) -> Any:
    """Whether all hold; of nothing 1."""
    return (segment_sum((x == 0).astype(x.dtype), owners, count, keep) == 0).astype(x.dtype)


def first_place(chosen: Mask, owners: Indices, count: int) -> Any:
    """The first place of each segment that is chosen; -1 where none is."""
    found = np.full(count, -1, np.int64)
    places = np.flatnonzero(chosen)[::-1]
    found[owners[places]] = places  # of several values for one place the last, which is the first of the segment
    return found


def best_place(x: Numbers, owners: Indices, count: int, keep: Mask | None, largest: bool) -> Any:
    """Where each segment's smallest (largest) value stands, the first of ties; -1 in a segment without values.
    A NaN that is kept wins: a fault is not hidden."""
    value = -x if largest else x
    best = np.full(count, np.inf)
    np.minimum.at(best, owners, kept(value, keep, np.inf))
    own = best[owners]
    chosen = (value == own) | (np.isnan(value) & np.isnan(own))
    return first_place(chosen if keep is None else chosen & keep, owners, count)


def at_place(x: Numbers, places: Indices) -> Any:
    """The values at given places; absent where the place is -1."""
    if x.size == 0:
        return np.full(places.shape, np.nan)
    return np.where(places < 0, np.nan, x[np.maximum(places, 0)])


def segment_min(x: Numbers, owners: Indices, count: int, keep: Mask | None = None) -> Any:
    """Smallest value. Of nothing absent."""
    return at_place(x, best_place(x, owners, count, keep, False))


def segment_max(x: Numbers, owners: Indices, count: int, keep: Mask | None = None) -> Any:
    """Largest value. Of nothing absent."""
    return at_place(x, best_place(x, owners, count, keep, True))


def segment_first(x: Numbers, owners: Indices, count: int, keep: Mask | None = None) -> Any:
    """The first value; of nothing absent."""
    return at_place(x, first_place(np.ones(len(owners), np.bool_) if keep is None else keep, owners, count))


def segment_last(x: Numbers, owners: Indices, count: int, keep: Mask | None = None) -> Any:
    """The last value; of nothing absent."""
    found = np.full(count, -1, np.int64)
    places = np.arange(len(owners)) if keep is None else np.flatnonzero(keep)
    found[owners[places]] = places
    return at_place(x, found)


def segment_order(x: Numbers, owners: Indices, keep: Mask | None = None) -> Any:
    """Places sorted by segment, then those that are kept, then by value; stable, NaN last."""
    order = np.argsort(x, kind="stable")
    if keep is not None:
        order = order[np.argsort(~keep[order], kind="stable")]
    return order[np.argsort(owners[order], kind="stable")]


def quantile_places(x: Numbers, owners: Indices, count: int, level: Numbers, keep: Mask | None) -> tuple[Any, Any, Any]:
    """Between which places each segment's quantile lies, and how far from the first to the second. The places are -1 in a
    segment without values; the fraction is NaN where a kept value is, and for a level outside of 0 .. 1."""
    inside = (level >= 0) & (level <= 1)
    sizes = segment_count(x, owners, count, keep)
    height = np.where(inside, level, 0.0) * np.maximum(sizes - 1, 0)
    below = np.floor(height)
    order, starts = segment_order(x, owners, keep), segment_starts(owners, count)
    lower = _placed(order, starts + below.astype(np.int64), sizes)
    upper = _placed(order, starts + np.minimum(below + 1, sizes - 1).astype(np.int64), sizes)
    faults = segment_sum(np.isnan(x).astype(np.float64), owners, count, keep)
    return lower, upper, np.where((faults > 0) | ~inside, np.nan, height - below)


def _placed(order: Indices, ranks: Indices, sizes: Numbers) -> Any:
    if order.size == 0:
        return np.full(ranks.shape, -1)
    return np.where(sizes > 0, order[np.clip(ranks, 0, order.size - 1)], -1)


def segment_quantile(x: Numbers, owners: Indices, count: int, level: Numbers, keep: Mask | None = None) -> Any:
    """Quantile by linear interpolation; of nothing absent."""
    lower, upper, fraction = quantile_places(x, owners, count, level, keep)
    low, high = at_place(x, lower), at_place(x, upper)
    return np.where(fraction == 0, low, low + (high - low) * fraction)


# ------------------------------------------------------------------ which values a reduction takes
def pick_place(owners: Indices, places: Indices, weights: Numbers) -> Any:
    """`weights` at the given places of the segments, 0 elsewhere."""
    found = places >= 0
    return np.bincount(places[found], weights=weights[found], minlength=len(owners))


def pick_min(x: Numbers, owners: Indices, count: int, keep: Mask | None = None) -> Any:
    """1 where the smallest value of the segment stands (the first of ties), 0 elsewhere."""
    return pick_place(owners, best_place(x, owners, count, keep, False), np.ones(count))


def pick_max(x: Numbers, owners: Indices, count: int, keep: Mask | None = None) -> Any:
    """1 where the largest value of the segment stands (the first of ties), 0 elsewhere."""
    return pick_place(owners, best_place(x, owners, count, keep, True), np.ones(count))


def pick_quantile(x: Numbers, owners: Indices, count: int, level: Numbers, keep: Mask | None = None) -> Any:
    """The interpolation weights of the quantile."""
    lower, upper, fraction = quantile_places(x, owners, count, level, keep)
    return pick_place(owners, lower, 1 - fraction) + pick_place(owners, upper, fraction)


# ------------------------------------------------------------------ along the places of each segment
def shift(x: Numbers, fill: Numbers, owners: Indices, offset: int) -> Any:
    """The value `offset` places later in the same segment, `fill` where there is none."""
    if x.size == 0:
        return x
    source = np.arange(len(owners)) + offset
    inside = np.clip(source, 0, len(owners) - 1)
    return np.where((source == inside) & (owners[inside] == owners), x[inside], fill)


def scan(x: Numbers, decay: Numbers, owners: Indices, from_end: bool) -> Any:
    """y = x + decay * (y of the next place), or of the one before unless `from_end`; each segment by itself, by doubling."""
    longest = int(np.bincount(owners).max()) if len(owners) else 0
    factor, step = decay, 1
    while step < longest:
        offset = step if from_end else -step
        x = x + factor * shift(x, np.zeros_like(x), owners, offset)
        factor = factor * shift(factor, np.zeros_like(factor), owners, offset)
        step *= 2
    return x


def rank(x: Numbers, owners: Indices, count: int, descending: bool) -> Any:
    """0-based place of each value among those of its segment, stable, absent values last."""
    order = segment_order(-x if descending else x, owners)
    ranks = np.empty(len(owners), np.int64)
    ranks[order] = np.arange(len(owners))
    return (ranks - segment_starts(owners, count)[owners]).astype(x.dtype)
