"""Leaf expressions of emitted Triton code: one function of float64 scalars or blocks.

Truth values that are never absent are int1, every other value is float64. A literal that float32 does not hold never
stands in an expression: Triton would round it where no operand is float64 yet.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence

from rldsl.diagnostics import InternalError
from rldsl.emit.expressions import COMPARISONS, Argument, checked
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
_POWERS: Mapping[float, str] = {1.0: "{0}", 2.0: "{0} * {0}", 3.0: "{0} * {0} * {0}", -1.0: "1.0 / {0}"}


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


def triton_expression(function: Function, arguments: Sequence[Argument], truth: bool) -> str:
    """The function of float64 values and truths. `truth`: whether the result is a bool that is never absent."""
    return checked(_truth(function, arguments) if truth else _real(function, arguments))


def _real(function: Function, arguments: Sequence[Argument]) -> str:
    reals = [real(argument) for argument in arguments]
    if function is Function.POWER and (form := _POWERS.get(arguments[1].number or 0.0)) is not None:
        return form.format(reals[0])
    if function is Function.POWER:
        reals = [text if argument.number is None else held(argument) for text, argument in zip(reals, arguments, strict=True)]
    if function in _FORMS:
        return _FORMS[function].format(*reals)
    match function:
        case Function.SELECT if arguments[0].truth:
            chosen = f"tl.where({arguments[0].text}, {reals[1]}, {reals[2]})"
            literal = all(argument.number is not None for argument in arguments[1:])
            return f"{chosen}.to(tl.float64)" if literal else chosen
        case Function.SELECT:
            return f"choose({', '.join(reals)})"
        case Function.OTHERWISE:
            return f"otherwise({', '.join(reals)})"
        case Function.AND:
            return f"{reals[0]} * {reals[1]}"
        case Function.OR:
            return f"{reals[0]} + {reals[1]} - {reals[0]} * {reals[1]}"
        case Function.NOT:
            return f"1.0 - {reals[0]}"
        case Function.IS_MISSING:
            return f"({reals[0]} != {reals[0]}).to(tl.float64)"
        case _ if function in COMPARISONS:
            return f"known({reals[0]}, {reals[1]}, {reals[0]} {COMPARISONS[function]} {reals[1]})"
        case _:
            raise InternalError(f"no Triton expression for {function}")


def _truth(function: Function, arguments: Sequence[Argument]) -> str:
    facts = [argument.fact for argument in arguments]
    match function:
        case Function.AND:
            return f"{facts[0]} & {facts[1]}"
        case Function.OR:
            return f"{facts[0]} | {facts[1]}"
        case Function.NOT:
            return f"({facts[0]}) == 0"
        case Function.IS_MISSING:
            first = arguments[0]
            return "tl.full((), 0, tl.int1)" if first.truth else f"{first.text} != {first.text}"
        case Function.SELECT:
            return f"tl.where({facts[0]}, {facts[1]}, {facts[2]})"
        case Function.OTHERWISE:
            first = arguments[0]
            return first.text if first.truth else f"tl.where({first.text} != {first.text}, {facts[1]}, {facts[0]})"
        case _ if function in COMPARISONS:
            return f"{real(arguments[0])} {COMPARISONS[function]} {real(arguments[1])}"
        case _:
            raise InternalError(f"{function} does not give a truth value")
