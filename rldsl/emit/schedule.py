"""Puts the cells of a task into loops: cells of one axis share a loop nest, and a value is kept in an array only if a
later loop needs it. Decides the nest and what is kept; writes no code.

The body of the loop over an axis A alternates between A's own scalars and loops over finer axes. Step `i` is: own
cells of step i, then the loops of step i. A fold to A of what loop i computes is own to step i + 1. Cells in loops are
put as late as their users allow; one that several steps need is computed again where that is cheap, else kept.

An axis that covers another one (steps, of tokens) is beside it, not above: what goes from one to the other *crosses*, is kept
in an array, and is computed in an earlier step.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rldsl.emit.cells import Accumulate, Across, Cell, Compute, Fold, Quantile, Series, Store, Task
from rldsl.graph.model import Function, Position, Size
from rldsl.types import BATCH, Axis

CHEAP = 3.0
_COST = defaultdict(lambda: 1.0, {
    Function.DIVIDE: 4.0, Function.SQRT: 4.0, Function.POWER: 20.0, Function.EXP: 10.0, Function.EXPM1: 10.0,
    Function.LOG: 10.0, Function.LOG1P: 10.0, Function.SIGMOID: 12.0, Function.LOG_SIGMOID: 20.0,
    Function.SOFTPLUS: 20.0, Function.TANH: 12.0, Function.COS: 12.0})


@dataclass(frozen=True, slots=True)
class Load:
    """Take the value at this place out of its array."""

    key: int


@dataclass(frozen=True, slots=True)
class Do:
    """Compute a cell."""

    cell: Cell


@dataclass(frozen=True, slots=True)
class Begin:
    """Start an accumulation."""

    work: Accumulate


@dataclass(frozen=True, slots=True)
class Loop:
    """Over the places of `axis` below the present place of `within`."""

    axis: Axis
    within: Axis
    body: tuple[Statement, ...]


Statement: TypeAlias = Load | Do | Begin | Loop


@dataclass(frozen=True, slots=True)
class Nest:
    """The whole function. `kept` are the values kept in arrays: each lives for one place of the axis given here."""

    body: tuple[Statement, ...]
    kept: Mapping[int, Axis]


def schedule(task: Task) -> Nest:
    """The loops of a task."""
    work = _Work(task)
    body = work.body(BATCH, task.cells, frozenset())
    return Nest(tuple(body), work.kept)


class _Work:
    """What is known while the nest is being built: what is kept in arrays so far, and where each value stands."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.kept: dict[int, Axis] = {}
        self.crossing = _crossing(task)
        self.axes: dict[int, Axis] = {**task.arrays, **{cell.key: cell.axis for cell in task.cells}}

    def body(self, axis: Axis, cells: Sequence[Cell], scope: frozenset[int]) -> list[Statement]:
        """The body of the loop over `axis`, which computes `cells`; `scope` are the scalars that are known there."""
        loads = self._loads(axis, cells, scope)
        own = [cell for cell in cells if cell.home == axis]
        tops = self._tops(axis, [cell for cell in cells if cell.home != axis])
        steps = _steps(axis, cells, tops)
        inner = self._placed(axis, cells, steps, tops)
        scope = scope | set(loads) | {cell.key for cell in own if not isinstance(cell.work, Series)}
        for cell in own:
            if isinstance(cell.work, Series):
                self.kept.setdefault(cell.key, axis)
        statements: list[Statement] = [Load(key) for key in loads]
        for step in range(max(steps.values(), default=0) + 1):
            statements += _own([cell for cell in own if steps[cell.key] == step])
            now = [cell for cell in cells if step in inner.get(cell.key, ())]
            statements += _begun(own, now)
            statements += self._loops(axis, now, scope, tops if _may_cross(cells) else self._tops(axis, now))
        return statements

    def _loops(self, axis: Axis, cells: Sequence[Cell], scope: frozenset[int], tops: Mapping[int, Axis]) -> list[Loop]:
        """Loops below `axis` for cells that depend on nothing but what is known now and each other."""
        loops = []
        for top in dict.fromkeys(tops[cell.key] for cell in cells):
            inside = [cell for cell in cells if tops[cell.key] == top]
            loops.append(Loop(top, axis, tuple(self.body(top, inside, scope))))
        return loops

    def _tops(self, axis: Axis, cells: Sequence[Cell]) -> dict[int, Axis]:
        """The axis of the loop right below `axis` in which each cell stands."""
        needed = list(dict.fromkeys(used for cell in cells for used in self._axes_of(axis, cell)))
        tops = [top for top in needed if not any(top != other and top.nests_in(other) for other in needed)]
        return {cell.key: next(top for top in tops if cell.home.nests_in(top)) for cell in cells}

    def _axes_of(self, axis: Axis, cell: Cell) -> Iterable[Axis]:
        """Axes below `axis` whose loops the cell must stand in: its own and those of coarser values that it uses."""
        piece = self.task.piece
        if axis == BATCH and piece != BATCH:
            yield self.task.outside or piece
        elif axis == self.task.outside:
            yield piece
        else:
            yield cell.home
            for key in cell.inputs:
                source = self.axes.get(key)
                if source is not None and source != axis and source.nests_in(axis) and cell.home.nests_in(source):
                    yield source

    def _loads(self, axis: Axis, cells: Sequence[Cell], scope: frozenset[int]) -> list[int]:
        """Arrays of this axis, or of coarser ones without a loop, that the cells of this body and its loops use."""
        known = scope | {cell.key for cell in cells}
        found: dict[int, None] = {}
        for cell in cells:
            for key in cell.inputs:
                source = self.axes.get(key)
                is_array = key in self.task.arrays or key in self.kept
                if is_array and source is not None and axis.is_within(source) and key not in known:
                    found[key] = None
        return list(found)

    def _placed(self, axis: Axis, cells: Sequence[Cell], steps: dict[int, int], tops: Mapping[int, Axis]
                ) -> dict[int, set[int]]:
        """The steps whose loops compute each inner cell. What later steps need and is not cheap is kept."""
        inner = {cell.key: cell for cell in cells if cell.home != axis}
        costs = _costs(inner)
        wanted: dict[int, set[int]] = defaultdict(set)
        arrays: set[int] = set()
        for cell in reversed(cells):
            mine = {steps[cell.key]}
            if cell.key in inner:
                later = wanted[cell.key] - mine
                if cell.key in arrays or (later and (costs[cell.key] > CHEAP or cell.key in self.crossing)):
                    self.kept.setdefault(cell.key, axis)
                elif cell.key not in self.kept:
                    mine |= later
                wanted[cell.key] = mine
            for key in cell.inputs:
                if key in inner and cell.key in inner and tops[key] == tops[cell.key]:
                    wanted[key] |= mine
                elif key in inner and not isinstance(cell.work, Fold):
                    arrays.add(key)
        return {key: wanted[key] for key in inner}


def _crossing(task: Task) -> frozenset[int]:
    """Values that are used beside the loops in which they are computed: kept in one array, they are not computed again."""
    home = {cell.key: cell.home for cell in task.cells}
    return frozenset(key for cell in task.cells for key in cell.inputs if key in home
                     and not (cell.home.nests_in(home[key]) or home[key].nests_in(cell.home)))


def _may_cross(cells: Sequence[Cell]) -> bool:
    """Whether there is an axis that covers another one: loops must then be those for which crossings were looked for."""
    return any(above.over is not None for cell in cells for above in cell.home.chain())


def _steps(axis: Axis, cells: Sequence[Cell], tops: Mapping[int, Axis]) -> dict[int, int]:
    """The step of each cell: own cells as early, cells of inner loops as late as they can be."""
    home = {cell.key: cell.home for cell in cells}
    steps: dict[int, int] = {}

    def later(cell: Cell, key: int) -> bool:
        """Whether the loops that compute an input are over before the cell can be computed."""
        return home[key] != axis and (cell.home == axis or tops[cell.key] != tops[key])

    for cell in cells:
        ready = [steps[key] + later(cell, key) for key in cell.inputs if key in home]
        steps[cell.key] = max(ready, default=0)
    latest: dict[int, int] = {}
    for cell in reversed(cells):
        if cell.home != axis and cell.key in latest:
            steps[cell.key] = latest[cell.key]
        for key in cell.inputs:
            if key in home and home[key] != axis:
                limit = steps[cell.key] - later(cell, key)
                latest[key] = min(latest.get(key, limit), limit)
    return steps


def _costs(cells: Mapping[int, Cell]) -> dict[int, float]:
    """What it costs to compute each inner cell once more from what is at hand."""
    costs: dict[int, float] = {}
    for key, cell in cells.items():
        match cell.work:
            case Compute(function=function):
                costs[key] = _COST[function] + sum(costs.get(source, 0.0) for source in cell.inputs)
            case Position() | Size():
                costs[key] = 1.0
            case Fold() | Accumulate() | Across() | Quantile() | Series() | Store():
                costs[key] = math.inf
    return costs


def _own(cells: Sequence[Cell]) -> list[Statement]:
    """Own cells in their order; a fold over this very axis begins and ends here."""
    folds = {cell.key for cell in cells if isinstance(cell.work, Fold)}
    found: list[Statement] = []
    for cell in cells:
        if isinstance(cell.work, Accumulate) and cell.work.into in folds:
            found.append(Begin(cell.work))
        found.append(Do(cell))
    return found


def _begun(own: Sequence[Cell], now: Sequence[Cell]) -> list[Statement]:
    """The folds to this axis that the loops of this step accumulate."""
    folds = {cell.key for cell in own if isinstance(cell.work, Fold)}
    return [Begin(cell.work) for cell in now if isinstance(cell.work, Accumulate) and cell.work.into in folds]
