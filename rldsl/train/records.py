"""Where a run is written down: metrics, rollouts, progress, checkpoints. Decides nothing about training."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from rldsl.train.checkpoint import save_checkpoint
from rldsl.train.engine import Engine
from rldsl.train.folder import RunFolder
from rldsl.train.measures import without_absent
from rldsl.train.metrics import Metrics
from rldsl.train.progress import Progress
from rldsl.train.rollout_log import RolloutLog, Sample
from rldsl.train.state import RunState

EVERY_ITERATIONS: Final = 25
EVERY_SECONDS: Final = 60.0
KEPT: Final = 2  # checkpoints that no `save` asked for


@dataclass(slots=True)
class Records:
    """The files of one run, and the terminal. `automatic` are the iterations of checkpoints that may be dropped,
    `saved_at` is that of the last one."""

    folder: RunFolder
    metrics: Metrics
    rollouts: RolloutLog
    progress: Progress
    every: int = EVERY_ITERATIONS
    automatic: list[int] = field(default_factory=list)
    saved_at: int | None = None
    saved_time: float = field(default_factory=time.monotonic)

    @property
    def size(self) -> int:
        """Bytes of metrics so far: what a run that goes on from here keeps."""
        return self.folder.metrics.stat().st_size

    def log(self, state: RunState, values: Mapping[str, float], timing: Mapping[str, float]) -> None:
        """One line of numbers; what is absent is null."""
        self.metrics.log(state.iteration, state.step, without_absent(values), timing, stage=state.stage)

    def note(self, state: RunState, kind: str, message: str) -> None:
        """A line of an event, and a line for the person who watches."""
        self.metrics.note(state.iteration, state.step, kind, message, stage=state.stage)
        self.progress.say(message)

    def write_samples(self, iteration: int, samples: list[Sample], evaluation: str | None = None) -> None:
        """Rollouts of an iteration or an evaluation, if there are any."""
        if samples:
            self.rollouts.write(iteration, samples, evaluation=evaluation)

    def is_due(self, state: RunState) -> bool:
        """Whether a checkpoint should be written without being asked for."""
        return (state.iteration - (self.saved_at or 0) >= self.every
                or time.monotonic() - self.saved_time >= EVERY_SECONDS)

    def save(self, engine: Engine, content: Mapping[str, Any], iteration: int, *, keep: bool) -> None:
        """A checkpoint of the present weights and a committed state of them. Without `keep` it is dropped after two more."""
        held = {"automatic": [*(number for number in self.automatic if number != iteration), *([] if keep else [iteration])]}
        self.metrics.sync()
        save_checkpoint(self.folder.checkpoints, iteration, engine.write, {**content, **held}, keep=None)
        self.automatic = held["automatic"]
        while len(self.automatic) > KEPT:
            self._drop(self.automatic.pop(0))
        self.saved_at, self.saved_time = iteration, time.monotonic()

    def _drop(self, iteration: int) -> None:
        """Under a name that a later start cleans away, so that a kill leaves no half checkpoint."""
        path = self.folder.checkpoints / f"checkpoint-{iteration}"
        aside = path.with_name(f".removing-{path.name}")
        shutil.rmtree(aside, ignore_errors=True)
        with suppress(FileNotFoundError):
            path.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
