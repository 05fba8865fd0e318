"""The last letter of a word in the alphabet, with a solution that can be given away bit by bit: `dbca>` has the solution `abcd`.

The solution is the word in order, so that its beginning is a hint and its end the answer.
"""

from __future__ import annotations

import random
from collections.abc import Iterator


def problems(count: int, letters: int = 4, seed: int = 0) -> Iterator[dict[str, str]]:
    """Questions with their answers and solutions."""
    choose = random.Random(seed)
    for _ in range(count):
        word = choose.sample("abcdef", letters)
        yield {"question": f"{''.join(word)}>", "answer": max(word), "solution": "".join(sorted(word))}
