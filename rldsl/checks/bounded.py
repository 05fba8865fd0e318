"""Where a value is held to two constant bounds, however that is written. Reports nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rldsl.checks.facts import Facts, is_function
from rldsl.graph.model import Elementwise, Function, Node

_AT_LEAST = (Function.GREATER, Function.GREATER_EQUAL)
_AT_MOST = (Function.LESS, Function.LESS_EQUAL)


@dataclass(frozen=True, slots=True)
class Bounded:
    """`node` holds the value `key` to `low .. high`. Clips `cut`: a gradient ends at the bounds; comparisons do not.
    A gate, `sigmoid(t * (x - 1))`, stands around 1, and holds to nothing else."""

    node: Node
    key: int
    low: float
    high: float
    cuts: bool = False
    is_gate: bool = False


def bounded_values(facts: Facts) -> Iterator[Bounded]:
    """Clips, `min` of `max` and the reverse, two comparisons that are joined, and gates around 1."""
    for node in facts.graph.nodes:
        match node.operation:
            case Elementwise(function=Function.CLIP):
                low, high = (facts.constant(key) for key in node.inputs[1:])
                if low is not None and high is not None:
                    yield Bounded(node, node.inputs[0], low, high, cuts=True)
            case Elementwise(function=Function.MINIMUM | Function.MAXIMUM):
                yield from _of_extremes(facts, node)
            case Elementwise(function=Function.AND | Function.OR):
                yield from _of_comparisons(facts, node)
            case Elementwise(function=Function.SIGMOID):
                yield from _of_gate(facts, node)
            case _:
                pass


def _of_extremes(facts: Facts, node: Node) -> Iterator[Bounded]:
    """`min(max(x, low), high)`, `max(min(x, high), low)`."""
    outer, inner = _side(facts, node)
    if outer is None or inner is None:
        return
    below = facts.through(inner)
    other = Function.MAXIMUM if is_function(node, Function.MINIMUM) else Function.MINIMUM
    if is_function(below, other):
        bound, value = _side(facts, below)
        if bound is not None and value is not None:
            yield Bounded(node, value, min(outer, bound), max(outer, bound), cuts=True)


def _side(facts: Facts, node: Node) -> tuple[float | None, int | None]:
    """The number of two arguments, and the other one."""
    for place, key in enumerate(node.inputs):
        number = facts.constant(key)
        if number is not None:
            return number, node.inputs[1 - place]
    return None, None


def _of_comparisons(facts: Facts, node: Node) -> Iterator[Bounded]:
    """`x >= low and x <= high`; `x < low or x > high`, which says the same of the rest."""
    found: dict[bool, tuple[float, int]] = {}
    for key in node.inputs:
        side = facts.through(key)
        if is_function(side, *_AT_LEAST, *_AT_MOST):
            number, value = _side(facts, side)
            if number is not None and value is not None:
                is_lower = is_function(side, *_AT_LEAST) is (value == side.inputs[0])
                found[is_lower is is_function(node, Function.AND)] = (number, value)
    if len(found) == 2 and facts.through(found[True][1]).key == facts.through(found[False][1]).key:
        yield Bounded(node, found[True][1], found[True][0], found[False][0])


def _of_gate(facts: Facts, node: Node) -> Iterator[Bounded]:
    """`sigmoid(t * (x - 1))`, t being any frozen value."""
    inside = facts.through(node.inputs[0])
    while is_function(inside, Function.MULTIPLY):
        live = [key for key in inside.inputs if facts.graph[key].type.is_live]
        if len(live) != 1:
            return
        inside = facts.through(live[0])
    if is_function(inside, Function.SUBTRACT) and facts.constant(inside.inputs[1]) == 1:
        yield Bounded(node, inside.inputs[0], 1.0, 1.0, is_gate=True)
