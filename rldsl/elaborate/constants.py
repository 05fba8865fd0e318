"""Numbers that are known when a spec is compiled. Folds only what settings and counts need; passes fold the graph."""

from __future__ import annotations

import operator
from collections.abc import Callable

from rldsl.elaborate.context import Context
from rldsl.graph.model import Constant, Elementwise, Function, Leaf, Node, SourceKind
from rldsl.types import Stage

_OPERATORS: dict[Function, Callable[[float, float], float | None]] = {
    Function.ADD: operator.add, Function.SUBTRACT: operator.sub, Function.MULTIPLY: operator.mul,
    Function.DIVIDE: lambda a, b: a / b if b else None}


def constant_number(ctx: Context, key: int) -> float | None:
    """The number behind a node of constants and parameters without a schedule; None if it is not known. Iterative."""
    found: dict[int, float | None] = {}
    waiting = [key]
    while waiting:
        node = ctx.node(waiting[-1])
        inputs = node.inputs if node.type.stage is Stage.CONSTANT else ()
        missing = [entry for entry in inputs if entry not in found]
        if missing:
            waiting.extend(missing)
        else:
            found[waiting.pop()] = _folded(ctx, node, [found[entry] for entry in inputs])
    return found[key]


def _folded(ctx: Context, node: Node, inputs: list[float | None]) -> float | None:
    match node.operation:
        case Constant(value=bool() | int() | float() as value):
            return float(value)
        case Leaf(kind=SourceKind.PARAM, owner=owner):
            start = ctx.tables.params[owner].value
            return float(start) if isinstance(start, (bool, int, float)) else None
        case Elementwise(function=Function.NEGATE):
            return None if not inputs or inputs[0] is None else -inputs[0]
        case Elementwise(function=function) if function in _OPERATORS and len(inputs) == 2:
            left, right = inputs
            return None if left is None or right is None else _OPERATORS[function](left, right)
        case _:
            return None
