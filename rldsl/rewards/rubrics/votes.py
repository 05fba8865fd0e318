"""Several verdicts on one thing as one number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean, median

from rldsl.rewards.outcome import Failure


def majority(values: Sequence[float]) -> float:
    """The most frequent value; of several the lowest, so that what is not settled is not granted."""
    counts = Counter(values)
    most = max(counts.values())
    return min(value for value, count in counts.items() if count == most)


VOTES_BY: dict[str, Callable[[Sequence[float]], float]] = {
    "mean": fmean, "median": median, "majority": majority, "min": min,
}


def counted(votes: Sequence[float | Failure], votes_by: str) -> float | Failure:
    """One number for the votes. A vote that failed is the failure of all: fewer votes are another question than was asked."""
    values: list[float] = []
    for vote in votes:
        if isinstance(vote, Failure):
            return vote
        values.append(vote)
    return values[0] if len(values) == 1 else float(VOTES_BY[votes_by](values))
