"""The interval of a result from those of its inputs: every operation, every function. Reports nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import TypeAlias, assert_never

from rldsl.graph.model import (
    Constant,
    Elementwise,
    Foreign,
    Freeze,
    Function,
    Leaf,
    Mirror,
    Operation,
    Pick,
    Position,
    Rank,
    Read,
    ReadKind,
    Reduce,
    Reduction,
    Scan,
    Shift,
    Size,
    Spread,
)
from rldsl.infer import intervals as arithmetic
from rldsl.infer import scalar
from rldsl.infer.elements import BOOL_FUNCTIONS
from rldsl.infer.levels import may_be_empty
from rldsl.types import BINARY, EVERYTHING, UNIT, Axis, Element, Interval, Type, point

MOST_VALUES = 16
NOT_NEGATIVE = Interval(0.0, math.inf)
POSITIVE = Interval(0.0, math.inf, low_open=True)
NOT_POSITIVE = Interval(-math.inf, 0.0)

Places: TypeAlias = Callable[[Axis, Axis], Interval]


def known_places(axis: Axis, to: Axis) -> Interval:
    """How many places of `axis` lie in each place of `to`, by the axes alone: whatever the layout, of a run, an eval or a file."""
    if axis.parent == to and axis.size is not None:
        return point(float(axis.size))
    return NOT_NEGATIVE if may_be_empty(axis, to) else Interval(1.0, math.inf)


def infer_interval(operation: Operation, inputs: Sequence[Type], places: Places = known_places) -> Interval:
    """All values of the result lie in it (absent ones apart), in every layout with so many places as `places` says."""
    match operation:
        case Constant(value=value):
            return constant_interval(value)
        case Elementwise(function=function):
            return elementwise_interval(function, [type_.interval for type_ in inputs])
        case Reduce(reduction=reduction, to=to, masked=masked):
            return _reduction_interval(reduction, inputs[0], places(inputs[0].axis, to), masked)
        case Spread() | Freeze() | Mirror():
            return inputs[0].interval
        case Shift():
            return arithmetic.union(inputs[0].interval, inputs[1].interval)
        case Scan():
            return _scan_interval(inputs[0].interval, inputs[1].interval)
        case Pick():
            return UNIT
        case Position(axis=axis, per=per):
            return Interval(0.0, places(axis, per).high - 1.0)
        case Rank(per=per):
            return Interval(0.0, places(inputs[0].axis, per).high - 1.0)
        case Size(axis=axis, to=to):
            return places(axis, to)
        case Read(kind=kind, parameter=parameter):
            return read_interval(kind, parameter)
        case Leaf() | Foreign():
            return EVERYTHING
        case _:
            assert_never(operation)


def constant_interval(value: float | bool | str) -> Interval:
    """The interval of one number; a text has none."""
    if isinstance(value, str) or math.isnan(value):
        return EVERYTHING
    return point(float(value) + 0.0)


def read_interval(kind: ReadKind, parameter: float | None = None) -> Interval:
    """What a model read can be. Policies that share no token are farthest apart: JS is then the entropy of its weights."""
    match kind:
        case ReadKind.LOGP:
            return NOT_POSITIVE
        case ReadKind.ENTROPY | ReadKind.KL:
            return NOT_NEGATIVE
        case ReadKind.JS:
            weight = 0.5 if parameter is None else parameter
            return Interval(0.0, -weight * math.log(weight) - (1 - weight) * math.log1p(-weight))
        case ReadKind.ALPHA:
            inside = parameter is not None and 0 < parameter < 1
            return Interval(0.0, 1 / (parameter * (1 - parameter))) if inside and parameter is not None else NOT_NEGATIVE
        case ReadKind.TV:
            return UNIT
        case (ReadKind.LOGZ | ReadKind.VALUE | ReadKind.SCORE | ReadKind.HIDDEN | ReadKind.PRODUCT | ReadKind.PROBE):
            return EVERYTHING
        case _:
            assert_never(kind)


def elementwise_interval(function: Function, inputs: Sequence[Interval]) -> Interval:
    """The image of independent inputs; a list of values where each input has one and the results are few.

    Absent values lie in no interval, so what is made of them (OTHERWISE) is not an image of intervals.
    """
    if function in BOOL_FUNCTIONS:
        return BINARY
    if function is Function.OTHERWISE:
        return arithmetic.union(*inputs)
    if function in (Function.DOT, Function.COSINE):
        return EVERYTHING if function is Function.DOT else Interval(-1.0, 1.0)
    known = [interval.values for interval in inputs if interval.values is not None]
    if len(known) == len(inputs) and math.prod(len(values) for values in known) <= MOST_VALUES**2:
        found = tuple(scalar.evaluate(function, *arguments) for arguments in product(*known))
        if (exact := arithmetic.of_values(found, MOST_VALUES)) is not None:
            return exact
    if len(inputs) == 1:
        return _unary_interval(function, inputs[0])
    return _combined_interval(function, inputs)


def _combined_interval(function: Function, inputs: Sequence[Interval]) -> Interval:
    first, second = inputs[0], inputs[1]
    match function:
        case Function.ADD:
            return arithmetic.add(first, second)
        case Function.SUBTRACT:
            return arithmetic.add(first, arithmetic.negate(second))
        case Function.MULTIPLY | Function.GATED_MULTIPLY:
            return arithmetic.multiply(first, second)
        case Function.DIVIDE:
            return arithmetic.quotient(first, second)
        case Function.POWER:
            return arithmetic.raise_to(first, second)
        case Function.MINIMUM:
            return arithmetic.minimum(first, second)
        case Function.MAXIMUM:
            return arithmetic.maximum(first, second)
        case Function.CLIP:
            return arithmetic.minimum(arithmetic.maximum(first, second), inputs[2])
        case Function.SELECT:
            return arithmetic.union(inputs[1], inputs[2])
        case _:
            raise AssertionError(function)


def _unary_interval(function: Function, x: Interval) -> Interval:
    match function:
        case Function.NEGATE:
            return arithmetic.negate(x)
        case Function.ABSOLUTE:
            return arithmetic.absolute(x)
        case Function.SIGN:
            return _sign_interval(x)
        case Function.LOG:
            return _within_domain(Function.LOG, x, 0.0)
        case Function.LOG1P:
            return _within_domain(Function.LOG1P, x, -1.0)
        case Function.SQRT:
            return _within_domain(Function.SQRT, x, 0.0)
        case Function.RELU:
            return arithmetic.maximum(x, point(0.0))
        case Function.FLOOR:
            return Interval(scalar.evaluate(Function.FLOOR, x.low), scalar.evaluate(Function.FLOOR, x.high))
        case Function.COS:
            return _cos_interval(x)
        case (Function.EXP | Function.EXPM1 | Function.SIGMOID | Function.LOG_SIGMOID | Function.SOFTPLUS
              | Function.TANH):
            return arithmetic.monotone(x, lambda value: scalar.evaluate(function, value))
        case _:
            raise AssertionError(function)


def _cos_interval(x: Interval) -> Interval:
    """Its ends, and the extremes at multiples of pi that lie between them."""
    if x.span >= 2 * math.pi:
        return Interval(-1.0, 1.0)
    ends = math.cos(x.low), math.cos(x.high)
    turns = range(math.ceil(x.low / math.pi), math.floor(x.high / math.pi) + 1)
    return Interval(min(*ends, *(-1.0 for turn in turns if turn % 2)), max(*ends, *(1.0 for turn in turns if not turn % 2)))


def _sign_interval(x: Interval) -> Interval:
    signs = ((-1.0, x.low < 0), (0.0, x.contains(0.0)), (1.0, x.high > 0))
    possible = tuple(sign for sign, occurs in signs if occurs)
    return Interval(possible[0], possible[-1], values=possible)


def _within_domain(function: Function, x: Interval, lowest: float) -> Interval:
    """An increasing function of the part of `x` where it is defined; below there is no number."""
    if x.high < lowest:
        return EVERYTHING
    inside = x if x.low >= lowest else Interval(lowest, x.high, False, x.high_open)
    return arithmetic.monotone(inside, lambda value: scalar.evaluate(function, value))


def _scan_interval(x: Interval, decay: Interval) -> Interval:
    """Signs are known where the decay is not negative."""
    if decay.low < 0:
        return EVERYTHING
    return Interval(0.0 if x.low >= 0 else -math.inf, 0.0 if x.high <= 0 else math.inf,
                    x.low_open and x.low == 0, x.high_open and x.high == 0)


def _reduction_interval(reduction: Reduction, x: Type, count: Interval, masked: bool) -> Interval:
    counted = arithmetic.union(count, point(0.0)) if masked or x.optional else count
    match reduction:
        case Reduction.SUM if math.isinf(count.high):
            return _sum_interval(x, counted.contains(0.0))
        case Reduction.SUM:
            return arithmetic.multiply(arithmetic.hull(x.interval), arithmetic.hull(counted))
        case Reduction.MEAN | Reduction.QUANTILE:
            return arithmetic.hull(x.interval)
        case Reduction.MINIMUM | Reduction.MAXIMUM | Reduction.FIRST | Reduction.LAST:
            return x.interval
        case Reduction.VAR:
            return _spread_interval(x.interval.span * x.interval.span / 2)
        case Reduction.STD:
            return _spread_interval(x.interval.span / math.sqrt(2.0))
        case Reduction.VAR_POPULATION:
            return _spread_interval(x.interval.span * x.interval.span / 4)
        case Reduction.STD_POPULATION:
            return _spread_interval(x.interval.span / 2)
        case Reduction.COUNT:
            return arithmetic.hull(counted, point(0.0)) if x.element is Element.BOOL else arithmetic.hull(counted)
        case Reduction.ANY | Reduction.ALL:
            return BINARY
        case _:
            assert_never(reduction)


def _spread_interval(most: float) -> Interval:
    """Of standard deviations and variances (n - 1: of two values at the ends it is greatest)."""
    return Interval(0.0, most)


def _sum_interval(x: Type, may_be_of_none: bool) -> Interval:
    """Of at least one value of one sign the sum is at least that far from 0."""
    low, high = arithmetic.ends(x.interval)
    nothing = arithmetic.End(0.0, False)
    infinite = arithmetic.End(math.inf, True)
    minus_infinite = arithmetic.End(-math.inf, True)
    if low.at == high.at == 0:
        return point(0.0)
    if low.at >= 0:
        return arithmetic.between(nothing if may_be_of_none else low, infinite)
    if high.at <= 0:
        return arithmetic.between(minus_infinite, nothing if may_be_of_none else high)
    return EVERYTHING
