"""Answers in four sections, `1…2…3…4…`: understanding, reasoning, emotion (one letter), response.

`hab>` tells a person's words; the emotion is the first letter.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator


def talks(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """What a person says, the emotion behind it, and an answer in the right form."""
    choose = random.Random(seed)
    for _ in range(count):
        emotion, about = choose.choice("hsaf"), choose.choice("xyz")
        yield {"said": f"{emotion}{about}>", "emotion": emotion, "trace": f"1{about}2{about}3{emotion}4{about}"}


def sections(text: str) -> list[str]:
    """The four sections of an answer; none where one is missing, empty or out of place."""
    found = re.fullmatch(r"1([a-z]+)2([a-z]+)3([a-z]+)4([a-z]+)", text)
    return list(found.groups()) if found else []


def is_formed(text: str) -> float:
    """1 where all four sections are there, in order, and none is empty."""
    return float(bool(sections(text)))


def names_emotion(text: str, emotion: str) -> float:
    """1 where what follows the third mark is the emotion."""
    found = re.search(r"3([a-z]+)", text)
    return float(found is not None and found[1] == emotion)
