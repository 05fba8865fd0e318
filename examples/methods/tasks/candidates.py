"""Pools of candidates (letters) of which one is sought, the smallest; a text names one to drop: `(thought)[name]`."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

TAGS = "()[]"


def pools(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Three candidates, the sought one, and a worked exclusion."""
    choose = random.Random(seed)
    for _ in range(count):
        listed = choose.sample("abcdef", 3)
        drop = choose.choice([name for name in listed if name != min(listed)])
        yield {"listed": "".join(listed) + ">", "gold": min(listed), "shown": f"({drop})[{drop}]"}


def choice(text: str, listed: str, gold: str) -> float:
    """1 for dropping a listed candidate that is not sought, 0 for the sought one, -0.5 for another name, -1 for none."""
    named = re.search(r"\[([a-f]+)\]", text)
    if named is None:
        return -1.0
    return 0.0 if named[1] == gold else 1.0 if named[1] in listed[:-1] and len(named[1]) == 1 else -0.5


def layout(text: str) -> bool:
    """Whether a text is a thought and a name, in this order and nothing else."""
    return re.fullmatch(r"\([a-f]*\)\[[a-f]+\]", text) is not None


def bad_tags(text: str) -> int:
    """How many of the four tags are missing or doubled."""
    return sum(text.count(tag) != 1 for tag in TAGS)
