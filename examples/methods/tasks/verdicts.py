"""Two answers to a question of which one is better: `cab:1a2b>` asks which of `a` and `b` is the smallest letter of `cab`.

A verdict is a thought of letters and then `1` or `2`. `consistency` stands in for a second model that reads whether the
thought supports the verdict: 1 if the letter that stands last in it is that of the chosen answer, -1 if the other's, else 0.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from itertools import permutations


def pairs(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """A question with two answers, the label `1` or `2`, and a thought that leads to it."""
    choose = random.Random(seed)
    words = ["".join(word) for word in permutations("abc", 2)]
    for _ in range(count):
        word = choose.choice(words)
        first, second = choose.sample(word, 2)
        label = "1" if first == min(word) else "2"
        yield {"item": f"{word}:1{first}2{second}>", "label": label, "trace": min(word) + label}


def is_formed(text: str) -> float:
    """1 where the text is letters and then one verdict."""
    return float(re.fullmatch(r"[abc]+[12]", text) is not None)


def is_right(text: str, label: str) -> float:
    """1 where the text ends in the label and the other verdict occurs nowhere."""
    other = "2" if label == "1" else "1"
    return float(text.endswith(label) and other not in text)


def consistency(text: str, item: str) -> int:
    """Whether the last letter of the thought is the chosen answer (1), the other one (-1) or neither (0)."""
    found = re.search(r"([abc])[12]$", text)
    answers = dict(re.findall(r"([12])([abc])", item))
    if found is None:
        return 0
    chosen, other = answers[text[-1]], answers["2" if text[-1] == "1" else "1"]
    return 1 if found[1] == chosen else -1 if found[1] == other else 0


def tagged(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """The same items with verdicts in brackets: what is right, what is not, and a worked judgement."""
    for row in pairs(count, seed):
        other = "2" if row["label"] == "1" else "1"
        yield {"item": row["item"], "right": f"[{row['label']}]", "wrong": f"[{other}]",
               "trace": f"{row['trace'][0]}[{row['label']}]"}


def tail(text: str) -> str:
    """The last 80 characters, in which a verdict has to stand."""
    return text[-80:]


def contrasted(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Items whose prompt tells the label and does not, in both orders, with the rubric (a letter) that explains it."""
    for row in pairs(count, seed):
        answers = re.findall(r"[12]([abc])", row["item"])
        word = row["item"].split(":")[0]
        other = "2" if row["label"] == "1" else "1"
        yield {"told": f"{row['item'][:-1]}{row['label']}>", "untold": row["item"], "label": row["label"], "other": other,
               "swapped": f"{word}:1{answers[1]}2{answers[0]}>", "rubric": min(word), "with_label": row["label"]}
