"""Leaf expressions of emitted code: one function of named scalars (numba) or of named tensors (torch).

Arguments are identifiers and literals made here; each expression is parsed before it goes into a template.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rldsl.diagnostics import InternalError
from rldsl.graph.model import Function, Graph, Node


@dataclass(frozen=True, slots=True)
class Argument:
    """An identifier or a literal. `truth`: a bool that is never absent, else a float. `number`: a literal's value."""

    text: str
    truth: bool = False
    number: float | None = None

    @property
    def real(self) -> str:
        """As a float."""
        return f"(1.0 if {self.text} else 0.0)" if self.truth else self.text

    @property
    def fact(self) -> str:
        """As a bool; absent is false."""
        return self.text if self.truth else f"({self.text} > 0.0)"


def literal(value: float | bool) -> Argument:
    """A number or a truth value."""
    if isinstance(value, bool):
        return Argument(repr(value), True, float(value))
    return Argument(number_text(value), False, value)


def number_text(value: float) -> str:
    """A float64 as Python writes it exactly."""
    if math.isnan(value):
        return "math.nan"
    if math.isinf(value):
        return "math.inf" if value > 0 else "(-math.inf)"
    return f"({value!r})" if math.copysign(1.0, value) < 0 else repr(value)


def checked(expression: str) -> str:
    """The expression, once it has been parsed as one, without needless parentheses."""
    try:
        return ast.unparse(ast.parse(expression, mode="eval"))
    except (SyntaxError, ValueError) as error:
        raise InternalError(f"not an expression: {expression!r}") from error


COMPARISONS: Mapping[Function, str] = {
    Function.LESS: "<", Function.LESS_EQUAL: "<=", Function.GREATER: ">", Function.GREATER_EQUAL: ">=",
    Function.EQUAL: "==", Function.NOT_EQUAL: "!="}

# helpers of the numba template, or expressions of it, by function
_NUMBA: Mapping[Function, str] = {
    Function.ADD: "{0} + {1}", Function.SUBTRACT: "{0} - {1}", Function.MULTIPLY: "{0} * {1}",
    Function.GATED_MULTIPLY: "gate({0}, {0} * {1})", Function.DIVIDE: "{0} / {1}", Function.POWER: "power({0}, {1})",
    Function.NEGATE: "-{0}", Function.MINIMUM: "smaller({0}, {1})", Function.MAXIMUM: "larger({0}, {1})",
    Function.CLIP: "clip({0}, {1}, {2})", Function.ABSOLUTE: "abs({0})", Function.SIGN: "sign({0})",
    Function.EXP: "exp({0})", Function.LOG: "log({0})", Function.EXPM1: "expm1({0})", Function.LOG1P: "log1p({0})",
    Function.SQRT: "math.sqrt({0})", Function.SIGMOID: "sigmoid({0})", Function.LOG_SIGMOID: "log_sigmoid({0})",
    Function.SOFTPLUS: "softplus({0})", Function.TANH: "tanh({0})", Function.RELU: "relu({0})",
    Function.FLOOR: "np.floor({0})", Function.COS: "math.cos({0})"}
WHOLE_POWERS: Mapping[float, str] = {1.0: "{0}", 2.0: "{0} * {0}", 3.0: "{0} * {0} * {0}", -1.0: "1.0 / {0}"}

_OPERATORS: Mapping[Function, str] = {
    Function.ADD: "{0} + {1}", Function.SUBTRACT: "{0} - {1}", Function.NEGATE: "-{0}"}


_CONNECTIVES = frozenset({*COMPARISONS, Function.AND, Function.OR, Function.NOT})


def deciding_inputs(graph: Graph, node: Node, function: Function) -> range:
    """Which inputs make the result absent although the function would not: those of a truth value that may be
    absent, and a condition that may be."""
    if function in _CONNECTIVES and node.type.optional:
        return range(len(node.inputs))
    return range(int(function is Function.SELECT and graph[node.inputs[0]].type.optional))


def numba_expression(function: Function, arguments: Sequence[Argument], truth: bool) -> str:
    """The function of scalars. `truth`: whether the result is a bool that is never absent."""
    return expression_in(_NUMBA_DIALECT, function, arguments, truth)


def repeats_first(function: Function, truth: bool) -> bool:
    """Whether the expression may hold its first argument twice."""
    return function in (Function.GATED_MULTIPLY, Function.POWER, Function.IS_MISSING, Function.OTHERWISE) or (
        function in _CONNECTIVES and not truth)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a language of kernels writes functions of scalars: `forms` by function, `real` an argument as a float64, and with the
    holes of `str.format` a choice (condition, yes, no), the opposite of a fact, a fact as 1 or 0, and what never holds."""

    forms: Mapping[Function, str]
    real: Callable[[Argument], str]
    choice: str
    opposite: str
    number: str
    never: str


def expression_in(dialect: Dialect, function: Function, arguments: Sequence[Argument], truth: bool) -> str:
    """The function of scalars. `truth`: whether the result is a bool that is never absent."""
    return checked((_truth_in if truth else _real_in)(dialect, function, arguments))


def _real_in(dialect: Dialect, function: Function, arguments: Sequence[Argument]) -> str:
    reals = [dialect.real(argument) for argument in arguments]
    if function is Function.POWER and (form := WHOLE_POWERS.get(arguments[1].number or 0.0)) is not None:
        return form.format(reals[0])
    if function in dialect.forms:
        return dialect.forms[function].format(*reals)
    match function:
        case Function.SELECT if arguments[0].truth:
            return dialect.choice.format(arguments[0].text, reals[1], reals[2])
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
            return dialect.number.format(f"{reals[0]} != {reals[0]}")
        case _ if function in COMPARISONS:
            return f"known({reals[0]}, {reals[1]}, {reals[0]} {COMPARISONS[function]} {reals[1]})"
        case _:
            raise InternalError(f"no expression of kernels for {function}")


def _truth_in(dialect: Dialect, function: Function, arguments: Sequence[Argument]) -> str:
    facts = [argument.fact for argument in arguments]
    match function:
        case Function.AND:
            return f"{facts[0]} & {facts[1]}"
        case Function.OR:
            return f"{facts[0]} | {facts[1]}"
        case Function.NOT:
            return dialect.opposite.format(facts[0])
        case Function.IS_MISSING:
            return dialect.never if arguments[0].truth else f"{arguments[0].text} != {arguments[0].text}"
        case Function.SELECT:
            return dialect.choice.format(*facts)
        case Function.OTHERWISE:
            first = arguments[0]
            return first.text if first.truth else dialect.choice.format(f"{first.text} != {first.text}", facts[1], facts[0])
        case _ if function in COMPARISONS:
            return f"{dialect.real(arguments[0])} {COMPARISONS[function]} {dialect.real(arguments[1])}"
        case _:
            raise InternalError(f"{function} does not give a truth value")


_NUMBA_DIALECT = Dialect(_NUMBA, lambda argument: argument.real, "{1} if {0} else {2}", "not {0}", "1.0 if {0} else 0.0", "False")


def torch_expression(function: Function, arguments: Sequence[str], operands: Sequence[str]) -> tuple[str, str | None]:
    """The function of tensors, and the name of the reference that it calls, if it is not an operator. `operands` are
    the arguments as they stand beside an operator. At most all but one of them are numbers."""
    if (form := _OPERATORS.get(function)) is not None:
        return form.format(*operands), None
    is_logical = function in (Function.AND, Function.OR, Function.NOT)
    name = f"logical_{function.value}" if is_logical else function.value
    return f"{name}({', '.join(arguments)})", name
