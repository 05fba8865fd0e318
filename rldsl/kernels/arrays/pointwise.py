"""The elementwise operations of `kernels.pointwise` on numpy arrays of float64, name by name; no gradients, no torch.

An absent value is NaN. Warnings of numpy about infinite and undefined numbers are the caller's to silence.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Numbers: TypeAlias = "npt.NDArray[np.float64]"
Value: TypeAlias = "Numbers | float"


# ------------------------------------------------------------------ arithmetic
def add(a: Value, b: Value) -> Any:
    """a + b."""
    return a + b


def subtract(a: Value, b: Value) -> Any:
    """a - b."""
    return a - b


def negate(x: Value) -> Any:
    """-x."""
    return -x


def multiply(a: Value, b: Value) -> Any:
    """a * b."""
    return a * b


def gated_multiply(a: Value, b: Value) -> Any:
    """a * b, and 0 wherever a is exactly 0, whatever b is."""
    return np.where(np.equal(a, 0), 0.0, a * b)


def divide(a: Value, b: Value) -> Any:
    """a / b, by the rules of IEEE 754."""
    return np.divide(a, b)


def power(a: Value, b: Value) -> Any:
    """a to the power b; absent where either is, though IEEE 754 would say 1 for some."""
    return unless_missing(np.power(a, b), a, b)


def minimum(a: Value, b: Value) -> Any:
    """The smaller; of ties the first. Absent where either is."""
    return np.where(np.less(b, a) | np.isnan(b), b, a)


def maximum(a: Value, b: Value) -> Any:
    """The larger; of ties the first. Absent where either is."""
    return np.where(np.greater(b, a) | np.isnan(b), b, a)


def clip(x: Value, low: Value, high: Value) -> Any:
    """x within `low .. high`."""
    raised = np.where(np.less(x, low), low, x)
    return np.where(raised > high, high, raised)


def absolute(x: Value) -> Any:
    """|x|."""
    return np.abs(x)


def sign(x: Value) -> Any:
    """-1, 0 or 1; absent where x is."""
    return np.sign(x)


def floor(x: Value) -> Any:
    """The largest whole number that is not above x."""
    return np.floor(x)


def relu(x: Value) -> Any:
    """max(x, 0)."""
    return np.where(np.less_equal(x, 0), 0.0, x)


# ------------------------------------------------------------------ transcendental functions
def exp(x: Value) -> Any:
    """e to the power x."""
    return np.exp(x)


def expm1(x: Value) -> Any:
    """e to the power x, less 1."""
    return np.expm1(x)


def log(x: Value) -> Any:
    """The natural logarithm; -inf at 0, NaN below."""
    return np.log(x)


def log1p(x: Value) -> Any:
    """The natural logarithm of 1 + x."""
    return np.log1p(x)


def sqrt(x: Value) -> Any:
    """The square root."""
    return np.sqrt(x)


def sigmoid(x: Value) -> Any:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + np.exp(-np.asarray(x)))


def log_sigmoid(x: Value) -> Any:
    """log(sigmoid(x)), without overflow."""
    return np.where(np.greater(x, 0), 0.0, x) - np.log1p(np.exp(-np.abs(x)))


def softplus(x: Value) -> Any:
    """log(1 + exp(x)), without overflow."""
    return np.where(np.less(x, 0), 0.0, x) + np.log1p(np.exp(-np.abs(x)))


def tanh(x: Value) -> Any:
    """The hyperbolic tangent."""
    return np.tanh(x)


def cos(x: Value) -> Any:
    """The cosine of an angle in radians."""
    return np.cos(x)


# ------------------------------------------------------------------ truth: 1 or 0; NaN compares as in IEEE 754
def truth(fact: Any) -> Any:
    """1 where `fact` holds, 0 elsewhere."""
    return np.asarray(fact, np.float64)


def less(a: Value, b: Value) -> Any:
    """a < b."""
    return truth(np.less(a, b))


def less_equal(a: Value, b: Value) -> Any:
    """a <= b."""
    return truth(np.less_equal(a, b))


def greater(a: Value, b: Value) -> Any:
    """a > b."""
    return truth(np.greater(a, b))


def greater_equal(a: Value, b: Value) -> Any:
    """a >= b."""
    return truth(np.greater_equal(a, b))


def equal(a: Value, b: Value) -> Any:
    """a == b."""
    return truth(np.equal(a, b))


def not_equal(a: Value, b: Value) -> Any:
    """a != b."""
    return truth(np.not_equal(a, b))


def logical_and(a: Value, b: Value) -> Any:
    """Both."""
    return truth(np.greater(a, 0) & np.greater(b, 0))


def logical_or(a: Value, b: Value) -> Any:
    """At least one."""
    return truth(np.greater(a, 0) | np.greater(b, 0))


def logical_not(x: Value) -> Any:
    """The opposite."""
    return truth(~np.greater(x, 0))


def select(condition: Value, yes: Value, no: Value) -> Any:
    """`yes` where the condition holds, else `no`: the other one is not looked at."""
    return np.where(np.greater(condition, 0), yes, no)


def otherwise(x: Value, alternative: Value) -> Any:
    """x, or the alternative where x is absent."""
    return np.where(np.isnan(x), alternative, x)


def is_missing(x: Value) -> Any:
    """Whether x is absent."""
    return truth(np.isnan(x))


def unless_missing(value: Any, *inputs: Value) -> Any:
    """The value; absent where an input is."""
    for x in inputs:
        value = np.where(np.isnan(x), np.nan, value)
    return value
