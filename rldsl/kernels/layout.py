"""Packed ragged layouts: offsets for each axis, and what follows from them. Knows axis names alone, nothing of graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rldsl.types import PAIRED

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Layout:
    """How many places each axis has below each place of its parent.

    `parents[a]` is the name of the parent axis of `a` (`batch` is the root, of one place, and has none);
    `offsets[a]` (int64, one more than the parent has places) are where the places of `a` below each parent place start.
    Values of an axis are packed in that order, without padding. An axis of pairs (`types.pair_axis`) need not be given: its
    places follow from those of its members.
    """

    parents: Mapping[str, str]
    offsets: Mapping[str, Indices]
    _bounds: dict[tuple[str, str], Indices] = field(default_factory=dict, repr=False, compare=False)
    _owners: dict[tuple[str, str], Indices] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def of(parents: Mapping[str, str], counts: Mapping[str, Sequence[int] | Indices]) -> Layout:
        """From counts: `counts[a][i]` places of `a` below place `i` of its parent."""
        offsets = {}
        for axis in parents:
            given = np.asarray(counts[axis], dtype=np.int64)
            offsets[axis] = np.concatenate([np.zeros(1, np.int64), np.cumsum(given, dtype=np.int64)])
        return Layout(dict(parents), offsets)

    def size(self, axis: str) -> int:
        """Number of places of the axis."""
        return 1 if axis == "batch" else int(self._starts(axis)[-1])

    def bounds(self, axis: str, ancestor: str) -> Indices:
        """Where the places of `axis` below each place of `ancestor` start; one more than `ancestor` has places."""
        if (found := self._bounds.get((axis, ancestor))) is not None:
            return found
        if axis == ancestor:
            result = np.arange(self.size(axis) + 1, dtype=np.int64)
        elif self._parent(axis) == ancestor:
            result = self._starts(axis)
        else:
            result = self._starts(axis)[self.bounds(self._parent(axis), ancestor)]
        self._bounds[axis, ancestor] = result
        return result

    def owners(self, axis: str, ancestor: str) -> Indices:
        """For each place of `axis`, the place of `ancestor` that it lies in."""
        if (found := self._owners.get((axis, ancestor))) is not None:
            return found
        result = np.repeat(np.arange(self.size(ancestor), dtype=np.int64), np.diff(self.bounds(axis, ancestor)))
        self._owners[axis, ancestor] = result
        return result

    def _parent(self, axis: str) -> str:
        return self.parents[axis] if axis in self.parents else _pair(axis)[0]

    def _starts(self, axis: str) -> Indices:
        """The offsets of an axis; those of pairs are found when they are first asked for."""
        if axis in self.offsets:
            return self.offsets[axis]
        members, among = _pair(axis)
        if (found := self._bounds.get((axis, members))) is None:
            sizes = np.diff(self.bounds(members, among))
            found = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.repeat(sizes - 1, sizes), dtype=np.int64)])
            self._bounds[axis, members] = found
        return found


def _pair(axis: str) -> tuple[str, str]:
    """The axes of the members and of their group, of an axis of pairs."""
    members, paired, among = axis.partition(PAIRED)
    if not paired:
        raise KeyError(axis)
    return members, among.removesuffix(")")
