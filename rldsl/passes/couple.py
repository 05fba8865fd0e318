"""Find the coupling level: where values that current weights decide meet before the coefficients are known.

What: looks at what the coefficients need. A reduction (or pick) of values that depend on a read of current weights
couples them at the axis that it reduces to; a scan, shift or rank at its `per`; a read that stands above its tokens couples
these itself. Whether a gradient flows through them is not asked: a frozen baseline of current log-probabilities couples as
a live one does.
Requires: phase DIFFERENTIATED.
Ensures: `coupling` (the coarsest level at which they meet, else token), `piece_axis` (the finest axis of which one
place can be done alone: all that meets, and every live read, lies below it) and `blocker` (the node that couples).
Not its job: to say which micro-batch fits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rldsl.graph.model import Graph, Mirror, Node, Pick, Rank, Read, ReadKind, Reduce, Scan, Shift
from rldsl.graph.order import ancestors, descendants
from rldsl.passes.draft import Draft
from rldsl.types import BATCH, Axis, Level


def run(draft: Draft) -> Draft:
    """Find where the objective couples values."""
    meetings = coupling_nodes(draft.graph, (key for _, key in draft.coefficients))
    reads = [_reading_axis(draft.graph[read]) for read, _ in draft.coefficients]
    coarsest = min((axis.base.level for axis in (*(axis for _, axis in meetings), *reads)), default=Level.TOKEN)
    blockers = [node for node, axis in meetings if axis.base.level is coarsest]
    return replace(draft, coupling=coarsest, piece_axis=common_ancestor([*(axis for _, axis in meetings), *reads]),
                   blocker=_first(blockers))


def coupling_nodes(graph: Graph, coefficients: Iterable[int]) -> list[tuple[Node, Axis]]:
    """The nodes that couple current values, and the axis within which they do."""
    needed = ancestors(graph, coefficients)
    current = descendants(graph, (node.key for node in graph.nodes if isinstance(node.operation, Read)))
    found = []
    for node in graph.nodes:
        if node.key in needed and any(key in current for key in node.inputs):
            axis = _meeting_axis(node)
            if axis is not None and axis != graph[node.inputs[0]].type.axis:
                found.append((node, axis))
    return found


def _meeting_axis(node: Node) -> Axis | None:
    match node.operation:
        case Reduce(to=axis) | Pick(to=axis) | Scan(per=axis) | Shift(per=axis) | Rank(per=axis) | Mirror(per=axis):
            return axis
        case _:
            return None


def _reading_axis(node: Node) -> Axis:
    """Where a read is computed: vectors are computed for the whole update batch, and multiplied there."""
    is_product = isinstance(node.operation, Read) and node.operation.kind is ReadKind.PRODUCT
    return BATCH if is_product else node.type.axis


def common_ancestor(axes: Iterable[Axis]) -> Axis:
    """The finest axis within which all of these lie, with the tokens below it; the batch, if there are none."""
    chains = [axis.chain() for axis in axes]
    if not chains:
        return BATCH
    return next(axis for axis in chains[0] if axis.over is None and all(axis in chain for chain in chains))


def _first(nodes: list[Node]) -> int | None:
    """The first that the user can be shown."""
    best = min(nodes, key=lambda node: (node.span is None, node.key), default=None)
    return None if best is None else best.key
