"""Reference questions for a model that writes its own: two letters, of which the first is asked for."""

from __future__ import annotations

import random
from collections.abc import Iterator


def references(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Questions to start from."""
    choose = random.Random(seed)
    for _ in range(count):
        yield {"reference": "".join(choose.sample("abcd", 2)) + "?"}
