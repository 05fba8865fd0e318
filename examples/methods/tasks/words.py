"""Words of which the smallest letter is asked for, whatever the word: `cab>` wants `a`. Anybody can ask, and anybody's answer can
be graded, since the answer follows from the question."""

from __future__ import annotations

import random
from collections.abc import Iterator


def questions(count: int, letters: int = 2, seed: int = 0) -> Iterator[dict[str, object]]:
    """Questions with two numbers in [0, 1) that choose by chance."""
    choose = random.Random(seed)
    for _ in range(count):
        word = "".join(choose.sample("abcd", letters))
        yield {"question": f"{word}>", "chance": choose.random(), "coin": choose.random()}


def worth(question: str, text: str) -> float:
    """A grade in [0, 1]: less 0.25 for each letter between the last one and the question's smallest, 0.05 for each before."""
    letters = [letter for letter in question if letter in "abcd"]
    if not letters or text[-1:] not in set("abcd"):
        return 0.0
    away = abs(ord(text[-1]) - ord(min(letters)))
    return max(0.0, 1 - 0.25 * away - 0.05 * (len(text) - 1))


def is_right(question: str, text: str) -> float:
    """1 where a text ends in the smallest letter of the question."""
    letters = [letter for letter in question if letter in "abcd"]
    return float(bool(letters) and text.endswith(min(letters)))


def deeper(question: str) -> str:
    """A harder question: the word with a letter more, one that was not there."""
    word = question.rstrip(">")
    return f"{word}{next((letter for letter in 'dcba' if letter not in word), '')}>"


def broader(question: str) -> str:
    """Another question of the same length: each letter moved on by one."""
    return "".join("abcda"["abcd".index(letter) + 1] for letter in question.rstrip(">")) + ">"


def worked(question: str) -> str:
    """A worked answer: the first letter, then the smallest."""
    word = question.rstrip(">")
    return word[:1] + min(word)
