"""The smallest letter of a word: after `cab>` an answer is right if it ends in `a`. What stands before is thought.

One question in eight is held out: `held_out=True` gives those, and nothing else here does. The same arguments give the
same rows on every machine. A random answer is right about once in five, so that a run of seconds has something to learn.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import permutations
from statistics import pvariance
from zlib import crc32

ALPHABET = "abcd"

Row = dict[str, str]


def problems(count: int, letters: int = 3, seed: int = 0, held_out: bool = False) -> Iterator[Row]:
    """Questions, their answers, a right answer with a thought before it, and a wrong one."""
    choose = random.Random(seed + 1)
    for word in _words(count, letters, seed, held_out):
        answer = min(word)
        wrong = choose.choice([letter for letter in word if letter != answer])
        yield {"question": f"{word}>", "answer": answer, "solution": choose.choice(word) + answer,
               "mistake": choose.choice(word) + wrong}


def one_problem(count: int, letters: int = 3, seed: int = 0) -> Iterator[Row]:
    """One question as often as asked: of four, the one whose logged accuracy changed most over an earlier run."""
    pool = list(problems(4, letters, seed))
    logged = [[0.0, 0.0, 0.0, 0.25], [0.0, 1.0, 0.0, 1.0], [0.5, 0.5, 0.5, 0.5], [0.25, 0.5, 0.75, 1.0]]
    chosen = max(range(len(pool)), key=lambda place: historical_variance(logged[place]))
    for _ in range(count):
        yield dict(pool[chosen])


def historical_variance(accuracies: list[float]) -> float:
    """The population variance of a question's accuracy over the epochs of a run."""
    return pvariance(accuracies)


def _words(count: int, letters: int, seed: int, held_out: bool) -> Iterator[str]:
    """Every word of one part in a random order, then again from the start, until there are enough."""
    every = ("".join(word) for word in permutations(ALPHABET, letters))
    part = [word for word in every if (crc32(word.encode()) % 8 == 0) == held_out]
    random.Random(seed).shuffle(part)
    for place in range(count):
        yield part[place % len(part)]
