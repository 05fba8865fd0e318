"""Cuts rows out of an iteration, with everything below them: an update batch. Shuffles by counting, draws nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rldsl.kernels.layout import Layout
from rldsl.rollouts.tokens import concatenated_ranges
from rldsl.train.seeds import seed_for

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a layout in a new order. `places[axis]` are the places of the whole that stand in it; those of derived
    axes (fixed parts) are found when they are asked for."""

    layout: Layout
    places: dict[str, Indices]
    whole: Layout

    def take(self, axis: str, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The values of this part; a scalar of the batch stays as it is."""
        return values if axis == "batch" else values[self.of(axis)]

    def of(self, axis: str) -> Indices:
        """The places of an axis of the whole that stand in this part."""
        if axis not in self.places:
            above, offsets = self.of(self.whole.parent(axis)), self.whole.bounds(axis, self.whole.parent(axis))
            self.places[axis] = concatenated_ranges(offsets[above], offsets[above + 1] - offsets[above])
        return self.places[axis]


def part_of(layout: Layout, rows: Mapping[str, Indices]) -> Part:
    """The named rows of each data set (all rows of those that are not named), in the order named."""
    places: dict[str, Indices] = {"batch": np.zeros(1, np.int64)}
    counts: dict[str, Indices] = {}
    for axis in _parents_first(layout):
        parent, offsets = layout.parents[axis], layout.offsets[axis]
        if parent == "batch" and axis in rows:
            places[axis] = rows[axis]
            counts[axis] = np.array([len(rows[axis])], np.int64)
            continue
        above = places[parent]
        counts[axis] = offsets[above + 1] - offsets[above]
        places[axis] = concatenated_ranges(offsets[above], counts[axis])
    covers = {axis: (over, np.diff(starts)[places[axis]]) for axis, (over, starts) in layout.covers.items()}
    return Part(Layout.of({axis: layout.parents[axis] for axis in counts}, counts, covers), places, layout)


def shuffled_batches(sizes: Mapping[str, int], size: int | None, seed: int, *purpose: str | int) -> list[dict[str, Indices]]:
    """Update batches that partition the drawn rows of each data set, in an order that `seed` and `purpose` decide.

    The first data set gives batches of `size` rows (all rows without one; the last batch may be smaller). Rows of
    further data sets are dealt out over as many batches, as evenly as they go.
    """
    names = list(sizes)
    orders = {name: _shuffle(sizes[name], seed_for(seed, "shuffle", name, *purpose)) for name in names}
    first = sizes[names[0]]
    width = min(size or first, first)
    count = -(-first // width)
    cuts = {name: [sizes[name] * place // count for place in range(count + 1)] for name in names}
    cuts[names[0]] = [min(place * width, first) for place in range(count + 1)]
    return [{name: orders[name][cuts[name][place]:cuts[name][place + 1]] for name in names} for place in range(count)]


def _shuffle(count: int, seed: int) -> Indices:
    return np.random.Generator(np.random.Philox(key=seed)).permutation(count).astype(np.int64)


def _parents_first(layout: Layout) -> list[str]:
    ordered: list[str] = []
    waiting = list(layout.parents)
    while waiting:
        ready = [axis for axis in waiting if layout.parents[axis] == "batch" or layout.parents[axis] in ordered]
        ordered += ready
        waiting = [axis for axis in waiting if axis not in ordered]
        if not ready:
            raise ValueError(f"axes without their parents: {', '.join(waiting)}")
    return ordered
