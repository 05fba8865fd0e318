"""Differences of pictures as sentences of letters that end in `.`: `ab.cd.` names two. And edit operations, one digit each.

A sentence is compared with references by the cosine of their letter counts, which stands in for an embedding.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator

OPERATIONS = "123"


def critiques(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Two differences to be named, shown mixed up, and a trace that names them."""
    choose = random.Random(seed)
    for _ in range(count):
        found = ["".join(sorted(choose.sample("abcd", 2))) for _ in range(2)]
        shown = "".join(choose.sample("".join(found), 4))
        yield {"picture": f"{shown}>", "differences": ".".join(found) + ".", "trace": ".".join(found) + "."}


def operations(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """A picture before and after an edit, and the operation: letters swapped, doubled or lost."""
    choose = random.Random(seed + 1)
    for _ in range(count):
        before, operation = choose.sample("abcd", 2), choose.choice(OPERATIONS)
        after = {"1": before[::-1], "2": before + before, "3": before[:1]}[operation]
        yield {"picture": f"{''.join(before)}:{''.join(after)}>", "operation": operation}


def recalled(text: str, differences: str, threshold: float) -> float:
    """The share of a text, by length, that stands in sentences near one of the differences; 0 for an empty text."""
    sentences = [part for part in text.split(".") if part]
    references = [part for part in differences.split(".") if part]
    hits = sum(len(part) for part in sentences if max(similarity(part, other) for other in references) >= threshold)
    return hits / sum(map(len, sentences)) if sentences else 0.0


def similarity(first: str, second: str) -> float:
    """The cosine of the letter counts of two texts."""
    own, other = Counter(first), Counter(second)
    product = sum(own[letter] * other[letter] for letter in own)
    return product / math.sqrt(sum(n * n for n in own.values()) * sum(n * n for n in other.values()))
