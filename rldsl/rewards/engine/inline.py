"""Calls that the engine answers itself: about groups, from all members at once. Runs nothing outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rldsl.graph.model import Foreign, Node
from rldsl.kernels.layout import Layout
from rldsl.rewards.strengths import log_strengths
from rldsl.types import Axis

SKIP: Final = "policy.skip"
STOP: Final = "policy.stop"
MAJORITY: Final = "majority"
BRADLEY_TERRY: Final = "bradley_terry"
INLINE: Final = frozenset({SKIP, STOP, MAJORITY, BRADLEY_TERRY})


def group_of(node: Node) -> Axis | None:
    """The axis of the groups that a call sees whole; None for all others. The setting `per` names it."""
    if not isinstance(node.operation, Foreign) or node.operation.name not in GROUPED:
        return None
    return next(axis for axis in node.type.axis.chain() if axis.name == dict(node.operation.settings)["per"])


def majority(operation: Foreign, texts: Sequence[Any], layout: Layout) -> list[Any]:
    """The most frequent text of each group, the first of ties; absent where nothing is there."""
    settings = dict(operation.settings)
    return most_frequent(texts, layout.bounds(str(settings["from"]), str(settings["per"])))


def most_frequent(texts: Sequence[Any], bounds: npt.NDArray[np.int64]) -> list[Any]:
    """Of each group, between one bound and the next, the most frequent text, the first of ties; None for an empty group."""
    found: list[Any] = []
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        there = Counter(text for text in texts[start:stop] if text is not None)
        found.append(there.most_common(1)[0][0] if there else None)
    return found


def bradley_terry(operation: Foreign, wins: Any, layout: Layout) -> list[float | None]:
    """The log-strength of each member of each group, from how often it wins over each other: `rewards.strengths`."""
    settings = {word: str(value) for word, value in operation.settings}
    members, groups = layout.bounds(settings["from"], settings["members"]), layout.bounds(settings["members"], settings["per"])
    column = np.array([np.nan if value is None else value for value in wins], dtype=np.float64)
    found: list[float | None] = []
    for start, stop in zip(groups[:-1].tolist(), groups[1:].tolist(), strict=True):
        rows = column[members[start]:members[stop]].reshape(stop - start, max(stop - start - 1, 0))
        strengths = log_strengths(rows)
        found += [None] * (stop - start) if strengths is None else strengths.tolist()
    return found


GROUPED: Final[Mapping[str, Callable[[Foreign, Any, Layout], list[Any]]]] = {MAJORITY: majority, BRADLEY_TERRY: bradley_terry}
"""Functions of groups: the operation, the values, and how many places there are."""
