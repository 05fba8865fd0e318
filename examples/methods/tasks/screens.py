"""Actions on screens, as three characters: `t35` taps column 3, row 5; `su.` scrolls up, `sd.` down; and yes-or-no questions.

An operation carries the action that is right, with a box of one place around a tap; a question carries `y` or `n`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

ACTION = re.compile(r"t[0-3][0-3]|s[ud]\.")


def screens(count: int, taps: bool, questions: bool = False, seed: int = 0) -> Iterator[dict[str, str]]:
    """Scrolls, and taps where `taps`; one row in three asks a question about the screen where `questions`."""
    choose = random.Random(seed)
    for place in range(count):
        if questions and place % 3 == 2:
            shown = choose.choice("ud")
            yield {"screen": f"q{shown}>", "kind": "question", "target": "y" if shown == "u" else "n"}
        elif taps and place % 2:
            column, row = choose.choice("0123"), choose.choice("0123")
            yield {"screen": f"t{column}{row}>", "kind": "operation", "target": f"t{column}{row}"}
        else:
            way = choose.choice("ud")
            yield {"screen": f"s{way}>", "kind": "operation", "target": f"s{way}."}


def is_formed(text: str) -> float:
    """1 where the text is one action, or `y` or `n`."""
    return float(ACTION.fullmatch(text) is not None or text in ("y", "n"))


def is_same_type(text: str, target: str) -> float:
    """1 where both are taps, or both scrolls."""
    return float(text[:1] == target[:1])


def argument(text: str, target: str) -> float:
    """1 where a tap lies in the box of one place around its target, or a scroll goes the same way."""
    if not ACTION.fullmatch(text) or text[0] != target[0]:
        return 0.0
    if text[0] == "s":
        return float(text == target)
    return float(all(abs(int(own) - int(other)) <= 1 for own, other in zip(text[1:], target[1:], strict=True)))


def judge(text: str, target: str) -> float:
    """A score for an answer to a question: 1 if it is the reference, 0.5 if it only begins like it."""
    return 1.0 if text == target else 0.5 if text[:1] == target else 0.0
