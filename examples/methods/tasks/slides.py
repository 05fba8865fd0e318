"""Questions about slides: `c37>` which of two is better (the larger digit), `dabx>` which defects are there (letters before x),
`s6x>` a score from 1 to 10 (the digit and 0.4 more). A verdict follows a thought that ends in `|`."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator


def questions(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """A third of each kind: comparison, defects, scoring."""
    choose = random.Random(seed)
    for place in range(count):
        kind = ("comparison", "defects", "scoring")[place % 3]
        if kind == "comparison":
            first, second = choose.sample("123456789", 2)
            yield {"item": f"c{first}{second}>", "kind": kind, "gold": "1" if first > second else "2"}
        elif kind == "defects":
            found = "".join(sorted(choose.sample("abcd", 2)))
            yield {"item": f"d{found}x>", "kind": kind, "gold": found}
        else:
            score = choose.choice("123456789")
            yield {"item": f"s{score}x>", "kind": kind, "gold": f"{score}.4"}


def is_formed(text: str) -> float:
    """1 where a thought, `|` and a verdict are there, once each."""
    return float(re.fullmatch(r"[^|]+\|[^|]+", text) is not None)


def agrees(text: str, gold: str) -> float:
    """1 where the verdict is the reference."""
    return float(verdict(text) == gold)


def f1(text: str, gold: str) -> float:
    """The harmonic mean of precision and recall of the defects that are named."""
    said, right = set(verdict(text)), set(gold)
    return 2 * len(said & right) / (len(said) + len(right)) if said or right else 1.0


def distance(text: str, gold: str) -> float:
    """How far a score is from the reference, 10 at most; 10 where either is no number."""
    found, right = (re.fullmatch(r"\d+(\.\d+)?", part) for part in (verdict(text), gold))
    return min(10.0, abs(float(found[0]) - float(right[0]))) if found and right else 10.0


def verdict(text: str) -> str:
    """What follows the thought; nothing without one."""
    return text.split("|", 1)[1] if "|" in text else ""
