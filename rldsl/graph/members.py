"""Recognises values that `each` put side by side: a chain of choices by the place among fixed parts."""

from __future__ import annotations

from rldsl.graph.model import Constant, Elementwise, Function, Graph, Position, Spread


def side_by_side(graph: Graph, key: int) -> tuple[int, ...] | None:
    """The values of the single parts, in their order; None for a value that was not made so."""
    found: list[int] = []
    while True:
        node = graph[key]
        axis = node.type.axis
        if axis.size is not None and len(found) == axis.size - 1 > 0:
            return (*found, key)
        if node.operation != Elementwise(Function.SELECT) or not _is_place(graph, node.inputs[0], len(found)):
            return None
        found.append(node.inputs[1])
        key = node.inputs[2]


def _is_place(graph: Graph, key: int, number: int) -> bool:
    """Whether a condition says that this is the part of that number."""
    node = graph[key]
    if node.operation != Elementwise(Function.EQUAL):
        return False
    place, wanted = (graph[source] for source in node.inputs)
    while isinstance(wanted.operation, Spread):
        wanted = graph[wanted.inputs[0]]
    is_of_parts = isinstance(place.operation, Position) and place.operation.per == place.operation.axis.parent
    return is_of_parts and place.type.axis.size is not None and wanted.operation == Constant(number)
