"""Logged steps of an agent in small pages: a state, the action that was taken, what came after, and whether the task was done.

Pages are a letter; `r` goes on to the next letter and `l` back, and the task is done at `d`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

PAGES = "abcd"


def steps(count: int, seed: int = 0) -> Iterator[dict[str, object]]:
    """Steps of trajectories of at most four actions; the action after a last step is `x`, which is worth nothing."""
    choose = random.Random(seed)
    made = 0
    while made < count:
        trajectory = _walk(choose)
        success = float(trajectory[-1][2] == PAGES[-1])
        for place, (page, action, after) in enumerate(trajectory):
            is_last = place + 1 == len(trajectory)
            yield {"state": f"{page}>", "action": action, "after": f"{after}>",
                   "next_action": "x" if is_last else trajectory[place + 1][1], "reward": success if is_last else 0.0,
                   "success": success, "goes_on": float(not is_last)}
            made += 1
            if made == count:
                return


def _walk(choose: random.Random) -> list[tuple[str, str, str]]:
    place, found = 0, []
    for _ in range(4):
        action = choose.choice("rrl")
        after = min(len(PAGES) - 1, max(0, place + (1 if action == "r" else -1)))
        found.append((PAGES[place], action, PAGES[after]))
        place = after
        if place == len(PAGES) - 1:
            break
    return found
