"""Why a value has no number at a place: absent, failed, or nobody was asked."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from rldsl.rewards.engine.asked import Mask
from rldsl.rewards.engine.places import Places
from rldsl.rewards.engine.run import HostRun
from rldsl.rewards.handled import unhandled_below
from rldsl.rewards.outcome import is_absent


class State(StrEnum):
    """Of one value at one place."""

    VALUE = "value"
    ABSENT = "absent"
    FAILED = "failed"          # absent, and a call that it comes from failed there
    NOT_ASKED = "not asked"    # a call that it comes from was not needed there


def states_of(run: HostRun, key: int) -> list[State]:
    """The state of a known value at each of its places."""
    column = run.known[key]
    missing = np.array([is_absent(value) for value in column], np.bool_)
    found = np.where(missing, State.ABSENT, State.VALUE).astype(object)
    found[missing & failed_below(run, key)] = State.FAILED
    if key in run.open:
        found[run.open[key]] = State.NOT_ASKED
    return list(found)


def failed_below(run: HostRun, key: int) -> Mask:
    """The places of a value for which a call that it comes from, or it itself, failed, and no `else` took that."""
    places, axis = Places(run.layout()), run.graph[key].type.axis
    found = np.zeros(places.layout.size(axis.name), np.bool_)
    for source in unhandled_below(run.graph, key) & run.asked.keys():
        record = run.asked[source]
        if record.failed:
            marks = np.zeros(len(record.open), np.bool_)
            marks[list(record.failed)] = True
            found |= places.across(marks, run.graph[source].type.axis, axis)
    return found
