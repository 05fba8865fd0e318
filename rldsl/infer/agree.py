"""Whether the types of a graph agree with inference: level and element. Ranges may be declared."""

from __future__ import annotations

from rldsl.diagnostics import InternalError
from rldsl.graph.model import Foreign, Graph, Leaf, Read
from rldsl.graph.show import show_node
from rldsl.infer.elements import infer_element
from rldsl.infer.levels import infer_axis


def check_types(graph: Graph) -> None:
    """Raise `InternalError` with the first node whose type is not what its inputs make it."""
    for node in graph.nodes:
        if isinstance(node.operation, Leaf | Read | Foreign):
            continue
        types = [graph[key].type for key in node.inputs]
        expected = infer_element(node.operation, types), infer_axis(node.operation, types)
        if expected != (node.type.element, node.type.axis):
            raise InternalError(f"{show_node(node)} should be {expected[0]} @ {expected[1]}")
