"""Where a value is absent, said without looking at current weights if it can be. Builds truth values; removes nothing.

A value that depends on no model read is absent where it is NaN. One that does is absent where its frozen parts are,
and where a reduction in it was of too few values: how many there are is known before the weights are.
"""

from __future__ import annotations

from rldsl.graph.model import (
    Elementwise,
    Freeze,
    Function,
    Graph,
    Mirror,
    Node,
    Read,
    Reduce,
    Reduction,
    Scan,
    Shift,
    Spread,
)
from rldsl.graph.order import descendants
from rldsl.infer import Builder
from rldsl.passes.reductions import Primitives

_OF_TWO = frozenset({Reduction.STD, Reduction.VAR})


class Absence:
    """Absence of the nodes of one graph. `moved` leads from its keys to the builder's; `counts` holds, for reductions
    that may be of nothing, the key of how many values took part."""

    def __init__(self, graph: Graph, moved: dict[int, int]) -> None:
        self.graph = graph
        self.counts: dict[int, int] = {}
        self._moved = moved
        self._known: dict[int, int | None] = {}
        self._dependent = descendants(graph, (n.key for n in graph.nodes if isinstance(n.operation, Read)))

    def is_structural(self, key: int) -> bool:
        """Whether the node may be absent and depends on a model read."""
        return self.graph[key].type.optional and key in self._dependent

    def of(self, builder: Builder, key: int) -> int:
        """The key of a truth value: whether the optional node `key` is absent."""
        found = self._known.get(key)
        if found is not None:
            return found
        return Primitives(builder).present(Function.IS_MISSING, self._moved[key])

    def note(self, builder: Builder, node: Node) -> None:
        """Find out about a node whose inputs are known; call in order."""
        if self.is_structural(node.key):
            self._known[node.key] = self._derive(builder, node)

    def _derive(self, builder: Builder, node: Node) -> int | None:
        make = Primitives(builder, node.span)
        match node.operation:
            case Elementwise(function=Function.SELECT):
                return self._of_choice(builder, node)
            case Elementwise(function=Function.OTHERWISE):
                return make.all_of([self.of(builder, key) for key in node.inputs])
            case Elementwise() | Freeze():
                return make.any_of(self._of_inputs(builder, node))
            case Spread(to=to):
                return builder.spread(self.of(builder, node.inputs[0]), to, node.span)
            case Mirror():
                return builder.add(node.operation, (self.of(builder, node.inputs[0]),), span=node.span)
            case Reduce(reduction=reduction):
                least = builder.constant(2 if reduction in _OF_TWO else 1)
                return make.present(Function.LESS, self.counts[node.key], least)
            case Scan(per=per, from_end=from_end):
                met = make.number(make.any_of(self._of_inputs(builder, node)))
                summed = builder.scan(met, builder.constant(1.0), per, from_end, node.span)
                return make.present(Function.GREATER, summed, builder.constant(0.0))
            case Shift(per=per, offset=offset):
                moved, fill = (self._or_never(builder, key) for key in node.inputs)
                return builder.shift(moved, fill, per, offset, node.span)
            case _:
                return None

    def _of_inputs(self, builder: Builder, node: Node) -> list[int]:
        return [self.of(builder, key) for key in node.inputs if self.graph[key].type.optional]

    def _or_never(self, builder: Builder, key: int) -> int:
        """The absence of a node that may not be optional."""
        if self.graph[key].type.optional:
            return self.of(builder, key)
        return builder.spread(builder.constant(False), self.graph[key].type.axis)

    def _of_choice(self, builder: Builder, node: Node) -> int:
        make = Primitives(builder, node.span)
        condition, first, second = node.inputs
        branches = (self._or_never(builder, first), self._or_never(builder, second))
        chosen = make.present(Function.SELECT, make.truth(self._moved[condition]), *branches)
        if not self.graph[condition].type.optional:
            return chosen
        return make.any_of([self.of(builder, condition), chosen])
