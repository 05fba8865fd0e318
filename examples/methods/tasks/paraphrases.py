"""Texts that a machine wrote, their paraphrases by people, and two detectors that say how much a text looks machine-made.

The detectors stand in for web services: one counts repeated letters, the other the letters that machines like, `m` and `n`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

MACHINE, HUMAN = "mn", "ab"


def texts(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """A machine's text, ended by `>`, and a paraphrase in which some letters are a person's."""
    choose = random.Random(seed)
    for _ in range(count):
        text = "".join(choose.choice(MACHINE) for _ in range(3))
        paraphrase = "".join(choose.choice(HUMAN + letter) for letter in text)
        yield {"text": f"{text}>", "paraphrase": paraphrase}


def by_repetition(text: str) -> float:
    """The share of neighbours that are the same letter."""
    pairs = list(zip(text, text[1:], strict=False))
    return sum(first == second for first, second in pairs) / len(pairs) if pairs else 0.0


def by_letters(text: str) -> float:
    """The share of letters that machines like; an empty text looks machine-made."""
    return sum(letter in MACHINE for letter in text) / len(text) if text else 1.0
