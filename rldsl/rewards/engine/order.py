"""In which order calls are asked: what each one waits for. Looks at the graph alone, so the same spec has the same order.

A call waits for those that its inputs come from, for cheaper ones that may close it, and among equals for a *verdict* that may:
a factor or a condition of finitely many values. Of two verdicts that may close each other the one that is written first is asked
first. Everything else is asked at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rldsl.graph.model import Elementwise, Function, Graph, Node, Reduce
from rldsl.rewards.engine.partial import CLOSING
from rldsl.rewards.tiers import Tier
from rldsl.types import Element, Type

Calls = frozenset[int]
NONE: Calls = frozenset()


@dataclass(frozen=True, slots=True)
class Turn:
    """A call, what it waits for, and all calls that have answered by then."""

    key: int
    after: Calls
    sees: Calls


@dataclass(frozen=True, slots=True)
class Gate:
    """What may close a value: calls that a verdict comes from, and calls that a number comes from which may be exactly 0.
    `is_bare`: there is a way to what acts on which nothing closes it."""

    verdicts: Calls = NONE
    numbers: Calls = NONE
    is_bare: bool = False

    def join(self, other: Gate) -> Gate:
        """Of two ways to what acts."""
        if self.is_bare or other.is_bare:
            return BARE
        return Gate(self.verdicts | other.verdicts, self.numbers | other.numbers)

    def behind(self, verdicts: Calls, numbers: Calls) -> Gate:
        """Of one way, with what stands on it."""
        return replace(self, verdicts=self.verdicts | verdicts, numbers=self.numbers | numbers, is_bare=False)


BARE = Gate(is_bare=True)


def order_calls(graph: Graph, tiers: Mapping[int, Tier], roots: Iterable[int], within: Sequence[int]) -> tuple[Turn, ...]:
    """The calls (the keys of `tiers`) in their order; `within` are the nodes that matter, in the order of the graph."""
    above = _calls_above(graph, frozenset(tiers), within)
    below = {key: {other for other in tiers if key in above[other]} for key in tiers}
    gates = {key: _without(gate, below[key] | {key}) for key, gate in _gates(graph, above, roots, within).items()
             if key in tiers}
    found: dict[int, Turn] = {}
    inputs = {key: frozenset().union(*(above.get(source, NONE) for source in graph[key].inputs)) for key in tiers}
    while len(found) < len(tiers):
        key = _next(tiers, gates, inputs, found)
        after = inputs[key] | _awaited(key, tiers, gates.get(key, Gate()), found)
        found[key] = Turn(key, after, after.union(*(found[other].sees for other in after)))
    return tuple(found.values())


def bare_nodes(graph: Graph, roots: Iterable[int]) -> frozenset[int]:
    """The nodes of which every place is needed whatever their values are: nothing stands between them and what acts."""
    within = [node.key for node in graph.nodes]
    return frozenset(key for key, gate in _gates(graph, {}, roots, within).items() if gate.is_bare)


def closing_calls(graph: Graph, calls: Calls, roots: Iterable[int], within: Sequence[int]) -> dict[int, Calls]:
    """For each node what of `calls` may close it: nothing, where some way to what acts is free. `within` as in `order_calls`."""
    gates = _gates(graph, _calls_above(graph, calls, within), roots, within)
    return {key: NONE if gate.is_bare else gate.verdicts | gate.numbers for key, gate in gates.items()}


def _awaited(key: int, tiers: Mapping[int, Tier], gate: Gate, found: Mapping[int, Turn]) -> Calls:
    cheaper = {other for other in gate.verdicts | gate.numbers if tiers[other] < tiers[key]}
    equal = {other for other in gate.verdicts if tiers[other] == tiers[key]}
    return frozenset((cheaper | equal) & found.keys())


def _next(tiers: Mapping[int, Tier], gates: Mapping[int, Gate], inputs: Mapping[int, Calls], found: Mapping[int, Turn]) -> int:
    """The cheapest call whose inputs are there, if possible one that no equal one closes that it does not close itself."""
    ready = sorted((tiers[key], key) for key in tiers if key not in found and inputs[key] <= found.keys())
    equals = [key for tier, key in ready if tier == ready[0][0]]

    def is_free(key: int) -> bool:
        return not any(key not in gates.get(other, BARE).verdicts for other in gates.get(key, BARE).verdicts
                       if other not in found and tiers[other] == tiers[key])
    return next((key for key in equals if is_free(key)), equals[0])


def _calls_above(graph: Graph, calls: Calls, within: Sequence[int]) -> dict[int, Calls]:
    """For each node the calls that it comes from, itself included."""
    found: dict[int, Calls] = {}
    for key in within:
        own = frozenset((key,)) if key in calls else NONE
        found[key] = own.union(*(found.get(source, NONE) for source in graph[key].inputs))
    return found


def _gates(graph: Graph, above: Mapping[int, Calls], roots: Iterable[int], within: Sequence[int]) -> dict[int, Gate]:
    found = dict.fromkeys(roots, BARE)
    for key in reversed(within):
        if key not in found:
            continue
        node = graph[key]
        for index, source in enumerate(node.inputs):
            gate = _behind(graph, node, index, found[key], above)
            found[source] = found[source].join(gate) if source in found else gate
    return found


def _behind(graph: Graph, node: Node, index: int, gate: Gate, above: Mapping[int, Calls]) -> Gate:
    closing = closing_input(graph, node, index)
    if closing is None:
        return gate
    calls, kind = above.get(closing, NONE), graph[closing].type
    return gate.behind(calls, NONE) if _is_verdict(node, kind) else gate.behind(NONE, calls)


def closing_input(graph: Graph, node: Node, index: int) -> int | None:
    """The input by which another one, at `index`, may be closed."""
    match node.operation:
        case Elementwise(function=Function.GATED_MULTIPLY) if index == 0:
            return None
        case Elementwise(function=function) if function in CLOSING:
            other = node.inputs[1 - index]
            return other if graph[other].type.interval.contains(CLOSING[function]) else None
        case Elementwise(function=Function.SELECT) if index > 0:
            return node.inputs[0]
        case Elementwise(function=Function.OTHERWISE) if index == 1:
            return node.inputs[0]
        case Reduce(masked=True) if index == 0:
            return node.inputs[1]
        case _:
            return None


def _is_verdict(node: Node, closing: Type) -> bool:
    is_presence = isinstance(node.operation, Elementwise) and node.operation.function is Function.OTHERWISE
    return is_presence or closing.element is Element.BOOL or closing.interval.values is not None


def _without(gate: Gate, calls: Iterable[int]) -> Gate:
    """No call closes itself, nor what it comes from."""
    return replace(gate, verdicts=gate.verdicts.difference(calls), numbers=gate.numbers.difference(calls))
