"""Words of which the smallest letter is asked for, with the reasoning of four teachers before the answer.

The first says the word, the second its letters in order, the third one letter, the fourth the letters that are larger.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import permutations


def problems(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """A question, its answer, and what each teacher says before it."""
    choose = random.Random(seed)
    words = ["".join(word) for word in permutations("abcd", 3)]
    for _ in range(count):
        word = choose.choice(words)
        yield {"question": f"{word}>", "answer": min(word), "first": word, "second": "".join(sorted(word)),
               "third": choose.choice(word), "fourth": "".join(letter for letter in word if letter != min(word))}
