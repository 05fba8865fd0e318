"""Evaluates a graph node by node in the arithmetic that it is given: torch (`evaluate`) or numpy (`arrays`).

Numbers are packed on their axis (a scalar of the batch has one place), truth values are 1 and 0, an absent value is NaN;
vectors are rows of a matrix, those of an absent one NaN. Text and other host values are lists, with None for what is absent.
What only the host can compute is asked of callbacks. Does not optimise, batch or cache beyond computing each node once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, assert_never

import numpy as np
import numpy.typing as npt

from rldsl.diagnostics import InternalError
from rldsl.emit.expressions import deciding_inputs
from rldsl.graph.model import (
    Constant,
    Elementwise,
    Foreign,
    Freeze,
    Function,
    Graph,
    Leaf,
    Mirror,
    Node,
    Pick,
    Position,
    Rank,
    Read,
    Reduce,
    Reduction,
    Scan,
    Shift,
    Size,
    Spread,
)
from rldsl.kernels.layout import Layout
from rldsl.types import NUMERIC, Axis, Element

Found: TypeAlias = Any
"""Packed numbers of the arithmetic, vectors of it, or a list."""
ForeignCall: TypeAlias = Callable[[Node, Sequence[Any]], Any]
ReadCall: TypeAlias = Callable[[Node, Sequence[Any]], Any]
Settle: TypeAlias = Callable[[Node, Any], Any]
Numbers: TypeAlias = Callable[[Any], Any]

PRODUCTS = frozenset({Function.DOT, Function.COSINE})
_LOGICAL = frozenset({Function.AND, Function.OR, Function.NOT})
_REDUCTIONS: Mapping[Reduction, str] = {
    Reduction.SUM: "segment_sum", Reduction.MEAN: "segment_mean", Reduction.MINIMUM: "segment_min",
    Reduction.MAXIMUM: "segment_max", Reduction.COUNT: "segment_count", Reduction.ANY: "segment_any",
    Reduction.ALL: "segment_all", Reduction.FIRST: "segment_first", Reduction.LAST: "segment_last"}
_SPREADS: Mapping[Reduction, tuple[str, int]] = {
    Reduction.STD: ("segment_std", 1), Reduction.VAR: ("segment_var", 1),
    Reduction.STD_POPULATION: ("segment_std", 0), Reduction.VAR_POPULATION: ("segment_var", 0)}


class Arithmetic(Protocol):
    """Packed numbers of some kind. `pointwise` and `reference` have the functions of `kernels.pointwise` and
    `kernels.reference`, by the same names, and `vectors` those of `kernels.vectors`."""

    @property
    def pointwise(self) -> Any: ...

    @property
    def reference(self) -> Any: ...

    @property
    def vectors(self) -> Any: ...

    def numbers(self, values: Any) -> Any:
        """Flat, of numbers, an array, or what is of this kind already; None is absent."""
        ...

    def rows(self, values: Any) -> Any:
        """Vectors, [places, H]."""
        ...

    def indices(self, places: npt.NDArray[np.int64]) -> Any:
        """Places, to take values at."""
        ...

    def is_numbers(self, value: Any) -> bool:
        """Whether a value is packed numbers of this kind."""
        ...

    def frozen(self, value: Any) -> Any:
        """Without a gradient."""
        ...

    def put(self, value: Any, where: npt.NDArray[np.bool_], number: float) -> Any:
        """The value, and one number where it is marked."""
        ...

    def repeated(self, value: Any, count: int) -> Any:
        """A number of one place, at so many."""
        ...

    def silent(self) -> AbstractContextManager[Any]:
        """Without warnings of what is infinite or undefined: those are values here."""
        ...


class Listed(Protocol):
    """What a call on the host gave (`rewards.outcome`): values, and of how many each item has some."""

    @property
    def values(self) -> Iterable[Any]:
        """Flat."""
        ...

    @property
    def counts(self) -> npt.NDArray[np.int64] | None:
        """For each item."""
        ...

    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Expanded:
    """What a call gives that makes an axis (`graph.expanding`): the values of its places, how many of them lie below each place
    of its inputs' axis and, where it covers another axis, how many places of that one lie in each."""

    values: list[Any]
    counts: npt.NDArray[np.int64]
    inside: npt.NDArray[np.int64] | None = None

    @staticmethod
    def of(outcome: Listed) -> Expanded:
        """What a call on the host gave. Without counts no item has a list: each is absent or failed, and has one place."""
        counts = np.ones(len(outcome), np.int64) if outcome.counts is None else outcome.counts
        return Expanded(list(outcome.values), counts)


def extended(layout: Layout, axis: Axis, made: Expanded) -> Layout:
    """The layout with an axis that a call has found."""
    assert axis.parent is not None
    cover = None if axis.over is None or made.inside is None else (axis.over.name, made.inside)
    return layout.with_places(axis.name, axis.parent.name, made.counts, cover)


class Evaluation:
    """One node at a time. `settle` sees every computed value before what uses it, and may change it."""

    def __init__(self, graph: Graph, layout: Layout, leaves: Mapping[int, Any], arithmetic: Arithmetic, *,
                 foreign: ForeignCall | None = None, read: ReadCall | None = None, settle: Settle | None = None) -> None:
        self.graph, self.layout, self.leaves, self.arithmetic = graph, layout, leaves, arithmetic
        self.foreign, self.read, self.settle = foreign, read, settle
        self.like = arithmetic.numbers([0.0])
        self.values: dict[int, Found] = {}
        self._owners: dict[tuple[str, str], Any] = {}

    def value(self, key: int) -> Found:
        """The value of a node; what it needs first, without recursion."""
        waiting = [key]
        while waiting:
            node = self.graph[waiting[-1]]
            missing = () if node.key in self.leaves else [key for key in node.inputs if key not in self.values]
            if node.key not in self.values and not missing:
                self.values[node.key] = self._given(node) if node.key in self.leaves else self._settled(node)
            if missing:
                waiting.extend(missing)
            else:
                waiting.pop()
        return self.values[key]

    def _given(self, node: Node) -> Found:
        value = self._converted(node, self.leaves[node.key])
        if len(value) != self._size(node.type.axis):
            raise InternalError(f"{node.name or node.operation} has {len(value)} values for "
                                f"{self._size(node.type.axis)} places of {node.type.axis}")
        return value

    def _converted(self, node: Node, value: Any) -> Found:
        if node.type.element is Element.VECTOR:
            return self.arithmetic.rows(value)
        if node.type.element not in NUMERIC and node.type.element is not Element.NONE:
            return list(value)
        return self.arithmetic.numbers(value)

    def _size(self, axis: Axis) -> int:
        return self.layout.size(axis.name)

    def _places(self, axis: Axis, ancestor: Axis) -> tuple[Any, int]:
        """The owners of the places of `axis`, and how many there are."""
        pair = (axis.name, ancestor.name)
        if pair not in self._owners:
            self._owners[pair] = self.arithmetic.indices(self.layout.owners(*pair))
        return self._owners[pair], self._size(ancestor)

    def _owned(self, axis: Axis, ancestor: Axis) -> list[int]:
        """The owners as plain numbers."""
        found: list[int] = self.layout.owners(axis.name, ancestor.name).tolist()
        return found

    def _at(self, value: Found, places: Any, element: Element) -> Found:
        """The values at some places; of vectors only which they are."""
        if isinstance(value, list):
            return [value[place] for place in places.tolist()]
        return self.arithmetic.vectors.taken(value, places) if element is Element.VECTOR else value[places]

    def _settled(self, node: Node) -> Found:
        with self.arithmetic.silent():
            value = self._computed(node)
        return value if self.settle is None else self.settle(node, value)

    def _computed(self, node: Node) -> Found:
        inputs = [self.values[key] for key in node.inputs]
        match node.operation:
            case Constant(value=value):
                return [value] if isinstance(value, str) else self.arithmetic.numbers([float(value)])
            case Elementwise(function=function):
                return self._elementwise(node, function, inputs)
            case Freeze():
                return inputs[0] if isinstance(inputs[0], list) else self.arithmetic.frozen(inputs[0])
            case Spread(to=to):
                owners, _ = self._places(to, self._axis(node))
                return self._at(inputs[0], owners, node.type.element)
            case Foreign():
                found = _asked(self.foreign, node, inputs)
                return self._converted(node, found.values if isinstance(found, Expanded) else found)
            case Read():
                return self._converted(node, _asked(self.read, node, inputs))
            case Leaf(owner=owner, field=field):
                raise InternalError(f"nobody gave {owner}.{field}" if field else f"nobody gave {owner}")
            case _:
                return self._along(node, inputs)

    def _elementwise(self, node: Node, function: Function, inputs: list[Found]) -> Found:
        if function in PRODUCTS:
            x, y = (value for value in inputs if not isinstance(value, list))
            return self.arithmetic.vectors.products(x, y, is_cosine=function is Function.COSINE)
        if any(isinstance(value, list) for value in inputs):
            return _text_function(function, inputs, self.arithmetic.numbers)
        pointwise = self.arithmetic.pointwise
        result = getattr(pointwise, f"logical_{function.value}" if function in _LOGICAL else function.value)(*inputs)
        deciding = deciding_inputs(self.graph, node, function)
        return pointwise.unless_missing(result, *(self._numbers(inputs)[i] for i in deciding)) if deciding else result

    def _along(self, node: Node, inputs: list[Found]) -> Found:
        """What looks at more than one place."""
        reference = self.arithmetic.reference
        match node.operation:
            case Position(axis=axis, per=per):
                return reference.position(*self._places(axis, per), self.like)
            case Size(axis=axis, to=to):
                return reference.size(*self._places(axis, to), self.like)
            case Reduce(reduction=reduction, to=to):
                return self._reduced(node, reduction, to, inputs)
            case Pick(reduction=reduction, to=to):
                return self._picked(node, reduction, to, inputs)
            case Scan(per=per, from_end=from_end):
                x, decay = self._numbers(inputs)
                return reference.scan(x, decay, self._places(node.type.axis, per)[0], from_end)
            case Shift(per=per, offset=offset):
                return self._shifted(node, per, offset, inputs)
            case Mirror(per=per):
                return self._mirrored(node.type.axis, per, inputs[0], node.type.element)
            case Rank(per=per, descending=descending):
                x, = self._numbers(inputs)
                owners, count = self._places(node.type.axis, per)
                return reference.rank(x, owners, count, descending)
            case Constant() | Elementwise() | Freeze() | Spread() | Foreign() | Read() | Leaf():
                raise InternalError(f"{node.operation} looks at one place alone")
            case _:
                assert_never(node.operation)

    def _axis(self, node: Node) -> Axis:
        return self.graph[node.inputs[0]].type.axis

    def _numbers(self, inputs: Iterable[Found]) -> list[Any]:
        return [value for value in inputs if self.arithmetic.is_numbers(value)]

    def _keep(self, node: Node, masked: bool, inputs: Sequence[Any]) -> Any:
        optional = self.graph[node.inputs[0]].type.optional
        return self.arithmetic.reference.present(inputs[0], inputs[1] if masked else None, optional)

    def _reduced(self, node: Node, reduction: Reduction, to: Axis, inputs: list[Found]) -> Found:
        owners, count = self._places(self._axis(node), to)
        if node.type.element is Element.VECTOR:
            assert isinstance(node.operation, Reduce)
            return self._reduced_vectors(node, reduction, inputs, (owners, count))
        if isinstance(inputs[0], list):
            return _reduced_text(reduction, inputs[0], self._owned(self._axis(node), to), count, self.arithmetic.numbers)
        numbers, reference = self._numbers(inputs), self.arithmetic.reference
        assert isinstance(node.operation, Reduce)
        keep = self._keep(node, node.operation.masked, numbers)
        if reduction is Reduction.COUNT and self.graph[node.inputs[0]].type.element is Element.BOOL:
            return reference.segment_sum(self.arithmetic.frozen(numbers[0]), owners, count, keep)
        if reduction is Reduction.QUANTILE:
            return reference.segment_quantile(numbers[0], owners, count, self.arithmetic.repeated(numbers[-1], count), keep)
        if reduction in _SPREADS:
            name, correction = _SPREADS[reduction]
            return getattr(reference, name)(numbers[0], owners, count, keep, correction)
        return getattr(reference, _REDUCTIONS[reduction])(numbers[0], owners, count, keep)

    def _reduced_vectors(self, node: Node, reduction: Reduction, inputs: list[Found], segments: tuple[Any, int]) -> Found:
        vectors = self.arithmetic.vectors
        x, *mask = (value for value in inputs if not isinstance(value, list))
        rows = vectors.whole(x)
        marks = self._numbers(mask)
        keep = self.arithmetic.reference.present(rows[:, 0], marks[0] if marks else None, self.graph[node.inputs[0]].type.optional)
        match reduction:
            case Reduction.SUM:
                return vectors.summed(rows, *segments, keep)
            case Reduction.MEAN:
                return vectors.averaged(rows, *segments, keep)
            case Reduction.FIRST | Reduction.LAST:
                return vectors.end_of(rows, *segments, keep, is_last=reduction is Reduction.LAST)
            case _:
                raise InternalError(f"{reduction} of vectors")

    def _picked(self, node: Node, reduction: Reduction, to: Axis, inputs: list[Found]) -> Found:
        owners, count = self._places(self._axis(node), to)
        numbers, reference = self._numbers(inputs), self.arithmetic.reference
        assert isinstance(node.operation, Pick)
        keep = self._keep(node, node.operation.masked, numbers)
        if reduction is Reduction.QUANTILE:
            return reference.pick_quantile(numbers[0], owners, count, self.arithmetic.repeated(numbers[-1], count), keep)
        pick = reference.pick_min if reduction is Reduction.MINIMUM else reference.pick_max
        return pick(numbers[0], owners, count, keep)

    def _mirrored(self, pairs: Axis, per: Axis, x: Found, element: Element) -> Found:
        members = pairs.members
        (owners, count), (groups, number) = self._places(pairs, members), self._places(members, per)
        return self._at(x, self.arithmetic.reference.mirror_places(owners, groups, count, number), element)

    def _shifted(self, node: Node, per: Axis, offset: int, inputs: list[Found]) -> Found:
        owners, _ = self._places(node.type.axis, per)
        x, fill = inputs
        if self.arithmetic.is_numbers(x) and self.arithmetic.is_numbers(fill):
            return self.arithmetic.reference.shift(x, fill, owners, offset)
        assert isinstance(x, list) and isinstance(fill, list)
        owners, places = self._owned(node.type.axis, per), range(len(x))
        return [x[i + offset] if i + offset in places and owners[i + offset] == owners[i] else fill[i] for i in places]


def _asked(call: Callable[[Node, Sequence[Found]], Any] | None, node: Node, inputs: Sequence[Found]) -> Any:
    if call is None:
        raise InternalError(f"nobody can compute {node.operation} here")
    return call(node, inputs)


def _items(value: Found) -> list[Any]:
    return value if isinstance(value, list) else [None if math.isnan(item) else item for item in value.tolist()]


def _text_function(function: Function, inputs: Sequence[Found], numbers: Numbers) -> Found:
    """The few functions that host values have; None is absent."""
    rows = zip(*(_items(value) for value in inputs), strict=True)
    match function:
        case Function.EQUAL:
            return _truths((None if None in (a, b) else a == b for a, b in rows), numbers)
        case Function.NOT_EQUAL:
            return _truths((None if None in (a, b) else a != b for a, b in rows), numbers)
        case Function.IS_MISSING:
            return _truths((a is None for a, in rows), numbers)
        case Function.OTHERWISE:
            return [b if a is None else a for a, b in rows]
        case Function.SELECT:
            return [None if fact is None else a if fact else b for fact, a, b in rows]
        case _:
            raise InternalError(f"{function} of a value that is no number")


def _truths(facts: Iterable[bool | None], numbers: Numbers) -> Found:
    return numbers([math.nan if fact is None else float(fact) for fact in facts])


def _reduced_text(reduction: Reduction, items: list[Any], owners: Sequence[int], count: int, numbers: Numbers) -> Found:
    there: list[list[Any]] = [[] for _ in range(count)]
    for item, owner in zip(items, owners, strict=True):
        if item is not None:
            there[owner].append(item)
    match reduction:
        case Reduction.COUNT:
            return numbers([float(len(group)) for group in there])
        case Reduction.FIRST:
            return [group[0] if group else None for group in there]
        case Reduction.LAST:
            return [group[-1] if group else None for group in there]
        case _:
            raise InternalError(f"{reduction} of values that are no numbers")
