"""Differentiate the loss by every live read: symbolic reverse mode on the graph, stopping at the reads.

What: for each live read of the trained model, one expression on the read's axis: the derivative of what is minimised.
Requires: phase EXPANDED; the loss is one number.
Ensures: phase DIFFERENTIATED: `coefficients` pairs reads with derivatives. `Freeze` nodes are gone: nothing is
differentiated after this.
Not its job: second derivatives; to make the expressions small (`simplify`, `share`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rldsl.diagnostics import InternalError
from rldsl.graph.model import Freeze, Function, Graph, Node, Read
from rldsl.graph.order import pruned
from rldsl.infer import Builder
from rldsl.passes.derivatives import Derivatives, differentiable_inputs
from rldsl.passes.draft import Draft, rebuild
from rldsl.passes.expand import Expander
from rldsl.types import BATCH, Stage


def run(draft: Draft) -> Draft:
    """Add the coefficient of each live read, then drop what stopped gradients.

    Every read of current weights is of the trained weights, be it under the name of another role that shares them.
    """
    if draft.loss is None:
        raise InternalError("there is no loss to differentiate")
    reads = [node.key for node in draft.graph.nodes if isinstance(node.operation, Read) and node.type.is_live]
    builder = Builder(draft.graph, Stage.UPDATE, expanded=True)
    found = gradients(builder, draft.graph, draft.loss, reads)
    differentiated = replace(draft, graph=builder.graph(), coefficients=tuple(sorted(found.items())))
    return rebuild(differentiated, _thaw)


def _thaw(builder: Builder, node: Node, inputs: tuple[int, ...]) -> int:
    return inputs[0] if isinstance(node.operation, Freeze) else builder.keep(node, inputs)


def gradients(builder: Builder, graph: Graph, root: int, reads: Iterable[int]) -> dict[int, int]:
    """The derivative of `root` by each of `reads` that it depends on, built into `builder`, which holds `graph`."""
    if graph[root].type.axis != BATCH:
        raise InternalError("what is differentiated is not one number")
    wanted = frozenset(reads)
    active = _active(graph, wanted)
    flowing: dict[int, list[int]] = {root: [builder.constant(1.0)]} if root in active else {}
    found: dict[int, int] = {}
    for node in reversed(graph.nodes):
        if (parts := flowing.pop(node.key, None)) is None:
            continue
        adjoint = _total(builder, node, parts)
        if node.key in wanted:
            found[node.key] = builder.spread(adjoint, node.type.axis)
            continue
        rules = Derivatives(builder, node)
        for place in differentiable_inputs(node):
            if (target := node.inputs[place]) in active:
                flowing.setdefault(target, []).append(rules.back(place, adjoint))
    return found


def _active(graph: Graph, wanted: frozenset[int]) -> set[int]:
    """The nodes through which a gradient reaches one of the wanted."""
    active: set[int] = set()
    for node in graph.nodes:
        if node.key in wanted or any(node.inputs[place] in active for place in differentiable_inputs(node)):
            active.add(node.key)
    return active


def _total(builder: Builder, node: Node, parts: list[int]) -> int:
    total = parts[0]
    for part in parts[1:]:
        total = builder.elementwise(Function.ADD, total, part, span=node.span)
    return total


def differentiate_scalar(graph: Graph, scalar: int, reads: Iterable[int]) -> tuple[Graph, dict[int, int]]:
    """Derivatives of one number of a graph by some of its reads, for the `gradient(...)` of tests.

    The graph that is returned holds every node of `graph` under its key, and the gradients: each on its read's axis,
    0 where nothing flows back.
    """
    wanted = tuple(reads)
    builder = Builder(graph, Stage.UPDATE, expanded=True)
    expander = Expander(graph)
    for node in pruned(graph, (scalar, *wanted)).nodes:
        expander.expand(builder, node, tuple(expander.moved[key] for key in node.inputs))
    moved = {key: expander.moved[key] for key in wanted}
    found = gradients(builder, builder.graph(), expander.moved[scalar], moved.values())
    zero = builder.constant(0.0)
    results = {key: found.get(moved[key], builder.spread(zero, graph[key].type.axis)) for key in wanted}
    return builder.graph(), results
