"""Answers in steps that end in `|`, and a critic that says which are wrong: a step is wrong if it names a letter that is not there.

A token is a character. `votes_wrong` stands in for a language model that labels all steps of an answer in one pass, sampled
several times: each vote overlooks other steps.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import permutations


def problems(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """A word, of which the answer is the smallest letter, and a worked answer in two steps."""
    choose = random.Random(seed)
    words = ["".join(word) for word in permutations("abcd", 2)]
    for _ in range(count):
        word = choose.choice(words)
        yield {"question": f"{word}>", "answer": min(word), "solution": f"{word}|{min(word)}"}


def votes_wrong(step: str, place: int, question: str, vote: int) -> int:
    """1 where a vote of the critic finds a step wrong; each of four overlooks every fourth step."""
    return int(_is_wrong(step, question) and (place + vote) % 4 != 3)


def _is_wrong(step: str, question: str) -> bool:
    return not step or any(letter not in question for letter in step)


def line_score(text: str, token: int, question: str) -> float:
    """The score of a step at its last token (its `|`, or the last of the text), 0 elsewhere: 1 if it is sound."""
    if token >= len(text) or (text[token] != "|" and token != len(text) - 1):
        return 0.0
    steps = text.split("|")
    return float(not _is_wrong(steps[text[:token].count("|")], question))


def programs(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """A word to be written line by line, a right program, and one in which a teacher may have changed a line."""
    choose = random.Random(seed + 1)
    words = ["".join(word) for word in permutations("abcd", 2)]
    for _ in range(count):
        word = choose.choice(words)
        lines = [letter if choose.random() < 0.6 else choose.choice("abcd") for letter in word]
        yield {"question": f"{word}>", "solution": "".join(f"{letter}|" for letter in word),
               "changed": "".join(f"{line}|" for line in lines)}


def ends_line(text: str, token: int) -> bool:
    """Whether a token is the `|` of a line."""
    return token < len(text) and text[token] == "|"


def still_works(text: str, token: int, question: str) -> float:
    """1 where the line that ends here is that of the question, in its place."""
    line = text[:token].count("|")
    lines = text.split("|")
    return float(line < len(question) - 1 and line < len(lines) and lines[line] == question[line])


def is_sound(text: str, token: int, question: str) -> bool:
    """Whether the thought in which a token stands names letters of the question alone."""
    steps = text.split("|")
    return not _is_wrong(steps[min(text[:token].count("|"), len(steps) - 1)], question)
