"""Values of a graph while some calls have not been asked everywhere: what is known all the same, and where.

A place of a value is *open* where the value depends on an answer that nobody asked for. A product is closed by a factor that is
known to be exactly 0, `and` by what is false, `or` by what is true, `where` by its condition, `else` by what is there, a
reduction by its mask: there the value is known, and is what the expression gives with any number in the open place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from torch import Tensor

from rldsl.emit.evaluate import Evaluation, Value
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
from rldsl.rewards.engine.asked import Mask
from rldsl.rewards.engine.places import Places

CLOSING: Final[Mapping[Function, float]] = {
    Function.MULTIPLY: 0.0, Function.GATED_MULTIPLY: 0.0, Function.AND: 0.0, Function.OR: 1.0}
"""What an input is where it decides the result alone; it is the result then."""


Call: TypeAlias = Callable[[Node, Sequence[Value], Mask | None], Any]
"""A call with its inputs, and the open places of its result."""


class Partial:
    """`known` are values by node, `open_` marks the places of those that are not known. `within` are the
    nodes that are looked at, in the order of the graph."""

    def __init__(self, graph: Graph, layout: Layout, known: Mapping[int, Any], open_: Mapping[int, Mask],
                 call: Call, within: Sequence[int]) -> None:
        self.graph, self.places, self.known = graph, Places(layout), known
        self.open: dict[int, Mask] = {key: marks for key, marks in open_.items() if marks.any()}
        self._closed: dict[int, tuple[Mask, float]] = {}
        self._evaluation = Evaluation(graph, layout, known, settle=self._settle, foreign=lambda node, inputs: call(
            node, inputs, self.open.get(node.key)))
        for node in (graph[key] for key in within):
            if node.key not in known and any(entry in self.open for entry in node.inputs):
                marks = self._marks(node)
                if marks.any():
                    self.open[node.key] = marks

    def value(self, key: int) -> Value:
        """The value; it means nothing at open places."""
        return self._evaluation.value(key)

    def numbers(self, key: int) -> Any:
        """A value as an array."""
        return np.asarray(self.value(key), dtype=np.float64)

    def whole(self, key: int) -> Value:
        """The value, absent at open places."""
        value, marks = self.value(key), self.open.get(key)
        if marks is None:
            return value
        if isinstance(value, list):
            return [None if is_open else item for item, is_open in zip(value, marks.tolist(), strict=True)]
        assert isinstance(value, Tensor)
        found = value.clone()
        found[torch.from_numpy(marks)] = torch.nan
        return found

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
            case _ if function in CLOSING:
                return self._product(node, function)
            case _:
                return self._any_input(node)

    def _product(self, node: Node, function: Function) -> Mask:
        deciding = CLOSING[function]
        factors = node.inputs[:1] if function is Function.GATED_MULTIPLY else node.inputs
        marks = self._any_input(node)
        closed = np.zeros_like(marks)
        for key in factors:
            where = self._is_at(key, deciding)
            closed = closed if where is None else closed | where
        self._closed[node.key] = marks & closed, deciding
        return marks & ~closed

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

    def _settle(self, node: Node, value: Value) -> Value:
        """The computed value, with what decides it where an open input may not."""
        closed = self._closed.get(node.key)
        if closed is None or not closed[0].any():
            return value
        assert isinstance(value, Tensor)
        return torch.where(torch.from_numpy(closed[0]), closed[1], value)
