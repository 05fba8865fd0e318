"""The meaning of reductions, scans and orders over ragged levels, in plain torch on packed storage.

Segments are the places of a finer axis below each place of a coarser one: `owners` gives, for each value, its segment,
and rises. An absent value is NaN. `keep` (or None for all) marks the values that a reduction looks at; the others are
left out. Differentiable as `pointwise` is: zero dominates, no second derivatives.

Knows nothing of graphs and levels. Functions of this file are copied into emitted torch modules by name, so each needs
torch, `pointwise` and its neighbours alone; that is why one file exports them all.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rldsl.kernels.pointwise import divide, multiply, sqrt


# ------------------------------------------------------------------ from coarse to fine
def filled(like: Tensor, value: float, count: int) -> Tensor:
    """`count` copies of a number."""
    return like.new_full((count,), value)


def spread(x: Tensor, owners: Tensor) -> Tensor:
    """The value of its segment at each place."""
    return x[owners]


def owners_of(bounds: Tensor) -> Tensor:
    """For each place of a finer axis, the place of the coarser one that it lies in, from where those start."""
    sizes = bounds[1:] - bounds[:-1]
    return torch.repeat_interleave(torch.arange(sizes.numel(), device=bounds.device), sizes)


def position(owners: Tensor, count: int, like: Tensor) -> Tensor:
    """0-based index of each place within its segment."""
    places = torch.arange(owners.numel(), device=owners.device)
    return (places - segment_starts(owners, count)[owners]).to(like.dtype)


def size(owners: Tensor, count: int, like: Tensor) -> Tensor:
    """How many places each segment has."""
    return torch.bincount(owners, minlength=count).to(like.dtype)


def segment_starts(owners: Tensor, count: int) -> Tensor:
    """The first place of each segment. Owners rise: a search, which no device makes the host wait for, as counting them would."""
    return torch.searchsorted(owners, torch.arange(count, device=owners.device))


def mirror_places(owners: Tensor, groups: Tensor, members: int, count: int) -> Tensor:
    """Of each ordered pair (i, j) of two members of a group, where (j, i) stands. `owners` gives the first member of each
    pair, `groups` the group of each of `members`, of `count` groups; a member's pairs follow the order of the others."""
    starts, low = segment_starts(owners, members), segment_starts(groups, count)[groups][owners]
    other = low + torch.arange(owners.numel(), device=owners.device) - starts[owners]
    other = other + (other >= owners).long()
    return starts[other] + owners - low - (owners > other).long()


def mirror(x: Tensor, owners: Tensor, groups: Tensor, members: int, count: int) -> Tensor:
    """At each pair (i, j) the value of (j, i)."""
    return x[mirror_places(owners, groups, members, count)]


# ------------------------------------------------------------------ reductions of each segment
def present(x: Tensor, mask: Tensor | None, optional: bool) -> Tensor | None:
    """What a reduction keeps: where the mask holds, and if `optional` where x is there. None: everything."""
    keep = None if mask is None else (mask.detach() != 0) & ~torch.isnan(mask.detach())
    if optional:
        there = ~torch.isnan(x.detach())
        keep = there if keep is None else keep & there
    return keep


def kept(x: Tensor, keep: Tensor | None, instead: float) -> Tensor:
    """x, and `instead` where it is left out."""
    return x if keep is None else x.masked_fill(~keep, instead)


def segment_sum(x: Tensor, owners: Tensor, count: int, keep: Tensor | None = None) -> Tensor:
    """Sum; of nothing 0."""
    return x.new_zeros(count).index_add(0, owners, kept(x, keep, 0.0))


def segment_count(x: Tensor, owners: Tensor, count: int, keep: Tensor | None = None) -> Tensor:
    """How many values."""
    return segment_sum(torch.ones_like(x), owners, count, keep)


def segment_mean(x: Tensor, owners: Tensor, count: int, keep: Tensor | None = None) -> Tensor:
    """Mean; of nothing absent. Of equal values it is that value, whatever their sum rounds to: a group of equal rewards has
    advantages and a deviation of exactly 0."""
    number = segment_count(x, owners, count, keep)
    mean = divide(segment_sum(x, owners, count, keep), number)
    rest = divide(segment_sum((x - mean[owners]).detach(), owners, count, keep), number)
    return mean + torch.where(torch.isfinite(rest), rest, 0.0)


def segment_var(x: Tensor, owners: Tensor, count: int, keep: Tensor | None = None, correction: int = 1) -> Tensor:
    """Variance: squared deviations from the mean over n - correction. Absent for n <= correction."""
    deviation = x - segment_mean(x, owners, count, keep)[owners]
    squares = segment_sum(multiply(deviation, deviation), owners, count, keep)
    degrees = segment_count(x, owners, count, keep) - correction
    return divide(squares, torch.where(degrees > 0, degrees, math.nan))


def segment_std(x: Tensor, owners: Tensor, count: int, keep: Tensor | None = None, correction: int = 1) -> Tensor:
    """Standard deviation: root of the variance; where that is 0 so is the gradient, not infinite."""
    variance = segment_var(x, owners, count, keep, correction)
    return torch.where(variance.detach() > 0, sqrt(variance), variance)


def segment_any(x: Tensor, owners: Tensor, count: int, keep: Tensor | None = None) -> Tensor:
    """Whether one holds; of nothing 0."""
    return (segment_sum((x.detach() != 0).to(x.dtype), owners, count, keep) > 0).to(x.dtype)


def segment_all(x: Tensor, owners: Tensor, count: int, keep: Tensor | None = None) -> Tensor:
    """Whether all hold; of nothing 1."""
    return (segment_sum((x.detach() == 0).to(x.dtype), owners, count, keep) == 0).to(x.dtype)


def first_place(chosen: Tensor, owners: Tensor, count: int) -> Tensor:
    """The first place of each segment that is chosen; -1 where none is."""
    nowhere = owners.numel()
    places = torch.arange(nowhere, device=owners.device).masked_fill(~chosen, nowhere)
    found = torch.full((count,), nowhere, device=owners.device).scatter_reduce(0, owners, places, "amin")
    return found.masked_fill(found == nowhere, -1)


def last_place(chosen: Tensor, owners: Tensor, count: int) -> Tensor:
    """The last place of each segment that is chosen; -1 where none is."""
    places = torch.arange(owners.numel(), device=owners.device).masked_fill(~chosen, -1)
    return torch.full((count,), -1, device=owners.device).scatter_reduce(0, owners, places, "amax")


def best_place(x: Tensor, owners: Tensor, count: int, keep: Tensor | None, largest: bool) -> Tensor:
    """Where each segment's smallest (largest) value stands, the first of ties; -1 in a segment without values.
    A NaN that is kept wins: a fault is not hidden."""
    value = -x.detach() if largest else x.detach()
    bound = kept(value, keep, math.inf)
    best = torch.full_like(x.detach()[:1], math.inf).expand(count) if x.numel() else x.new_zeros(count)
    best = best.scatter_reduce(0, owners, bound, "amin")[owners]
    chosen = (value == best) | (torch.isnan(value) & torch.isnan(best))
    return first_place(chosen if keep is None else chosen & keep, owners, count)


def at_place(x: Tensor, places: Tensor) -> Tensor:
    """The values at given places; absent where the place is -1."""
    if x.numel() == 0:
        return x.new_full(places.shape, math.nan)
    return x[places.clamp(min=0)].masked_fill(places < 0, math.nan)


def segment_min(x: Tensor, owners: Tensor, count: int, keep: Tensor | None = None) -> Tensor:
    """Smallest value; the first of ties takes the gradient. Of nothing absent."""
    return at_place(x, best_place(x, owners, count, keep, False))


def segment_max(x: Tensor, owners: Tensor, count: int, keep: Tensor | None = None) -> Tensor:
    """Largest value; the first of ties takes the gradient. Of nothing absent."""
    return at_place(x, best_place(x, owners, count, keep, True))


def segment_first(x: Tensor, owners: Tensor, count: int, keep: Tensor | None = None) -> Tensor:
    """The first value; of nothing absent."""
    return at_place(x, first_place(torch.ones_like(owners, dtype=torch.bool) if keep is None else keep, owners, count))


def segment_last(x: Tensor, owners: Tensor, count: int, keep: Tensor | None = None) -> Tensor:
    """The last value; of nothing absent."""
    return at_place(x, last_place(torch.ones_like(owners, dtype=torch.bool) if keep is None else keep, owners, count))


def segment_order(x: Tensor, owners: Tensor, keep: Tensor | None = None) -> Tensor:
    """Places sorted by segment, then those that are kept, then by value; stable, NaN last."""
    order = torch.argsort(x.detach(), stable=True)
    if keep is not None:
        order = order[torch.argsort((~keep[order]).to(torch.int8), stable=True)]
    return order[torch.argsort(owners[order], stable=True)]


def quantile_places(x: Tensor, owners: Tensor, count: int, level: Tensor,
                    keep: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Between which places each segment's quantile lies, and how far from the first to the second.
    The places are -1 in a segment without values; the fraction is NaN where a kept value is,
    and for a level outside of 0 .. 1."""
    inside = (level.detach() >= 0) & (level.detach() <= 1)
    ones = torch.ones_like(x.detach())
    sizes = segment_sum(ones, owners, count, keep)
    height = level.detach().masked_fill(~inside, 0.0) * (sizes - 1).clamp(min=0)
    below = torch.floor(height)
    order, starts = segment_order(x, owners, keep), segment_starts(owners, count)
    lower = _placed(order, starts + below.to(torch.int64), sizes)
    upper = _placed(order, starts + torch.minimum(below + 1, sizes - 1).to(torch.int64), sizes)
    faults = segment_sum(torch.isnan(x.detach()).to(x.dtype), owners, count, keep)
    return lower, upper, (height - below).masked_fill((faults > 0) | ~inside, math.nan)


def _placed(order: Tensor, ranks: Tensor, sizes: Tensor) -> Tensor:
    if order.numel() == 0:
        return torch.full_like(ranks, -1)
    return order[ranks.clamp(0, order.numel() - 1)].masked_fill(sizes <= 0, -1)


def segment_quantile(x: Tensor, owners: Tensor, count: int, level: Tensor, keep: Tensor | None = None) -> Tensor:
    """Quantile by linear interpolation, as torch.quantile; of nothing absent."""
    lower, upper, fraction = quantile_places(x, owners, count, level, keep)
    low, high = at_place(x, lower), at_place(x, upper)
    return torch.where(fraction == 0, low, low + multiply(high - low, fraction))


# ------------------------------------------------------------------ which values a reduction takes
def pick_place(owners: Tensor, places: Tensor, weights: Tensor) -> Tensor:
    """`weights` at the given places of the segments, 0 elsewhere."""
    nowhere = owners.numel()
    taken = weights.new_zeros(nowhere + 1).index_add(0, places.masked_fill(places < 0, nowhere), weights)
    return taken[:nowhere]


def pick_min(x: Tensor, owners: Tensor, count: int, keep: Tensor | None = None) -> Tensor:
    """1 where the smallest value of the segment stands (the first of ties), 0 elsewhere."""
    return pick_place(owners, best_place(x, owners, count, keep, False), x.new_ones(count))


def pick_max(x: Tensor, owners: Tensor, count: int, keep: Tensor | None = None) -> Tensor:
    """1 where the largest value of the segment stands (the first of ties), 0 elsewhere."""
    return pick_place(owners, best_place(x, owners, count, keep, True), x.new_ones(count))


def pick_quantile(x: Tensor, owners: Tensor, count: int, level: Tensor, keep: Tensor | None = None) -> Tensor:
    """The interpolation weights of the quantile."""
    lower, upper, fraction = quantile_places(x, owners, count, level, keep)
    return pick_place(owners, lower, 1 - fraction) + pick_place(owners, upper, fraction)


# ------------------------------------------------------------------ along the places of each segment
def shift(x: Tensor, fill: Tensor, owners: Tensor, offset: int) -> Tensor:
    """The value `offset` places later in the same segment, `fill` where there is none."""
    if x.numel() == 0:
        return x
    source = torch.arange(owners.numel(), device=owners.device) + offset
    inside = source.clamp(0, owners.numel() - 1)
    return torch.where((source == inside) & (owners[inside] == owners), x[inside], fill)


def scan(x: Tensor, decay: Tensor, owners: Tensor, from_end: bool) -> Tensor:
    """y = x + decay * (y of the next place), or of the one before unless `from_end`; each segment by itself.

    By doubling: after each round a value holds twice as many terms, so it takes log2(longest segment) rounds.
    """
    longest = int(torch.bincount(owners).max()) if owners.numel() else 0
    factor, step = decay.detach(), 1
    while step < longest:
        offset = step if from_end else -step
        x = x + multiply(factor, shift(x, torch.zeros_like(x), owners, offset))
        factor = factor * shift(factor, torch.zeros_like(factor), owners, offset)
        step *= 2
    return x


def rank(x: Tensor, owners: Tensor, count: int, descending: bool) -> Tensor:
    """0-based place of each value among those of its segment, stable, absent values last."""
    order = segment_order(-x.detach() if descending else x.detach(), owners)
    places = torch.arange(owners.numel(), device=owners.device)
    ranks = torch.empty_like(places).index_copy(0, order, places)
    return (ranks - segment_starts(owners, count)[owners]).to(x.dtype)
