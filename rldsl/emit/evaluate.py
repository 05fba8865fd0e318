"""Evaluates a graph in plain torch, node by node: the oracle, and what runs rewards, statistics and tests.

Numbers are tensors of one dtype, packed on their axis (a scalar of the batch has one place), truth values are 1 and 0,
an absent value is NaN; vectors are rows of a matrix, those of an absent one NaN. Text and other host values are lists, with
None for what is absent. What only the host can compute is asked of callbacks. Does not optimise, batch or cache beyond
computing each node once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, assert_never

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rldsl.diagnostics import InternalError
from rldsl.emit.expressions import deciding_inputs
from rldsl.graph.expanding import made_below
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
from rldsl.kernels import pointwise, reference, vectors
from rldsl.kernels.layout import Layout
from rldsl.kernels.vectors import Taken
from rldsl.types import NUMERIC, Axis, Element

Value: TypeAlias = "Tensor | Taken | list[Any]"
ForeignCall: TypeAlias = Callable[[Node, Sequence[Value]], Any]
ReadCall: TypeAlias = Callable[[Node, Sequence[Value]], Any]
Settle: TypeAlias = Callable[[Node, Value], Value]

PRODUCTS = frozenset({Function.DOT, Function.COSINE})
_FUNCTIONS: Mapping[Function, Callable[..., Any]] = {
    function: getattr(pointwise, f"logical_{function.value}" if function in (Function.AND, Function.OR, Function.NOT)
                      else function.value)
    for function in Function if function not in PRODUCTS}
_REDUCTIONS: Mapping[Reduction, Callable[..., Tensor]] = {
    Reduction.SUM: reference.segment_sum, Reduction.MEAN: reference.segment_mean,
    Reduction.MINIMUM: reference.segment_min, Reduction.MAXIMUM: reference.segment_max,
    Reduction.COUNT: reference.segment_count, Reduction.ANY: reference.segment_any,
    Reduction.ALL: reference.segment_all, Reduction.FIRST: reference.segment_first,
    Reduction.LAST: reference.segment_last}
_SPREADS: Mapping[Reduction, tuple[Callable[..., Tensor], int]] = {
    Reduction.STD: (reference.segment_std, 1), Reduction.VAR: (reference.segment_var, 1),
    Reduction.STD_POPULATION: (reference.segment_std, 0), Reduction.VAR_POPULATION: (reference.segment_var, 0)}


def evaluate(graph: Graph, keys: Iterable[int], layout: Layout, leaves: Mapping[int, Any], *,
             dtype: torch.dtype = torch.float64, foreign: ForeignCall | None = None,
             read: ReadCall | None = None) -> dict[int, Value]:
    """The values of `keys`. `leaves` gives any nodes that are known already: tensors (with gradients if they have
    them), arrays or lists, packed. `foreign` and `read` compute the calls and the model reads that are needed; a call that
    makes an axis gives `Expanded`."""
    layout, leaves = with_found_axes(graph, keys := tuple(keys), layout, leaves, dtype=dtype, foreign=foreign, read=read)
    evaluation = Evaluation(graph, layout, leaves, dtype=dtype, foreign=foreign, read=read)
    return {key: evaluation.value(key) for key in keys}


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


def with_found_axes(graph: Graph, keys: Iterable[int], layout: Layout, leaves: Mapping[int, Any], *,
                    dtype: torch.dtype = torch.float64, foreign: ForeignCall | None = None,
                    read: ReadCall | None = None) -> tuple[Layout, Mapping[int, Any]]:
    """The layout with all axes that `keys` need and that calls have to find, and the leaves with the values of these calls."""
    known: dict[int, Any] = {}
    for key in made_below(graph, keys, leaves):
        node = graph[key]
        axis = node.type.axis
        if axis.name in layout.offsets or axis.parent is None:
            continue
        inputs = evaluate(graph, node.inputs, layout, {**leaves, **known}, dtype=dtype, foreign=foreign, read=read)
        made = _asked(foreign, node, [inputs[source] for source in node.inputs])
        if not isinstance(made, Expanded):
            raise InternalError(f"{node.operation} makes `{axis}`, and its values came without their counts")
        known |= {**inputs, key: made.values}
        layout = extended(layout, axis, made)
    return layout, {**leaves, **known} if known else leaves


def extended(layout: Layout, axis: Axis, made: Expanded) -> Layout:
    """The layout with an axis that a call has found."""
    assert axis.parent is not None
    cover = None if axis.over is None or made.inside is None else (axis.over.name, made.inside)
    return layout.with_places(axis.name, axis.parent.name, made.counts, cover)


class Evaluation:
    """`evaluate`, one node at a time. `settle` sees every computed value before what uses it, and may change it."""

    def __init__(self, graph: Graph, layout: Layout, leaves: Mapping[int, Any], *, dtype: torch.dtype = torch.float64,
                 foreign: ForeignCall | None = None, read: ReadCall | None = None, settle: Settle | None = None) -> None:
        self.graph, self.layout, self.leaves, self.dtype = graph, layout, leaves, dtype
        self.foreign, self.read, self.settle = foreign, read, settle
        self.like = torch.zeros((), dtype=dtype)
        self.values: dict[int, Value] = {}
        self._owners: dict[tuple[str, str], Tensor] = {}

    def value(self, key: int) -> Value:
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

    def _given(self, node: Node) -> Value:
        value = self._converted(node, self.leaves[node.key])
        if len(value) != self._size(node.type.axis):
            raise InternalError(f"{node.name or node.operation} has {len(value)} values for "
                                f"{self._size(node.type.axis)} places of {node.type.axis}")
        return value

    def _converted(self, node: Node, value: Any) -> Value:
        if node.type.element is Element.VECTOR:
            return torch.as_tensor(value).to(self.dtype)
        if node.type.element not in NUMERIC and node.type.element is not Element.NONE:
            return list(value)
        if isinstance(value, list | tuple):
            value = [math.nan if item is None else float(item) for item in value]
        tensor = value if isinstance(value, Tensor) else torch.tensor(np.asarray(value, dtype=np.float64))
        return tensor.to(self.dtype).reshape(-1)

    def _size(self, axis: Axis) -> int:
        return self.layout.size(axis.name)

    def _places(self, axis: Axis, ancestor: Axis) -> tuple[Tensor, int]:
        """The owners of the places of `axis`, and how many there are."""
        pair = (axis.name, ancestor.name)
        if pair not in self._owners:
            self._owners[pair] = torch.from_numpy(self.layout.owners(*pair))
        return self._owners[pair], self._size(ancestor)

    def _settled(self, node: Node) -> Value:
        value = self._computed(node)
        return value if self.settle is None else self.settle(node, value)

    def _computed(self, node: Node) -> Value:
        inputs = [self.values[key] for key in node.inputs]
        match node.operation:
            case Constant(value=value):
                return [value] if isinstance(value, str) else self.like.new_tensor([float(value)])
            case Elementwise(function=function):
                return self._elementwise(node, function, inputs)
            case Freeze():
                return _frozen(inputs[0])
            case Spread(to=to):
                owners, _ = self._places(to, self._axis(node))
                return _at(inputs[0], owners, node.type.element)
            case Foreign():
                found = _asked(self.foreign, node, inputs)
                return self._converted(node, found.values if isinstance(found, Expanded) else found)
            case Read():
                return self._converted(node, _asked(self.read, node, inputs))
            case Leaf(owner=owner, field=field):
                raise InternalError(f"nobody gave {owner}.{field}" if field else f"nobody gave {owner}")
            case _:
                return self._along(node, inputs)

    def _elementwise(self, node: Node, function: Function, inputs: list[Value]) -> Value:
        if function in PRODUCTS:
            x, y = (value for value in inputs if not isinstance(value, list))
            return vectors.products(x, y, is_cosine=function is Function.COSINE)
        if any(isinstance(value, list) for value in inputs):
            return _text_function(function, inputs, self.like)
        result: Tensor = _FUNCTIONS[function](*inputs)
        deciding = deciding_inputs(self.graph, node, function)
        return pointwise.unless_missing(result, *(_numbers(inputs)[i] for i in deciding)) if deciding else result

    def _along(self, node: Node, inputs: list[Value]) -> Value:
        """What looks at more than one place."""
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
                x, decay = _numbers(inputs)
                return reference.scan(x, decay, self._places(node.type.axis, per)[0], from_end)
            case Shift(per=per, offset=offset):
                return self._shifted(node, per, offset, inputs)
            case Mirror(per=per):
                return self._mirrored(node.type.axis, per, inputs[0], node.type.element)
            case Rank(per=per, descending=descending):
                x, = _numbers(inputs)
                owners, count = self._places(node.type.axis, per)
                return reference.rank(x, owners, count, descending)
            case Constant() | Elementwise() | Freeze() | Spread() | Foreign() | Read() | Leaf():
                raise InternalError(f"{node.operation} looks at one place alone")
            case _:
                assert_never(node.operation)

    def _axis(self, node: Node) -> Axis:
        return self.graph[node.inputs[0]].type.axis

    def _keep(self, node: Node, masked: bool, inputs: Sequence[Tensor]) -> Tensor | None:
        optional = self.graph[node.inputs[0]].type.optional
        return reference.present(inputs[0], inputs[1] if masked else None, optional)

    def _reduced(self, node: Node, reduction: Reduction, to: Axis, inputs: list[Value]) -> Value:
        owners, count = self._places(self._axis(node), to)
        if node.type.element is Element.VECTOR:
            assert isinstance(node.operation, Reduce)
            return self._reduced_vectors(node, reduction, inputs, (owners, count))
        if isinstance(inputs[0], list):
            return _reduced_text(reduction, inputs[0], owners, count, self.like)
        numbers = _numbers(inputs)
        assert isinstance(node.operation, Reduce)
        keep = self._keep(node, node.operation.masked, numbers)
        if reduction is Reduction.COUNT and self.graph[node.inputs[0]].type.element is Element.BOOL:
            return reference.segment_sum(numbers[0].detach(), owners, count, keep)
        if reduction is Reduction.QUANTILE:
            return reference.segment_quantile(numbers[0], owners, count, numbers[-1].expand(count), keep)
        if reduction in _SPREADS:
            function, correction = _SPREADS[reduction]
            return function(numbers[0], owners, count, keep, correction)
        return _REDUCTIONS[reduction](numbers[0], owners, count, keep)

    def _reduced_vectors(self, node: Node, reduction: Reduction, inputs: list[Value], segments: tuple[Tensor, int]) -> Value:
        x, *mask = (value for value in inputs if not isinstance(value, list))
        rows = vectors.whole(x)
        marks = [entry for entry in mask if isinstance(entry, Tensor)]
        keep = reference.present(rows[:, 0], marks[0] if marks else None, self.graph[node.inputs[0]].type.optional)
        match reduction:
            case Reduction.SUM:
                return vectors.summed(rows, *segments, keep)
            case Reduction.MEAN:
                return vectors.averaged(rows, *segments, keep)
            case Reduction.FIRST | Reduction.LAST:
                return vectors.end_of(rows, *segments, keep, is_last=reduction is Reduction.LAST)
            case _:
                raise InternalError(f"{reduction} of vectors")

    def _picked(self, node: Node, reduction: Reduction, to: Axis, inputs: list[Value]) -> Value:
        owners, count = self._places(self._axis(node), to)
        numbers = _numbers(inputs)
        assert isinstance(node.operation, Pick)
        keep = self._keep(node, node.operation.masked, numbers)
        if reduction is Reduction.QUANTILE:
            return reference.pick_quantile(numbers[0], owners, count, numbers[-1].expand(count), keep)
        pick = reference.pick_min if reduction is Reduction.MINIMUM else reference.pick_max
        return pick(numbers[0], owners, count, keep)

    def _mirrored(self, pairs: Axis, per: Axis, x: Value, element: Element) -> Value:
        members = pairs.members
        (owners, count), (groups, number) = self._places(pairs, members), self._places(members, per)
        return _at(x, reference.mirror_places(owners, groups, count, number), element)

    def _shifted(self, node: Node, per: Axis, offset: int, inputs: list[Value]) -> Value:
        owners, _ = self._places(node.type.axis, per)
        x, fill = inputs
        if isinstance(x, Tensor) and isinstance(fill, Tensor):
            return reference.shift(x, fill, owners, offset)
        assert isinstance(x, list) and isinstance(fill, list)
        places = range(len(x))
        return [x[i + offset] if i + offset in places and owners[i + offset] == owners[i] else fill[i] for i in places]


def _asked(call: Callable[[Node, Sequence[Value]], Any] | None, node: Node, inputs: Sequence[Value]) -> Any:
    if call is None:
        raise InternalError(f"nobody can compute {node.operation} here")
    return call(node, inputs)


def _at(value: Value, places: Tensor, element: Element) -> Value:
    """The values at some places; of vectors only which they are."""
    if isinstance(value, list):
        return [value[place] for place in places.tolist()]
    if element is Element.VECTOR:
        return vectors.taken(value, places)
    assert isinstance(value, Tensor)
    return value[places]


def _frozen(value: Value) -> Value:
    match value:
        case Tensor():
            return value.detach()
        case vectors.Taken():
            return value.detached()
        case _:
            return value


def _numbers(inputs: Iterable[Value]) -> list[Tensor]:
    return [value for value in inputs if isinstance(value, Tensor)]


def _items(value: Value) -> list[Any]:
    assert not isinstance(value, Taken)
    return value if isinstance(value, list) else [None if math.isnan(item) else item for item in value.tolist()]


def _text_function(function: Function, inputs: Sequence[Value], like: Tensor) -> Value:
    """The few functions that host values have; None is absent."""
    rows = zip(*(_items(value) for value in inputs), strict=True)
    match function:
        case Function.EQUAL:
            return _truths((None if None in (a, b) else a == b for a, b in rows), like)
        case Function.NOT_EQUAL:
            return _truths((None if None in (a, b) else a != b for a, b in rows), like)
        case Function.IS_MISSING:
            return _truths((a is None for a, in rows), like)
        case Function.OTHERWISE:
            return [b if a is None else a for a, b in rows]
        case Function.SELECT:
            return [None if fact is None else a if fact else b for fact, a, b in rows]
        case _:
            raise InternalError(f"{function} of a value that is no number")


def _truths(facts: Iterable[bool | None], like: Tensor) -> Tensor:
    return like.new_tensor([math.nan if fact is None else float(fact) for fact in facts])


def _reduced_text(reduction: Reduction, items: list[Any], owners: Tensor, count: int, like: Tensor) -> Value:
    there: list[list[Any]] = [[] for _ in range(count)]
    for item, owner in zip(items, owners.tolist(), strict=True):
        if item is not None:
            there[owner].append(item)
    match reduction:
        case Reduction.COUNT:
            return like.new_tensor([float(len(group)) for group in there])
        case Reduction.FIRST:
            return [group[0] if group else None for group in there]
        case Reduction.LAST:
            return [group[-1] if group else None for group in there]
        case _:
            raise InternalError(f"{reduction} of values that are no numbers")
