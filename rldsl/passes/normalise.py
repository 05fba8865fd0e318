"""Choose what is computed once for the whole update batch, before the first piece, so that pieces add up exactly.

What: `prepared` are frozen values (no read is needed for them) that what is live needs: every count, mean, quantile,
rank or scan of frozen values, and what is made of them as long as it stands above the tokens. Elementwise values on
token axes and of pairs are not stored: a piece computes them from inputs and prepared values.
Requires: phase DIFFERENTIATED.
Ensures: what a piece computes needs no frozen value of places outside the piece but prepared ones and inputs.
Not its job: values that depend on reads (`couple`).
"""

from __future__ import annotations

from dataclasses import replace

from rldsl.graph.model import Constant, Elementwise, Leaf, Node, Position, Read, Spread
from rldsl.graph.order import descendants
from rldsl.passes.draft import Draft
from rldsl.types import Level


def run(draft: Draft) -> Draft:
    """Choose the prepared nodes."""
    graph = draft.graph
    live = descendants(graph, (node.key for node in graph.nodes if isinstance(node.operation, Read)))
    waiting = [key for node in graph.nodes if node.key in live for key in node.inputs if key not in live]
    waiting.extend(key for key in draft.roots if key not in live)
    prepared, seen = set[int](), set[int]()
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        if not is_recomputed(graph[key]):
            prepared.add(key)
        else:
            waiting.extend(graph[key].inputs)
    return replace(draft, prepared=tuple(sorted(prepared)))


def is_recomputed(node: Node) -> bool:
    """Whether each piece computes the frozen node for itself: nothing to compute, a copy, which of fixed parts it is, a cheap
    token value."""
    match node.operation:
        case Constant() | Leaf() | Spread():
            return True
        case Position(axis=axis, per=per) if axis.size is None or axis.parent != per:
            return False
        case Elementwise() | Position():
            return node.type.axis.base.level is Level.TOKEN or node.type.axis.is_of_pairs
        case _:
            return False
