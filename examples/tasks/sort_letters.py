"""Sort letters: `cafh>` asks for `acfh`. Letters are different and out of `abcdefgh`.

One question in eight is held out: `held_out=True` gives those, and nothing else here ever does.
The same arguments give the same rows on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import permutations
from zlib import crc32

ALPHABET = "abcdefgh"

Row = dict[str, str]


def problems(count: int, letters: int = 4, seed: int = 0, held_out: bool = False) -> Iterator[Row]:
    """Questions and their answers."""
    for word in _words(count, letters, seed, held_out):
        yield {"question": f"{word}>", "answer": "".join(sorted(word))}


def demonstrations(count: int, letters: int = 4, seed: int = 0) -> Iterator[Row]:
    """Answers that have the right form and nothing more: the letters in any order."""
    shuffle = random.Random(seed + 1)
    for word in _words(count, letters, seed, False):
        yield {"question": f"{word}>", "demonstration": "".join(shuffle.sample(word, letters))}


def solved(count: int, letters: int = 4, seed: int = 0) -> Iterator[Row]:
    """Questions with their right answers, to be imitated."""
    return problems(count, letters, seed)


def pairs(count: int, letters: int = 4, seed: int = 0) -> Iterator[Row]:
    """A right answer, and the same letters in a wrong order."""
    shuffle = random.Random(seed + 2)
    for word in _words(count, letters, seed, False):
        right = "".join(sorted(word))
        wrong = right
        while wrong == right:
            wrong = "".join(shuffle.sample(word, letters))
        yield {"prompt": f"{word}>", "chosen": right, "rejected": wrong}


def stepwise(count: int, letters: int = 3, seed: int = 0) -> Iterator[Row]:
    """A letter a step, each with `|` behind it: in the right order, with a wrong letter at every place, in any order."""
    shuffle = random.Random(seed + 3)
    for word in _words(count, letters, seed, False):
        right = sorted(word)
        wrong = [shuffle.choice([other for other in ALPHABET if other != letter]) for letter in right]
        tried = shuffle.sample(word, letters)
        yield {"question": f"{word}>", "solution": _steps(right), "flawed": _steps(wrong), "tried": _steps(tried)}


def _steps(letters: Iterable[str]) -> str:
    return "".join(f"{letter}|" for letter in letters)


def _words(count: int, letters: int, seed: int, held_out: bool) -> Iterator[str]:
    """Every word of one part in a random order, then again from the start, until there are enough."""
    every = ("".join(word) for word in permutations(ALPHABET, letters))
    part = [word for word in every if (crc32(word.encode()) % 8 == 0) == held_out]
    random.Random(seed).shuffle(part)
    for place in range(count):
        yield part[place % len(part)]
