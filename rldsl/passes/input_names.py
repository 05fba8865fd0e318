"""Names of a staged objective's inputs: the user's where there is one, else one that says what it is."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable

from rldsl.graph.model import Elementwise, Foreign, Graph, Leaf, Node, Read, Reduce, SourceKind


def input_names(graph: Graph, nodes: Iterable[Node]) -> dict[int, str]:
    """A unique Python identifier for each node; parameters have the first claim on theirs."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for node in sorted(nodes, key=lambda node: (not _is_parameter(node), node.key)):
        wanted = _identifier(node.name if node.name and not _is_parameter(node) else _derived(graph, node))
        names[node.key] = _free(wanted, taken)
        taken.add(names[node.key])
    return names


def _is_parameter(node: Node) -> bool:
    return isinstance(node.operation, Leaf) and node.operation.kind is SourceKind.PARAM


def _derived(graph: Graph, node: Node) -> str:
    """From what the node does and the first named thing that it does it to: `y_logp`, `mean_total`."""
    words: list[str] = []
    while node.name is None or not words:
        match node.operation:
            case Leaf(owner=owner, field=field):
                return "_".join([*words, owner, *([field] if field else [])])
            case Read():
                return "_".join([*words, *_read_words(node.operation)])
            case Reduce(reduction=reduction):
                words.append(reduction.value)
            case Elementwise(function=function):
                words.append(function.value)
            case Foreign(name=name):
                return "_".join([*words, name])
            case _:
                words.append(type(node.operation).__name__.lower())
        if not node.inputs or len(words) == 3:
            return "_".join(words)
        node = graph[node.inputs[0]]
    return "_".join([*words, node.name])


def _read_words(read: Read) -> list[str]:
    others = [] if read.other is None else [read.other]
    return [read.model, read.kind.value, *others, read.response]


def _identifier(text: str) -> str:
    name = re.sub(r"\W+", "_", text).strip("_") or "value"
    if name[0].isdigit():
        name = f"value_{name}"
    return f"{name}_" if keyword.iskeyword(name) else name


def _free(wanted: str, taken: set[str]) -> str:
    if wanted not in taken:
        return wanted
    number = 2
    while f"{wanted}_{number}" in taken:
        number += 1
    return f"{wanted}_{number}"
