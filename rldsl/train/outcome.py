"""How a run ends: finished, stopped by a guard, interrupted, or with an error that says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from rldsl.graph.spec import Spec
from rldsl.source import Span


class Ending(StrEnum):
    """Why a run is over."""

    FINISHED = "finished"
    STOPPED = "stopped"          # by a guard
    INTERRUPTED = "interrupted"  # by SIGINT, SIGTERM or `stop_after`; it may be resumed
    CHECKED = "checked"          # a dry run


EXIT_STATUS: Mapping[Ending, int] = {
    Ending.FINISHED: 0, Ending.CHECKED: 0, Ending.STOPPED: 3, Ending.INTERRUPTED: 130,
}


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to. `metrics` are the last values of everything that was logged."""

    ending: Ending
    message: str
    path: Path
    iteration: int
    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    logp_difference: float | None = None
    report: Path | None = None

    @property
    def exit_status(self) -> int:
        """For a command line: 0 finished, 3 stopped by a guard, 130 interrupted."""
        return EXIT_STATUS[self.ending]


class RunError(Exception):
    """A run that cannot start or go on: what, where, what to do. `exit_status` is for a command line."""

    exit_status = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def place_of(spec: Spec, span: Span) -> str:
    """`examples/grpo.rl:12:3`, where a person finds a span."""
    source = spec.sources.get(span.file)
    if source is None and spec.source.name == span.file:
        source = spec.source
    if source is None:
        return span.file
    line, column = source.position(span.start)
    return f"{span.file}:{line}:{column}"
