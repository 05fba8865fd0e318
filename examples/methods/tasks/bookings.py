"""A database of three seats `a`, `b`, `c`: `+a` books a seat, `-a` frees it, anything else is talk; `!` is to be said last."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator


def tasks(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """A request, the actions that are right, what has to be said, and a worked first turn."""
    choose = random.Random(seed)
    for _ in range(count):
        seat, sign = choose.choice("abc"), choose.choice("+-")
        yield {"request": f"{sign}{seat}>", "wanted": sign + seat, "said": "!", "shown": f"{sign}{seat}!"}


def database(actions: str) -> frozenset[str]:
    """The booked seats after a text's actions; `b` is booked at the start."""
    booked = {"b"}
    for sign, seat in re.findall(r"([+-])([abc])", actions):
        (booked.add if sign == "+" else booked.discard)(seat)
    return frozenset(booked)


def same_database(actions: str, wanted: str) -> bool:
    """Whether two lists of actions leave the same database."""
    return database(actions) == database(wanted)


def says(text: str) -> str:
    """What the database says to a turn: the seats that are booked."""
    return "".join(sorted(database(text)))
