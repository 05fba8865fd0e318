"""Local derivatives: what flows back to one input of a node. Does not walk the graph; `differentiate` does.

A product of an adjoint and a derivative is gated: where the adjoint is exactly 0 (a value that was not selected, is
masked, is absent) nothing flows back, even where the derivative is infinite or NaN. Where a function has a kink:

- minimum, maximum: of equal arguments the first gets all; reductions: the first of equal places (`Pick`);
- clip: 1 inside and on the bounds; abs: 0 at 0; relu: 0 at 0;
- power: 0 where the exponent is 0; by the exponent, 0 where the base is 0;
- comparisons, truth values, floor, sign, rank, pick: none.
"""

from __future__ import annotations

import math

from rldsl.diagnostics import InternalError
from rldsl.graph.model import Elementwise, Function, Mirror, Node, Pick, Reduce, Reduction, Scan, Shift, Spread
from rldsl.infer import Builder
from rldsl.infer.gradients import FLAT_FUNCTIONS, FLAT_REDUCTIONS


def differentiable_inputs(node: Node) -> tuple[int, ...]:
    """Places of the inputs to which a gradient flows."""
    match node.operation:
        case Elementwise(function=function):
            first = len(node.inputs) if function in FLAT_FUNCTIONS else 1 if function is Function.SELECT else 0
            return tuple(range(first, len(node.inputs)))
        case Reduce(reduction=reduction):
            return () if reduction in FLAT_REDUCTIONS else (0,)
        case Spread() | Mirror():
            return (0,)
        case Scan() | Shift():
            return (0, 1)
        case _:
            return ()


class Derivatives:
    """Builds what flows back through one node."""

    def __init__(self, builder: Builder, node: Node) -> None:
        self.builder = builder
        self.node = node

    def back(self, place: int, adjoint: int) -> int:
        """The adjoint of input `place`, on its axis, from that of the node."""
        match self.node.operation:
            case Elementwise(function=function) if len(self.node.inputs) == 1:
                return self._unary(function, adjoint)
            case Elementwise(function=function):
                return self._elementwise(function, place, adjoint)
            case Reduce(reduction=reduction):
                return self._reduce(self.node.operation, reduction, adjoint)
            case Spread():
                to = self.builder[self.node.inputs[0]].type.axis
                return self.builder.reduce(Reduction.SUM, adjoint, to, span=self.node.span)
            case Mirror():
                return self.builder.add(self.node.operation, (adjoint,), span=self.node.span)
            case Scan():
                return self._scan(self.node.operation, place, adjoint)
            case Shift():
                return self._shift(self.node.operation, place, adjoint)
            case _:
                raise InternalError(f"no gradient flows through {self.node.operation}")

    # ------------------------------------------------------------ small words
    def _make(self, function: Function, *keys: int) -> int:
        return self.builder.elementwise(function, *keys, span=self.node.span)

    def _number(self, value: float) -> int:
        return self.builder.constant(value)

    def _gated(self, adjoint: int, derivative: int) -> int:
        return self._make(Function.GATED_MULTIPLY, adjoint, derivative)

    def _where(self, condition: int, adjoint: int) -> int:
        return self._make(Function.SELECT, condition, adjoint, self._number(0.0))

    def _unless(self, condition: int, adjoint: int) -> int:
        return self._make(Function.SELECT, condition, self._number(0.0), adjoint)

    # ------------------------------------------------------------ one input
    def _unary(self, function: Function, adjoint: int) -> int:
        x = self.node.inputs[0]
        match function:
            case Function.NEGATE:
                return self._make(Function.NEGATE, adjoint)
            case Function.RELU:
                return self._where(self._make(Function.GREATER, x, self._number(0.0)), adjoint)
            case _:
                return self._gated(adjoint, self._slope(function, x, self.node.key))

    def _slope(self, function: Function, x: int, result: int) -> int:
        """The derivative of a smooth function at x."""
        one = self._number(1.0)
        match function:
            case Function.ABSOLUTE:
                return self._make(Function.SIGN, x)
            case Function.EXP:
                return result
            case Function.EXPM1:
                return self._make(Function.EXP, x)
            case Function.LOG:
                return self._make(Function.DIVIDE, one, x)
            case Function.LOG1P:
                return self._make(Function.DIVIDE, one, self._make(Function.ADD, one, x))
            case Function.SQRT:
                return self._make(Function.DIVIDE, self._number(0.5), result)
            case Function.SIGMOID:
                return self._make(Function.MULTIPLY, result, self._make(Function.SUBTRACT, one, result))
            case Function.LOG_SIGMOID:
                return self._make(Function.SIGMOID, self._make(Function.NEGATE, x))
            case Function.SOFTPLUS:
                return self._make(Function.SIGMOID, x)
            case Function.COS:  # -sin
                return self._make(Function.COS, self._make(Function.ADD, x, self._number(math.pi / 2)))
            case Function.TANH:
                return self._make(Function.SUBTRACT, one, self._make(Function.MULTIPLY, result, result))
            case _:
                raise InternalError(f"{function} has no slope")

    # ------------------------------------------------------------ several inputs
    def _elementwise(self, function: Function, place: int, adjoint: int) -> int:
        first, second = self.node.inputs[0], self.node.inputs[1]
        match function:
            case Function.ADD:
                return adjoint
            case Function.SUBTRACT:
                return adjoint if place == 0 else self._make(Function.NEGATE, adjoint)
            case Function.MULTIPLY | Function.GATED_MULTIPLY:
                return self._gated(adjoint, second if place == 0 else first)
            case Function.DIVIDE:
                return self._divide(place, adjoint)
            case Function.POWER:
                return self._power(place, adjoint)
            case Function.MINIMUM | Function.MAXIMUM:
                is_min = function is Function.MINIMUM
                order = Function.LESS_EQUAL if is_min else Function.GREATER_EQUAL
                takes_first = self._make(order, first, second)
                return self._where(takes_first, adjoint) if place == 0 else self._unless(takes_first, adjoint)
            case Function.CLIP:
                return self._clip(place, adjoint)
            case Function.SELECT:
                return self._where(first, adjoint) if place == 1 else self._unless(first, adjoint)
            case Function.OTHERWISE:
                absent = self._make(Function.IS_MISSING, first)
                return self._unless(absent, adjoint) if place == 0 else self._where(absent, adjoint)
            case _:
                raise InternalError(f"no gradient flows through {function}")

    def _divide(self, place: int, adjoint: int) -> int:
        divisor = self.node.inputs[1]
        if place == 0:
            return self._gated(adjoint, self._make(Function.DIVIDE, self._number(1.0), divisor))
        slope = self._make(Function.DIVIDE, self.node.key, divisor)
        return self._make(Function.NEGATE, self._gated(adjoint, slope))

    def _power(self, place: int, adjoint: int) -> int:
        base, exponent = self.node.inputs
        zero = self._number(0.0)
        if place == 1:
            slope = self._make(Function.MULTIPLY, self.node.key, self._make(Function.LOG, base))
            is_flat = self._make(Function.EQUAL, base, zero)
            return self._gated(adjoint, self._unless(is_flat, slope))
        lower = self._make(Function.POWER, base, self._make(Function.SUBTRACT, exponent, self._number(1.0)))
        slope = self._make(Function.MULTIPLY, exponent, lower)
        return self._gated(adjoint, self._unless(self._make(Function.EQUAL, exponent, zero), slope))

    def _clip(self, place: int, adjoint: int) -> int:
        x, low, high = self.node.inputs
        if place == 1:
            return self._where(self._make(Function.LESS, x, low), adjoint)
        if place == 2:
            return self._where(self._make(Function.GREATER, x, high), adjoint)
        above = self._make(Function.GREATER_EQUAL, x, low)
        below = self._make(Function.LESS_EQUAL, x, high)
        return self._where(self._make(Function.AND, above, below), adjoint)

    # ------------------------------------------------------------ over places
    def _reduce(self, operation: Reduce, reduction: Reduction, adjoint: int) -> int:
        x = self.node.inputs[0]
        spread = self.builder.spread(adjoint, self.builder[x].type.axis, self.node.span)
        if reduction is Reduction.SUM:
            return spread if not operation.masked else self._where(self.node.inputs[1], spread)
        pick = Pick(reduction, operation.to, operation.masked)
        weights = self.builder.add(pick, self.node.inputs, span=self.node.span)
        return self._gated(weights, spread)

    def _scan(self, operation: Scan, place: int, adjoint: int) -> int:
        """The scan the other way, its decay taken from the place before."""
        if place == 1:
            raise InternalError("the decay of a scan is live")
        offset = -1 if operation.from_end else 1
        decay = self.builder.shift(self.node.inputs[1], self._number(0.0), operation.per, offset, self.node.span)
        return self.builder.scan(adjoint, decay, operation.per, not operation.from_end, self.node.span)

    def _shift(self, operation: Shift, place: int, adjoint: int) -> int:
        if place == 0:
            zero = self._number(0.0)
            return self.builder.shift(adjoint, zero, operation.per, -operation.offset, self.node.span)
        ones = self.builder.spread(self._number(1.0), self.node.type.axis)
        inside = self.builder.shift(ones, self._number(0.0), operation.per, operation.offset, self.node.span)
        return self._where(self._make(Function.EQUAL, inside, self._number(0.0)), adjoint)
