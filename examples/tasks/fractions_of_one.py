"""Sums of two fractions: `1/2+1/3=` asks for `5/6`, and `10/12` is as right.

The same arguments give the same rows on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction

Row = dict[str, str]


def problems(count: int, largest: int = 4, seed: int = 0) -> Iterator[Row]:
    """Questions and their answers in lowest terms; denominators from 2 to `largest`."""
    draw = random.Random(seed)
    for _ in range(count):
        first, second = (Fraction(1, draw.randint(2, largest)) for _ in range(2))
        yield {"question": f"{first}+{second}=", "answer": str(first + second)}


def worked(count: int, largest: int = 4, seed: int = 0) -> Iterator[Row]:
    """Questions with an answer that is right and not always in lowest terms: over the product of the denominators."""
    draw = random.Random(seed + 1)
    for _ in range(count):
        first, second = (draw.randint(2, largest) for _ in range(2))
        yield {"question": f"1/{first}+1/{second}=", "worked": f"{first + second}/{first * second}"}
