"""Walks in the plane: `l`, `r`, `u`, `d`. A task is a number of steps to the right and up; its goal is where they lead.

`distances` stands in for a frozen world model with clustering: the embedding of a walk is where it ends, and the successes of a
task are one cluster wherever two of them lie within 0.5 of each other.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

MOVES = {"l": (-1, 0), "r": (1, 0), "u": (0, 1), "d": (0, -1)}
Point = tuple[float, float]


def tasks(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """A task and its goal, as two digits."""
    choose = random.Random(seed)
    for _ in range(count):
        right, up = choose.choice(["11", "21", "12"])
        yield {"task": f"{right}{up}>", "goal": right + up}


def reaches(text: str, goal: str) -> float:
    """1 where a walk ends within one step of its goal."""
    end = embedding(text)
    return float(abs(end[0] - int(goal[0])) + abs(end[1] - int(goal[1])) <= 1)


def embedding(text: str) -> Point:
    """Where a walk ends."""
    moves = [MOVES.get(letter, (0, 0)) for letter in text]
    return float(sum(move[0] for move in moves)), float(sum(move[1] for move in moves))


def distances(text: Sequence[str], task: Sequence[str], success: Sequence[float]) -> list[float]:
    """The distance of each walk from the nearest centre of its task's successes; 0 where there is none."""
    centres: dict[str, list[Point]] = {}
    for name in sorted(set(task)):
        ends = [embedding(one) for one, of, won in zip(text, task, success, strict=True) if of == name and won]
        centres[name] = clustered(ends)
    return [min((math.dist(embedding(one), centre) for centre in centres[of]), default=0.0)
            for one, of in zip(text, task, strict=True)]


def clustered(points: list[Point]) -> list[Point]:
    """Centres of the groups of at least two points that are linked by steps of at most 0.5; of all points where none is."""
    groups: list[list[Point]] = []
    for point in points:
        near = [group for group in groups if any(math.dist(point, other) <= 0.5 for other in group)]
        groups = [group for group in groups if group not in near] + [[point, *(other for group in near for other in group)]]
    dense = [group for group in groups if len(group) >= 2] or ([points] if points else [])
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in dense]
