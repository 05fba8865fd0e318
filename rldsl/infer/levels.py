"""The axis of a result, and whether its places can be empty. Does not insert spreads: the builder does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from rldsl.diagnostics import InternalError
from rldsl.graph.model import (
    Constant,
    Elementwise,
    Foreign,
    Freeze,
    Leaf,
    Mirror,
    Operation,
    Pick,
    Position,
    Rank,
    Read,
    Reduce,
    Scan,
    Shift,
    Size,
    Spread,
)
from rldsl.types import BATCH, Axis, Level, Type


def common_axis(types: Sequence[Type]) -> Axis | None:
    """The finest axis if all stand on one chain of nested axes, else None."""
    finest = BATCH
    for type_ in types:
        if type_.axis is not finest and not finest.is_within(type_.axis):
            if not type_.axis.is_within(finest):
                return None
            finest = type_.axis
    return finest


def infer_axis(operation: Operation, inputs: Sequence[Type]) -> Axis:
    """The axis on which the result stands. Elementwise inputs must stand on one axis already."""
    match operation:
        case Constant():
            return BATCH
        case Elementwise() | Freeze() | Scan() | Shift() | Rank() | Mirror():
            return _same_axis(operation, inputs)
        case Reduce(to=to) | Size(to=to):
            return to
        case Spread(to=to):
            return to
        case Pick():
            return inputs[0].axis
        case Position(axis=axis):
            return axis
        case Leaf() | Read() | Foreign():
            raise InternalError(f"the axis of {operation} must be given")
        case _:
            assert_never(operation)


def _same_axis(operation: Operation, inputs: Sequence[Type]) -> Axis:
    axis = inputs[0].axis
    if any(type_.axis != axis for type_ in inputs):
        raise InternalError(f"{operation} of values on different axes: {[str(t.axis) for t in inputs]}")
    return axis


def may_be_empty(axis: Axis, to: Axis) -> bool:
    """Whether a place of `to` may hold no place of `axis`.

    A sample, step, turn or prompt may hold no token (a response may be empty), and a group of one has no pair; else every
    place is treated as filled: a prompt has samples, a batch has prompts and tokens.
    """
    return axis != to and (axis.level is Level.PAIR or (axis.level is Level.TOKEN and to.level is not Level.BATCH))
