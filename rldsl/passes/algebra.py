"""Rules of elementwise functions: what one may be replaced by, at every place, NaN and infinities included.

The sign of a zero is not kept, and a more exact form may take the place of a less exact one (`log1p(x)` of
`log(1 + x)`). Rules know no axes but that all inputs share one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol

from rldsl.graph.model import Elementwise, Function
from rldsl.infer import Builder
from rldsl.passes.facts import NOT_NEGATIVE, Facts
from rldsl.types import Element


class Maker(Protocol):
    """What rules build with: functions are simplified as they are made."""

    builder: Builder
    facts: Facts

    def make(self, function: Function, *keys: int) -> int:
        """The simplified function of values on one axis."""

    def number(self, value: float | bool, like: int) -> int:
        """A constant at every place where `like` stands."""


def simpler(maker: Maker, function: Function, keys: tuple[int, ...]) -> int | None:
    """The key of something simpler that is equal, or None."""
    rule = _RULES.get(function)
    return None if rule is None else rule(maker, *keys)


def argument(maker: Maker, key: int, function: Function) -> int | None:
    """The input of `key` if that is this function of one input."""
    node = maker.builder[key]
    return node.inputs[0] if node.operation == Elementwise(function) else None


# ------------------------------------------------------------------ arithmetic
def _add(maker: Maker, a: int, b: int) -> int | None:
    for first, second in ((a, b), (b, a)):
        if maker.facts.constant(second) == 0:
            return first
        if (negated := argument(maker, second, Function.NEGATE)) is not None:
            return maker.make(Function.SUBTRACT, first, negated)
    return None


def _subtract(maker: Maker, a: int, b: int) -> int | None:
    if maker.facts.constant(b) == 0:
        return a
    if maker.facts.constant(a) == 0:
        return maker.make(Function.NEGATE, b)
    if (negated := argument(maker, b, Function.NEGATE)) is not None:
        return maker.make(Function.ADD, a, negated)
    if maker.facts.constant(b) == 1 and (power := argument(maker, a, Function.EXP)) is not None:
        return maker.make(Function.EXPM1, power)
    return None


def _multiply(maker: Maker, a: int, b: int) -> int | None:
    for first, second in ((a, b), (b, a)):
        match maker.facts.constant(second):
            case 1:
                return first
            case -1:
                return maker.make(Function.NEGATE, first)
            case 0 if maker.facts.is_finite(first):
                return second
            case _:
                pass
    minus_a, minus_b = argument(maker, a, Function.NEGATE), argument(maker, b, Function.NEGATE)
    if minus_a is not None and minus_b is not None:
        return maker.make(Function.MULTIPLY, minus_a, minus_b)
    return None


def _gated_multiply(maker: Maker, gate: int, x: int) -> int | None:
    if maker.facts.constant(gate) == 0:
        return gate
    if maker.facts.is_nonzero(gate) or maker.facts.is_finite(x):
        return maker.make(Function.MULTIPLY, gate, x)
    return None


def _divide(maker: Maker, a: int, b: int) -> int | None:
    match maker.facts.constant(b):
        case 1:
            return a
        case -1:
            return maker.make(Function.NEGATE, a)
        case _:
            return None


def _power(maker: Maker, base: int, exponent: int) -> int | None:
    match maker.facts.constant(exponent):
        case 1:
            return base
        case 2:
            return maker.make(Function.MULTIPLY, base, base)
        case -1:
            return maker.make(Function.DIVIDE, maker.number(1.0, base), base)
        case _:
            return None


def _negate(maker: Maker, x: int) -> int | None:
    node = maker.builder[x]
    match node.operation:
        case Elementwise(function=Function.NEGATE):
            return node.inputs[0]
        case Elementwise(function=Function.SUBTRACT):
            return maker.make(Function.SUBTRACT, node.inputs[1], node.inputs[0])
        case _:
            return None


# ------------------------------------------------------------------ bounds
def _minimum(maker: Maker, a: int, b: int) -> int | None:
    if a == b:
        return a
    for first, second in ((a, b), (b, a)):
        if (bound := maker.facts.constant(second)) is not None and _stays_below(maker, first, bound):
            return first
    return None


def _maximum(maker: Maker, a: int, b: int) -> int | None:
    if a == b:
        return a
    for first, second in ((a, b), (b, a)):
        if (bound := maker.facts.constant(second)) is not None and _stays_above(maker, first, bound):
            return first
    return None


def _clip(maker: Maker, x: int, low: int, high: int) -> int | None:
    lowest, highest = maker.facts.constant(low), maker.facts.constant(high)
    if lowest is None or highest is None or lowest > highest:
        return None
    return x if _stays_above(maker, x, lowest) and _stays_below(maker, x, highest) else None


def _stays_below(maker: Maker, x: int, bound: float) -> bool:
    """With a margin: ranges are exact, values are rounded."""
    return maker.builder[x].type.interval.high < bound - _margin(bound) or bound == math.inf


def _stays_above(maker: Maker, x: int, bound: float) -> bool:
    if bound == 0 and _is_not_negative(maker, x):
        return True
    return maker.builder[x].type.interval.low > bound + _margin(bound) or bound == -math.inf


def _margin(bound: float) -> float:
    return 1e-5 * max(1.0, abs(bound)) if math.isfinite(bound) else 0.0


def _is_not_negative(maker: Maker, x: int) -> bool:
    """By its function, without rounding."""
    operation = maker.builder[x].operation
    return isinstance(operation, Elementwise) and operation.function in NOT_NEGATIVE


def _absolute(maker: Maker, x: int) -> int | None:
    if (negated := argument(maker, x, Function.NEGATE)) is not None:
        return maker.make(Function.ABSOLUTE, negated)
    return x if _stays_above(maker, x, 0.0) else None


def _relu(maker: Maker, x: int) -> int | None:
    return x if _stays_above(maker, x, 0.0) else None


# ------------------------------------------------------------------ exponentials
def _exp(maker: Maker, x: int) -> int | None:
    inner = argument(maker, x, Function.LOG)
    return inner if inner is not None and maker.builder[inner].type.interval.low >= 0 else None


def _log(maker: Maker, x: int) -> int | None:
    if (inner := argument(maker, x, Function.SIGMOID)) is not None:
        return maker.make(Function.LOG_SIGMOID, inner)
    node = maker.builder[x]
    match node.operation:
        case Elementwise(function=Function.ADD):
            for one, other in (node.inputs, node.inputs[::-1]):
                if maker.facts.constant(one) == 1:
                    return maker.make(Function.LOG1P, other)
        case Elementwise(function=Function.SUBTRACT) if maker.facts.constant(node.inputs[0]) == 1:
            return maker.make(Function.LOG1P, maker.make(Function.NEGATE, node.inputs[1]))
        case _:
            pass
    return None


def _log1p(maker: Maker, x: int) -> int | None:
    if (inner := argument(maker, x, Function.EXP)) is not None:
        return maker.make(Function.SOFTPLUS, inner)
    negated = argument(maker, x, Function.NEGATE)
    inner = None if negated is None else argument(maker, negated, Function.SIGMOID)
    return None if inner is None else maker.make(Function.LOG_SIGMOID, maker.make(Function.NEGATE, inner))


# ------------------------------------------------------------------ choices and truth
def _select(maker: Maker, condition: int, chosen: int, other: int) -> int | None:
    known = maker.facts.constant(condition)
    if known is not None:
        return chosen if known else other
    if chosen == other:
        return chosen
    if (negated := argument(maker, condition, Function.NOT)) is not None:
        return maker.make(Function.SELECT, negated, other, chosen)
    if maker.facts.constant(chosen) is True and maker.facts.constant(other) is False:
        return condition
    return _select_again(maker, condition, chosen, other)


def _select_again(maker: Maker, condition: int, chosen: int, other: int) -> int | None:
    """A choice within a choice by the same condition."""
    first, second = maker.builder[chosen], maker.builder[other]
    if first.operation == Elementwise(Function.SELECT) and first.inputs[0] == condition:
        return maker.make(Function.SELECT, condition, first.inputs[1], other)
    if second.operation == Elementwise(Function.SELECT) and second.inputs[0] == condition:
        return maker.make(Function.SELECT, condition, chosen, second.inputs[2])
    return None


def _not(maker: Maker, x: int) -> int | None:
    return argument(maker, x, Function.NOT)


def _and(maker: Maker, a: int, b: int) -> int | None:
    for first, second in ((a, b), (b, a)):
        known = maker.facts.constant(second)
        if known is not None:
            return first if known else second
    return a if a == b else None


def _or(maker: Maker, a: int, b: int) -> int | None:
    for first, second in ((a, b), (b, a)):
        known = maker.facts.constant(second)
        if known is not None:
            return second if known else first
    return a if a == b else None


def _not_equal(maker: Maker, a: int, b: int) -> int | None:
    """`select(c, 1, 0) != 0` is `c`."""
    node = maker.builder[a]
    if maker.facts.constant(b) != 0 or node.operation != Elementwise(Function.SELECT):
        return None
    held, not_held = (maker.facts.constant(key) for key in node.inputs[1:])
    return node.inputs[0] if held == 1 and not_held == 0 else None


def _is_missing(maker: Maker, x: int) -> int | None:
    return None if maker.facts.may_be_nan(x) else maker.number(False, x)


def _otherwise(maker: Maker, x: int, alternative: int) -> int | None:
    same = maker.builder[x].type.element is maker.builder[alternative].type.element is not Element.BOOL
    return x if same and not maker.facts.may_be_nan(x) else None


_RULES: Mapping[Function, Callable[..., int | None]] = {
    Function.ADD: _add, Function.SUBTRACT: _subtract, Function.MULTIPLY: _multiply,
    Function.GATED_MULTIPLY: _gated_multiply, Function.DIVIDE: _divide, Function.POWER: _power,
    Function.NEGATE: _negate, Function.MINIMUM: _minimum, Function.MAXIMUM: _maximum, Function.CLIP: _clip,
    Function.ABSOLUTE: _absolute, Function.RELU: _relu, Function.EXP: _exp, Function.LOG: _log,
    Function.LOG1P: _log1p, Function.SELECT: _select, Function.NOT: _not, Function.AND: _and, Function.OR: _or,
    Function.NOT_EQUAL: _not_equal, Function.IS_MISSING: _is_missing, Function.OTHERWISE: _otherwise}
