"""What can be proved of a value at run time: never NaN, never infinite, never 0. Says no where it does not know.

A real that comes from outside may always be NaN or infinite, whatever its declared range.
"""

from __future__ import annotations

import math

from rldsl.graph.model import (
    Constant,
    Elementwise,
    Freeze,
    Function,
    Leaf,
    Mirror,
    Node,
    Pick,
    Position,
    Rank,
    Read,
    Reduce,
    Reduction,
    Size,
    Spread,
)
from rldsl.infer import Builder
from rldsl.infer.elements import BOOL_FUNCTIONS
from rldsl.types import Element

LARGE = 1e30  # beyond this a product may overflow in float32
SMALL = 1e-30
_DOMAINS = {Function.LOG: 0.0, Function.SQRT: 0.0, Function.LOG1P: -1.0}
NOT_NEGATIVE = frozenset({Function.EXP, Function.SIGMOID, Function.SOFTPLUS, Function.ABSOLUTE, Function.RELU,
                          Function.SQRT})


def _is_far_from_zero(node: Node) -> bool:
    return node.type.interval.low > SMALL or node.type.interval.high < -SMALL


class Facts:
    """Facts of the nodes of one builder."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self._may_be_nan: dict[int, bool] = {}

    def constant(self, key: int) -> float | bool | None:
        """The number or truth value that stands at every place, if it is known."""
        node = self.builder[key]
        while isinstance(node.operation, Spread):
            node = self.builder[node.inputs[0]]
        if isinstance(node.operation, Constant) and not isinstance(node.operation.value, str):
            return node.operation.value
        return None

    def is_finite(self, key: int) -> bool:
        """Whether it is proved to be a finite number."""
        return not self.may_be_nan(key) and not self.may_be_infinite(key)

    def may_be_infinite(self, key: int) -> bool:
        """Whether it is not proved to be finite (or NaN)."""
        type_ = self.builder[key].type
        return type_.element is Element.REAL and max(-type_.interval.low, type_.interval.high) > LARGE

    def is_nonzero(self, key: int) -> bool:
        """Whether it is proved not to be 0; it may be NaN."""
        node = self.builder[key]
        match node.operation:
            case Size() | Reduce():  # of places that are taken not to be empty
                return False
            case Spread() | Freeze() | Elementwise(function=Function.NEGATE):
                return self.is_nonzero(node.inputs[0])
            case Elementwise(function=Function.DIVIDE):
                is_count = self.builder[node.inputs[1]].type.element is Element.INT
                return self._is_nonzero_constant(node.inputs[0]) and (is_count or _is_far_from_zero(node))
            case _:
                return _is_far_from_zero(node)

    def _is_nonzero_constant(self, key: int) -> bool:
        value = self.constant(key)
        return value is not None and abs(value) > SMALL * 1e12

    def may_be_nan(self, key: int) -> bool:
        """Whether it is not proved never to be NaN."""
        found = self._may_be_nan.get(key)
        if found is None:
            found = self._may_be_nan[key] = self._derive(self.builder[key])
        return found

    def _derive(self, node: Node) -> bool:
        match node.operation:
            case Constant(value=value):
                return isinstance(value, float) and math.isnan(value)
            case Leaf() | Read():
                return node.type.element is Element.REAL or node.type.optional
            case Elementwise(function=function):
                return self._of_function(function, node)
            case Reduce(reduction=Reduction.SUM):
                return self.may_be_nan(node.inputs[0]) or self.may_be_infinite(node.inputs[0])
            case Spread() | Freeze() | Mirror():
                return self.may_be_nan(node.inputs[0])
            case Pick() | Rank() | Position() | Size():
                return False
            case _:
                return True

    def _of_function(self, function: Function, node: Node) -> bool:
        if function in BOOL_FUNCTIONS:
            return False
        if function is Function.OTHERWISE:
            return self.may_be_nan(node.inputs[1])
        if any(self.may_be_nan(key) for key in node.inputs[function is Function.SELECT:]):
            return True
        return self._makes_nan(function, node.inputs)

    def _makes_nan(self, function: Function, inputs: tuple[int, ...]) -> bool:
        """Whether the function may make NaN of numbers."""
        ranges = [self.builder[key].type.interval for key in inputs]
        infinite = [self.may_be_infinite(key) for key in inputs]
        match function:
            case Function.ADD | Function.SUBTRACT:
                return all(infinite)
            case Function.MULTIPLY | Function.GATED_MULTIPLY:
                return any(infinite)
            case Function.DIVIDE:
                return any(infinite) or not self.is_nonzero(inputs[1])
            case Function.POWER:
                return True
            case Function.COS:
                return any(infinite)
            case Function.LOG | Function.SQRT | Function.LOG1P:
                return ranges[0].low < _DOMAINS[function] + 1e-6
            case _:
                return False
