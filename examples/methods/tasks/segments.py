"""Behaviour in segments: walks on a line to the right (`r`) or to the left (`l`), of which the one that gets further is better."""

from __future__ import annotations

import random
from collections.abc import Iterator


def shown(count: int, length: int = 6, seed: int = 0) -> Iterator[dict[str, str]]:
    """A state and a segment of behaviour, good and bad, to be imitated before preferences are known."""
    choose = random.Random(seed)
    for _ in range(count):
        yield {"state": choose.choice("xz") + ">", "actions": "".join(choose.choice("rrl") for _ in range(length))}


def preferred(count: int, length: int = 6, seed: int = 0) -> Iterator[dict[str, str]]:
    """A state and two segments; the first gets further to the right."""
    choose = random.Random(seed + 1)
    for _ in range(count):
        steps = sorted(choose.sample(range(length + 1), 2))
        bad, good = ("".join(choose.sample("r" * right + "l" * (length - right), length)) for right in steps)
        yield {"state": choose.choice("xz") + ">", "better": good, "worse": bad}
