"""Slots of a curriculum: for each a question of every category (words of 2, 3 and 4 letters), and a number that chooses one."""

from __future__ import annotations

import random
from collections.abc import Iterator

CATEGORIES = {"easy": 2, "middle": 3, "hard": 4}


def slots(count: int, seed: int = 0) -> Iterator[dict[str, object]]:
    """Questions with their answers, and a number in [0, 1)."""
    choose = random.Random(seed)
    for _ in range(count):
        row: dict[str, object] = {"chance": choose.random()}
        for name, letters in CATEGORIES.items():
            word = "".join(choose.sample("abcd", letters))
            row |= {name: f"{word}>", f"{name}_answer": min(word)}
        yield row
