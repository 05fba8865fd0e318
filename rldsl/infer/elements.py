"""The element of a result, and whether it may be absent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import assert_never

from rldsl.diagnostics import InternalError
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
    Reduce,
    Reduction,
    Scan,
    Shift,
    Size,
    Spread,
)
from rldsl.infer.levels import may_be_empty
from rldsl.types import Element, Type

BOOL_FUNCTIONS = frozenset({
    Function.LESS, Function.LESS_EQUAL, Function.GREATER, Function.GREATER_EQUAL, Function.EQUAL,
    Function.NOT_EQUAL, Function.AND, Function.OR, Function.NOT, Function.IS_MISSING})
_INT_FUNCTIONS = frozenset({
    Function.ADD, Function.SUBTRACT, Function.MULTIPLY, Function.GATED_MULTIPLY, Function.MINIMUM,
    Function.MAXIMUM, Function.NEGATE, Function.ABSOLUTE, Function.CLIP})
_NEVER_ABSENT = frozenset({Reduction.SUM, Reduction.COUNT, Reduction.ANY, Reduction.ALL})
_OF_TWO = frozenset({Reduction.STD, Reduction.VAR})


def infer_element(operation: Operation, inputs: Sequence[Type]) -> Element:
    """What one value of the result is. A Bool in arithmetic counts as 0 or 1, of element Real."""
    match operation:
        case Constant(value=value):
            return constant_element(value)
        case Elementwise(function=function):
            return _elementwise_element(function, [type_.element for type_ in inputs])
        case Reduce(reduction=reduction):
            return _reduction_element(reduction, inputs[0].element)
        case Spread() | Freeze() | Mirror():
            return inputs[0].element
        case Shift():
            return _merged([type_.element for type_ in inputs])
        case Rank() | Position() | Size():
            return Element.INT
        case Scan() | Pick() | Read():
            return Element.REAL
        case Leaf() | Foreign():
            raise InternalError(f"the element of {operation} must be given")
        case _:
            assert_never(operation)


def constant_element(value: float | bool | str) -> Element:
    """`3` is an Int, `3.0` a Real."""
    match value:
        case bool():
            return Element.BOOL
        case str():
            return Element.TEXT
        case int():
            return Element.INT
        case float():
            return Element.REAL
        case _:
            assert_never(value)


def _elementwise_element(function: Function, elements: Sequence[Element]) -> Element:
    if function in BOOL_FUNCTIONS:
        return Element.BOOL
    if function in (Function.DOT, Function.COSINE):
        return Element.REAL
    if function is Function.SELECT:
        return _merged(elements[1:])
    if function is Function.OTHERWISE:
        return _merged(elements)
    if function in _INT_FUNCTIONS and all(element is Element.INT for element in elements):
        return Element.INT
    return Element.REAL


def _merged(elements: Sequence[Element]) -> Element:
    """The element of values that may be any of these."""
    return elements[0] if all(element is elements[0] for element in elements) else Element.REAL


def _reduction_element(reduction: Reduction, element: Element) -> Element:
    match reduction:
        case Reduction.SUM:
            return element if element in (Element.REAL, Element.VECTOR) else Element.INT
        case Reduction.COUNT:
            return Element.INT
        case Reduction.ANY | Reduction.ALL:
            return Element.BOOL
        case Reduction.MINIMUM | Reduction.MAXIMUM | Reduction.FIRST | Reduction.LAST:
            return element
        case Reduction.MEAN if element is Element.VECTOR:
            return element
        case (Reduction.MEAN | Reduction.STD | Reduction.VAR | Reduction.STD_POPULATION
              | Reduction.VAR_POPULATION | Reduction.QUANTILE):
            return Element.REAL
        case _:
            assert_never(reduction)



def infer_optional(operation: Operation, inputs: Sequence[Type]) -> bool:
    """Whether the result may be absent."""
    match operation:
        case Constant(value=float(value)):
            return math.isnan(value)
        case Elementwise(function=Function.IS_MISSING):
            return False
        case Elementwise(function=Function.OTHERWISE):
            return inputs[0].optional and inputs[1].optional
        case Reduce(reduction=reduction, to=to, masked=masked):
            if reduction in _NEVER_ABSENT:
                return False
            source = inputs[0]
            return reduction in _OF_TWO or masked or source.optional or may_be_empty(source.axis, to)
        case Pick() | Rank():
            return False
        case _:
            return any(type_.optional for type_ in inputs)
