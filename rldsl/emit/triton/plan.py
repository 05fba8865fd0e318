"""Cuts one function of a staged objective into launches: what is kept in memory between them, and in which order.

Everything elementwise, every shift and every mirror is *fluid*: computed wherever it is used, at whatever place it is used,
from what is in memory. What looks at many places is *settled*: reductions, picks, scans, ranks. A settled value can be
computed once every settled value in its fluid closure is there: that is its depth. Decides nothing about text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rldsl.emit.cells import resolve
from rldsl.graph.model import Constant, Graph, Node, Pick, Rank, Reduce, Reduction, Scan
from rldsl.types import BATCH, Axis

FOLDED = (Reduction.SUM, Reduction.MINIMUM, Reduction.MAXIMUM)


@dataclass(frozen=True, slots=True)
class Segments:
    """One program for each place of `home`: it runs over the places below, block by block, and settles `keys`: reductions
    to `home`, picks (of which the best place is kept), or scans within it."""

    home: Axis
    keys: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Whole:
    """Reductions of the places of `over` to the batch: many programs of one part each, then one over the parts."""

    over: Axis
    keys: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sorted:
    """A quantile, the pick of one, or a rank: a sort of the library on its inputs, which are brought to memory for it."""

    key: int


@dataclass(frozen=True, slots=True)
class Outputs:
    """Values at the places of `axis`, written where the caller asked for them: their numbers among the outputs."""

    axis: Axis
    numbers: tuple[int, ...]


Step: TypeAlias = Segments | Whole | Sorted | Outputs


@dataclass(frozen=True, slots=True)
class Plan:
    """The launches of one function, in order. `settled` are the values kept in memory, `given` those handed over."""

    steps: tuple[Step, ...]
    settled: tuple[int, ...]
    given: frozenset[int]


def plan(graph: Graph, given: Collection[int], outputs: Sequence[int]) -> Plan:
    """The launches that compute the nodes `outputs` from the values `given`."""
    depths = _depths(graph, given, outputs)
    steps: list[Step] = []
    for depth in range(1, max(depths.values(), default=0) + 1):
        steps += _at_depth(graph, [key for key, found in depths.items() if found == depth])
    axes = dict.fromkeys(graph[key].type.axis for key in outputs)
    for axis in axes:
        numbers = tuple(number for number, key in enumerate(outputs) if graph[key].type.axis == axis)
        steps.append(Outputs(axis, numbers))
    return Plan(tuple(steps), tuple(depths), frozenset(given))


def is_settled(node: Node) -> bool:
    """Whether the value is kept in memory between launches."""
    return isinstance(node.operation, Reduce | Pick | Scan | Rank)


def is_sorted(node: Node) -> bool:
    """Whether a sort settles it."""
    match node.operation:
        case Rank():
            return True
        case Reduce(reduction=reduction) | Pick(reduction=reduction):
            return reduction is Reduction.QUANTILE
        case _:
            return False


def fluid_sources(graph: Graph, given: Collection[int], roots: Iterable[int]) -> dict[int, None]:
    """The settled and given values in the fluid closure of the roots, without the roots' own inputs where they are settled."""
    found: dict[int, None] = {}
    waiting, seen = [resolve(graph, given, key) for key in roots], set[int]()
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        if key in given or is_settled(graph[key]):
            found[key] = None
        else:
            waiting.extend(resolve(graph, given, source) for source in graph[key].inputs)
    return found


def _depths(graph: Graph, given: Collection[int], outputs: Sequence[int]) -> dict[int, int]:
    """The depth of every settled value that the outputs need, in the order of the graph."""
    needed: dict[int, dict[int, None]] = {}
    waiting = [key for key in fluid_sources(graph, given, outputs) if key not in given]
    while waiting:
        key = waiting.pop()
        if key not in needed:
            needed[key] = {source: None for source in fluid_sources(graph, given, graph[key].inputs) if source not in given}
            waiting.extend(needed[key])
    depths: dict[int, int] = {}
    for node in graph.nodes:
        if node.key in needed:
            depths[node.key] = 1 + max((depths[source] for source in needed[node.key]), default=0)
    return depths


def _at_depth(graph: Graph, keys: Sequence[int]) -> list[Step]:
    """Values that need nothing of each other: few launches."""
    steps: list[Step] = [Sorted(key) for key in keys if is_sorted(graph[key])]
    segments: dict[Axis, list[int]] = {}
    wholes: dict[Axis, list[int]] = {}
    for key in keys:
        node = graph[key]
        if is_sorted(node):
            continue
        home = home_of(node)
        if home == BATCH and isinstance(node.operation, Reduce):
            wholes.setdefault(graph[node.inputs[0]].type.axis, []).append(key)
        else:
            segments.setdefault(home, []).append(key)
    steps += [Segments(home, tuple(found)) for home, found in segments.items()]
    return [*steps, *(Whole(over, tuple(found)) for over, found in wholes.items())]


def home_of(node: Node) -> Axis:
    """The axis at each of whose places a program settles the value."""
    match node.operation:
        case Reduce(to=to) | Pick(to=to):
            return to
        case Scan(per=per) | Rank(per=per):
            return per
        case _:
            return node.type.axis


def literals(graph: Graph) -> Mapping[int, float | bool]:
    """The numbers that stand in the graph."""
    return {node.key: node.operation.value for node in graph.nodes
            if isinstance(node.operation, Constant) and not isinstance(node.operation.value, str)}
