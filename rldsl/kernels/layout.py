"""Packed ragged layouts: offsets for each axis, and what follows from them. Knows axis names alone, nothing of graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rldsl.types import Level

Indices = npt.NDArray[np.int64]
_FIXED = frozenset({Level.CRITERION.word, Level.MEMBER.word})


@dataclass(frozen=True, slots=True)
class Layout:
    """How many places each axis has below each place of its parent.

    `parents[a]` is the name of the parent axis of `a` (`batch` is the root, of one place, and has none);
    `offsets[a]` (int64, one more than the parent has places) are where the places of `a` below each parent place start.
    Values of an axis are packed in that order, without padding. Axes of pairs (`types.pair_axis`) and of fixed parts
    (`types.parts_axis`) need not be given: their places follow from those of their parents, by their names.

    `covers[a]` says of an axis that covers another one (steps, of tokens) which, and where (as offsets) the places of that
    one start that lie in each of its own.
    """

    parents: Mapping[str, str]
    offsets: Mapping[str, Indices]
    covers: Mapping[str, tuple[str, Indices]] = field(default_factory=dict)
    _bounds: dict[tuple[str, str], Indices] = field(default_factory=dict, repr=False, compare=False)
    _owners: dict[tuple[str, str], Indices] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def of(parents: Mapping[str, str], counts: Mapping[str, Sequence[int] | Indices],
           covers: Mapping[str, tuple[str, Sequence[int] | Indices]] | None = None) -> Layout:
        """From counts: `counts[a][i]` places of `a` below place `i` of its parent; `covers[a]` the axis that `a` covers, and
        how many of its places lie in each of `a`."""
        offsets = {axis: starts_of(counts[axis]) for axis in parents}
        for axis, parent in parents.items():
            places = 1 if parent == "batch" else int(offsets[parent][-1]) if parent in offsets else len(offsets[axis]) - 1
            if len(offsets[axis]) != places + 1:
                raise ValueError(f"{len(offsets[axis]) - 1} counts of `{axis}` for {places} places of `{parent}`: one for each")
        covered = {axis: (over, starts_of(inside)) for axis, (over, inside) in (covers or {}).items()}
        return Layout(dict(parents), offsets, covered)

    def with_places(self, axis: str, parent: str, counts: Sequence[int] | Indices,
                    cover: tuple[str, Sequence[int] | Indices] | None = None) -> Layout:
        """This layout and an axis that was found: so many places below each of its parent. `cover`: which axis it covers, and
        how many places of that one lie in each of its own."""
        covers = self.covers if cover is None else {**self.covers, axis: (cover[0], starts_of(cover[1]))}
        return Layout({**self.parents, axis: parent}, {**self.offsets, axis: starts_of(counts)}, covers)

    def size(self, axis: str) -> int:
        """Number of places of the axis."""
        return 1 if axis == "batch" else int(self._starts(axis)[-1])

    def bounds(self, axis: str, ancestor: str) -> Indices:
        """Where the places of `axis` below each place of `ancestor` start; one more than `ancestor` has places."""
        if (found := self._bounds.get((axis, ancestor))) is not None:
            return found
        if axis == ancestor:
            result = np.arange(self.size(axis) + 1, dtype=np.int64)
        elif ancestor in self.covers and self.covers[ancestor][0] == axis:
            result = self.covers[ancestor][1]
        elif self.parent(axis) == ancestor:
            result = self._starts(axis)
        else:
            result = self._starts(axis)[self.bounds(self.parent(axis), ancestor)]
        self._bounds[axis, ancestor] = result
        return result

    def owners(self, axis: str, ancestor: str) -> Indices:
        """For each place of `axis`, the place of `ancestor` that it lies in."""
        if (found := self._owners.get((axis, ancestor))) is not None:
            return found
        result = np.repeat(np.arange(self.size(ancestor), dtype=np.int64), np.diff(self.bounds(axis, ancestor)))
        self._owners[axis, ancestor] = result
        return result

    def parent(self, axis: str) -> str:
        """The axis of which it has places below each place."""
        return self.parents[axis] if axis in self.parents else _derived(axis)[0]

    def _starts(self, axis: str) -> Indices:
        """The offsets of an axis; those of pairs and of fixed parts are found when they are first asked for."""
        if axis in self.offsets:
            return self.offsets[axis]
        parent, level, said = _derived(axis)
        if (found := self._bounds.get((axis, parent))) is None:
            if level in _FIXED:
                found = np.arange(self.size(parent) + 1, dtype=np.int64) * int(said.rpartition(" ")[2])
            else:
                sizes = np.diff(self.bounds(parent, said))
                found = starts_of(np.repeat(sizes - 1, sizes))
            self._bounds[axis, parent] = found
        return found


def starts_of(counts: Sequence[int] | Indices) -> Indices:
    """Where each run starts, and the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.asarray(counts, dtype=np.int64), dtype=np.int64)])


def _derived(axis: str) -> tuple[str, str, str]:
    """The parent of an axis of pairs or of fixed parts, its level, and what its name says in brackets: the group of the pairs,
    the number of the parts behind their maker."""
    if not axis.endswith(")"):
        raise KeyError(axis)
    opened, place = 0, len(axis)
    while place > 0:
        place -= 1
        opened += {")": 1, "(": -1}.get(axis[place], 0)
        if not opened:
            break
    parent, _, level = axis[:place].rpartition(".")
    return parent, level, axis[place + 1:-1]
