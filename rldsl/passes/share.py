"""Compute equal values once, and nothing that is not needed.

What: equal operations of equal inputs become one node; sums and products are equal in either order of their inputs.
Requires: any phase of numbers.
Ensures: the same phase; the same values exactly.
Not its job: to see that different operations are equal (`simplify`).
"""

from __future__ import annotations

from rldsl.graph.model import Elementwise, Function, Node
from rldsl.infer import Builder
from rldsl.passes.draft import Draft, rebuild

_COMMUTATIVE = frozenset({Function.ADD, Function.MULTIPLY, Function.EQUAL, Function.NOT_EQUAL, Function.AND,
                          Function.OR})


def run(draft: Draft) -> Draft:
    """Rebuild the graph, sharing what is equal."""
    swapped: dict[tuple[Function, int, int], int] = {}

    def rule(builder: Builder, node: Node, inputs: tuple[int, ...]) -> int:
        match node.operation:
            case Elementwise(function=function) if function in _COMMUTATIVE:
                identity = (function, min(inputs), max(inputs))
                if identity not in swapped:
                    swapped[identity] = builder.keep(node, inputs)
                return swapped[identity]
            case _:
                return builder.keep(node, inputs)

    return rebuild(draft, rule)
