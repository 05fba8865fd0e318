"""Numbers that are known when a spec is compiled. Folds only what settings and counts need; passes fold the graph."""

from __future__ import annotations

from rldsl.elaborate.context import Context
from rldsl.graph.model import Constant, Elementwise, Function, Leaf, SourceKind

_OPERATORS = {Function.ADD: lambda a, b: a + b, Function.SUBTRACT: lambda a, b: a - b,
              Function.MULTIPLY: lambda a, b: a * b, Function.DIVIDE: lambda a, b: a / b if b else None}


def constant_number(ctx: Context, key: int) -> float | None:
    """The number behind a node of constants and parameters without a schedule; None if it is not known."""
    node = ctx.node(key)
    match node.operation:
        case Constant(value=bool() | int() | float() as value):
            return float(value)
        case Leaf(kind=SourceKind.PARAM, owner=owner):
            value = ctx.tables.params[owner].value
            return float(value) if isinstance(value, (bool, int, float)) else None
        case Elementwise(function=Function.NEGATE):
            inner = constant_number(ctx, node.inputs[0])
            return None if inner is None else -inner
        case Elementwise(function=function) if function in _OPERATORS:
            sides = [constant_number(ctx, entry) for entry in node.inputs]
            return None if None in sides else _OPERATORS[function](*sides)
        case _:
            return None
