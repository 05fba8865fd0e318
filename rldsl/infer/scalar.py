"""What each elementwise function means for one place, in float64: for folding and finite value sets.

An absent value is NaN and makes every result NaN, but for IS_MISSING, OTHERWISE and the branch of SELECT that
is not taken. Division by zero and overflow follow IEEE 754: they give infinities and NaN, never an exception.
"""

from __future__ import annotations

import math

from rldsl.graph.model import Function

_COMPARISONS = frozenset({Function.LESS, Function.LESS_EQUAL, Function.GREATER, Function.GREATER_EQUAL,
                          Function.EQUAL, Function.NOT_EQUAL, Function.AND, Function.OR, Function.NOT})


def evaluate(function: Function, *arguments: float) -> float:
    """The function at one place; booleans are 0 and 1."""
    match function:
        case Function.OTHERWISE:
            return arguments[1] if math.isnan(arguments[0]) else arguments[0]
        case Function.IS_MISSING:
            return float(math.isnan(arguments[0]))
        case Function.SELECT:
            condition, chosen, other = arguments
            return condition if math.isnan(condition) else chosen if condition != 0 else other
        case Function.GATED_MULTIPLY:
            return 0.0 if arguments[0] == 0 else arguments[0] * arguments[1]
        case _:
            pass
    if any(math.isnan(argument) for argument in arguments):
        return math.nan
    if function in _COMPARISONS:
        return float(_compare(function, *arguments))
    if len(arguments) == 1:
        return _unary(function, arguments[0])
    return _combine(function, *arguments)


def _compare(function: Function, *arguments: float) -> bool:
    first, second = arguments[0], arguments[-1]
    match function:
        case Function.LESS:
            return first < second
        case Function.LESS_EQUAL:
            return first <= second
        case Function.GREATER:
            return first > second
        case Function.GREATER_EQUAL:
            return first >= second
        case Function.EQUAL:
            return first == second
        case Function.NOT_EQUAL:
            return first != second
        case Function.AND:
            return first != 0 and second != 0
        case Function.OR:
            return first != 0 or second != 0
        case Function.NOT:
            return first == 0
        case _:
            raise AssertionError(function)


def _combine(function: Function, *arguments: float) -> float:
    first, second = arguments[0], arguments[1]
    match function:
        case Function.ADD:
            return first + second
        case Function.SUBTRACT:
            return first - second
        case Function.MULTIPLY:
            return first * second
        case Function.DIVIDE:
            return divide(first, second)
        case Function.POWER:
            return power(first, second)
        case Function.MINIMUM:
            return min(first, second)
        case Function.MAXIMUM:
            return max(first, second)
        case Function.CLIP:
            return min(max(first, second), arguments[2])
        case _:
            raise AssertionError(function)


def divide(first: float, second: float) -> float:
    """IEEE division."""
    if second != 0:
        return first / second
    if first == 0 or math.isnan(first):
        return math.nan
    return math.copysign(math.inf, first) * math.copysign(1.0, second)


def power(base: float, exponent: float) -> float:
    """IEEE power of numbers: NaN for a negative base with an exponent that is no integer."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:
        if base != 0:
            return math.nan
        return math.copysign(math.inf, base) if exponent % 2 == 1 else math.inf


def _unary(function: Function, x: float) -> float:
    match function:
        case Function.NEGATE:
            return -x
        case Function.ABSOLUTE:
            return abs(x)
        case Function.SIGN:
            return float((x > 0) - (x < 0))
        case Function.EXP:
            return exp(x)
        case Function.EXPM1:
            return math.inf if x > 709.78 else math.expm1(x)
        case Function.LOG:
            return log(x)
        case Function.LOG1P:
            return log(1 + x) if x <= -1 else math.log1p(x)
        case Function.SQRT:
            return math.sqrt(x) if x >= 0 else math.nan
        case Function.SIGMOID:
            return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))
        case Function.LOG_SIGMOID:
            return -softplus(-x)
        case Function.SOFTPLUS:
            return softplus(x)
        case Function.TANH:
            return math.tanh(x)
        case Function.COS:
            return math.cos(x) if math.isfinite(x) else math.nan
        case Function.RELU:
            return max(x, 0.0)
        case Function.FLOOR:
            return float(math.floor(x)) if math.isfinite(x) else x
        case _:
            raise AssertionError(function)


def exp(x: float) -> float:
    """Exponential, infinite where it overflows."""
    return math.inf if x > 709.78 else math.exp(x)


def log(x: float) -> float:
    """Natural logarithm: -inf of 0, NaN of what is below."""
    if x > 0:
        return math.log(x)
    return -math.inf if x == 0 else math.nan


def softplus(x: float) -> float:
    """log(1 + exp(x)), without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


