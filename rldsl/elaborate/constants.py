"""Numbers that are known when a spec is compiled. Folds only what settings and counts need; passes fold the graph."""

from __future__ import annotations

import operator
from collections.abc import Callable

from rldsl.elaborate.context import Context
from rldsl.graph.model import Constant, Elementwise, Function, Leaf, SourceKind

_OPERATORS: dict[Function, Callable[[float, float], float | None]] = {
    Function.ADD: operator.add, Function.SUBTRACT: operator.sub, Function.MULTIPLY: operator.mul,
    Function.DIVIDE: lambda a, b: a / b if b else None}


def constant_number(ctx: Context, key: int) -> float | None:
    """The number behind a node of constants and parameters without a schedule; None if it is not known."""
    node = ctx.node(key)
    match node.operation:
        case Constant(value=bool() | int() | float() as value):
            return float(value)
        case Leaf(kind=SourceKind.PARAM, owner=owner):
            start = ctx.tables.params[owner].value
            return float(start) if isinstance(start, (bool, int, float)) else None
        case Elementwise(function=Function.NEGATE):
            inner = constant_number(ctx, node.inputs[0])
            return None if inner is None else -inner
        case Elementwise(function=function) if function in _OPERATORS:
            left, right = (constant_number(ctx, entry) for entry in node.inputs)
            return None if left is None or right is None else _OPERATORS[function](left, right)
        case _:
            return None
