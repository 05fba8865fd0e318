"""A library of facts behind a tool: `?a` asks for the entry of `a`, which is a digit; the answer to a question is that digit.

Rewards of agents that ask it: whether a call is well formed, which pages were found, how good their order is.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator

ENTRIES = {"a": "1", "b": "2", "c": "3", "d": "1"}


def questions(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """A letter whose entry is asked for, the answer, and a worked call and answer."""
    choose = random.Random(seed)
    for _ in range(count):
        name = choose.choice("abcd")
        yield {"question": f"{name}>", "answer": ENTRIES[name], "call": f"?{name}", "page": name, "solution": f"={ENTRIES[name]}"}


def look_up(text: str) -> str:
    """What the tool says to a text: the entry that it asks for, `x` if its call cannot be read, nothing if there is none."""
    if "?" not in text:
        return ""
    found = re.search(r"\?([abcd])", text)
    return f"({ENTRIES[found[1]]})" if found else "(x)"


def calls(text: str) -> int:
    """How many calls a text makes."""
    return text.count("?")


def failed_calls(text: str) -> int:
    """How many of them cannot be read."""
    return len(re.findall(r"\?(?![abcd])", text))


def answers(text: str) -> int:
    """How many answers a text gives."""
    return text.count("=")


def is_right(text: str, answer: str) -> float:
    """1 where the first answer of a text is the right one."""
    found = re.search(r"=(\d)", text)
    return float(found is not None and found[1] == answer)


def ndcg(first: str, second: str, page: str) -> float:
    """The discounted gain of two searches, of which the one for `page` is worth 1; 1 if it came first."""
    gains = [float(f"?{page}" in text) / math.log2(place + 2) for place, text in enumerate((first, second))]
    return min(1.0, sum(gains)) if gains[0] == 0 else 1.0


def kept_text(keep: bool, text: str) -> str:
    """The text, or nothing where it does not count."""
    return text if keep else ""
