"""Finds values that emitted code writes where they are used, so that it reads as formulas. Saves no arithmetic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from rldsl.emit.cells import Accumulate, Cell, Compute, Store, Task
from rldsl.emit.expressions import repeats_first
from rldsl.graph.model import Graph


def single_uses(graph: Graph, task: Task, kept: Collection[int]) -> frozenset[int]:
    """Values that are written where they are used: unnamed, used once, in the same loop, and not twice in the text."""
    uses = Counter(key for cell in task.cells for key in cell.inputs)
    by_key = {cell.key: cell for cell in task.cells}
    found = set()
    for user in task.cells:
        for number, key in enumerate(user.inputs):
            cell = by_key.get(key)
            if cell is None or not isinstance(cell.work, Compute) or cell.home != user.home:
                continue
            if uses[key] == 1 and key not in kept and graph[key].name is None and _takes_once(user, number):
                found.add(key)
    return frozenset(found)


def _takes_once(user: Cell, number: int) -> bool:
    match user.work:
        case Compute(function=function):
            return not (repeats_first(function, user.truth) and number == 0)
        case Accumulate():
            return number == 0 and not user.optional
        case Store():
            return True
        case _:
            return False
