"""Where the answer of a call is needed, given what is known already. Computes the values of factors, and no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rldsl.graph.model import (
    Elementwise,
    Foreign,
    Function,
    Mirror,
    Node,
    Pick,
    Rank,
    Read,
    Reduce,
    Scan,
    Shift,
    Spread,
)
from rldsl.rewards.engine import inline
from rldsl.rewards.engine.asked import Mask
from rldsl.rewards.engine.partial import Partial


def needed_places(partial: Partial, target: int, roots: Sequence[int], within: Sequence[int],
                  widened: Callable[[Node, Mask], Mask]) -> Mask:
    """The places of `target` whose value may reach an open place of `roots`. `within` are the nodes that matter, in the order
    of the graph; `widened` says of a call where it needs its inputs if it is wanted at some places."""
    graph, needs = partial.graph, dict[int, Mask]()
    users = _users(partial, target, within)
    for key in users.intersection(roots):
        if key in partial.open:
            needs[key] = partial.open[key]
    for key in reversed([key for key in within if key in users and key != target]):
        if key not in needs:
            continue
        node, wanted = graph[key], needs[key] & partial.open[key]
        wanted = widened(node, wanted)
        for index, source in enumerate(node.inputs):
            if source in users and source in partial.open:
                found = _through(partial, node, index, wanted) & partial.open[source]
                needs[source] = needs[source] | found if source in needs else found
    there = partial.places.layout.size(graph[target].type.axis.name)
    return needs.get(target, np.zeros(there, np.bool_))


def _users(partial: Partial, target: int, within: Sequence[int]) -> set[int]:
    """The target and what comes from it."""
    found = {target}
    for key in within:
        if not found.isdisjoint(partial.graph[key].inputs):
            found.add(key)
    return found


def _through(partial: Partial, node: Node, index: int, wanted: Mask) -> Mask:
    """Places of one input that the wanted places of a node look at."""
    source = partial.graph[node.inputs[index]]
    match node.operation:
        case Elementwise(function=Function.SELECT) if index > 0:
            return wanted & _may_choose(partial, node.inputs[0], index == 1)
        case Elementwise(function=Function.OTHERWISE) if index == 1:
            return wanted & _may_be_missing(partial, node.inputs[0])
        case Reduce(masked=True) if index == 0:
            return partial.places.across(wanted, node.type.axis, source.type.axis) & partial.kept(node)
        case Scan(per=per) | Shift(per=per) | Rank(per=per) | Mirror(per=per) | Pick(to=per):
            beside = partial.places.any_beside(wanted, node.type.axis, per)
            return partial.places.across(beside, node.type.axis, source.type.axis)
        case Spread() | Reduce():
            return partial.places.across(wanted, node.type.axis, source.type.axis)
        case Foreign() if (group := inline.group_of(node)) is not None:
            beside = partial.places.any_beside(wanted, node.type.axis, group)
            return partial.places.across(beside, node.type.axis, source.type.axis)
        case Read():
            return np.full(len(partial.open[source.key]), bool(wanted.any()))
        case _:
            return partial.places.across(wanted, node.type.axis, source.type.axis)


def _may_choose(partial: Partial, condition: int, holds: bool) -> Mask:
    fact, marks = partial.numbers(condition), partial.open.get(condition)
    chosen: Mask = fact > 0 if holds else fact <= 0
    return chosen if marks is None else chosen | marks


def _may_be_missing(partial: Partial, key: int) -> Mask:
    missing, marks = partial.is_missing(key), partial.open.get(key)
    return missing if marks is None else missing | marks
