"""Leaf expressions of emitted Triton code: one function of float64 scalars or blocks.

Truth values that are never absent are int1, every other value is float64. A literal that float32 does not hold never
stands in an expression: Triton would round it where no operand is float64 yet.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence

from rldsl.emit.expressions import WHOLE_POWERS, Argument, Dialect, checked, expression_in
from rldsl.graph.model import Function

# helpers of codegen/triton/helpers.py.jinja, or expressions of Triton's own
_FORMS: Mapping[Function, str] = {
    Function.ADD: "{0} + {1}", Function.SUBTRACT: "{0} - {1}", Function.MULTIPLY: "{0} * {1}",
    Function.GATED_MULTIPLY: "gate({0}, {0} * {1})", Function.DIVIDE: "{0} / {1}", Function.POWER: "power({0}, {1})",
    Function.NEGATE: "-{0}", Function.MINIMUM: "smaller({0}, {1})", Function.MAXIMUM: "larger({0}, {1})",
    Function.CLIP: "clip({0}, {1}, {2})", Function.ABSOLUTE: "tl.abs({0})", Function.SIGN: "sign({0})",
    Function.EXP: "tl.exp({0})", Function.LOG: "tl.log({0})", Function.EXPM1: "expm1({0})", Function.LOG1P: "log1p({0})",
    Function.SQRT: "tl.sqrt({0})", Function.SIGMOID: "sigmoid({0})", Function.LOG_SIGMOID: "log_sigmoid({0})",
    Function.SOFTPLUS: "softplus({0})", Function.TANH: "tanh({0})", Function.RELU: "relu({0})",
    Function.FLOOR: "tl.floor({0})", Function.COS: "tl.cos({0})"}


def real(argument: Argument) -> str:
    """As a float64."""
    return f"{argument.text}.to(tl.float64)" if argument.truth and argument.number is None else (
        repr(argument.number) if argument.truth else argument.text)


def held(literal: Argument) -> str:
    """A literal as a value of the kernel, of which Triton computes in the type that it has here."""
    return f"tl.full((), {literal.text}, {'tl.int1' if literal.truth else 'tl.float64'})"


def is_exact(value: float) -> bool:
    """Whether float32 holds the number, so that Triton may write it anywhere."""
    if math.isnan(value) or math.isinf(value):
        return True
    try:
        held: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return False
    return held == value


_DIALECT = Dialect(_FORMS, real, "tl.where({0}, {1}, {2})", "({0}) == 0", "({0}).to(tl.float64)", "tl.full((), 0, tl.int1)")


def triton_expression(function: Function, arguments: Sequence[Argument], truth: bool) -> str:
    """The function of float64 values and truths. `truth`: whether the result is a bool that is never absent."""
    if function is Function.POWER and arguments[1].number not in WHOLE_POWERS:
        arguments = [argument if argument.number is None else Argument(held(argument), argument.truth) for argument in arguments]
    text = expression_in(_DIALECT, function, arguments, truth)
    is_literal = function is Function.SELECT and all(argument.number is not None for argument in arguments[1:])
    return checked(f"{text}.to(tl.float64)") if is_literal and not truth and arguments[0].truth else text
