"""`Foresight`: the engine where nobody dear is asked. What is not known stays open, and keeps open what comes from it.

So a call comes to be asked wherever its answer may matter, whatever the open ones turn out to be: an upper bound, and exact where
everything that could spare it is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from rldsl.graph.model import Node, Read
from rldsl.rewards.engine.asked import Mask, absent_column
from rldsl.rewards.engine.order import NONE, Calls, Turn, closing_calls, order_calls
from rldsl.rewards.engine.run import HostRun
from rldsl.rewards.outcome import Outcome
from rldsl.types import Element


@dataclass(slots=True)
class Foresight(HostRun):
    """`is_unknown(outcome, place)` says which results stand for what is not known. `before(node, is_sure)` hears of each call
    before it is made: `is_sure` where it is made whatever is not known. `has_guessed()` says whether the axis that was just found
    is no more than possible. `untold` counts, by node, values that are needed, and asked about what only another call gives.
    `sparing` are nodes of which something is not known that may spare a call."""

    is_unknown: Callable[[Outcome, int], bool] = field(kw_only=True)
    before: Callable[[Node, bool], None] = field(kw_only=True)
    has_guessed: Callable[[], bool] = field(kw_only=True)
    untold: dict[int, int] = field(default_factory=dict)
    sparing: set[int] = field(default_factory=set)
    _unknown: set[int] = field(default_factory=set)
    _guessed: set[str] = field(default_factory=set)

    def _ask(self, roots: Sequence[int], within: Sequence[int]) -> None:
        """Every call where it may be needed, one after the other."""
        tiers = {key: self._tier(self.graph[key]) for key in within}
        reads = frozenset(key for key in self.open if isinstance(self.graph[key].operation, Read))
        nodes = [node.key for node in self.graph.nodes if node.key in reads or node.key in tiers]
        closing = closing_calls(self.graph, reads.union(key for key, tier in tiers.items() if tier), roots, nodes)
        for turn in order_calls(self.graph, {key: tier for key, tier in tiers.items() if tier}, roots, within):
            question = self._question(turn, roots, within)
            if question.places:
                self.before(question.node, self._is_sure(turn, closing.get(turn.key, NONE), reads))
                self._take(question.node, question.places, self._asker(question)())

    def _is_sure(self, turn: Turn, closing: Calls, reads: Calls) -> bool:
        if any(axis.name in self._guessed for axis in self.graph[turn.key].type.axis.chain()):
            return False
        sparing = closing & (reads | (self._unknown & turn.sees))
        self.sparing |= sparing
        return not sparing

    def _find_axis(self, node: Node) -> None:
        self.run(node.inputs)
        open_ = [self.open[key] for key in node.inputs if key in self.open]
        if open_:
            self._guessed.add(node.type.axis.name)
            self.untold[node.key] = int(np.logical_or.reduce(open_).sum())
        self.before(node, True)
        HostRun._find_axis(self, node)
        if self.has_guessed():
            self._guessed.add(node.type.axis.name)

    def _take(self, node: Node, places: Sequence[int], outcome: Outcome) -> None:
        """What is known of an outcome; the rest stays open."""
        known = [index for index in range(len(outcome)) if not self.is_unknown(outcome, index)]
        if len(known) < len(outcome):
            self._unknown.add(node.key)
            outcome = _chosen(outcome, known)
            places = [places[index] for index in known]
        HostRun._take(self, node, places, outcome)

    def _seen(self, node: Node, needed: Mask, blind: Mask) -> Mask:
        if (hidden := int((needed & blind).sum())):
            self._unknown.add(node.key)
            self.untold[node.key] = hidden
        found: Mask = needed & ~blind
        return found

    def _forget_open(self) -> list[int]:
        """What was read of no model stays unknown."""
        reads = {key: (self.known[key], marks) for key, marks in self.open.items() if isinstance(self.graph[key].operation, Read)}
        found = HostRun._forget_open(self)
        for key, (values, marks) in reads.items():
            self.known[key], self.open[key] = values, marks
        return [key for key in found if key not in reads]

    def leave_read(self, key: int) -> None:
        """Take the read of a model as not known, at every place."""
        node = self.graph[key]
        places = self.layout().size(node.type.axis.name)
        is_vector = node.type.element is Element.VECTOR
        self.known[key] = torch.full((places, 1), torch.nan) if is_vector else absent_column(node, places)
        self.open[key] = np.ones(places, np.bool_)

    def _check_whole(self, roots: Sequence[int]) -> None:
        """What is demanded may stay open."""


def _chosen(outcome: Outcome, places: Sequence[int]) -> Outcome:
    """An outcome at some of its places."""
    values: Any = [outcome.values[place] for place in places] if isinstance(outcome.values, list) else \
        outcome.values[np.asarray(places, dtype=np.int64)]
    return replace(outcome, values=values, failed=_moved(outcome.failed, places), evidence=_moved(outcome.evidence, places))


def _moved(entries: Mapping[int, Any], places: Sequence[int]) -> dict[int, Any]:
    return {index: entries[place] for index, place in enumerate(places) if place in entries}
