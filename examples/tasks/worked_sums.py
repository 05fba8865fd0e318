"""Work out `2+3*4` as two lines of Python that say what comes out: `a=3*4`, then `b=2+a #14`.

The code runs, the number behind `#` is what it claims, and each line is a step that is right or wrong by itself. The same arguments
give the same rows on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

Row = dict[str, str | list[str]]


def problems(count: int, seed: int = 0) -> Iterator[Row]:
    """Questions, the number that is right, one way to work it out, and tests of the code."""
    for first, second, third in _numbers(count, seed):
        product, total = second * third, first + second * third
        yield {"question": f"{first}+{second}*{third}>", "answer": str(total), "worked": _worked(first, second, third, total),
               "tests": [f"assert a == {product}", f"assert b == {total}"]}


def pairs(count: int, seed: int = 1) -> Iterator[Row]:
    """Questions with what is right, and the same lines with another number claimed."""
    draw = random.Random(seed)
    for first, second, third in _numbers(count, seed):
        total = first + second * third
        yield {"question": f"{first}+{second}*{third}>", "chosen": _worked(first, second, third, total),
               "rejected": _worked(first, second, third, total + draw.choice((-2, -1, 1, 2)))}


def _worked(first: int, second: int, third: int, said: int) -> str:
    return f"a={second}*{third}\nb={first}+a #{said}"


def _numbers(count: int, seed: int) -> Iterator[tuple[int, int, int]]:
    draw = random.Random(seed)
    for _ in range(count):
        yield draw.randint(2, 9), draw.randint(2, 9), draw.randint(2, 9)
