"""Values of a graph while some calls have not been asked everywhere: what is known all the same, and where.

A place of a value is *open* where the value depends on an answer that nobody asked for. A product is closed by a factor that is
known to be exactly 0, `and` by what is false, `or` by what is true, `where` by its condition, `else` by what is there, a
reduction by its mask: there the value is known, and is what the expression gives with any number in the open place. What is
known to be absent makes absent what is computed from it, whatever is open beside it. An open place that may turn out to be
absent is not closed by a factor: `0 * absent` is absent, so somebody has to be asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np

from rldsl.emit.evaluation import Arithmetic, Evaluation, Found
from rldsl.graph.model import (
    Elementwise,
    Foreign,
    Freeze,
    Function,
    Graph,
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
from rldsl.kernels.layout import Layout
from rldsl.rewards.engine import inline
from rldsl.rewards.engine.asked import Mask
from rldsl.rewards.engine.places import Places

CLOSING: Final[Mapping[Function, float]] = {
    Function.MULTIPLY: 0.0, Function.GATED_MULTIPLY: 0.0, Function.AND: 0.0, Function.OR: 1.0}
"""What an input is where it decides the result alone; it is the result then."""


class Calls(Protocol):
    """What is to be known of calls."""

    def at_once(self, node: Node, inputs: Sequence[Found], marks: Mask | None) -> Any:
        """The value of a call that is not known beforehand; `marks` are its open places."""

    def may_be_absent(self, node: Node) -> bool:
        """Whether a call may give nothing although its inputs are there."""


class Partial:
    """`arithmetic` computes. `known` are values by node, `open_` marks the places of those that nobody, or not everybody, was
    asked for. `within` are the nodes that are looked at, in the order of the graph. `firm` holds values that come from none of
    the marked ones, for the next look at the same graph."""

    def __init__(self, graph: Graph, layout: Layout, arithmetic: Arithmetic, known: Mapping[int, Any], open_: Mapping[int, Mask],
                 calls: Calls, within: Sequence[int], firm: dict[int, Found] | None = None) -> None:
        self.graph, self.places, self.known, self._calls = graph, Places(layout), known, calls
        self.open: dict[int, Mask] = {key: marks for key, marks in open_.items() if marks.any()}
        self._blank = {key for key in self.open if key not in within and graph[key].type.optional}
        self._closed: dict[int, tuple[Mask, float]] = {}
        self._evaluation = Evaluation(graph, layout, known, arithmetic, settle=self._settle,
                                      foreign=lambda node, inputs: calls.at_once(node, inputs, self.open.get(node.key)))
        self._firm, self._moving = firm, set(open_)
        self._evaluation.values.update(firm or {})
        for node in (graph[key] for key in within):
            if not self._moving.isdisjoint(node.inputs):
                self._moving.add(node.key)
            if node.key not in known and any(entry in self.open for entry in node.inputs):
                marks = self._marks(node)
                if marks.any():
                    self.open[node.key] = marks
            if node.key in self.open and node.type.optional and self._may_be_blank(node):
                self._blank.add(node.key)

    def value(self, key: int) -> Found:
        """The value; it means nothing at open places."""
        return self._evaluation.value(key)

    def numbers(self, key: int) -> Any:
        """A value as an array."""
        return np.asarray(self.value(key), dtype=np.float64)

    def whole(self, key: int) -> Found:
        """The value, absent at open places."""
        value, marks = self.value(key), self.open.get(key)
        if marks is None:
            return value
        if isinstance(value, list):
            return [None if is_open else item for item, is_open in zip(value, marks.tolist(), strict=True)]
        return self._evaluation.arithmetic.put(value, marks, np.nan)

    # ------------------------------------------------------------------ what is open
    def _marks(self, node: Node) -> Mask:
        match node.operation:
            case Elementwise(function=function):
                return self._elementwise(node, function)
            case Spread(to=to):
                source = self.graph[node.inputs[0]]
                return self.places.spread(self.open[source.key], source.type.axis, to)
            case Reduce(masked=masked):
                return self._reduced(node, masked)
            case Scan(per=per) | Shift(per=per) | Rank(per=per) | Mirror(per=per):
                return self.places.any_beside(self._any_input(node), node.type.axis, per)
            case Pick(to=to):
                return self.places.any_beside(self._any_input(node), node.type.axis, to)
            case Foreign() if (group := inline.group_of(node)) is not None:
                return self.places.any_beside(self._any_input(node), node.type.axis, group)
            case Freeze() | Foreign() | Read():
                return self._any_input(node)
            case _:
                raise AssertionError(f"{node.operation} has no inputs")

    def _any_input(self, node: Node) -> Mask:
        found = np.zeros(self.places.layout.size(node.type.axis.name), np.bool_)
        for key in node.inputs:
            if key in self.open:
                found |= self.places.across(self.open[key], self.graph[key].type.axis, node.type.axis)
        return found

    def _elementwise(self, node: Node, function: Function) -> Mask:
        match function:
            case Function.SELECT:
                return self._selected(node)
            case Function.OTHERWISE:
                return self._or_else(node)
            case Function.IS_MISSING:
                return self._missing(node)
        marks = self._product(node, function) if function in CLOSING else self._any_input(node)
        for key in node.inputs:
            if self.graph[key].type.optional:
                marks = marks & ~self._known_missing(key)
        return marks

    def _missing(self, node: Node) -> Mask:
        """What cannot be absent is there: a call that is not made cannot fail."""
        marks = self._any_input(node)
        if node.inputs[0] in self._blank:
            return marks
        self._closed[node.key] = marks, 0.0
        return np.zeros_like(marks)

    def _product(self, node: Node, function: Function) -> Mask:
        deciding, everything = CLOSING[function], self._any_input(node)
        left = np.zeros_like(everything)
        for index, key in enumerate(node.inputs):
            if key in self.open:
                is_closed = key not in self._blank and not (function is Function.GATED_MULTIPLY and index == 0)
                where = self._is_at(node.inputs[1 - index], deciding) if is_closed else None
                left |= self.open[key] if where is None else self.open[key] & ~where
        self._closed[node.key] = everything & ~left, deciding
        return left

    def _known_missing(self, key: int) -> Mask:
        marks = self.open.get(key)
        if marks is not None and marks.all():
            return np.zeros_like(marks)
        missing = self.is_missing(key)
        return missing if marks is None else missing & ~marks

    def _is_at(self, key: int, value: float) -> Mask | None:
        """Where an input is known to have this value; None where its type says nowhere."""
        marks = self.open.get(key)
        if not self.graph[key].type.interval.contains(value) or (marks is not None and marks.all()):
            return None
        found: Mask = self.numbers(key) == value
        return found if marks is None else found & ~marks

    def _selected(self, node: Node) -> Mask:
        condition, yes, no = (self.open.get(key) for key in node.inputs)
        nowhere = np.zeros(self.places.layout.size(node.type.axis.name), np.bool_)
        marks = nowhere if condition is None else condition
        if (marks.all() and marks.size) or (yes is None and no is None):
            return marks
        fact = self.numbers(node.inputs[0])
        yes, no = nowhere if yes is None else yes, nowhere if no is None else no
        found: Mask = marks | (yes & (fact > 0)) | (no & (fact <= 0))
        return found

    def _or_else(self, node: Node) -> Mask:
        first, second = (self.open.get(key) for key in node.inputs)
        if second is None:
            assert first is not None
            return first
        missing = second & self.is_missing(node.inputs[0])
        return missing if first is None else first | missing

    def is_missing(self, key: int) -> Mask:
        """Where a value is absent, if it is known."""
        value = self.value(key)
        if isinstance(value, list):
            return np.array([item is None for item in value], np.bool_)
        missing: Mask = np.isnan(np.asarray(value))
        return missing

    def _reduced(self, node: Node, masked: bool) -> Mask:
        x, axis, to = self.open.get(node.inputs[0]), self.graph[node.inputs[0]].type.axis, node.type.axis
        found = np.zeros(self.places.layout.size(to.name), np.bool_)
        if x is not None:
            found |= self.places.any_in(x & self.kept(node) if masked else x, axis, to)
        for key in node.inputs[1:]:
            if key in self.open:
                found |= self.places.across(self.open[key], self.graph[key].type.axis, to)
        return found

    def kept(self, node: Node) -> Mask:
        """Where the mask of a reduction holds, or may."""
        mask = node.inputs[1]
        marks, found = self.open.get(mask), self.numbers(mask) > 0
        kept: Mask = found if marks is None else found | marks
        return kept

    def _may_be_blank(self, node: Node) -> bool:
        """Whether an open place may turn out to be absent."""
        blank = [key for key in node.inputs if key in self._blank]
        match node.operation:
            case Foreign(name=inline.STOP):
                return False
            case Foreign():
                return bool(blank) or self._calls.may_be_absent(node)
            case Elementwise(function=Function.IS_MISSING):
                return False
            case Elementwise(function=Function.SELECT) if node.inputs[0] in self.open:
                return bool(blank) or any(self.graph[key].type.optional for key in node.inputs[1:])
            case Elementwise(function=Function.OTHERWISE):
                first, second = node.inputs
                return second in blank or (first in blank and self.graph[second].type.optional)
            case Elementwise() | Spread() | Freeze():
                return bool(blank)
            case _:
                return node.type.optional

    def _settle(self, node: Node, value: Found) -> Found:
        """The computed value, with what decides it where an open input may not."""
        if self._firm is not None and node.key not in self._moving:
            self._firm[node.key] = value
        closed = self._closed.get(node.key)
        if closed is None or not closed[0].any():
            return value
        return self._evaluation.arithmetic.put(value, *closed)
