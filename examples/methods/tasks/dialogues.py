"""Short negotiations: a strategist writes one letter, an actor answers it, three times; the goal is a letter to be named.

`critical` stands in for a language model that says which strategies mattered: those that first named the goal.
"""

from __future__ import annotations

import random
from collections.abc import Iterator


def scenes(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """A scene shows two letters; the goal is the later one."""
    choose = random.Random(seed)
    for _ in range(count):
        first, second = choose.sample("abcd", 2)
        yield {"scene": f"{first}{second}>", "goal": max(first, second)}


def critical(strategy: str, before: str, goal: str) -> float:
    """1 where a strategy names the goal for the first time."""
    return float(goal in strategy and goal not in before)


def achieved(strategies: str, goal: str) -> float:
    """The score of the goal in [0, 1]: the share of the strategies' letters that are the goal."""
    return strategies.count(goal) / len(strategies) if strategies else 0.0
