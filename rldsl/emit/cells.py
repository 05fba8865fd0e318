"""What one emitted function has to compute: the graph, cut down to what it needs, as cells for the scheduler.

`Freeze` and `Spread` vanish here (a use knows where its value stands), constants become literals, and what the caller
hands over becomes arrays. Decides nothing about loops.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from rldsl.diagnostics import InternalError
from rldsl.graph.model import (
    Constant,
    Elementwise,
    Freeze,
    Function,
    Graph,
    Mirror,
    Node,
    Pick,
    Position,
    Rank,
    Reduce,
    Reduction,
    Scan,
    Shift,
    Size,
    Spread,
)
from rldsl.types import BATCH, Axis, Element

FOLDED = frozenset({Reduction.SUM, Reduction.MINIMUM, Reduction.MAXIMUM})


@dataclass(frozen=True, slots=True)
class Compute:
    """A function of scalars."""

    function: Function


@dataclass(frozen=True, slots=True)
class Fold:
    """The end of an accumulation: its input is the cell that takes part in the loop over `over`."""

    reduction: Reduction
    over: Axis


@dataclass(frozen=True, slots=True)
class Accumulate:
    """Adds its first input to the fold `into`, where its second (a mask) holds if there is one."""

    reduction: Reduction
    into: int


@dataclass(frozen=True, slots=True)
class Across:
    """Reduces its first input over the places of `over`, an axis that the cell's own covers: no loop of one lies in one of the
    other. Where its second input (a mask) holds, if there is one."""

    reduction: Reduction
    over: Axis


@dataclass(frozen=True, slots=True)
class Quantile:
    """Sorts the first input over the places of `over`; the last input is the level."""

    over: Axis


@dataclass(frozen=True, slots=True)
class Series:
    """Fills an array over the places of its cell's axis within each place of its home: scan, shift, rank, mirror, pick."""

    operation: Scan | Shift | Rank | Mirror | Pick


@dataclass(frozen=True, slots=True)
class Store:
    """Writes its input to an output parameter."""

    output: int


Work: TypeAlias = Compute | Position | Size | Fold | Accumulate | Across | Quantile | Series | Store


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing to compute in the body of the loop over `home`; its value stands on `axis`.

    `truth` says that it is a bool and never absent; every other value is a float64. `masked` that its second input is
    a mask, `optional` that its first input may be absent and is then left out.
    """

    key: int
    work: Work
    axis: Axis
    home: Axis
    inputs: tuple[int, ...]
    truth: bool = False
    masked: bool = False
    optional: bool = False

    @property
    def over(self) -> Axis:
        """The axis of its inputs: for a series that of its value, for what reduces the one that it runs over."""
        return self.work.over if isinstance(self.work, Quantile | Across) else self.axis

    @property
    def is_local(self) -> bool:
        """Whether it needs nothing but scalars in scope."""
        return not isinstance(self.work, Fold | Across | Quantile | Series)


@dataclass(frozen=True, slots=True)
class Task:
    """All that one function computes. `cells` stand after their inputs. `arrays` are what the caller hands over, with
    the axis of each. `truths` are the arrays and literals that are bools. `outside` is the finest axis coarser than
    a piece that matters: values there are computed for each run of places of a piece that share one."""

    piece: Axis
    outside: Axis | None
    cells: tuple[Cell, ...]
    arrays: Mapping[int, Axis]
    literals: Mapping[int, float | bool]
    truths: frozenset[int]


def collect(graph: Graph, given: Collection[int], outputs: Sequence[int], piece: Axis) -> Task:
    """The task of computing `outputs` for a piece of `piece`, from the values `given`."""
    sources = [resolve(graph, given, key) for key in outputs]
    order = _needed(graph, given, sources)
    first_new = max(graph.by_key, default=-1) + 1
    cells: list[Cell] = []
    arrays: dict[int, Axis] = {}
    literals: dict[int, float | bool] = {}
    for key in order:
        node = graph[key]
        if key in given:
            arrays[key] = node.type.axis
        elif isinstance(node.operation, Constant):
            literals[key] = _literal(node)
        else:
            inputs = tuple(resolve(graph, given, source) for source in node.inputs)
            cells.extend(_cells(graph, node, inputs, first_new + len(cells)))
    for number, (key, source) in enumerate(zip(outputs, sources, strict=True)):
        axis = graph[key].type.axis
        cells.append(Cell(first_new + len(cells), Store(number), axis, axis, (source,)))
    outside = _outside(piece, [*arrays.values(), *(cell.home for cell in cells)])
    truths = frozenset(key for key in order if is_truth(graph[key]))
    return Task(piece, outside, tuple(_placed(cell, piece, outside) for cell in cells), arrays, literals, truths)


def is_truth(node: Node) -> bool:
    """Whether the value is a bool that is never absent."""
    return node.type.element is Element.BOOL and not node.type.optional


def resolve(graph: Graph, given: Collection[int], key: int) -> int:
    """The value that the node is a copy of."""
    while key not in given and isinstance(graph[key].operation, Freeze | Spread):
        key = graph[key].inputs[0]
    return key


def _needed(graph: Graph, given: Collection[int], roots: Iterable[int]) -> list[int]:
    """Everything that the roots need, in the graph's order, without copies."""
    waiting, seen = list(roots), set[int]()
    while waiting:
        key = waiting.pop()
        if key not in seen:
            seen.add(key)
            inputs = () if key in given else graph[key].inputs
            waiting.extend(resolve(graph, given, source) for source in inputs)
    return [node.key for node in graph.nodes if node.key in seen]


def _literal(node: Node) -> float | bool:
    assert isinstance(node.operation, Constant)
    value = node.operation.value
    if isinstance(value, str):
        raise InternalError("text cannot be compiled to numbers")
    return value if isinstance(value, bool) and is_truth(node) else float(value)


def _cells(graph: Graph, node: Node, inputs: tuple[int, ...], new_key: int) -> list[Cell]:
    """The cells of a node of the numeric graph. Only a fold has two; `new_key` is for the second."""
    axis = node.type.axis
    source = graph[node.inputs[0]].type if node.inputs else None
    optional = source is not None and source.optional
    match node.operation:
        case Elementwise(function=function):
            return [Cell(node.key, Compute(function), axis, axis, inputs, is_truth(node))]
        case Position() | Size() as counted:
            return [Cell(node.key, counted, axis, axis, ())]
        case Reduce(reduction=Reduction.QUANTILE, to=to, masked=masked) if source is not None:
            return [Cell(node.key, Quantile(source.axis), to, to, inputs, False, masked, optional)]
        case Reduce(reduction=reduction, to=to, masked=masked) if source is not None:
            if reduction not in FOLDED:
                raise InternalError(f"reduction {reduction} must be expanded before code is emitted")
            if not source.axis.nests_in(to):
                return [Cell(node.key, Across(reduction, source.axis), to, to, inputs, False, masked, optional)]
            start = Cell(new_key, Accumulate(reduction, node.key), source.axis, source.axis, inputs, False, masked,
                         optional)
            return [start, Cell(node.key, Fold(reduction, source.axis), to, to, (new_key,))]
        case Pick(to=to, masked=masked) as pick:
            return [Cell(node.key, Series(pick), axis, to, inputs, False, masked, optional)]
        case Scan(per=per) | Shift(per=per) | Rank(per=per) | Mirror(per=per) as series:
            return [Cell(node.key, Series(series), axis, per, inputs)]
        case other:
            raise InternalError(f"{type(other).__name__} in a staged objective is not given by the caller")


def _outside(piece: Axis, axes: Iterable[Axis]) -> Axis | None:
    """The finest of the axes between the batch and a piece."""
    between = [axis for axis in piece.chain()[1:] if axis != BATCH]
    used = set(axes)
    return next((axis for axis in between if axis in used), None)


def _placed(cell: Cell, piece: Axis, outside: Axis | None) -> Cell:
    """The cell as computed within a piece: what is coarser than a piece is computed in the outside loop."""
    if cell.home.nests_in(piece):
        return cell
    if not piece.nests_in(cell.home):
        raise InternalError(f"a value of {cell.home} cannot be computed within a piece of {piece}")
    if not cell.is_local:
        raise InternalError(f"a reduction to {cell.home} must be prepared: pieces are of {piece}")
    return cell if cell.home == BATCH or outside is None else replace(cell, home=outside)
