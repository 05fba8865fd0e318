"""Routes in the plane: `l`, `r`, `u`, `d` are steps of a metre, `s` stops; a goal is a point, an instruction names it."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

MOVES = {"l": (-1, 0), "r": (1, 0), "u": (0, 1), "d": (0, -1)}


def routes(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """An instruction, its goal, and an expert's actions."""
    choose = random.Random(seed)
    for _ in range(count):
        right, up = choose.randint(1, 2), choose.randint(1, 2)
        yield {"instruction": f"{right},{up}>", "goal": f"{right},{up}", "expert": "r" * right + "u" * up + "s"}


def position(actions: str) -> tuple[int, int]:
    """Where the actions lead, up to the first stop."""
    moves = [MOVES.get(action, (0, 0)) for action in actions.split("s", maxsplit=1)[0]]
    return sum(move[0] for move in moves), sum(move[1] for move in moves)


def seen(actions: str) -> str:
    """What is seen after a turn: where one is."""
    across, up = position(actions)
    return f"{across},{up}>"


def distance(actions: str, goal: str) -> float:
    """How far the end is from the goal, in metres."""
    across, up = position(actions)
    return math.dist((across, up), tuple(int(part) for part in goal.split(",")))


def taken(actions: str) -> int:
    """How many steps were taken."""
    return sum(action in MOVES for action in actions.split("s", maxsplit=1)[0])


def stopped(actions: str) -> bool:
    """Whether a stop was called."""
    return "s" in actions
