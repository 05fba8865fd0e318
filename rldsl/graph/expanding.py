"""Calls that make an axis: at each place of their inputs a list, whose entries are the places of a new axis below it.

Such an axis (the steps of a text, the criteria of a row) is known once its call has been run. Its *maker* is the first call in
the graph that stands on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rldsl.graph.model import Foreign, Graph, Node
from rldsl.types import Axis


def is_expanding(graph: Graph, node: Node) -> bool:
    """Whether the node is a call that gives a list for each place of its inputs."""
    return isinstance(node.operation, Foreign) and bool(node.inputs) and not node.type.axis.is_derived \
        and node.type.axis.parent == graph[node.inputs[0]].type.axis


def makers(graph: Graph) -> Mapping[str, int]:
    """The key of the call that makes each found axis, by its name."""
    found: dict[str, int] = {}
    for node in graph.nodes:
        if is_expanding(graph, node):
            found.setdefault(node.type.axis.name, node.key)
    return found


def axes_of(node: Node) -> Iterator[Axis]:
    """The axes that a node stands on or works along, with all above."""
    yield from node.type.axis.chain()
    for word in ("axis", "to", "per", "tokens"):
        axis = getattr(node.operation, word, None)
        if isinstance(axis, Axis):
            yield from axis.chain()


def made_below(graph: Graph, keys: Iterable[int], known: Iterable[int] = ()) -> tuple[int, ...]:
    """The makers of found axes that the computation of some nodes needs, in the order in which they can be run. What is `known`
    needs nothing but its own axis."""
    every = makers(graph)
    if not every:
        return ()
    waiting, seen, given = list(keys), set[int](), frozenset(known)
    while waiting:
        key = waiting.pop()
        if key not in seen:
            seen.add(key)
            waiting.extend(() if key in given else graph[key].inputs)
            waiting.extend(every[axis.name] for axis in axes_of(graph[key]) if axis.name in every)
    return tuple(key for key in sorted(every.values()) if key in seen)
