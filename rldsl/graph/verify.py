"""What is legal in a graph, phase by phase. A fault is a bug of the compiler and raises `InternalError`.

It restates the rules of axes and arity; that types agree with inference is checked in `infer.agree`.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import assert_never

from rldsl.diagnostics import InternalError
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
    SourceKind,
    Spread,
)
from rldsl.graph.show import show_node
from rldsl.types import BATCH, NUMERIC, Axis, Element, Type, Version


class Phase(IntEnum):
    """How far a graph has come. Each phase allows no more than the one before."""

    BUILT = 0           # as elaboration made it: everything
    STAGED = 1          # numbers alone: no foreign calls, no text; leaves are given; reads see current weights
    EXPANDED = 2        # primitive reductions; no truth value in arithmetic; no truth value is absent
    DIFFERENTIATED = 3  # coefficients are there; nothing is frozen any more


PRIMITIVE = frozenset({Reduction.SUM, Reduction.MINIMUM, Reduction.MAXIMUM, Reduction.QUANTILE})
SELECTING = PRIMITIVE - {Reduction.SUM}
_ARITY = {
    **dict.fromkeys(Function, 2),
    **dict.fromkeys((Function.NEGATE, Function.ABSOLUTE, Function.SIGN, Function.EXP, Function.LOG,
                     Function.EXPM1, Function.LOG1P, Function.SQRT, Function.SIGMOID, Function.LOG_SIGMOID, Function.SOFTPLUS,
                     Function.TANH, Function.COS, Function.RELU, Function.FLOOR, Function.NOT, Function.IS_MISSING), 1),
    **dict.fromkeys((Function.CLIP, Function.SELECT), 3)}
_LOGIC = frozenset({Function.AND, Function.OR, Function.NOT})
_ANY_ELEMENT = frozenset({Function.SELECT, Function.OTHERWISE, Function.IS_MISSING})


def verify(graph: Graph, phase: Phase) -> None:
    """Raise `InternalError` at the first node that is not legal in `phase`."""
    seen: set[int] = set()
    for node in graph.nodes:
        if node.key in seen or not seen.issuperset(node.inputs):
            raise InternalError(f"not in order: {show_node(node)}")
        seen.add(node.key)
        types = [graph[key].type for key in node.inputs]
        for fault in _faults(node, types, phase):
            raise InternalError(f"{fault} after phase {phase.name.lower()}: {show_node(node)}"
                                f" of {[str(type_) for type_ in types]}")


def _faults(node: Node, types: list[Type], phase: Phase) -> Iterator[str]:
    yield from _shape_faults(node, types)
    if phase >= Phase.STAGED:
        yield from _staged_faults(node)
    if phase >= Phase.EXPANDED:
        yield from _expanded_faults(node, types)
    if phase >= Phase.DIFFERENTIATED and isinstance(node.operation, Freeze):
        yield "a frozen value"


# ------------------------------------------------------------------ axes and arity
def _shape_faults(node: Node, types: list[Type]) -> Iterator[str]:
    axis = node.type.axis
    match node.operation:
        case Constant():
            yield from _expect(not types and axis == BATCH, "a constant that is not one value")
        case Leaf() | Read() | Foreign():
            pass
        case Elementwise(function=function):
            yield from _expect(len(types) == _ARITY[function], "a wrong number of inputs")
            yield from _expect(all(type_.axis == axis for type_ in types), "inputs on another axis")
        case Reduce(to=to, masked=masked, reduction=reduction):
            yield from _expect(axis == to, "a result on another axis")
            yield from _reduction_faults(reduction, to, masked, types)
        case Pick(to=to, masked=masked, reduction=reduction):
            yield from _expect(reduction in SELECTING, "a reduction that does not select")
            yield from _expect(bool(types) and axis == types[0].axis, "a result on another axis")
            yield from _reduction_faults(reduction, to, masked, types)
        case Spread(to=to):
            is_finer = len(types) == 1 and axis == to and to.is_within(types[0].axis) and to != types[0].axis
            yield from _expect(is_finer, "a spread that does not go to a finer axis")
        case Scan(per=per) | Shift(per=per):
            yield from _expect(len(types) == 2 and _stand_within(types, axis, per), "inputs on another axis")
        case Rank(per=per):
            yield from _expect(len(types) == 1 and _stand_within(types, axis, per), "inputs on another axis")
        case Mirror(per=per):
            is_paired = len(types) == 1 and axis == types[0].axis and axis.among == per
            yield from _expect(is_paired, "a mirror of something else than pairs")
        case Position(axis=of, per=per):
            yield from _expect(not types and axis == of and of.is_within(per), "a position on another axis")
        case Size(axis=of, to=to):
            yield from _expect(not types and axis == to and of.is_within(to), "a size on another axis")
        case Freeze():
            yield from _expect(len(types) == 1 and types[0].axis == axis, "inputs on another axis")
        case _:
            assert_never(node.operation)


def _stand_within(types: list[Type], axis: Axis, per: Axis) -> bool:
    return axis.is_within(per) and all(type_.axis == axis for type_ in types)


def _reduction_faults(reduction: Reduction, to: Axis, masked: bool, types: list[Type]) -> Iterator[str]:
    count = 1 + masked + (reduction is Reduction.QUANTILE)
    yield from _expect(len(types) == count, "a wrong number of inputs")
    yield from _expect(types[0].axis.is_within(to), "a reduction to no coarser axis")
    if masked:
        is_mask = types[1].axis == types[0].axis and types[1].element is Element.BOOL
        yield from _expect(is_mask, "a mask that does not fit")
    if reduction is Reduction.QUANTILE:
        yield from _expect(types[-1].axis == BATCH, "a quantile's level that is not one number")


# ------------------------------------------------------------------ operations
def _staged_faults(node: Node) -> Iterator[str]:
    yield from _expect(node.type.element in NUMERIC, "a value that is no number")
    match node.operation:
        case Foreign():
            yield "a foreign call"
        case Leaf(kind=kind):
            yield from _expect(kind is SourceKind.GIVEN, "a leaf that is not given")
        case Read(version=version, other_version=other):
            yield from _expect(Version.CURRENT in (version, other), "a read of weights that are not current")
        case _:
            pass


def _expanded_faults(node: Node, types: list[Type]) -> Iterator[str]:
    is_bool = [type_.element is Element.BOOL for type_ in types]
    may_be_absent = node.type.optional and node.type.element is Element.BOOL
    yield from _expect(not may_be_absent, "an absent truth value")
    match node.operation:
        case Reduce(reduction=reduction, masked=masked):
            yield from _expect(reduction in PRIMITIVE, "a composite reduction")
            yield from _expect(not (masked and reduction is Reduction.SUM), "a masked sum")
            yield from _expect(not is_bool[0], "a truth value in a reduction")
        case Elementwise(function=function) if function in _LOGIC:
            yield from _expect(all(is_bool), "a number as a truth value")
        case Elementwise(function=Function.SELECT):
            yield from _expect(is_bool[0] and is_bool[1] == is_bool[2], "a choice of unlike values")
        case Elementwise(function=function) if function not in _ANY_ELEMENT:
            yield from _expect(not any(is_bool), "a truth value in arithmetic")
        case Scan() | Rank():
            yield from _expect(not any(is_bool), "a truth value in arithmetic")
        case _:
            pass


def _expect(holds: bool, fault: str) -> Iterator[str]:
    if not holds:
        yield fault
