"""What graphs mean, in float64 numpy, as plainly as possible: the reference for passes and emitters.

Independent of them: it evaluates composite reductions by their definitions and knows no derivative. Every value is a
float64 array over the packed places of its axis; truth values are 0 and 1, an absent value is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
from rldsl.graph.staged import StagedObjective
from rldsl.kernels.layout import Layout
from rldsl.types import Axis, Element

Array = npt.NDArray[np.float64]


def evaluate(graph: Graph, layout: Layout, given: Mapping[int, Array], roots: Iterable[int]) -> dict[int, Array]:
    """The values of all nodes that the roots need. `given` are values by key; leaves and reads must be among them."""
    values: dict[int, Array] = {}
    needed = _needed(graph, given, roots)
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            if node.key in given:
                values[node.key] = np.asarray(given[node.key], np.float64).reshape(layout.size(node.type.axis.name))
            elif node.key in needed:
                values[node.key] = evaluate_node(graph, layout, node, [values[key] for key in node.inputs])
    return values


def _needed(graph: Graph, given: Mapping[int, Array], roots: Iterable[int]) -> set[int]:
    waiting, found = list(roots), set[int]()
    while waiting:
        key = waiting.pop()
        if key not in found and key not in given:
            found.add(key)
            waiting.extend(graph[key].inputs)
    return found


def evaluate_node(graph: Graph, layout: Layout, node: Node, inputs: list[Array]) -> Array:
    """The value of one node."""
    axis = node.type.axis.name
    operation = node.operation
    match operation:
        case Constant(value=value):
            return np.array([float(value)])
        case Elementwise(function=function):
            result = _elementwise(function, inputs)
            if node.type.element is Element.BOOL and node.type.optional:
                result = np.where(_any_missing(function, inputs), np.nan, result)
            elif function is Function.SELECT and graph[node.inputs[0]].type.optional:
                result = np.where(np.isnan(inputs[0]), np.nan, result)
            return result
        case Reduce():
            return _reduce(graph, layout, node, operation, inputs)
        case Pick():
            return _pick(graph, layout, node, operation, inputs)
        case Spread(to=to):
            source = graph[node.inputs[0]].type.axis.name
            return inputs[0][layout.owners(to.name, source)]
        case Freeze():
            return inputs[0]
        case Scan(per=per, from_end=from_end):
            return _scan(inputs[0], inputs[1], layout.bounds(axis, per.name), from_end)
        case Shift(per=per, offset=offset):
            return _shift(inputs[0], inputs[1], layout.bounds(axis, per.name), offset)
        case Mirror(per=per):
            members = node.type.axis.members.name
            return _mirrored(inputs[0], layout.bounds(members, per.name), layout.bounds(axis, members))
        case Rank(per=per, descending=descending):
            return _rank(inputs[0], layout.bounds(axis, per.name), descending)
        case Position(per=per):
            starts = layout.bounds(axis, per.name)
            return (np.arange(layout.size(axis)) - starts[layout.owners(axis, per.name)]).astype(np.float64)
        case Size(axis=of, to=to):
            return np.diff(layout.bounds(of.name, to.name)).astype(np.float64)
        case _:
            raise AssertionError(f"no value was given for {operation}")


# ------------------------------------------------------------------ elementwise
def _any_missing(function: Function, inputs: list[Array]) -> Array:
    if function in (Function.IS_MISSING, Function.OTHERWISE):
        return np.zeros_like(inputs[0], bool)
    return np.any([np.isnan(x) for x in inputs], axis=0)


def _sigmoid(x: Array) -> Array:
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


_FUNCTIONS: dict[Function, Callable[..., Array]] = {
    Function.ADD: np.add, Function.SUBTRACT: np.subtract, Function.MULTIPLY: np.multiply,
    Function.GATED_MULTIPLY: lambda a, b: np.where(a == 0, 0.0, a * b),
    Function.DIVIDE: np.divide, Function.NEGATE: np.negative,
    Function.POWER: lambda a, b: np.where(np.isnan(a) | np.isnan(b), np.nan, np.power(a, b)),
    Function.MINIMUM: np.minimum, Function.MAXIMUM: np.maximum,
    Function.CLIP: lambda x, low, high: np.minimum(np.maximum(x, low), high),
    Function.ABSOLUTE: np.abs, Function.SIGN: np.sign, Function.EXP: np.exp, Function.LOG: np.log,
    Function.EXPM1: np.expm1, Function.LOG1P: np.log1p, Function.SQRT: np.sqrt, Function.SIGMOID: _sigmoid,
    Function.LOG_SIGMOID: lambda x: -_softplus(-x), Function.SOFTPLUS: _softplus, Function.TANH: np.tanh, Function.COS: np.cos,
    Function.RELU: lambda x: np.maximum(x, 0.0), Function.FLOOR: np.floor, Function.LESS: np.less,
    Function.LESS_EQUAL: np.less_equal, Function.GREATER: np.greater, Function.GREATER_EQUAL: np.greater_equal,
    Function.EQUAL: np.equal, Function.NOT_EQUAL: np.not_equal,
    Function.AND: lambda a, b: (a != 0) & (b != 0), Function.OR: lambda a, b: (a != 0) | (b != 0),
    Function.NOT: lambda a: a == 0, Function.SELECT: lambda c, a, b: np.where(c != 0, a, b),
    Function.OTHERWISE: lambda x, a: np.where(np.isnan(x), a, x), Function.IS_MISSING: np.isnan}


def _elementwise(function: Function, inputs: list[Array]) -> Array:
    return np.asarray(_FUNCTIONS[function](*inputs), np.float64)


# ------------------------------------------------------------------ reductions
def _groups(layout: Layout, axis: Axis, to: Axis) -> list[slice]:
    bounds = layout.bounds(axis.name, to.name)
    return [slice(int(a), int(b)) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


def _present(graph: Graph, node: Node, masked: bool, inputs: list[Array]) -> npt.NDArray[np.bool_]:
    present = np.ones(len(inputs[0]), bool)
    if graph[node.inputs[0]].type.optional:
        present &= ~np.isnan(inputs[0])
    if masked:
        present &= (inputs[1] != 0) & ~np.isnan(inputs[1])
    return present


def _reduce(graph: Graph, layout: Layout, node: Node, operation: Reduce, inputs: list[Array]) -> Array:
    source = graph[node.inputs[0]].type
    present = _present(graph, node, operation.masked, inputs)
    level = float(inputs[-1][0]) if operation.reduction is Reduction.QUANTILE else 0.0
    is_truth = source.element is Element.BOOL
    groups = _groups(layout, source.axis, operation.to)
    return np.array([_of_group(operation.reduction, inputs[0][at][present[at]], level, is_truth) for at in groups])


def _of_group(reduction: Reduction, x: Array, level: float, is_truth: bool) -> float:
    n = len(x)
    match reduction:
        case Reduction.SUM:
            return total(x)
        case Reduction.COUNT:
            return total(x) if is_truth else float(n)
        case Reduction.ANY:
            return float(np.any(x != 0))
        case Reduction.ALL:
            return float(np.all(x != 0))
        case Reduction.STD | Reduction.VAR if n < 2:
            return math.nan
        case _ if n == 0:
            return math.nan
        case Reduction.MEAN:
            return total(x) / n
        case Reduction.MINIMUM:
            return float(np.min(x))
        case Reduction.MAXIMUM:
            return float(np.max(x))
        case Reduction.STD:
            return math.sqrt(_squares(x) / (n - 1))
        case Reduction.VAR:
            return _squares(x) / (n - 1)
        case Reduction.STD_POPULATION:
            return math.sqrt(_squares(x) / n)
        case Reduction.VAR_POPULATION:
            return _squares(x) / n
        case Reduction.QUANTILE:
            return float(np.quantile(x, level))
        case Reduction.FIRST:
            return float(x[0])
        case Reduction.LAST:
            return float(x[-1])
        case _:
            raise AssertionError(reduction)


def total(x: Array) -> float:
    """The sum, rounded once: the same for the same values in any order."""
    return math.fsum(x) if np.all(np.isfinite(x)) else float(np.sum(x))


def _squares(x: Array) -> float:
    return total((x - total(x) / len(x)) ** 2)


def _pick(graph: Graph, layout: Layout, node: Node, operation: Pick, inputs: list[Array]) -> Array:
    present = _present(graph, node, operation.masked, inputs)
    level = float(inputs[-1][0]) if operation.reduction is Reduction.QUANTILE else 0.0
    weights = np.zeros(len(inputs[0]))
    for at in _groups(layout, graph[node.inputs[0]].type.axis, operation.to):
        places = np.arange(at.start, at.stop)[present[at]]
        if len(places):
            _pick_in_group(operation.reduction, inputs[0], places, level, weights)
    return weights


def _pick_in_group(reduction: Reduction, x: Array, places: npt.NDArray[np.int64], level: float,
                   weights: Array) -> None:
    if reduction is Reduction.MINIMUM:
        weights[places[np.argmin(x[places])]] = 1.0
    elif reduction is Reduction.MAXIMUM:
        weights[places[np.argmax(x[places])]] = 1.0
    else:
        ascending = places[np.argsort(x[places], kind="stable")]
        at = level * (len(ascending) - 1)
        low = math.floor(at)
        high = min(low + 1, len(ascending) - 1)
        weights[ascending[low]] += 1 - (at - low)
        weights[ascending[high]] += at - low


# ------------------------------------------------------------------ along places
def _scan(x: Array, decay: Array, bounds: npt.NDArray[np.int64], from_end: bool) -> Array:
    result = np.zeros_like(x)
    for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
        carried, is_first = 0.0, True
        for t in range(stop - 1, start - 1, -1) if from_end else range(start, stop):
            carried = x[t] if is_first else x[t] + decay[t] * carried
            result[t], is_first = carried, False
    return result


def _shift(x: Array, fill: Array, bounds: npt.NDArray[np.int64], offset: int) -> Array:
    result = fill.copy()
    for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
        for t in range(start, stop):
            if start <= t + offset < stop:
                result[t] = x[t + offset]
    return result


def _mirrored(x: Array, groups: npt.NDArray[np.int64], pairs: npt.NDArray[np.int64]) -> Array:
    """Of the pair of i and j what stands at the pair of j and i."""
    at = {(i, j): pairs[i] + number for start, stop in zip(groups[:-1], groups[1:], strict=True) for i in range(start, stop)
          for number, j in enumerate(other for other in range(start, stop) if other != i)}
    result = np.zeros_like(x)
    for (i, j), place in at.items():
        result[place] = x[at[j, i]]
    return result


def _rank(x: Array, bounds: npt.NDArray[np.int64], descending: bool) -> Array:
    result = np.zeros_like(x)
    for start, stop in zip(bounds[:-1], bounds[1:], strict=True):
        order = np.argsort(-x[start:stop] if descending else x[start:stop], kind="stable")
        result[start + order] = np.arange(stop - start)
    return result


# ------------------------------------------------------------------ staged objectives
@dataclass(frozen=True)
class Piece:
    """One place of the piece axis: its layout, and which places of each axis of the whole it holds."""

    layout: Layout
    places: Mapping[str, slice]


def pieces(layout: Layout, staged: StagedObjective) -> list[Piece]:
    """The update batch cut into its smallest pieces."""
    return [_piece(layout, staged, place) for place in range(layout.size(staged.piece_axis.name))]


def _piece(layout: Layout, staged: StagedObjective, place: int) -> Piece:
    top = staged.piece_axis.name
    places: dict[str, slice] = {}
    for axis in staged.axes:
        if axis.is_within(staged.piece_axis):
            bounds = layout.bounds(axis.name, top)
            places[axis.name] = slice(int(bounds[place]), int(bounds[place + 1]))
        elif staged.piece_axis.is_within(axis):
            owner = int(layout.owners(top, axis.name)[place])
            places[axis.name] = slice(owner, owner + 1)
    parents = {axis.name: axis.parent.name for axis in staged.axes if axis.parent and axis.name in places}
    counts = {name: np.diff(layout.offsets[name])[places[parent]] for name, parent in parents.items()}
    for axis in staged.piece_axis.chain()[:-1]:
        counts[axis.name] = np.array([1])
    return Piece(Layout.of(parents, counts), places)


def coefficients(staged: StagedObjective, layout: Layout, given: Mapping[int, Array]) -> dict[int, Array]:
    """The coefficient of each live read over a whole batch."""
    wanted = [read for read in live_reads(staged) if read.coefficient is not None]
    values = evaluate(staged.graph, layout, given, [read.coefficient for read in wanted])
    return {read.key: values[read.coefficient] for read in wanted}


def coefficients_by_pieces(staged: StagedObjective, layout: Layout, given: Mapping[int, Array]) -> dict[int, Array]:
    """The same, each piece alone, with only what was prepared over the whole batch."""
    prepared = evaluate(staged.graph, layout, given, staged.prepared)
    known = {**given, **{key: prepared[key] for key in staged.prepared}}
    parts: dict[int, list[Array]] = {}
    for piece in pieces(layout, staged):
        here = {key: value[piece.places[staged.graph[key].type.axis.name]] for key, value in known.items()
                if staged.graph[key].type.axis.name in piece.places}
        for key, value in coefficients(staged, piece.layout, here).items():
            parts.setdefault(key, []).append(value)
    return {key: np.concatenate(found) for key, found in parts.items()}


def live_reads(staged: StagedObjective):
    """All live reads, of heads and direct ones."""
    return (*(read for group in staged.groups for read in group.reads), *staged.direct)


def batch_layout(axes: Iterable[Axis], counts: Mapping[str, list[int]]) -> Layout:
    """A layout of axes from counts by name."""
    parents = {axis.name: axis.parent.name for axis in axes if axis.parent is not None}
    return Layout.of(parents, {name: counts[name] for name in parents})


