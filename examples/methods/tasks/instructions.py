"""Instructions of two letters that ask for the first one, preferences among answers, and copies of answers on a convex hull.

A text's embedding is how often it holds `a` and how often `b`, so that it has two dimensions.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

Point = tuple[float, float]


def pairs(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Preferences; each chosen answer stands for one of its perturbed copies on the hull."""
    choose = random.Random(seed)
    for _ in range(count):
        first, second = choose.sample("abc", 2)
        copies = [first * choose.randint(1, 3) + choose.choice(["", second]) for _ in range(5)]
        yield {"question": f"{first}{second}>", "chosen": choose.choice(on_hull(copies)), "rejected": second}


def twins(count: int, seed: int = 1) -> Iterator[dict[str, str]]:
    """Two instructions of the same letters, and the answer of each."""
    choose = random.Random(seed)
    for _ in range(count):
        first, second = choose.sample("abc", 2)
        yield {"first": f"{first}{second}>", "second": f"{second}{first}>", "first_answer": first, "second_answer": second}


def neighbour(text: str, place: int) -> str:
    """The training answer that is the `place`-th most similar to a text."""
    return _ranked(text)[place][0]


def instruction(text: str, place: int) -> str:
    """The instruction of that answer."""
    return _ranked(text)[place][1]


def cosine(text: str, other: str) -> float:
    """The cosine of two embeddings; 0 for a text without a direction."""
    first, second = embedding(text), embedding(other)
    sizes = math.hypot(*first) * math.hypot(*second)
    return max(-1.0, min(1.0, sum(a * b for a, b in zip(first, second, strict=True)) / sizes)) if sizes else 0.0


def embedding(text: str) -> Point:
    """How often `a` and `b` occur."""
    return float(text.count("a")), float(text.count("b"))


def on_hull(texts: list[str]) -> list[str]:
    """The texts whose embeddings are corners of the convex hull of all."""
    points = sorted({embedding(text) for text in texts})
    corners = set(_half_hull(points)) | set(_half_hull(points[::-1]))
    return [text for text in texts if embedding(text) in corners]


def _half_hull(points: list[Point]) -> list[Point]:
    found: list[Point] = []
    for point in points:
        while len(found) >= 2 and _turn(found[-2], found[-1], point) <= 0:
            found.pop()
        found.append(point)
    return found


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _ranked(text: str) -> list[tuple[str, str]]:
    known = [(answer, f"{first}{second}>") for first in "abc" for second in "abc" if first != second
             for answer in (first, first * 2, first + second)]
    return sorted(known, key=lambda entry: (-cosine(text, entry[0]), entry))
