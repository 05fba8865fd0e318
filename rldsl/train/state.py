"""What a run is about to do and has counted, as plain data: everything of a checkpoint but tensors. Does nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from rldsl.graph.spec import Spec

FORMAT = 1


@dataclass(slots=True)
class RunState:
    """`iteration` and `step` count finished iterations and optimizer steps. `walk` is the walker's position, `drawn`
    how many rows of each data set were drawn, `states` the spec's own states by name, `watch` what drift is measured from."""

    walk: dict[str, Any] = field(default_factory=dict)
    iteration: int = 0
    step: int = 0
    stage: str = ""
    stage_visit: str = ""
    stage_start: int = 0
    drawn: dict[str, int] = field(default_factory=dict)
    states: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    compared: dict[str, int] = field(default_factory=dict)
    logp_difference: float = math.nan
    failures: dict[str, int] = field(default_factory=dict)
    skipped: int = 0
    watch: dict[str, list[float]] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    finished: bool = False

    @staticmethod
    def start(spec: Spec) -> RunState:
        """Before the first step."""
        return RunState(drawn={data.name: 0 for data in spec.data},
                        states={state.name: float(state.initial) for state in spec.states})

    def to_plain(self, **more: object) -> dict[str, object]:
        """For a checkpoint; later changes do not reach it. `more` is kept beside."""
        own = {entry.name: _copied(getattr(self, entry.name)) for entry in fields(self)}
        return {"format": FORMAT, **own, **more}

    @staticmethod
    def from_plain(content: Mapping[str, Any]) -> RunState:
        """What `to_plain` gave."""
        return RunState(**{entry.name: _copied(content[entry.name]) for entry in fields(RunState)})


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(item) for name, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
