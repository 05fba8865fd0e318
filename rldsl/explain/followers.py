"""Which models follow a trained one, and by what rule: for explanations."""

from __future__ import annotations

from rldsl.graph.spec import Average, ModelSpec, Spec, Stored
from rldsl.types import format_number


def follower_lines(spec: Spec) -> list[str]:
    """One line for each model that follows."""
    return [line for entry in spec.models if (line := _line(entry))]


def _line(entry: ModelSpec) -> str:
    match entry.follows:
        case Average(rate=rate):
            share = format_number(rate)
            return f"{entry.name} <- (1 - {share}) {entry.name} + {share} {entry.base}, after each optimizer step of {entry.base}"
        case Stored(lag=lag):
            back = "before" if lag == 1 else f"{lag} back"
            return f"{entry.name} = {entry.base} at the start of the iteration {back}"
        case None:
            return ""
