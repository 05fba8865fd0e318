"""Liveness: the trained models whose gradient flows through a value. Does not differentiate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from rldsl.graph.model import (
    Constant,
    Elementwise,
    Foreign,
    Freeze,
    Function,
    Leaf,
    Mirror,
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
    Spread,
)
from rldsl.types import Type, Version

FLAT_FUNCTIONS = frozenset({
    Function.SIGN, Function.FLOOR, Function.LESS, Function.LESS_EQUAL, Function.GREATER,
    Function.GREATER_EQUAL, Function.EQUAL, Function.NOT_EQUAL, Function.AND,
    Function.OR, Function.NOT, Function.IS_MISSING})
FLAT_REDUCTIONS = frozenset({Reduction.COUNT, Reduction.ANY, Reduction.ALL})

Live = frozenset[str]
FROZEN: Live = frozenset()


def infer_live(operation: Operation, inputs: Sequence[Type]) -> Live:
    """The models whose gradient flows through the result."""
    match operation:
        case Elementwise(function=function):
            return _elementwise_live(function, inputs)
        case Reduce(reduction=reduction):
            return FROZEN if reduction in FLAT_REDUCTIONS else inputs[0].live
        case Spread() | Mirror():
            return inputs[0].live
        case Scan() | Shift():
            return inputs[0].live | inputs[1].live
        case Read():
            return read_live(operation)
        case Constant() | Leaf() | Pick() | Rank() | Position() | Size() | Freeze() | Foreign():
            return FROZEN
        case _:
            assert_never(operation)


def _elementwise_live(function: Function, inputs: Sequence[Type]) -> Live:
    if function in FLAT_FUNCTIONS:
        return FROZEN
    differentiable = inputs[1:] if function is Function.SELECT else inputs
    return FROZEN.union(*(type_.live for type_ in differentiable))


def read_live(read: Read) -> Live:
    """A read is live in its model if it sees the current weights; so in the other model of a divergence."""
    live = {read.model} if read.version is Version.CURRENT else set()
    if read.other is not None and read.other_version is Version.CURRENT:
        live.add(read.other)
    return frozenset(live)


def is_current(read: Read) -> bool:
    """Whether the read depends on weights that updates change: known at the update alone."""
    return Version.CURRENT in (read.version, read.other_version)
