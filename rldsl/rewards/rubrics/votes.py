"""Several verdicts on one thing as one number. Imports nothing: elaboration reads the names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean, median


def majority(values: Sequence[float]) -> float:
    """The most frequent value; of several the lowest, so that what is not settled is not granted."""
    counts = Counter(values)
    most = max(counts.values())
    return min(value for value, count in counts.items() if count == most)


VOTES_BY: dict[str, Callable[[Sequence[float]], float]] = {
    "mean": fmean, "median": median, "majority": majority, "min": min,
}
