"""Conditions that are watched while training. Decides nothing but whether they hold."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from rldsl.graph.spec import GuardSpec
from rldsl.train.outcome import place_of
from rldsl.train.values import Values


@dataclass(frozen=True, slots=True)
class GuardReport:
    """One guard at one iteration. A condition that is absent holds: there is nothing to judge by."""

    guard: GuardSpec
    holds: bool
    measure: float | None

    @property
    def metric(self) -> tuple[str, float] | None:
        """The compared number under the guard's name, if there is one."""
        return None if self.measure is None else (f"guard/{self.guard.text}", self.measure)

    def message(self, values: Values) -> str:
        """What happened, for people."""
        found = f" (it is {self.measure:.6g})" if self.measure is not None else ""
        place = place_of(values.world.spec, self.guard.span)
        return f"guard `{self.guard.text}` does not hold{found}: {self.guard.action} ({place})"


def check_guards(values: Values, guards: Iterable[GuardSpec]) -> list[GuardReport]:
    """Each guard's condition under the present values."""
    return [_check(values, guard) for guard in guards]


def _check(values: Values, guard: GuardSpec) -> GuardReport:
    condition = values.number(guard.key)
    measure = None if guard.measure is None else values.number(guard.measure)
    return GuardReport(guard, math.isnan(condition) or condition != 0.0, measure)
