"""Interval arithmetic: exact ends, open where they are not reached. Knows numbers, nothing of nodes.

Rounding is not modelled: an end is what exact arithmetic gives. An infinite end is always written closed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from rldsl.infer.scalar import divide, power
from rldsl.types import EVERYTHING, Interval


@dataclass(frozen=True, slots=True)
class End:
    """One end of an interval: a number, and whether it is not itself reached."""

    at: float
    is_open: bool


def ends(interval: Interval) -> tuple[End, End]:
    """The two ends; infinite ones count as not reached."""
    return (End(interval.low, interval.low_open or math.isinf(interval.low)),
            End(interval.high, interval.high_open or math.isinf(interval.high)))


def between(low: End, high: End) -> Interval:
    """The interval of two ends; everything where one is no number, as in `inf - inf`."""
    if math.isnan(low.at) or math.isnan(high.at):
        return EVERYTHING
    return Interval(low.at + 0.0, high.at + 0.0, low.is_open and not math.isinf(low.at),
                    high.is_open and not math.isinf(high.at))


def lowest(*candidates: End) -> End:
    """The lowest end, reached if any of equal ones is."""
    return min(candidates, key=lambda end: (end.at, end.is_open))


def highest(*candidates: End) -> End:
    """The highest end, reached if any of equal ones is."""
    return max(candidates, key=lambda end: (end.at, not end.is_open))


def hull(*intervals: Interval) -> Interval:
    """The least interval around all, without a list of values."""
    pairs = [ends(interval) for interval in intervals]
    return between(lowest(*(low for low, _ in pairs)), highest(*(high for _, high in pairs)))


def union(*intervals: Interval) -> Interval:
    """What lies in any of them: a list of values where each has one, else the hull."""
    around = hull(*intervals)
    values: set[float] = set()
    for interval in intervals:
        if interval.values is None:
            return around
        values.update(interval.values)
    return of_values(tuple(values)) or around


def intersection(a: Interval, b: Interval) -> Interval:
    """What lies in both; a list of values stays one. Of intervals that do not meet, the first."""
    (a_low, a_high), (b_low, b_high) = ends(a), ends(b)
    low = max((a_low, b_low), key=lambda end: (end.at, end.is_open))
    high = min((a_high, b_high), key=lambda end: (end.at, not end.is_open))
    if a.values is not None or low.at > high.at:
        return a
    return between(low, high) if b.values is None else b


def of_values(values: tuple[float, ...], limit: int = 16) -> Interval | None:
    """The interval of a few known numbers; None if they are too many or not finite."""
    unique = sorted({value + 0.0 for value in values})
    if len(unique) > limit or not all(math.isfinite(value) for value in unique):
        return None
    return Interval(unique[0], unique[-1], values=tuple(unique))


def negate(x: Interval) -> Interval:
    """-x."""
    low, high = ends(x)
    return between(End(-high.at, high.is_open), End(-low.at, low.is_open))


def add(a: Interval, b: Interval) -> Interval:
    """a + b."""
    (a_low, a_high), (b_low, b_high) = ends(a), ends(b)
    return between(End(a_low.at + b_low.at, a_low.is_open or b_low.is_open),
                   End(a_high.at + b_high.at, a_high.is_open or b_high.is_open))


def multiply(a: Interval, b: Interval) -> Interval:
    """a * b of independent values."""
    candidates = [_product(first, second) for first in ends(a) for second in ends(b)]
    return between(lowest(*candidates), highest(*candidates))


def _product(a: End, b: End) -> End:
    zeros = [end for end in (a, b) if end.at == 0]
    if zeros:
        return End(0.0, all(end.is_open for end in zeros))
    return End(a.at * b.at, a.is_open or b.is_open)


def square(x: Interval) -> Interval:
    """x * x."""
    return monotone(absolute(x), lambda value: power(value, 2.0))


def quotient(a: Interval, b: Interval) -> Interval:
    """a / b; everything if b may be 0."""
    if b.contains(0.0) or b.low < 0 < b.high:
        return EVERYTHING
    candidates = [_ratio(first, second, b.high > 0) for first in ends(a) for second in ends(b)
                  if not (math.isinf(first.at) and math.isinf(second.at))]
    if not candidates:
        return EVERYTHING
    return between(lowest(*candidates), highest(*candidates))


def _ratio(a: End, b: End, positive: bool) -> End:
    if a.at == 0:
        return End(0.0, a.is_open)
    if b.at == 0:
        return End(math.copysign(math.inf, a.at) * (1.0 if positive else -1.0), True)
    return End(divide(a.at, b.at), a.is_open or b.is_open)


def absolute(x: Interval) -> Interval:
    """|x|."""
    if x.low >= 0:
        return hull(x)
    if x.high <= 0:
        return negate(x)
    low, high = ends(x)
    return between(End(0.0, False), highest(End(-low.at, low.is_open), high))


def minimum(a: Interval, b: Interval) -> Interval:
    """min(a, b)."""
    (a_low, a_high), (b_low, b_high) = ends(a), ends(b)
    return between(lowest(a_low, b_low), _lower(a_high, b_high))


def maximum(a: Interval, b: Interval) -> Interval:
    """max(a, b)."""
    return negate(minimum(negate(a), negate(b)))


def _lower(a: End, b: End) -> End:
    """The lower of two upper ends; of equal ones it is reached only if both are."""
    return min((a, b), key=lambda end: (end.at, not end.is_open))


def monotone(x: Interval, function: Callable[[float], float]) -> Interval:
    """The image under a strictly increasing function; infinite ends go to its limits."""
    low, high = ends(x)
    return between(End(function(low.at), low.is_open), End(function(high.at), high.is_open))


def raise_to(base: Interval, exponent: Interval) -> Interval:
    """base ** exponent."""
    if exponent.values is not None and len(exponent.values) == 1:
        return _raise_to_number(base, exponent.values[0])
    if base.low < 0:
        return EVERYTHING
    return Interval(0.0, math.inf, low_open=base.low > 0)


def _raise_to_number(base: Interval, exponent: float) -> Interval:
    if exponent == 0:
        return Interval(1.0, 1.0, values=(1.0,))
    if exponent < 0:
        return quotient(Interval(1.0, 1.0), _raise_to_number(base, -exponent))
    if exponent % 2 == 0:
        return monotone(absolute(base), lambda value: power(value, exponent))
    if exponent % 2 == 1 or base.low >= 0:
        return monotone(base, lambda value: power(value, exponent))
    return EVERYTHING
