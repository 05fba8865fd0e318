"""Write the body of a function of two numbers from three values of it: `23=5 14=5 40=4>` asks for `a+b`.

The tests are two of the three values that are shown and one that is not, so that a table of what was shown is wrong.
The same arguments give the same rows on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

Row = dict[str, str | list[str]]

PROGRAMS: dict[str, Callable[[int, int], int]] = {
    "a+b": lambda a, b: a + b, "a-b": lambda a, b: a - b, "b-a": lambda a, b: b - a, "a*b": lambda a, b: a * b,
    "a": lambda a, b: a, "b": lambda a, b: b,
}


def problems(count: int, seed: int = 0) -> Iterator[Row]:
    """Questions, and for each the tests of its answer."""
    source = random.Random(seed)
    for _ in range(count):
        run = PROGRAMS[source.choice(sorted(PROGRAMS))]
        points = source.sample([(a, b) for a in range(6) for b in range(6)], 4)
        shown = " ".join(f"{a}{b}={run(a, b)}" for a, b in points[:3])
        yield {"question": f"{shown}>", "tests": [f"assert f({a}, {b}) == {run(a, b)}" for a, b in points[1:]]}
