"""Boxes and facts: `g1032>` shows a box and asks for it, `maBcD>` asks of which facts (letters) hold (capitals do).

A thought ends in `|`. A box is four numbers with commas, `1,0,3,2`; facts are `y` or `n` for each.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

BOX = re.compile(r"\d+,\d+,\d+,\d+")


def grounding(count: int, seed: int = 0) -> Iterator[dict[str, object]]:
    """A box to find, a trace, and how well one does without looking (the expected overlap of a guess)."""
    choose = random.Random(seed)
    for _ in range(count):
        left, top = choose.randint(0, 2), choose.randint(0, 2)
        box = f"{left},{top},{choose.randint(left + 1, 4)},{choose.randint(top + 1, 4)}"
        yield {"question": f"g{box.replace(',', '')}>", "box": box, "trace": f"g|{box}", "shortcut": 0.2}


def selection(count: int, facts: int = 4, seed: int = 0) -> Iterator[dict[str, str]]:
    """Facts of which a random part is false, and which hold."""
    choose = random.Random(seed)
    for _ in range(count):
        letters = "".join(choose.choice([letter, letter.upper()]) for letter in "abcd"[:facts])
        yield {"question": f"m{letters}>", "holds": "".join("y" if letter.isupper() else "n" for letter in letters)}


def iou(text: str, box: str) -> float:
    """The overlap of the first box in a text and the one asked for, over what they cover together; 0 without a box."""
    found = BOX.search(text)
    if found is None:
        return 0.0
    first, second = (tuple(map(int, entry.split(","))) for entry in (found[0], box))
    sides = [max(0, min(first[end + 2], second[end + 2]) - max(first[end], second[end])) for end in (0, 1)]
    shared = sides[0] * sides[1]
    covered = _area(first) + _area(second) - shared
    return shared / covered if covered > 0 else 0.0


def form(text: str) -> float:
    """1 for a thought, then one box; a half where a box stands in the thought or no thought is there; else 0."""
    if re.fullmatch(rf"[^|]+\|{BOX.pattern}", text) and not BOX.search(text.split("|", maxsplit=1)[0]):
        return 1.0
    return 0.5 if BOX.search(text) else 0.0


def _area(box: tuple[int, ...]) -> int:
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])
