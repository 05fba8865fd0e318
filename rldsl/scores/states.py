"""Value, absent, failed, not asked: the four states of a node at a place. Computes no value."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from rldsl.graph.spec import Spec
from rldsl.kernels.layout import Layout
from rldsl.scores.host import Called
from rldsl.scores.plan import below

Truths = npt.NDArray[np.bool_]
States = npt.NDArray[np.int8]


class State(IntEnum):
    """What stands at a place."""

    VALUE = 0
    ABSENT = 1
    FAILED = 2
    NOT_ASKED = 3

    @property
    def word(self) -> str:
        """As files and tables call it."""
        return self.name.lower().replace("_", " ")


WORDS = tuple(state.word for state in State)


def call_states(called: Called) -> States:
    """Of one call."""
    found = np.where(missing(called.values), np.int8(State.ABSENT), np.int8(State.VALUE)).astype(np.int8)
    if called.asked is not None:
        found[~called.asked] = State.NOT_ASKED
    found[list(called.failed)] = State.FAILED
    return found


def value_states(spec: Spec, layout: Layout, key: int, values: Any, calls: Mapping[int, States]) -> States:
    """Of a value made of calls: where there is none, the worst state among the calls that it is made of there."""
    found = np.where(missing(values), np.int8(State.ABSENT), np.int8(State.VALUE)).astype(np.int8)
    if not (found == State.ABSENT).any():
        return found
    for state in (State.NOT_ASKED, State.FAILED):
        hit = np.zeros(len(found), np.bool_)
        for call in below(spec, [key]) & calls.keys():
            marks = calls[call] == state
            if marks.any():
                hit |= _carried(layout, spec.graph[call].type.axis.name, spec.graph[key].type.axis.name, marks)
        found[hit & (found != State.VALUE)] = state
    return found


def _carried(layout: Layout, source: str, target: str, marks: Truths) -> Truths:
    """Marks of one axis on another: down to each place below, up where any place below has one."""
    try:
        return marks[layout.owners(target, source)]
    except KeyError:
        pass
    try:
        owners = layout.owners(source, target)
    except KeyError:
        return np.zeros(layout.size(target), np.bool_)
    return np.bincount(owners[marks], minlength=layout.size(target)) > 0


def missing(values: Any) -> Truths:
    """Where there is no value: NaN or None."""
    if isinstance(values, np.ndarray):
        found: Truths = np.isnan(values)
        return found
    return np.array([value is None or (isinstance(value, float) and value != value) for value in values], np.bool_)
