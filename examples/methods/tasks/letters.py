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


def monitored(count: int, letters: int = 3, seed: int = 0) -> Iterator[Row]:
    """Questions with a trace: a thought, what a monitor says of it (`.` or `!`), and the answer."""
    choose = random.Random(seed + 2)
    for row in problems(count, letters, seed):
        trace = row["question"][0] + choose.choice("..!") + row["answer"]
        yield {"question": row["question"], "answer": row["answer"], "trace": trace}


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


def prefers(first: str, second: str, answer: str) -> float:
    """1 where the first text is preferred: it is right and the other not, or both agree in that and it is shorter; 1/2 in a tie."""
    own, other = (first.endswith(answer), -len(first)), (second.endswith(answer), -len(second))
    return 1.0 if own > other else 0.5 if own == other else 0.0


def quality(text: str, answer: str) -> float:
    """A score in [0, 1] that hardly ever ties: right answers above wrong ones, then more known letters, then shorter texts."""
    known = sum(letter in ALPHABET for letter in text) / max(len(text), 1)
    return 0.5 * text.endswith(answer) + 0.4 * known + 0.1 / (1 + len(text))


def preferences(count: int, letters: int = 3, seed: int = 0, flipped: float = 0.0) -> Iterator[Row]:
    """Questions with a preferred and another answer; of the share `flipped` the wrong one is called preferred."""
    choose = random.Random(seed + 3)
    for row in problems(count, letters, seed):
        chosen, rejected = row["solution"], row["mistake"]
        if choose.random() < flipped:
            chosen, rejected = rejected, chosen
        yield {"question": row["question"], "answer": row["answer"], "chosen": chosen, "rejected": rejected}


def resets(count: int, letters: int = 3, seed: int = 0) -> Iterator[dict[str, object]]:
    """Preferences, with two numbers in [0, 1) for each: whether an episode begins inside the preferred answer, and where."""
    choose = random.Random(seed + 4)
    for row in preferences(count, letters, seed):
        yield {**row, "coin": choose.random(), "place": choose.random()}


def meetings(count: int, letters: int = 3, seed: int = 0) -> Iterator[dict[str, object]]:
    """Questions with two numbers in [0, 1) for each: whether one writer goes on where another stopped, and where."""
    choose = random.Random(seed + 5)
    for row in problems(count, letters, seed):
        yield {**row, "coin": choose.random(), "place": choose.random()}


def judged(count: int, letters: int = 3, seed: int = 0) -> Iterator[Row]:
    """Answers to be judged, half of them right in turn, with the label (`+` or `-`) and a worked judgement."""
    for place, row in enumerate(problems(count, letters, seed)):
        answer, label = (row["solution"], "+") if place % 2 else (row["mistake"], "-")
        yield {"item": f"{row['question']}{answer}/", "label": label, "trace": row["answer"] + label}


def unlabelled(count: int, letters: int = 3, seed: int = 7) -> Iterator[Row]:
    """Questions alone."""
    for row in problems(count, letters, seed):
        yield {"question": row["question"]}




def guided(count: int, letters: int = 3, seed: int = 0) -> Iterator[Row]:
    """Questions with a hint: the letters of the word in order, ended by `!>`."""
    for row in problems(count, letters, seed):
        yield {"question": row["question"], "answer": row["answer"], "guidance": "".join(sorted(row["question"][:-1])) + "!>"}
