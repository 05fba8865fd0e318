"""Programs that add or subtract a digit, with unit tests: `a2>` asks for `x+2`, `s1>` for `x-1`; and critiques of programs.

`a2:x+3>` asks whether `x+3` solves `a2`; a critique ends in `T` or `F`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

PROGRAM = re.compile(r"x([+-])(\d)")


def mixed(count: int, critiques: float = 0.2, seed: int = 0) -> Iterator[dict[str, str]]:
    """Programming tasks, and every so often a candidate to be judged, with its label."""
    choose = random.Random(seed)
    for place in range(count):
        kind, number = choose.choice("as"), choose.choice("123")
        if place % round(1 / critiques):
            yield {"item": f"{kind}{number}>", "kind": "code", "task": kind + number, "label": ""}
        else:
            sign = choose.choice("+-")
            candidate = f"x{sign}{choose.choice([number, number, '1'])}"
            label = "T" if passes(candidate, kind + number) else "F"
            yield {"item": f"{kind}{number}:{candidate}>", "kind": "critique", "task": kind + number, "label": label}


def passes(text: str, task: str) -> float:
    """1 where the last program of a text passes every unit test of its task, else 0."""
    return float(share_passed(text, task) == 1)


def share_passed(text: str, task: str) -> float:
    """The share of unit tests that the last program of a text passes; 0 without a program."""
    found = PROGRAM.findall(text)
    if not found:
        return 0.0
    sign, digit = found[-1]
    change = int(digit) if sign == "+" else -int(digit)
    wanted = int(task[1]) if task[0] == "a" else -int(task[1])
    inputs = (0, 3, -2, 1)
    return sum(abs(x + change) == abs(x + wanted) for x in inputs) / len(inputs)


def candidates(count: int, seed: int = 0) -> Iterator[dict[str, object]]:
    """Two candidates for a task with the shares of tests that they pass, the better one first; and a program that passes all.

    A candidate that passes less than a fifth is repaired, and its score becomes the mean of those of its repairs.
    """
    choose = random.Random(seed)
    for _ in range(count):
        kind, number = choose.choice("as"), choose.choice("123")
        task = kind + number
        texts = [f"x{choose.choice('+-')}{choose.choice('0123')}" for _ in range(2)]
        rates = [_traced_back(text, task, choose) for text in texts]
        order = sorted((0, 1), key=lambda place: -rates[place])
        yield {"item": f"{task}>", "task": task, "better": texts[order[0]], "worse": texts[order[1]],
               "better_rate": rates[order[0]], "worse_rate": rates[order[1]],
               "solution": f"x{'+' if kind == 'a' else '-'}{number}"}


def _traced_back(text: str, task: str, choose: random.Random) -> float:
    rate = share_passed(text, task)
    if rate >= 0.2:
        return rate
    repairs = [text[:1] + choose.choice("+-") + text[2:], text[:2] + choose.choice("0123")]
    return rescored([share_passed(repair, task) for repair in repairs])


def rescored(children: list[float]) -> float:
    """The score of a candidate that was repaired: the mean of its repairs'."""
    return sum(children) / len(children)
