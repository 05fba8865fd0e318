"""What one call of a graph was asked so far, and what came of it. Asks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rldsl.graph.model import Node
from rldsl.rewards.outcome import Cost, Failure, Outcome
from rldsl.types import NUMERIC

Mask: TypeAlias = npt.NDArray[np.bool_]
Column: TypeAlias = "npt.NDArray[np.float64] | list[Any]"


@dataclass(slots=True)
class Asked:
    """Values of all places, absent where none was asked (`open`). A place whose input is absent counts as asked: it is absent
    whoever is asked. `seconds` is the time that its calls took, whatever ran beside them."""

    values: Column
    open: Mask
    failed: dict[int, Failure] = field(default_factory=dict)
    evidence: dict[int, Any] = field(default_factory=dict)
    seconds: float = 0.0
    cost: Cost = field(default_factory=Cost)
    computed: int = 0

    @staticmethod
    def nothing(node: Node, places: int) -> Asked:
        """Before anything is asked."""
        return Asked(absent_column(node, places), np.ones(places, np.bool_))

    @property
    def is_whole(self) -> bool:
        """Whether every place was asked."""
        return not bool(self.open.any())

    def add(self, places: Sequence[int], outcome: Outcome) -> None:
        """What was said at some places."""
        where = np.asarray(places, dtype=np.int64)
        self.open[where] = False
        if isinstance(self.values, list):
            for place, value in zip(places, outcome.values, strict=True):
                self.values[place] = value
        else:
            self.values[where] = outcome.values
        self.failed.update((places[index], failure) for index, failure in outcome.failed.items())
        self.evidence.update((places[index], said) for index, said in outcome.evidence.items())
        self.seconds += outcome.seconds
        self.cost += outcome.cost
        self.computed += outcome.computed


def absent_column(node: Node, places: int) -> Column:
    """Nothing at each place."""
    return np.full(places, np.nan) if node.type.element in NUMERIC else [None] * places
