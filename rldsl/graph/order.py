"""Orders and reachability: the one place that uses networkx. Sees keys and inputs alone."""

from __future__ import annotations

from collections.abc import Iterable

from rldsl.graph.model import Graph, Node


def topological_order(graph: Graph) -> tuple[int, ...]:
    """Keys so that each stands after its inputs, the least key first among those that are free to stand."""
    import networkx as nx  # takes as long as checking a spec, and the command line needs reachability alone
    uses = nx.DiGraph()
    uses.add_nodes_from(node.key for node in graph.nodes)
    uses.add_edges_from((key, node.key) for node in graph.nodes for key in node.inputs)
    return tuple(nx.lexicographical_topological_sort(uses))


def sorted_graph(nodes: Iterable[Node]) -> Graph:
    """The graph of these nodes, in that order."""
    unsorted = Graph(tuple(nodes))
    return Graph(tuple(unsorted[key] for key in topological_order(unsorted)))


def ancestors(graph: Graph, keys: Iterable[int]) -> frozenset[int]:
    """The nodes that these need, themselves included."""
    waiting, found = list(keys), set[int]()
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting.extend(graph[key].inputs)
    return frozenset(found)


def descendants(graph: Graph, keys: Iterable[int]) -> frozenset[int]:
    """The nodes that need these, themselves included. The graph is in order."""
    found = set(keys)
    for node in graph.nodes:
        if not found.isdisjoint(node.inputs):
            found.add(node.key)
    return frozenset(found)


def pruned(graph: Graph, roots: Iterable[int]) -> Graph:
    """What the roots need, in the order of the graph."""
    keep = ancestors(graph, roots)
    return Graph(tuple(node for node in graph.nodes if node.key in keep))


def is_in_order(graph: Graph) -> bool:
    """Whether each node comes after its inputs."""
    seen: set[int] = set()
    for node in graph.nodes:
        if not seen.issuperset(node.inputs):
            return False
        seen.add(node.key)
    return True
