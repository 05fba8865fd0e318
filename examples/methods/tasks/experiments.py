"""Programs for experiments, as letters: `l` loads, `b` builds, `t` trains, `s` submits. Training takes time.

`n>` asks for a program from nothing, `ilbs>` for a better one than `lbs`. A program fails where it submits before it has
loaded and built; its score is better the longer it trains, up to three times.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

PRINTS = "lbts"


def tasks(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Half from nothing, half from a valid program that somebody wrote before."""
    choose = random.Random(seed)
    for place in range(count):
        before = choose.choice(["lbs", "lbts"])
        yield {"task": "n>" if place % 2 else f"i{before}>"}


def seconds(text: str) -> float:
    """How long a program runs: a tenth of a second, and one for each training step before it stops."""
    return 0.1 + ran(text).count("t")


def prints(text: str) -> int:
    """How many of the four kinds of progress a program reports before it stops."""
    return len(set(ran(text)))


def is_valid(text: str) -> float:
    """1 where a program loads, builds and submits."""
    return float(ran(text).endswith("s"))


def score(text: str) -> float:
    """The score of what was submitted, in [-1, 1]: -1 without training, 1 after three steps."""
    return -1 + 2 * min(3, ran(text).count("t")) / 3


def ran(text: str) -> str:
    """The part of a program that runs: up to the submission, or to what needs something that is not there."""
    done = ""
    for letter in text:
        if letter not in PRINTS or (letter in "bts" and "l" not in done) or (letter in "ts" and "b" not in done):
            break
        done += letter
        if letter == "s":
            break
    return done
