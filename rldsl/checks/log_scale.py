"""Which values are of log scale: sums, differences, means and multiples of log-probabilities, found along the graph.

Such a value is a *log-ratio* where its weights cancel for each text, however it is written: it is 0 where the policies that it
compares agree. Where they do not cancel it is a logarithm of probabilities. Nothing is reported here, nothing is known of names.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from rldsl.graph.model import Constant, Elementwise, Freeze, Function, Graph, Node, Reduce, Reduction, Scan, Spread
from rldsl.types import LogProbability, Version

MOST_PARTS = 12
MOST_MARKS = 12
NOTHING = 1e-12

Marks: TypeAlias = tuple[Hashable, ...]
_LINEAR = frozenset({Reduction.SUM, Reduction.MEAN, Reduction.FIRST, Reduction.LAST})
_CHOOSING = frozenset({Reduction.MINIMUM, Reduction.MAXIMUM, Reduction.QUANTILE})


@dataclass(frozen=True, slots=True)
class Part:
    """One log-probability in a sum. `marks` say what was done to it beside numbers: equal ones were treated alike."""

    key: int
    of: LogProbability
    weight: float
    marks: Marks = ()
    is_frozen: bool = False


@dataclass(frozen=True, slots=True)
class LogScale:
    """A sum of log-probabilities with weights. Of one without parts everything cancelled: it is 0, and so is its gradient."""

    parts: tuple[Part, ...]

    @property
    def cancels(self) -> bool:
        """Whether it is 0 whatever the models say."""
        return not self.parts

    @property
    def is_ratio(self) -> bool:
        """Whether it is a logarithm of a ratio: 0 where the policies that it compares agree."""
        totals: dict[Hashable, float] = {}
        for part in self.parts:
            place = (part.of.response, part.marks)
            totals[place] = totals.get(place, 0.0) + part.weight
        return bool(totals) and all(abs(total) <= NOTHING for total in totals.values())

    @property
    def is_of_one_text(self) -> bool:
        """Whether all parts score the same response."""
        return len({part.of.response for part in self.parts}) == 1


def log_scales(graph: Graph) -> dict[int, LogScale]:
    """The values that are sums of log-probabilities."""
    found: dict[int, LogScale] = {}
    for node in graph.nodes:
        scale = _scale_of(graph, node, found)
        if scale is not None and len(scale.parts) <= MOST_PARTS and all(len(part.marks) <= MOST_MARKS for part in scale.parts):
            found[node.key] = scale
    return found


def _scale_of(graph: Graph, node: Node, known: Mapping[int, LogScale]) -> LogScale | None:
    scales = [known.get(key) for key in node.inputs]
    first = scales[0] if scales else None
    match node.operation:
        case Elementwise(function=function):
            return _of_function(graph, function, node, scales)
        case Spread() if first is not None:
            return first
        case Freeze() if first is not None:
            return LogScale(tuple(replace(part, is_frozen=True) for part in first.parts))
        case Reduce(reduction=reduction, to=to) if first is not None and reduction in _LINEAR | _CHOOSING:
            mark = (reduction, to, node.inputs[1:])
            return _marked(first, mark if reduction in _LINEAR else (node.key, *mark))
        case Scan(per=per, from_end=from_end) if first is not None:
            return _marked(first, ("scan", per, from_end, node.inputs[1]))
        case _ if isinstance(node.type.provenance, LogProbability):
            return LogScale((Part(node.key, node.type.provenance, 1.0),))
        case _:
            return None


def _of_function(graph: Graph, function: Function, node: Node, scales: Sequence[LogScale | None]) -> LogScale | None:
    match function, scales:
        case Function.NEGATE, [LogScale() as x]:
            return _times(x, -1.0)
        case Function.ADD, [LogScale() as x, LogScale() as y]:
            return _sum(x.parts + y.parts)
        case Function.SUBTRACT, [LogScale() as x, LogScale() as y]:
            return _sum(x.parts + _times(y, -1.0).parts)
        case (Function.MULTIPLY | Function.DIVIDE), [LogScale() as x, None]:
            return _scaled(graph, x, function, node.inputs[1])
        case Function.MULTIPLY, [None, LogScale() as x]:
            return _scaled(graph, x, function, node.inputs[0])
        case (Function.CLIP | Function.MINIMUM | Function.MAXIMUM), [LogScale() as x, *others] if not any(others):
            return _cut(graph, x, function, node)
        case (Function.MINIMUM | Function.MAXIMUM), [None, LogScale() as x]:
            return _cut(graph, x, function, replace(node, inputs=node.inputs[::-1]))
        case Function.SELECT, [_, LogScale() as x, None] if number_at(graph, node.inputs[2]) == 0:
            return _marked(x, ("where", node.inputs[0]))
        case Function.SELECT, [_, None, LogScale() as x] if number_at(graph, node.inputs[1]) == 0:
            return _marked(x, ("where not", node.inputs[0]))
        case Function.OTHERWISE, [LogScale() as x, None] if number_at(graph, node.inputs[1]) == 0:
            return _marked(x, "else 0")
        case _:
            return None


def number_at(graph: Graph, key: int) -> float | None:
    """The number that is written at a place, spread or not; None for anything else, parameters too."""
    node = graph[key]
    while isinstance(node.operation, Spread | Freeze):
        node = graph[node.inputs[0]]
    match node.operation:
        case Constant(value=bool() | int() | float() as value):
            return float(value)
        case _:
            return None


def _cut(graph: Graph, x: LogScale, function: Function, node: Node) -> LogScale | None:
    """Cut at bounds between which 0 lies, it is 0 where it was; the steps above are no longer sums."""
    bounds = [number_at(graph, key) for key in node.inputs[1:]]
    match function, bounds:
        case Function.CLIP, [float() as low, float() as high] if low <= 0 <= high and x.is_ratio:
            return _marked(x, (node.key, low, high))
        case Function.MINIMUM, [float() as high] if high >= 0 and x.is_ratio:
            return _marked(x, (node.key, high))
        case Function.MAXIMUM, [float() as low] if low <= 0 and x.is_ratio:
            return _marked(x, (node.key, low))
        case _:
            return None


def _scaled(graph: Graph, x: LogScale, function: Function, factor: int) -> LogScale | None:
    """Times or over a number, or a frozen value, which changes no zero."""
    number = number_at(graph, factor)
    if number is None:
        return None if graph[factor].type.is_live else _marked(x, (function, factor))
    if number == 0:
        return None
    return _times(x, number if function is Function.MULTIPLY else 1 / number)


def _times(x: LogScale, number: float) -> LogScale:
    return LogScale(tuple(replace(part, weight=number * part.weight) for part in x.parts))


def _marked(x: LogScale, mark: Hashable) -> LogScale:
    return LogScale(tuple(replace(part, marks=(*part.marks, mark)) for part in x.parts))


def _sum(parts: Iterable[Part]) -> LogScale:
    """Parts that are alike as one; those that cancel are gone."""
    found: dict[Part, float] = {}
    for part in parts:
        place = replace(part, weight=0.0)
        found[place] = found.get(place, 0.0) + part.weight
    return LogScale(tuple(replace(place, weight=weight) for place, weight in found.items() if abs(weight) > NOTHING))


def is_importance(scale: LogScale, root: Callable[[str], str]) -> bool:
    """Whether it compares one policy with itself at other times: as it is, as it was when the iteration began, as it sampled."""
    models = {root(part.of.model) for part in scale.parts}
    versions = {part.of.version for part in scale.parts}
    return len(models) == 1 and len(versions) > 1 and versions <= {Version.CURRENT, Version.ITERATION, Version.SAMPLER}
