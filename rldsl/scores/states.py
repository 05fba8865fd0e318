"""Value, absent, failed, not asked: the four states of a node at a place. Computes no value."""

from __future__ import annotations

from collections.abc import Mapping, Set
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from rldsl.graph.spec import Spec
from rldsl.kernels.layout import Layout
from rldsl.rewards.engine.asked import Asked, Mask
from rldsl.rewards.engine.places import Places
from rldsl.rewards.handled import unhandled_below

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


def call_states(record: Asked) -> States:
    """Of one call."""
    found = _there(record.values)
    found[record.open] = State.NOT_ASKED
    found[list(record.failed)] = State.FAILED
    return found


def value_states(spec: Spec, layout: Layout, key: int, values: Any, calls: Mapping[int, States], open_: Mask | None) -> States:
    """Of a value made of calls: where there is none, whether a call that it is made of failed there (and no
    `else` took that), or was not asked."""
    found = _there(values)
    missing = found == State.ABSENT
    if not missing.any():
        return found
    found[missing & _failed(spec, layout, key, calls, unhandled_below(spec.graph, key))] = State.FAILED
    if open_ is not None:
        found[open_] = State.NOT_ASKED
    return found


def unanswered(spec: Spec, layout: Layout, key: int, calls: Mapping[int, States]) -> Mask:
    """The places of a value where a call that it is made of failed, and no `else` of the spec says what that means."""
    return _failed(spec, layout, key, calls, unhandled_below(spec.graph, key, skipping=True))


def _failed(spec: Spec, layout: Layout, key: int, calls: Mapping[int, States], within: Set[int]) -> Mask:
    places, axis = Places(layout), spec.graph[key].type.axis
    found = np.zeros(layout.size(axis.name), np.bool_)
    for call in within & calls.keys():
        marks = calls[call] == State.FAILED
        if marks.any():
            found |= places.across(marks, spec.graph[call].type.axis, axis)
    return found


def _there(values: Any) -> States:
    """Value or absent: NaN or None."""
    missing = np.isnan(values) if isinstance(values, np.ndarray) else np.array(
        [value is None or (isinstance(value, float) and value != value) for value in values], np.bool_)
    return np.where(missing, np.int8(State.ABSENT), np.int8(State.VALUE)).astype(np.int8)
