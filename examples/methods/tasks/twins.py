"""Two questions that mean the same: the smallest letter of a word, and of the word turned round. `cab>` and `bac>`."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import permutations


def pairs(count: int, letters: int = 3, seed: int = 0) -> Iterator[dict[str, str]]:
    """A question and its paraphrase; there is no answer in the data."""
    choose = random.Random(seed)
    words = ["".join(word) for word in permutations("abcd", letters)]
    for _ in range(count):
        word = choose.choice(words)
        yield {"question": f"{word}>", "paraphrase": f"{word[::-1]}>"}
