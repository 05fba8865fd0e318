"""Six kinds of small problems, each with the tag that says who verifies it: sums, programs, facts, orders, counters, tables."""

from __future__ import annotations

import random
from collections.abc import Iterator

DOMAINS = ("math", "code", "science", "logic", "simulation", "tabular")


def problems(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """A sixth of each domain."""
    choose = random.Random(seed)
    for place in range(count):
        domain = DOMAINS[place % len(DOMAINS)]
        first, second = choose.randint(0, 4), choose.randint(0, 4)
        question, answer = {
            "math": (f"m{first}{second}>", str(first + second)),
            "code": (f"c{first}>", f"x+{first}"),
            "science": (f"f{first % 2}>", "y" if first % 2 else "n"),
            "logic": (f"l{first}{second}>", "".join(sorted(f"{first}{second}"))),
            "simulation": (f"s{first}+>", str(first + 1)),
            "tabular": (f"t{first}{second}>", str(max(first, second)))}[domain]
        yield {"question": question, "domain": domain, "answer": answer}


def tests_pass(text: str, program: str) -> float:
    """1 where a program `x+d` adds what it should on three inputs."""
    if len(text) != 3 or not text.startswith("x+") or not text[2].isdigit():
        return 0.0
    return float(all(x + int(text[2]) == x + int(program[2:]) for x in (0, 1, 5))) if program.startswith("x+") else 0.0


def model_verdict(text: str, answer: str) -> float:
    """What a model says of a fact, for which a function stands in: 1 where the text begins with the answer."""
    return float(text[:1] == answer)
