"""Stage values without a gradient: rewards, lets, guards, reports and the expectations of tests.

The same cut and the same expansion as for objectives, but the cut goes where numbers come from: leaves, reads, foreign
calls, and values that the caller has already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from rldsl.graph.model import Graph, Node, Read
from rldsl.graph.staged import Input
from rldsl.graph.verify import Phase, verify
from rldsl.infer.agree import check_types
from rldsl.passes import expand, share, simplify
from rldsl.passes.assemble import axes_in_use
from rldsl.passes.draft import Draft
from rldsl.passes.stage import cut, is_foreign
from rldsl.types import Axis


@dataclass(frozen=True, slots=True)
class StagedValues:
    """Numbers to compute from inputs over one layout. Keys are of `graph`; `axes` are coarse to fine, parents first.

    `values` pairs labels with nodes on any axis. The `source` of an input is the key of the node that it stands for in
    the graph from which this was staged, None for a parameter.
    """

    graph: Graph
    inputs: tuple[Input, ...]
    values: tuple[tuple[str, int], ...]
    axes: tuple[Axis, ...]


def stage_values(graph: Graph, values: Iterable[tuple[str, int]], known: Collection[int] = (), *,
                 optimise: bool = True) -> StagedValues:
    """The part of `graph` that computes these labelled numbers, down to what is no arithmetic or is `known`."""
    wanted = tuple(values)
    already = frozenset(known)

    def is_input(node: Node) -> bool:
        return node.key in already or isinstance(node.operation, Read) or is_foreign(graph, node)

    found = cut(graph, (key for _, key in wanted), is_input)
    draft = Draft("values", "", found.graph, None, tuple((label, found.moved[key]) for label, key in wanted),
                  found.inputs)
    draft = expand.run(draft)
    if optimise:
        draft = share.run(simplify.run(draft))
    verify(draft.graph, Phase.EXPANDED)
    check_types(draft.graph)
    return StagedValues(draft.graph, draft.inputs, draft.values, axes_in_use(draft.graph))
