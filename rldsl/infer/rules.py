"""The type of a node from its operation and the types of its inputs: here the rules come together.

Semantics that the rules state (and that every back end follows):

- An absent value is carried as NaN, in a type that is `optional`. Reductions leave absent values out: a mean,
  min, max, quantile, first or last of nothing is absent, a sum or count of nothing is 0, `any` of nothing is
  false, `all` true. NaN in a type that is not optional is a fault of arithmetic (0 / 0): it is not left out.
- A value that depends on a live read is absent where its frozen parts, or reductions of nothing, make it so. A
  NaN that comes from the read itself is a fault and is never left out.
- An elementwise result is absent where an input is, comparisons and truth values included; but
  `OTHERWISE(x, a)` is `a` where x is NaN, IS_MISSING is never absent, and SELECT does not look at the branch
  that is not taken.
- A mask that is absent leaves its value out. A term of an objective that is absent adds nothing to the loss.
- What a back end computes is IEEE 754: division by 0 gives infinities and NaN, never an exception; minimum, maximum,
  clip, relu and sign of NaN are NaN; a comparison with NaN is false (`!=` true). That comparisons of absent values
  are absent is said by the graph itself after `expand`.
- `std` and `var` divide by n - 1 and are absent for n < 2; the population forms divide by n.
- A quantile interpolates linearly between the present values, as torch and numpy do; at a level outside of
  0 .. 1, which a parameter can bring, it is NaN: a fault.
- Of ties the first argument, or the first position, is meant: MINIMUM, MAXIMUM, Pick, Rank (stable,
  absent values last).
"""

from __future__ import annotations

from collections.abc import Sequence

from rldsl.graph.model import (
    Constant,
    Elementwise,
    Foreign,
    Freeze,
    Leaf,
    Operation,
    Read,
    ReadKind,
    SourceKind,
    Spread,
)
from rldsl.infer.elements import infer_element, infer_optional
from rldsl.infer.gradients import infer_live, is_current
from rldsl.infer.levels import infer_axis
from rldsl.infer.provenance import infer_provenance
from rldsl.infer.ranges import infer_interval, read_interval
from rldsl.types import BATCH, ERROR_TYPE, Axis, Element, Stage, Type

_LEAF_STAGE = {
    SourceKind.DATA: Stage.DATA, SourceKind.RECORDED: Stage.ROLLOUT, SourceKind.PARAM: Stage.CONSTANT,
    SourceKind.STATE: Stage.STATISTICS, SourceKind.GIVEN: Stage.DATA, SourceKind.PROGRESS: Stage.STATISTICS}


def infer_type(operation: Operation, inputs: Sequence[Type], context: Stage) -> Type:
    """The type of `operation` of `inputs`, computed at `context`. Leaves have a given one."""
    if any(type_.is_error for type_ in inputs):
        return ERROR_TYPE
    axis = infer_axis(operation, inputs)
    return Type(
        element=infer_element(operation, inputs), interval=infer_interval(operation, inputs), axis=axis,
        live=infer_live(operation, inputs),
        stage=infer_stage(operation, inputs, context),
        optional=infer_optional(operation, inputs), provenance=infer_provenance(operation, inputs, axis))


def infer_stage(operation: Operation, inputs: Sequence[Type], context: Stage) -> Stage:
    """When the value is known: as late as its latest input, and not before its context computes it.

    Elementwise values of constants and parameters alone stay constant; what depends on a layout does not.
    """
    latest = max((type_.stage for type_ in inputs), default=Stage.CONSTANT)
    match operation:
        case Constant():
            return Stage.CONSTANT
        case Leaf(kind=kind):
            return _LEAF_STAGE[kind]
        case Read():
            return max(latest, Stage.UPDATE if is_current(operation) else Stage.STATISTICS)
        case Elementwise() | Spread() | Freeze():
            return Stage.CONSTANT if latest is Stage.CONSTANT else max(latest, context)
        case Foreign():
            return max(latest, context)
        case _:
            return max(latest, context)


def read_type(read: Read, axis: Axis, inputs: Sequence[Type] = ()) -> Type:
    """The type of a model read on the token axis of its response."""
    element = Element.VECTOR if read.kind is ReadKind.HIDDEN else Element.REAL
    return Type(element, read_interval(read.kind, read.parameter), axis, live=infer_live(read, inputs),
                stage=infer_stage(read, inputs, Stage.CONSTANT),
                provenance=infer_provenance(read, inputs, axis))


def parameter_type(element: Element = Element.REAL) -> Type:
    """The type of a hyper-parameter of unknown range: a scalar that is known before anything runs."""
    return Type(element, axis=BATCH, stage=Stage.CONSTANT)
