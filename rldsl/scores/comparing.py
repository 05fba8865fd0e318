"""What differs between two rewards of the same completions: ranks, bests of groups, signs, samples. Knows only numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from rldsl.scores.statistics import Indices, Numbers, best_of, centred, kendall, pearson, spearman

MOST_SHOWN: Final = 5
PROMPT, COMPLETION = 200, 400  # characters of a text that are shown


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One completion. `place` counts completions from 0 in the order of `scores.parquet`; `moved` is how far its rank within
    its group goes, as a share of the group (of all completions, where groups are of one)."""

    place: int
    row: int
    before: float | None
    after: float | None
    moved: float
    prompt: str
    completion: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """`name` before and after (or here and there). `kendall_within` is the mean of Kendall's tau-b over the `ranked` groups in
    which both vary. `best_changed` counts the groups, of `groups` with several values, whose best completion is another one;
    `signs_changed` the completions, of `compared`, whose value minus the mean of their group has another sign. None where
    nothing can be said. All of it is of the completions that have a number before and after; `missing_before` and
    `missing_after` have none there. `notes` say what was changed."""

    title: str
    name: str
    compared: int
    mean_before: float | None
    mean_after: float | None
    pearson: float | None
    spearman: float | None
    kendall: float | None
    kendall_within: float | None
    spearman_within: float | None
    ranked: int
    groups: int
    best_changed: int
    signs_changed: int
    flat_before: int
    flat_after: int
    missing_before: int = 0
    missing_after: int = 0
    largest: tuple[Disagreement, ...] = ()
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    @property
    def is_same(self) -> bool:
        """Whether every completion has the same value."""
        return not self.largest


def compare_values(title: str, name: str, before: Numbers, after: Numbers, groups: Indices) -> Comparison:
    """Without texts; `largest` are the places that move most, with a row of -1."""
    both = np.isfinite(before) & np.isfinite(after)
    within = _within(before, after, groups, both)
    count = int(groups.max()) + 1 if len(groups) else 0
    several = np.bincount(groups[both], minlength=count) >= 2
    first, second = (np.where(both, values, np.nan) for values in (before, after))
    best = best_of(first, groups) != best_of(second, groups)
    signs = np.sign(_settled(centred(first, groups))) != np.sign(_settled(centred(second, groups)))
    moved = np.abs(_relative_ranks(second, groups, several) - _relative_ranks(first, groups, several))
    return Comparison(
        title, name, int(both.sum()), _mean(first), _mean(second), pearson(before, after), spearman(before, after),
        kendall(before, after), *within, int(several.sum()), int((best & several).sum()),
        int((signs & both & several[groups]).sum()), _flat(first, groups, several), _flat(second, groups, several),
        int((~np.isfinite(before)).sum()), int((~np.isfinite(after)).sum()), _largest(before, after, moved))


def _within(before: Numbers, after: Numbers, groups: Indices, both: Any) -> tuple[float | None, float | None, int]:
    """Means over groups of Kendall's tau-b and of Spearman's rho, and over how many."""
    order = np.argsort(groups[both], kind="stable")
    x, y, owners = before[both][order], after[both][order], groups[both][order]
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(owners)) + 1, [len(owners)]])
    sizes = np.diff(bounds)
    taus: list[Numbers] = []
    rhos: list[Numbers] = []
    for size in np.unique(sizes[sizes >= 2]):
        starts = bounds[:-1][sizes == size]
        for block in np.array_split(starts, max(1, len(starts) * int(size) ** 2 // (1 << 22))):
            places = block[:, None] + np.arange(size)
            tau, rho = _block_agreement(x[places], y[places])
            taus.append(tau)
            rhos.append(rho)
    tau, rho = (np.concatenate(parts) if parts else np.zeros(0) for parts in (taus, rhos))
    known = ~np.isnan(tau)
    return _mean(tau), _mean(rho), int(known.sum())


def _block_agreement(x: Numbers, y: Numbers) -> tuple[Numbers, Numbers]:
    """Tau-b and rho of each row of two matrices [groups, members]; NaN where one does not vary."""
    one, other = (np.sign(m[:, :, None] - m[:, None, :]) for m in (x, y))
    with np.errstate(invalid="ignore", divide="ignore"):
        tau = (one * other).sum((1, 2)) / np.sqrt((one != 0).sum((1, 2)) * (other != 0).sum((1, 2)).astype(np.float64))
        a, b = one.sum(2), other.sum(2)  # twice the rank, centred
        rho = (a * b).sum(1) / np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return tau, rho


def _relative_ranks(values: Numbers, groups: Indices, several: Any) -> Numbers:
    """In [0, 1] within its group, ties sharing; where groups are of one, among all."""
    owners = groups if several.any() else np.zeros_like(groups)
    order = np.lexsort((values, owners))
    present = order[~np.isnan(values[order])]
    v, g = values[present], owners[present]
    is_new = np.concatenate([[True], (np.diff(v) != 0) | (np.diff(g) != 0)]) if len(v) else np.zeros(0, bool)
    runs = np.cumsum(is_new) - 1
    starts = np.flatnonzero(is_new)
    ends = np.append(starts[1:], len(v))
    sizes = np.bincount(g, minlength=int(owners.max()) + 1 if len(owners) else 0)
    first = (np.cumsum(sizes) - sizes)[g]
    ranks = np.full(len(values), np.nan)
    if len(v):
        ranks[present] = ((starts + ends - 1) / 2.0)[runs] - first
        ranks[present] /= np.maximum(sizes[g] - 1, 1)
    return ranks


def _largest(before: Numbers, after: Numbers, moved: Numbers) -> tuple[Disagreement, ...]:
    gap = np.abs(after - before)
    order = np.lexsort((np.arange(len(moved)), -np.nan_to_num(gap), -np.nan_to_num(moved)))
    places = [int(place) for place in order[:MOST_SHOWN] if moved[place] > 0 or gap[place] > 0]
    return tuple(Disagreement(place, -1, _number(before[place]), _number(after[place]), float(np.nan_to_num(moved[place])), "", "")
                 for place in places)


def _flat(values: Numbers, groups: Indices, several: Any) -> int:
    present = ~np.isnan(values)
    low, high = np.full(len(several), np.inf), np.full(len(several), -np.inf)
    np.minimum.at(low, groups[present], values[present])
    np.maximum.at(high, groups[present], values[present])
    return int((low[several] == high[several]).sum())


def _settled(values: Numbers) -> Numbers:
    """Rounding in a mean is no sign."""
    scale = np.nanmax(np.abs(values)) if np.isfinite(values).any() else 0.0
    found: Numbers = np.where(np.abs(values) <= 1e-12 * scale, 0.0, values)
    return found


def _mean(values: Numbers) -> float | None:
    found = values[np.isfinite(values)]
    return float(found.mean()) if len(found) else None


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
