"""`HostRun`: values of the host part of a graph, asking no more than is needed.

What is *demanded* is computed at every place, with whatever that takes. What is *observed* is computed from what is known then;
where that is not enough it is *open*: nobody was asked. What the caller knows already (data, rollouts, model reads) is in `known`.

Nothing depends on which call ends first: what a call is asked follows from those that its turn `sees`, whatever else is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from rldsl.diagnostics import InternalError
from rldsl.emit.evaluate import DOUBLE, Value
from rldsl.graph.expanding import made_below
from rldsl.graph.model import Foreign, Graph, Node
from rldsl.graph.order import ancestors
from rldsl.kernels.layout import Layout
from rldsl.rewards.engine import inline
from rldsl.rewards.engine.asked import Asked, Column, Mask, absent_column
from rldsl.rewards.engine.demand import needed_places
from rldsl.rewards.engine.order import Turn, order_calls
from rldsl.rewards.engine.partial import Partial
from rldsl.rewards.engine.together import Together, ended
from rldsl.rewards.outcome import Outcome, is_absent
from rldsl.rewards.tiers import Tier


class Host(Protocol):
    """Runs calls, from several threads."""

    def call(self, operation: Foreign, inputs: Sequence[Any]) -> Outcome:
        """Results for columns of one length, in the order of `operation.names`."""

    def tier(self, operation: Foreign) -> Tier:
        """What it costs."""

    def may_be_absent(self, operation: Foreign) -> bool:
        """Whether it may give nothing although its inputs are there."""

    def is_whole(self, operation: Foreign) -> bool:
        """Whether it sees a batch as a whole, so that no place may be left out."""

    def is_together(self, operation: Foreign) -> bool:
        """Whether it sees all places below one of its axis' parent at once: steps of an answer."""


class Watcher(Protocol):
    """Hears of what happens, on the thread that `run` was called on."""

    def answered(self, node: Node, outcome: Outcome, places: Sequence[int]) -> None:
        """A call was asked at some places. May raise: nothing more is asked then."""

    def stopped(self, node: Node, count: int, places: Sequence[int]) -> None:
        """`else stop` met absent values at some of the `count` places of its input. May raise, or go on."""


@dataclass(frozen=True, slots=True)
class _Question:
    """One call at some places, with its inputs there."""

    node: Node
    places: list[int]
    inputs: list[list[Any]]


@dataclass(slots=True)
class HostRun:
    """`layout` says how many places there are now; `grow` is told of calls that make an axis, and gives it its places there.
    `asked` are the calls so far, by node; `open` the open places of values in `known`."""

    graph: Graph
    host: Host
    watcher: Watcher
    layout: Callable[[], Layout]
    known: dict[int, Any]
    grow: Callable[[Node, Outcome], None] | None = None
    asked: dict[int, Asked] = field(default_factory=dict)
    open: dict[int, Mask] = field(default_factory=dict)
    _tiers: dict[int, Tier] = field(default_factory=dict)
    _firm: dict[int, Value] = field(default_factory=dict)

    def run(self, demanded: Iterable[int], observed: Iterable[int] = ()) -> None:
        """Bring values into `known`: those that are demanded whole, those that are observed as far as they are known then.
        Axes that calls make are found before anything else, with whatever that takes."""
        demanded, observed = tuple(demanded), tuple(observed)
        for key in made_below(self.graph, (*demanded, *observed), self.known):
            if key not in self.known:
                self._find_axis(self.graph[key])
        roots = [key for key in dict.fromkeys(demanded) if key not in self.known or key in self.open]
        seen = [key for key in dict.fromkeys(observed) if key not in self.known]
        if roots:
            seen = list(dict.fromkeys([*seen, *self._forget_open()]))
        within = self._below((*roots, *seen))
        if not within:
            return
        self._firm.clear()
        self._ask(roots, within)
        partial = self._partial(within, within)
        for key in (*roots, *seen):
            self.known[key] = plain(partial.whole(key))
            if key in partial.open:
                self.open[key] = partial.open[key]
        for key in within:
            if key in self.asked and self.asked[key].is_whole:
                self.known[key] = self.asked[key].values
        self._check_whole(roots)

    def _check_whole(self, roots: Sequence[int]) -> None:
        if left := [key for key in roots if key in self.open]:
            raise InternalError(f"demanded values are open: {left}")

    def _find_axis(self, node: Node) -> None:
        """A call that makes an axis, at every place of its inputs."""
        if self.grow is None:
            raise InternalError(f"nobody takes the places of {node.type.axis}")
        self.run(node.inputs)
        outcome = self.host.call(_operation(node), [self.known[key] for key in node.inputs])
        self.grow(node, outcome)
        self._take(node, range(len(outcome)), outcome)
        self.known[node.key] = self.asked[node.key].values

    def forget(self, keys: Iterable[int]) -> None:
        """Values that are no longer true."""
        for key in keys:
            self.known.pop(key, None)
            self.asked.pop(key, None)
            self.open.pop(key, None)

    def is_outside(self, key: int) -> bool:
        """Whether a node is a call that is not asked without need."""
        return self._tier(self.graph[key]) > Tier.NATIVE

    def is_costly(self, key: int) -> bool:
        """Whether a value comes from a call that is not asked without need."""
        return any(self._tier(self.graph[source]) for source in ancestors(self.graph, [key]))

    def _forget_open(self) -> list[int]:
        """Values that were observed open may become known; which they are."""
        found = list(self.open)
        for key in found:
            del self.known[key]
        self.open.clear()
        return found

    def _below(self, keys: Iterable[int]) -> list[int]:
        """Nodes that are not known, in the order of the graph."""
        waiting, found = list(keys), set[int]()
        while waiting:
            key = waiting.pop()
            if key not in found and key not in self.known:
                found.add(key)
                waiting.extend(self.graph[key].inputs)
        return [node.key for node in self.graph.nodes if node.key in found]

    # ------------------------------------------------------------------ values
    def _partial(self, within: Sequence[int], sees: Iterable[int]) -> Partial:
        """What is known when some calls have answered."""
        layout, visible = self.layout(), frozenset(sees)
        known, marks = dict(self.known), dict(self.open)
        for node in (self.graph[key] for key in within):
            if self._tier(node) > Tier.NATIVE:
                places = layout.size(node.type.axis.name)
                record = self.asked.get(node.key) if node.key in visible else None
                known[node.key] = absent_column(node, places) if record is None else record.values
                marks[node.key] = np.ones(places, np.bool_) if record is None else record.open
        return Partial(self.graph, layout, DOUBLE, known, marks, self, within, self._firm)

    def _tier(self, node: Node) -> Tier:
        if node.key not in self._tiers:
            operation = node.operation
            is_outside = isinstance(operation, Foreign) and operation.name not in inline.INLINE
            self._tiers[node.key] = self.host.tier(_operation(node)) if is_outside else Tier.NATIVE
        return self._tiers[node.key]

    def at_once(self, node: Node, inputs: Sequence[Value], marks: Mask | None) -> Any:
        """A call that nothing is spared for, wherever its inputs are known."""
        match _operation(node).name:
            case inline.SKIP:
                return inputs[0]
            case inline.STOP:
                self._check_stop(node, inputs[0], marks)
                return inputs[0]
            case name if name in inline.GROUPED:
                return inline.GROUPED[name](_operation(node), plain(inputs[0]), self.layout())
        record = self._record(node)
        wanted = record.open if marks is None else record.open & ~marks
        if wanted.any():
            places = np.flatnonzero(wanted).tolist()
            chosen = [_chosen(plain(value), places) for value in inputs]
            self._take(node, places, self.host.call(_operation(node), chosen))
        return record.values

    def may_be_absent(self, node: Node) -> bool:
        """Whether a call may give nothing although its inputs are there."""
        match _operation(node).name:
            case name if name in inline.GROUPED:
                return True
            case inline.SKIP | inline.STOP:
                return False
            case _:
                return self.host.may_be_absent(_operation(node))

    def _record(self, node: Node) -> Asked:
        if node.key not in self.asked:
            self.asked[node.key] = Asked.nothing(node, self.layout().size(node.type.axis.name))
        return self.asked[node.key]

    def _take(self, node: Node, places: Sequence[int], outcome: Outcome) -> None:
        self._record(node).add(places, outcome)
        self.watcher.answered(node, outcome, places)

    def _check_stop(self, node: Node, value: Value, marks: Mask | None) -> None:
        column = plain(value)
        there = range(len(column)) if marks is None else np.flatnonzero(~marks).tolist()
        if missing := [place for place in there if is_absent(column[place])]:
            self.watcher.stopped(node, len(column), missing)

    # ------------------------------------------------------------------ asking
    def _ask(self, roots: Sequence[int], within: Sequence[int]) -> None:
        """Ask every call where it is needed, those that do not wait for each other at the same time. Where something goes
        wrong for good, what runs is waited for, and nothing more is begun."""
        tiers = {key: self._tier(self.graph[key]) for key in within}
        waiting = list(order_calls(self.graph, {key: tier for key, tier in tiers.items() if tier}, roots, within))
        together, questions = Together[Outcome](), dict[int, _Question]()
        done, faults = set[int](), dict[int, Exception]()
        while not faults or together.running:
            begun = [] if faults else self._begin(waiting, done, roots, within)
            questions.update((question.node.key, question) for question in begun)
            if len(begun) == 1 and not together.running:
                over = ended(begun[0].node.key, self._asker(begun[0]))
            else:
                for question in begun:
                    together.start(question.node.key, self._asker(question))
                if not together.running:
                    break
                over = together.wait()
            try:
                question = questions[over.key]
                self._take(question.node, question.places, over.result())
            except Exception as fault:
                faults[over.key] = fault
            done.add(over.key)
        if faults:
            raise faults[min(faults)]

    def _begin(self, waiting: list[Turn], done: set[int], roots: Sequence[int], within: Sequence[int]) -> list[_Question]:
        """What can be asked now. A call that is not needed anywhere has nothing to say, and keeps nobody waiting."""
        found: list[_Question] = []
        while ready := [turn for turn in waiting if turn.after <= done]:
            for turn in ready:
                waiting.remove(turn)
                question = self._question(turn, roots, within)
                if question.places:
                    found.append(question)
                else:
                    done.add(turn.key)
        return found

    def _question(self, turn: Turn, roots: Sequence[int], within: Sequence[int]) -> _Question:
        """Where a call is needed and has not been asked. Where an input is absent the result is, whether it is needed or not."""
        node, partial = self.graph[turn.key], self._partial(within, turn.sees)
        needed = needed_places(partial, turn.key, roots, within, lambda node, wanted: self._widened(partial, node, wanted))
        columns = [plain(partial.value(key)) for key in node.inputs]
        record, blind = self._record(node), np.zeros(len(needed), np.bool_)
        absent = np.zeros(len(needed), np.bool_)
        for key, column in zip(node.inputs, columns, strict=True):
            marks = partial.open.get(key, np.zeros(len(needed), np.bool_))
            blind |= marks
            absent |= np.array([is_absent(item) for item in column], np.bool_) & ~marks
        needed = self._widened(partial, node, needed)
        needed = self._seen(node, needed, blind)
        places = np.flatnonzero(record.open & (needed | absent)).tolist()
        return _Question(node, places, [_chosen(column, places) for column in columns])

    def _seen(self, node: Node, needed: Mask, blind: Mask) -> Mask:
        """The needed places of a call of which its inputs are known: all."""
        if (needed & blind).any():
            raise InternalError(f"{node.operation} is needed where its inputs are open")
        return needed

    def _widened(self, partial: Partial, node: Node, wanted: Mask) -> Mask:
        """Where a call is asked, and needs its inputs, if it is wanted at some places."""
        if self._tier(node) == Tier.NATIVE:
            return wanted
        if self.host.is_whole(_operation(node)):
            return np.full(len(wanted), bool(wanted.any()))
        parent = node.type.axis.parent
        is_apart = parent is None or not self.host.is_together(_operation(node))
        return wanted if is_apart or parent is None else partial.places.any_beside(wanted, node.type.axis, parent)

    def _asker(self, question: _Question) -> Callable[[], Outcome]:
        return lambda: self.host.call(_operation(question.node), question.inputs)


def plain(value: Any) -> Column:
    """Without torch: what calls and metrics take."""
    if isinstance(value, Tensor):
        found: Column = value.detach().numpy()
        return found
    return value if isinstance(value, list) else list(value)


def _operation(node: Node) -> Foreign:
    assert isinstance(node.operation, Foreign)
    return node.operation


def _chosen(column: Column, places: Sequence[int]) -> list[Any]:
    items = column if isinstance(column, list) else column.tolist()
    return items if len(places) == len(items) else [items[place] for place in places]
