"""Builds typed graphs node by node: infers types, shares equal nodes, inserts spreads. Tells users nothing:
what it is asked to build must be well-typed, and an `InternalError` says that it was not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from rldsl.diagnostics import InternalError
from rldsl.graph.model import (
    Constant,
    Elementwise,
    Freeze,
    Function,
    Graph,
    Leaf,
    Mirror,
    Node,
    Operation,
    Pick,
    Position,
    Rank,
    Read,
    Reduce,
    Reduction,
    Scan,
    Shift,
    Size,
    SourceKind,
    Spread,
)
from rldsl.infer import intervals
from rldsl.infer.levels import common_axis
from rldsl.infer.rules import infer_type, read_type
from rldsl.source import Span
from rldsl.types import BATCH, NUMERIC, Axis, Element, Level, Stage, Type, pair_axis

_Identity: TypeAlias = tuple[object, tuple[int, ...], Stage, frozenset[str], bool]


class Builder:
    """A graph in the making. Equal nodes are one node: same operation, inputs, stage, liveness and optionality.

    `stage` is the binding time at which what is now added gets computed. Keys rise in the order of adding, so
    each node's key is above those of its inputs; nodes of a graph that is continued keep their keys. New keys start
    at `first`, or above those of the graph. After the pass `expand` comparisons are IEEE: no truth value is absent.
    """

    def __init__(self, graph: Graph | None = None, stage: Stage = Stage.STATISTICS, *, first: int = 0,
                 expanded: bool = False) -> None:
        self.stage = stage
        self._expanded = expanded
        self._nodes: dict[int, Node] = {}
        self._found: dict[_Identity, int] = {}
        for node in graph.nodes if graph is not None else ():
            self._nodes[node.key] = node
            self._found.setdefault(_identity(node.operation, node.inputs, node.type), node.key)
        self._parts: dict[int, tuple[int, ...]] = {}
        self._next = max(max(self._nodes, default=-1) + 1, first)

    def __getitem__(self, key: int) -> Node:
        return self._nodes[key]

    def __len__(self) -> int:
        return len(self._nodes)

    def add(self, operation: Operation, inputs: Iterable[int] = (), *, type: Type | None = None,
            span: Span | None = None, name: str | None = None) -> int:
        """The key of the node; an equal node that is there already is taken, and keeps its span and name."""
        keys = tuple(inputs)
        typed = type if type is not None else self.infer(operation, keys)
        identity = _identity(operation, keys, typed)
        found = self._found.get(identity)
        if found is None:
            found = self._found[identity] = self._next
            self._nodes[found] = Node(found, operation, keys, typed, span, name)
            self._next += 1
        elif name is not None:
            self.rename(found, name)
        return found

    def keep(self, node: Node, inputs: tuple[int, ...]) -> int:
        """A node of another graph, over these inputs: as it is with its own key, if they are its own.

        Its type stays what it was. Keys of the other graph must lie below `first`.
        """
        if inputs != node.inputs:
            return self.add(node.operation, inputs, type=node.type, span=node.span, name=node.name)
        found = self._found.setdefault(_identity(node.operation, inputs, node.type), node.key)
        if found == node.key:
            self._nodes[found] = node
        elif node.name is not None:
            self.rename(found, node.name)
        return found

    def infer(self, operation: Operation, keys: tuple[int, ...]) -> Type:
        """The type that a node would get."""
        types = [self._nodes[key].type for key in keys]
        found = infer_type(operation, types, self.stage)
        if self._expanded and found.element is Element.BOOL:
            return replace(found, optional=False)
        is_square = operation == Elementwise(Function.MULTIPLY) and keys[0] == keys[1]
        if is_square and types[0].interval.values is None:
            return replace(found, interval=intervals.square(types[0].interval))
        return found

    def axes_of(self, level: Level, within: Axis) -> list[Axis]:
        """The axes of a level, below another one, on which something stands."""
        return list(dict.fromkeys(node.type.axis for node in self._nodes.values()
                                  if node.type.axis.level is level and node.type.axis.is_within(within)))

    def rename(self, key: int, name: str) -> None:
        """Give a node that has no name yet the user's name for it."""
        node = self._nodes[key]
        if node.name is None:
            self._nodes[key] = replace(node, name=name)

    def graph(self, roots: Iterable[int] | None = None) -> Graph:
        """All nodes, or those that the roots need, in the order of their keys."""
        keep = self._nodes.keys() if roots is None else self._needed(roots)
        return Graph(tuple(self._nodes[key] for key in sorted(keep)))

    # ------------------------------------------------------------ leaves
    def constant(self, value: float | bool | str, span: Span | None = None) -> int:
        """A number (`3` is an Int, `3.0` a Real), a truth value, a text."""
        return self.add(Constant(value), span=span)

    def leaf(self, kind: SourceKind, owner: str, field: str, type: Type, span: Span | None = None) -> int:
        """A value from outside."""
        return self.add(Leaf(kind, owner, field), type=type, span=span)

    def read(self, read: Read, axis: Axis, inputs: Iterable[int] = (), span: Span | None = None) -> int:
        """A model read on the token axis of its response."""
        keys = tuple(inputs)
        return self.add(read, keys, type=read_type(read, axis, [self[key].type for key in keys]), span=span)

    def position(self, axis: Axis, per: Axis, span: Span | None = None) -> int:
        """0-based index of each place of `axis` within its `per`."""
        return self.add(Position(axis, per), span=span)

    def size(self, axis: Axis, to: Axis, span: Span | None = None) -> int:
        """How many places of `axis` lie in each place of `to`."""
        return self.add(Size(axis, to), span=span)

    # ------------------------------------------------------------ values of values
    def elementwise(self, function: Function, *keys: int, span: Span | None = None) -> int:
        """A function of values that stand on nested axes: coarser ones are spread to the finest."""
        axis = common_axis([self[key].type for key in keys])
        if axis is None:
            raise InternalError(f"{function} of unrelated axes: {[str(self[key].type) for key in keys]}")
        spread = tuple(self.spread(key, axis, span) for key in keys)
        return self.add(Elementwise(function), spread, span=span)

    def spread(self, x: int, to: Axis, span: Span | None = None) -> int:
        """A copy at each place of `to`; `x` itself if it stands there."""
        axis = self._nodes[x].type.axis
        if axis is to or axis == to:
            return x
        if axis.size is not None and not to.is_within(axis):
            return self.parts(self._taken_apart(x, span), to, span)
        return self.add(Spread(to), (x,), span=span)

    def parts(self, keys: Sequence[int], axis: Axis, span: Span | None = None) -> int:
        """At each place of an axis of fixed parts the value of its own part: `keys` are theirs, on any axes above."""
        assert axis.parent is not None and axis.size == len(keys)
        place = self.position(axis, axis.parent, span)
        found = self.spread(keys[-1], axis, span)
        for number in reversed(range(len(keys) - 1)):
            mine = self.elementwise(Function.EQUAL, place, self.constant(number), span=span)
            found = self.elementwise(Function.SELECT, mine, keys[number], found, span=span)
        self._parts.setdefault(found, tuple(keys))
        return found

    def _taken_apart(self, x: int, span: Span | None) -> tuple[int, ...]:
        """The values of the single parts of a value on fixed parts, each at their parent."""
        if x in self._parts:
            return self._parts[x]
        kind = self._nodes[x].type
        axis, parent, size = kind.axis, kind.axis.parent, kind.axis.size
        assert parent is not None and size is not None
        place = self.position(axis, parent, span)
        reduction = Reduction.FIRST if kind.optional or kind.element not in NUMERIC else \
            Reduction.ANY if kind.element is Element.BOOL else Reduction.SUM
        found = []
        for number in range(size):
            mask = self.elementwise(Function.EQUAL, place, self.constant(number), span=span)
            inferred = self.infer(Reduce(reduction, parent, True), (x, mask))
            found.append(self.add(Reduce(reduction, parent, True), (x, mask), span=span,
                                  type=replace(inferred, interval=kind.interval)))
        return tuple(found)

    def freeze(self, x: int, span: Span | None = None) -> int:
        """The value without its gradient."""
        return self.add(Freeze(), (x,), span=span)

    def reduce(self, reduction: Reduction, x: int, to: Axis, mask: int | None = None,
               argument: int | None = None, span: Span | None = None) -> int:
        """One value for each place of `to`. A coarser mask is spread; `argument` is a quantile's level."""
        inputs = self._reduced(reduction, x, mask, argument, span)
        return self.add(Reduce(reduction, to, mask is not None), inputs, span=span)

    def reduce_keeping(self, reduction: Reduction, x: int, parts: Axis, mask: int | None = None, argument: int | None = None,
                       span: Span | None = None) -> int:
        """One value for each place of `parts`: of fixed parts of the same kind as those that `x` stands on, each by itself."""
        above = self[x].type.axis.parent
        assert parts.parent is not None and above is not None
        taken = [self.spread(key, above, span) for key in self._taken_apart(x, span)]
        masks = [None] * len(taken) if mask is None else self._taken_apart(self.spread(mask, self[x].type.axis, span), span)
        return self.parts([self.reduce(reduction, key, parts.parent, only, argument, span)
                           for key, only in zip(taken, masks, strict=True)], parts, span)

    def pick(self, reduction: Reduction, x: int, to: Axis, mask: int | None = None,
             argument: int | None = None, span: Span | None = None) -> int:
        """The weights by which that reduction of the same inputs selects."""
        inputs = self._reduced(reduction, x, mask, argument, span)
        return self.add(Pick(reduction, to, mask is not None), inputs, span=span)

    def scan(self, x: int, decay: int, per: Axis, from_end: bool, span: Span | None = None) -> int:
        """A decaying sum along the places of each `per`."""
        return self.add(Scan(per, from_end), (x, self.spread(decay, self[x].type.axis, span)), span=span)

    def shift(self, x: int, fill: int, per: Axis, offset: int, span: Span | None = None) -> int:
        """The value `offset` places later in the same `per`, `fill` where there is none."""
        return self.add(Shift(per, offset), (x, self.spread(fill, self[x].type.axis, span)), span=span)

    def others(self, x: int, per: Axis, span: Span | None = None) -> int:
        """For each member of a place of `per`, the values of the others: on the axis of the pairs of them."""
        pairs = self.spread(x, pair_axis(self[x].type.axis, per), span)
        return self.add(Mirror(per), (pairs,), span=span)

    def rank(self, x: int, per: Axis, descending: bool = False, span: Span | None = None) -> int:
        """0-based place of each value among those of its `per`."""
        return self.add(Rank(per, descending), (x,), span=span)

    # ------------------------------------------------------------ inside
    def _reduced(self, reduction: Reduction, x: int, mask: int | None, argument: int | None,
                 span: Span | None) -> tuple[int, ...]:
        """The inputs of a reduction. The level of a quantile is one number for the batch."""
        if (argument is not None) != (reduction is Reduction.QUANTILE):
            raise InternalError(f"{reduction} with argument {argument}")
        if argument is not None and self[argument].type.axis != BATCH:
            raise InternalError("the level of a quantile is one number")
        masks = () if mask is None else (self.spread(mask, self[x].type.axis, span),)
        return (x, *masks, *(() if argument is None else (argument,)))

    def _needed(self, roots: Iterable[int]) -> set[int]:
        waiting, seen = list(roots), set[int]()
        while waiting:
            key = waiting.pop()
            if key not in seen:
                seen.add(key)
                waiting.extend(self._nodes[key].inputs)
        return seen


def _identity(operation: Operation, inputs: tuple[int, ...], type: Type) -> _Identity:
    """What makes two nodes equal. Numbers of different kinds (`1`, `1.0`, `true`; `0.0`, `-0.0`) are not."""
    what: object = operation
    if isinstance(operation, Constant):
        value = operation.value
        what = (value.__class__, "nan" if isinstance(value, float) and math.isnan(value) else repr(value))
    return what, inputs, type.stage, type.live, type.optional
