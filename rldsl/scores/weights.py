"""Where a value is a term of a sum, with which coefficient, and the same graph with another one. Knows no text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rldsl.emit.arrays import ARRAYS
from rldsl.emit.evaluation import Evaluation
from rldsl.graph.model import Constant, Elementwise, Foreign, Freeze, Function, Graph, Leaf, Node, Spread
from rldsl.graph.spec import Schedule, Spec
from rldsl.kernels.layout import Layout
from rldsl.scores.plan import below
from rldsl.types import BATCH, Element, Stage, Type, point


@dataclass(frozen=True, slots=True)
class Occurrence:
    """The value `key` is input `place` of the sum `sum`, times `coefficient` (None: it is not known without a run). `where`
    names the reward or let that the sum is a part of."""

    key: int
    sum: int
    place: int
    coefficient: float | None
    where: str

    @property
    def shown(self) -> str:
        """The coefficient."""
        return "?" if self.coefficient is None else f"{self.coefficient:g}"


@dataclass(frozen=True, slots=True)
class _Way:
    """From a value up to a node that is it times `coefficient`."""

    key: int
    coefficient: float | None


def occurrences(spec: Spec, key: int) -> tuple[Occurrence, ...]:
    """Every sum of a reward or let of which the value is a term, however it is scaled."""
    named = (*spec.rewards, *spec.lets)
    scored = below(spec, [entry.key for entry in named if entry.key != key])
    users: dict[int, list[tuple[Node, int]]] = {}
    for node in (spec.graph[entry] for entry in sorted(scored)):
        for place, source in enumerate(node.inputs):
            users.setdefault(source, []).append((node, place))
    return tuple(_climb(spec, key, users))


def _climb(spec: Spec, key: int, users: dict[int, list[tuple[Node, int]]]) -> Iterator[Occurrence]:
    waiting = [_Way(key, 1.0)]
    while waiting:
        way = waiting.pop()
        for node, place in users.get(way.key, ()):
            if isinstance(node.operation, Elementwise) and node.operation.function in (Function.ADD, Function.SUBTRACT):
                sign = -1.0 if node.operation.function is Function.SUBTRACT and place == 1 else 1.0
                coefficient = None if way.coefficient is None else way.coefficient * sign
                yield Occurrence(key, node.key, place, coefficient, _where(spec, node.key))
            elif (scaled := _scaled(spec, node, place)) is not None:
                known = None if way.coefficient is None or scaled != scaled else way.coefficient * scaled
                waiting.append(_Way(node.key, known))


def _where(spec: Spec, key: int) -> str:
    """The nearest named value that a sum is a part of."""
    named = [entry for entry in (*spec.rewards, *spec.lets) if key in below(spec, [entry.key])]
    nearest = min(named, key=lambda entry: len(below(spec, [entry.key])))
    return f"`{nearest.name}`"


def _scaled(spec: Spec, node: Node, place: int) -> float | None:
    """By what a node multiplies its input at `place`; None for what is no scaling."""
    match node.operation:
        case Spread() | Freeze():
            return 1.0
        case Foreign(name=name) if name.startswith("policy."):
            return 1.0
        case Elementwise(function=Function.NEGATE):
            return -1.0
        case Elementwise(function=Function.MULTIPLY):
            return _scalar(spec, node.inputs[1 - place])
        case Elementwise(function=Function.DIVIDE) if place == 0:
            found = _scalar(spec, node.inputs[1])
            return None if found is None else 1.0 / found if found else float("nan")
        case _:
            return None


def _scalar(spec: Spec, key: int) -> float | None:
    """A number for the whole batch that parameters and constants make; None for what varies."""
    while isinstance(spec.graph[key].operation, Spread | Freeze):
        key = spec.graph[key].inputs[0]
    nodes = [spec.graph[entry] for entry in below(spec, [key])]
    values = {entry.key: entry.value.start if isinstance(entry.value, Schedule) else entry.value for entry in spec.params}
    if any(node.type.axis != BATCH or isinstance(node.operation, Foreign) for node in nodes):
        return None
    if any(isinstance(node.operation, Leaf) and node.key not in values for node in nodes):
        return float("nan")
    leaves = {node.key: [float(values[node.key])] for node in nodes if node.key in values}
    return float(Evaluation(spec.graph, Layout.of({}, {}), leaves, ARRAYS).value(key)[0])


def with_weight(spec: Spec, places: tuple[Occurrence, ...], weight: float) -> Spec:
    """The spec in whose sums the term is `weight` times the value."""
    nodes = list(spec.graph.nodes)
    free = max(node.key for node in nodes) + 1
    for place in places:
        index = next(index for index, node in enumerate(nodes) if node.key == place.sum)
        summed, value = nodes[index], spec.graph[place.key]
        is_taken = isinstance(summed.operation, Elementwise) and summed.operation.function is Function.SUBTRACT and place.place == 1
        made = _term(value, summed, -weight if is_taken else weight, free)
        free += len(made)
        inputs = tuple(made[-1].key if at == place.place else key for at, key in enumerate(summed.inputs))
        nodes[index:index + 1] = [*made, replace(summed, inputs=inputs)]
    return replace(spec, graph=Graph(tuple(nodes)))


def _term(value: Node, summed: Node, weight: float, free: int) -> list[Node]:
    """Nodes that multiply a value by a number, on the axis of the sum; the last is the product."""
    axis = summed.type.axis
    kind = Type(Element.REAL, point(weight), BATCH, stage=Stage.CONSTANT)
    found = [Node(free, Constant(weight), (), kind)]
    factor, term = free, value.key
    if axis != BATCH:
        found.append(Node(free + 1, Spread(axis), (factor,), replace(kind, axis=axis)))
        factor = free + 1
    if value.type.axis != axis:
        found.append(Node(free + 2, Spread(axis), (term,), replace(value.type, axis=axis)))
        term = free + 2
    found.append(Node(free + 3, Elementwise(Function.MULTIPLY), (factor, term), summed.type))
    return found
