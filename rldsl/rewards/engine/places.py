"""Marks on places of one axis seen from another one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rldsl.kernels.layout import Layout
from rldsl.rewards.engine.asked import Mask
from rldsl.types import Axis


@dataclass(frozen=True, slots=True)
class Places:
    """Marks move along one layout."""

    layout: Layout

    def spread(self, marks: Mask, coarse: Axis, fine: Axis) -> Mask:
        """The marks of the places that each finer place lies in."""
        return marks[self.layout.owners(fine.name, coarse.name)]

    def any_in(self, marks: Mask, fine: Axis, coarse: Axis) -> Mask:
        """The coarse places in which a finer one is marked."""
        found = np.zeros(self.layout.size(coarse.name), np.bool_)
        found[self.layout.owners(fine.name, coarse.name)[marks]] = True
        return found

    def any_beside(self, marks: Mask, axis: Axis, per: Axis) -> Mask:
        """All places of each group that has a mark."""
        return self.spread(self.any_in(marks, axis, per), per, axis)

    def across(self, marks: Mask, there: Axis, here: Axis) -> Mask:
        """Marks on `there` as seen from `here`, whichever is finer; every place where neither lies within the other."""
        if there.name == here.name:
            return marks
        if here.is_within(there):
            return self.spread(marks, there, here)
        if there.is_within(here):
            return self.any_in(marks, there, here)
        return np.full(self.layout.size(here.name), bool(marks.any()))
