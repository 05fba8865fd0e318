"""Films of letters: which letter stays longest? `aab>` shows three frames; a few key frames are kept in the order of time.

Key frames are where the film turns: frames are two-dimensional points, variation is 1 less the cosine of neighbours, and the
inflection is the second difference of variation. The same key frames are given in time order and shuffled.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

POINTS = {"a": (1.0, 0.0), "b": (0.6, 0.8), "c": (-0.8, 0.6), "d": (0.0, -1.0)}


def films(count: int, frames: int = 8, kept: int = 3, seed: int = 0) -> Iterator[dict[str, object]]:
    """Key frames in order and shuffled, the first letter as the answer, and how salient the kept frames are, in [0, 1]."""
    choose = random.Random(seed)
    for _ in range(count):
        film = "".join(choose.choice("abcd") for _ in range(frames))
        places = key_frames(film, kept)
        ordered = "".join(film[place] for place in places)
        shuffled = "".join(choose.sample(ordered, len(ordered)))
        scores = inflections(film)
        salience = sum(scores[place] for place in places) / (sum(scores) or 1.0)
        yield {"ordered": f"{ordered}>", "shuffled": f"{shuffled}>", "answer": ordered[0], "salience": min(1.0, salience)}


def variation(film: str) -> list[float]:
    """1 less the cosine of each frame and the one before; 0 at the first."""
    return [0.0] + [1 - _cosine(POINTS[now], POINTS[before]) for before, now in zip(film, film[1:], strict=False)]


def inflections(film: str) -> list[float]:
    """The size of the second difference of variation at its local maxima, 0 elsewhere."""
    v = [*variation(film), 0.0]
    return [0.0] + [abs(v[t + 1] - 2 * v[t] + v[t - 1]) if v[t] >= max(v[t - 1], v[t + 1]) else 0.0 for t in range(1, len(film))]


def key_frames(film: str, kept: int) -> list[int]:
    """The places of the largest inflections, in order of time."""
    scores = inflections(film)
    return sorted(sorted(range(len(film)), key=lambda place: -scores[place])[:kept])


def _cosine(first: tuple[float, float], second: tuple[float, float]) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True)) / (math.hypot(*first) * math.hypot(*second))
