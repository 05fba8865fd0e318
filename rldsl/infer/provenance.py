"""Provenance: which log-probabilities a value was made of, so that mismatches are seen. Judges nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rldsl.graph.model import (
    Constant,
    Elementwise,
    Freeze,
    Function,
    Operation,
    Read,
    ReadKind,
    Reduce,
    Reduction,
    Spread,
)
from rldsl.types import Axis, Level, LogProbability, LogRatio, Provenance, Ratio, Type


def infer_provenance(operation: Operation, inputs: Sequence[Type], axis: Axis) -> Provenance:
    """What the result is of the log-probabilities that went in, or None."""
    match operation:
        case Elementwise(function=function):
            return _elementwise(function, inputs, axis)
        case Reduce(reduction=Reduction.SUM, to=to):
            return _summed(inputs[0].provenance, to)
        case Reduce(reduction=Reduction.MEAN):
            found = inputs[0].provenance
            return found if isinstance(found, LogRatio) else None
        case Spread():
            found = inputs[0].provenance
            return None if isinstance(found, LogProbability) else found
        case Freeze():
            return inputs[0].provenance
        case Read(kind=ReadKind.LOGP):
            return _read_provenance(operation)
        case Constant() | _:
            return None


def _read_provenance(read: Read) -> LogProbability:
    return LogProbability(read.model, read.response, read.version, read.temperature, read.within, read.within)


def _summed(found: Provenance, to: Axis) -> Provenance:
    match found:
        case LogRatio():
            return replace(found, summed=to.level)
        case LogProbability():
            return found
        case _:
            return None


def _elementwise(function: Function, inputs: Sequence[Type], axis: Axis) -> Provenance:
    found = [type_.provenance for type_ in inputs]
    match function:
        case Function.SUBTRACT:
            return _difference(found[0], found[1], axis)
        case Function.NEGATE if isinstance(found[0], LogRatio):
            return LogRatio(found[0].denominator, found[0].numerator, found[0].summed)
        case Function.EXP if isinstance(found[0], LogRatio):
            return Ratio(found[0])
        case Function.SELECT:
            return found[1] if found[1] == found[2] else None
        case Function.OTHERWISE:
            return found[0] if found[1] in (found[0], None) else None
        case _:
            return None


def _difference(first: Provenance, second: Provenance, axis: Axis) -> Provenance:
    """A log-probability that stands above its tokens was summed to there."""
    if not (isinstance(first, LogProbability) and isinstance(second, LogProbability)):
        return None
    return LogRatio(first, second, None if axis.level is Level.TOKEN else axis.level)
