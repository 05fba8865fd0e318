"""Calls that the engine answers itself: texts of groups. Runs nothing outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rldsl.graph.model import Foreign
from rldsl.kernels.layout import Layout

SKIP: Final = "policy.skip"
STOP: Final = "policy.stop"
MAJORITY: Final = "majority"
INLINE: Final = frozenset({SKIP, STOP, MAJORITY})


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
