"""Sums and differences of two sides, answered in prose with formal statements in brackets: `s23>` asks for the sum of 2 and 3,
`x[2+3]` answers. The solver takes what stands in brackets, put together, and computes it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator


def problems(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """A question, its value, and a worked answer: prose, then the program."""
    choose = random.Random(seed)
    for _ in range(count):
        large, small = sorted((choose.randint(0, 4), choose.randint(0, 4)), reverse=True)
        kind = choose.choice("sd")
        value, sign = (large + small, "+") if kind == "s" else (large - small, "-")
        yield {"question": f"{kind}{large}{small}>", "answer": str(value), "trace": f"{choose.choice('xy')}[{large}{sign}{small}]"}


def program(text: str) -> str:
    """The formal statements of an answer, put together."""
    return "".join(re.findall(r"\[([^\[\]]*)\]", text))


def solves(text: str, answer: str) -> float:
    """1 where the program runs and gives the value that is asked for, else 0."""
    found = re.fullmatch(r"(\d)([+-])(\d)", program(text))
    if found is None:
        return 0.0
    first, sign, second = int(found[1]), found[2], int(found[3])
    return float(str(first + second if sign == "+" else first - second) == answer)


def is_formed(text: str) -> float:
    """1 where the answer is prose and statements in brackets, every bracket closed."""
    return float(re.fullmatch(r"([^\[\]]*\[[^\[\]]+\])+[^\[\]]*", text) is not None)
