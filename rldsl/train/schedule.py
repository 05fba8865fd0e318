"""Numbers that change over training. Knows how many passes were made; counts none."""

from __future__ import annotations

import math

from rldsl.graph.spec import Schedule, SettingValue, Spec


def value_at(schedule: Schedule, done: int) -> float:
    """The value after `done` passes of the enclosing `repeat`.

    `linear` and `cosine` begin at their start and reach their end after `steps` passes. `warmup` reaches its end
    in pass `steps`; its first pass already takes a step. `piecewise` keeps each value until the next point.
    """
    share = min(1.0, done / schedule.steps) if schedule.steps else 1.0
    match schedule.kind:
        case "linear":
            return schedule.start + (schedule.end - schedule.start) * share
        case "cosine":
            return schedule.end + (schedule.start - schedule.end) * (1 + math.cos(math.pi * share)) / 2
        case "warmup":
            return schedule.start + (schedule.end - schedule.start) * min(1.0, (done + 1) / schedule.steps)
        case "piecewise":
            reached = [value for at, value in schedule.points if at <= done]
            return reached[-1] if reached else schedule.start
        case kind:
            raise ValueError(f"there is no schedule `{kind}`")


def number_at(value: SettingValue, done: int) -> float:
    """A plain number, or that of a schedule."""
    if isinstance(value, Schedule):
        return value_at(value, done)
    if isinstance(value, bool | int | float):
        return float(value)
    raise TypeError(f"{value!r} is no number")


def parameters_at(spec: Spec, done: int) -> dict[str, float]:
    """Every parameter that is a number, by name."""
    return {param.name: number_at(param.value, done) for param in spec.params if not isinstance(param.value, str)}
