"""The axis of a result, and whether its places can be empty. Does not insert spreads: the builder does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
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
from rldsl.types import BATCH, Axis, Level, Type, lifted


def common_axis(types: Sequence[Type]) -> Axis | None:
    """The axis on which values of these types meet: the finest if all nest. Fixed parts of one kind meet each other, and what
    nests with their parents, as parts of the finest parent. Otherwise None."""
    axes = [type_.axis for type_ in types]
    found = _finest(axes)
    return found if found is not None else _joined(axes)


def _finest(axes: Sequence[Axis]) -> Axis | None:
    finest = BATCH
    for axis in axes:
        if axis is not finest and not finest.is_within(axis):
            if not axis.is_within(finest):  # perhaps one that is still to come lies within both
                return next((other for other in axes if all(other.is_within(one) for one in axes)), None)
            finest = axis
    return finest


def _joined(axes: Sequence[Axis]) -> Axis | None:
    """`y.sample.member(3)` with `y.token`: `y.token.member(3)`."""
    parts = [axis for axis in axes if axis.size is not None]
    if not parts or any((axis.level, axis.size, axis.maker) != (parts[0].level, parts[0].size, parts[0].maker) for axis in parts):
        return None
    parent = _finest([axis.parent if axis.size is not None and axis.parent is not None else axis for axis in axes])
    return None if parent is None else lifted(parts[0], parent)


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

    A sample, step, turn or prompt may hold no token (a response may be empty), a group of one has no pair, and a row may come
    without criteria; else every place is treated as filled: a prompt has samples, a sample steps, a batch prompts and tokens.
    """
    return any(_may_be_missing(between, to) for between in takewhile(lambda above: above != to, axis.chain()))


def _may_be_missing(axis: Axis, to: Axis) -> bool:
    match axis.level:
        case Level.PAIR:
            return True
        case Level.TOKEN:
            return to.level is not Level.BATCH
        case Level.CRITERION:
            return axis.size is None
        case _:
            return False
