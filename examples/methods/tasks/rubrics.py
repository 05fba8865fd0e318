"""The smallest letter of a word, graded by criteria: `cab>` may be answered `ca`.

Criteria: 1 the answer ends in the smallest letter (a fact), 2 it says the first letter of the word, 3 it has no letter that is
not in the word, 4 it repeats itself (a fault), 5 it is not empty (everybody does that). They stand in for a judge.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import permutations


def questions(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Words to be asked about."""
    choose = random.Random(seed)
    words = ["".join(word) for word in permutations("abcd", 3)]
    for _ in range(count):
        yield {"question": f"{choose.choice(words)}>"}


def satisfies(text: str, question: str, criterion: int) -> float:
    """1 where a text satisfies a criterion, by its number."""
    word = question.rstrip(">")
    checks = {1: text.endswith(min(word)), 2: word[0] in text, 3: bool(text) and all(letter in word for letter in text),
              4: len(set(text)) < len(text), 5: bool(text)}
    return float(checks[int(criterion)])


def failed(text: str, question: str) -> str:
    """The numbers of the first three criteria that a text does not satisfy."""
    return "".join(str(number) for number in (1, 2, 3) if not satisfies(text, question, number))
