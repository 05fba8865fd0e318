"""By which sign a value enters an objective's term: rising, falling, not known. Reports nothing."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import cast

from rldsl.checks.facts import Facts
from rldsl.graph.model import Elementwise, Freeze, Function, Node, Reduce, Reduction, Spread

Signs = Mapping[int, Set[int]]
_SETS = {mask: frozenset(sign for sign, bit in ((1, 1), (-1, 2), (0, 4)) if mask & bit) for mask in range(8)}
_TIMES = {1: (0, 1, 2, 3, 4, 5, 6, 7), -1: (0, 2, 1, 3, 4, 6, 5, 7), 0: (0, 4, 4, 4, 4, 4, 4, 4)}  # masks times a sign


def polarities(facts: Facts, root: int) -> Signs:
    """For each ancestor, the signs by which it enters `root`: +1 rising, -1 falling, 0 not known. Through sums, means,
    constants, min and max; `-(-x)` is seen through. Freezes are looked through: what is said of values holds for them."""
    known = facts.known.get(("polarities", root))
    if known is not None:
        return cast(Signs, known)
    masks = {root: 1}
    for key in sorted(facts.ancestors(root), reverse=True):
        mask = masks.get(key, 0)
        node = facts.graph[key]
        for entry, step in zip(node.inputs, _steps(facts, node), strict=True):
            masks[entry] = masks.get(entry, 0) | _TIMES[step][mask]
    found = {key: _SETS[mask] for key, mask in masks.items()}
    if facts.may_keep(len(found)):
        facts.known["polarities", root] = found
    return found


def _steps(facts: Facts, node: Node) -> tuple[int, ...]:
    """The sign by which each input enters a node; found once for a spec."""
    known = facts.known.get(("steps", node.key))
    if known is None:
        known = facts.known["steps", node.key] = tuple(_sign_of_input(facts, node, place) for place in range(len(node.inputs)))
    return cast(tuple[int, ...], known)


_RISING_REDUCTIONS = frozenset({Reduction.SUM, Reduction.MEAN, Reduction.MINIMUM, Reduction.MAXIMUM, Reduction.QUANTILE,
                                Reduction.FIRST, Reduction.LAST})


def _sign_of_input(facts: Facts, node: Node, place: int) -> int:
    match node.operation:
        case Spread() | Freeze():
            return 1
        case Reduce(reduction=reduction):
            return 1 if place == 0 and reduction in _RISING_REDUCTIONS else 0
        case Elementwise(function=function):
            return _sign_of_function(facts, function, node, place)
        case _:
            return 0


_RISING = frozenset({Function.ADD, Function.MINIMUM, Function.MAXIMUM, Function.EXP, Function.LOG, Function.EXPM1,
                     Function.LOG1P, Function.SQRT, Function.SIGMOID, Function.LOG_SIGMOID, Function.SOFTPLUS,
                     Function.TANH, Function.RELU})


def _sign_of_function(facts: Facts, function: Function, node: Node, place: int) -> int:
    if function in _RISING or (function in (Function.CLIP, Function.OTHERWISE) and place == 0):
        return 1
    match function:
        case Function.SUBTRACT:
            return 1 if place == 0 else -1
        case Function.NEGATE:
            return -1
        case Function.MULTIPLY:
            return sign_of(facts, node.inputs[1 - place])
        case Function.DIVIDE:
            return sign_of(facts, node.inputs[1]) if place == 0 else 0
        case Function.SELECT:
            return 1 if place > 0 else 0
        case _:
            return 0


def sign_of(facts: Facts, key: int) -> int:
    """+1 or -1 where a value cannot have the other sign, else 0; 0 also for the constant 0."""
    value = facts.constant(key)
    if value is not None:
        return (value > 0) - (value < 0)
    interval = facts.interval(key)
    if interval.low >= 0:
        return 1
    return -1 if interval.high <= 0 else 0
