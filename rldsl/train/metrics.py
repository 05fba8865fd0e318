"""The numbers of a run: one JSON object a line, and TensorBoard events. Computes none of them.

A line of numbers: `{"iteration": 40, "step": 80, "stage": "rl", "reward": 0.5, …, "time": {…}}`. The names
of numbers are TRL's. Everything that a clock decides is under `time` (`at`, `elapsed`, `session`, and what
the caller measured), so that a run that was stopped and resumed has the same lines but for it. A number
that is not finite is the text `"NaN"`, `"Infinity"` or `"-Infinity"` (JSON has no such numbers; Python's
`float` reads them); an absent one is `null`.

A line of an event has `event` (its kind: `guard`, `warning`, `finished`, …) and `message` instead of numbers.
"""

from __future__ import annotations

import json
import math
import numbers
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, SupportsFloat

from rldsl.train.durable import StorageError, explained
from rldsl.train.events import EventLog

HEAD = ("iteration", "step", "stage")
RESERVED = frozenset((*HEAD, "time", "event", "message"))
CLOCK = frozenset(("at", "elapsed", "session"))
Value = SupportsFloat | None


class Metrics:
    """Writer of one run's `metrics.jsonl` and event files. A context manager.

    A file that has lines already must be `truncate`d to the offset of a checkpoint (or 0) before anything
    is logged.
    """

    __slots__ = ("_began", "_descriptor", "_elapsed", "_events", "_path", "_session", "_size", "_stale")

    def __init__(self, path: Path, events: Path | None = None) -> None:
        self._path = path
        self._events = None if events is None else EventLog(events)
        with explained("open", path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            self._size = os.fstat(self._descriptor).st_size
        self._stale = self._size > 0
        self._session = 1
        self._elapsed = 0.0
        self._began = time.monotonic()

    def log(
        self,
        iteration: int,
        step: int,
        values: Mapping[str, Value],
        timing: Mapping[str, SupportsFloat] | None = None,
        *,
        stage: str = "",
    ) -> None:
        """One line, seen by other processes at once.

        `timing` goes under `time`; TensorBoard gets both, at `step`.
        """
        timing = timing or {}
        if clash := (RESERVED & values.keys()) | (CLOCK & timing.keys()) | (values.keys() & timing.keys()):
            raise ValueError(
                f"these names have another meaning in a line of metrics: {', '.join(sorted(clash))}"
            )
        kept = {name: _number(value) for name, value in values.items()}
        measured = {name: _number(value) for name, value in timing.items()}
        clock = self._append(
            {"iteration": iteration, "step": step, "stage": stage, **_written(kept)}, _written(measured)
        )
        if self._events is not None:
            self._events.log(step, _present(kept | measured), clock)

    def note(self, iteration: int, step: int, kind: str, message: str, *, stage: str = "") -> None:
        """A line of an event: a guard that fired, a warning, the end of the run.

        It must not depend on the clock.
        """
        record = {"iteration": iteration, "step": step, "stage": stage, "event": kind, "message": message}
        self._append(record, {})

    def sync(self) -> int:
        """Waits until all lines are on the disk; returns the size of the file, for a checkpoint to keep."""
        with explained("write", self._path):
            os.fsync(self._descriptor)
        if self._events is not None:
            self._events.sync()
        return self._size

    def truncate(self, offset: int) -> None:
        """Drops the lines after the first `offset` bytes (what `sync` returned), here and in TensorBoard."""
        if offset > self._size:
            raise StorageError(
                f"{self._path} has {self._size} bytes, but the checkpoint was written after {offset}"
            )
        if offset and os.pread(self._descriptor, 1, offset - 1) != b"\n":
            raise StorageError(
                f"{self._path} was changed: no line ends at byte {offset}, where the checkpoint was written"
            )
        dropped = list(read_lines(self._path, offset, tolerant=True))
        with explained("write", self._path):
            os.ftruncate(self._descriptor, offset)
            os.fsync(self._descriptor)
        self._size, self._stale = offset, False
        self._continue_clock(dropped)
        if self._events is not None:
            self._rewind(self._events, dropped)

    def close(self) -> None:
        """Ends writing; may be called twice."""
        if self._events is not None:
            self._events.close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, record: dict[str, Any], timing: Mapping[str, object]) -> float:
        if self._stale:
            raise StorageError(
                f"{self._path} has lines of an earlier session: truncate it to a checkpoint's offset first"
            )
        now = time.time()
        clock = {"at": round(now, 3), "elapsed": round(self._seconds(), 3), "session": self._session}
        record["time"] = {**clock, **timing}
        line = json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        with explained("write", self._path):
            try:
                _write_all(self._descriptor, line, self._size)
            except OSError:
                os.ftruncate(self._descriptor, self._size)  # a full disk leaves no half line
                raise
        self._size += len(line)
        return now

    def _seconds(self) -> float:
        return self._elapsed + time.monotonic() - self._began

    def _continue_clock(self, dropped: list[dict[str, Any]]) -> None:
        """`elapsed` counts the seconds that the kept lines took, without the time between two sessions."""
        clocks = [line.get("time", {}) for line in read_lines(self._path)]
        self._elapsed = max((clock.get("elapsed", 0.0) for clock in clocks), default=0.0)
        clocks += [line.get("time", {}) for line in dropped]
        self._session = 1 + max((clock.get("session", 0) for clock in clocks), default=0)
        self._began = time.monotonic()

    def _rewind(self, events: EventLog, dropped: list[dict[str, Any]]) -> None:
        """Purges TensorBoard from the first dropped step; kept lines of that step or later are said again."""
        steps = [line["step"] for line in dropped if "event" not in line]
        if not steps:
            return
        events.purge(min(steps))
        for line in read_lines(self._path):
            if line["step"] >= min(steps) and "event" not in line:
                timing = {name: value for name, value in line["time"].items() if name not in CLOCK}
                events.log(line["step"], _present(numbers_of(line) | timing), line["time"]["at"])


def read_lines(path: Path, offset: int = 0, *, tolerant: bool = False) -> Iterator[dict[str, Any]]:
    """The lines from a byte on, numbers as numbers; a last line that a kill cut off is left out.

    Any other line that is damaged is an error, or left out where the reader is `tolerant`.
    """
    if not path.exists():
        return
    with explained("read", path), open(path, "rb") as file:
        file.seek(offset)
        for raw in file:
            if not raw.endswith(b"\n"):
                continue
            try:
                yield _read_line(path, raw)
            except StorageError:
                if not tolerant:
                    raise


def numbers_of(line: Mapping[str, Any]) -> dict[str, float | None]:
    """The named numbers of a line: no head, no clock. Those of an event are none."""
    return {} if "event" in line else {name: value for name, value in line.items() if name not in RESERVED}


def _read_line(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        line = json.loads(raw)
        head = {name: line.pop(name) for name in ("iteration", "step")}
        stage, clock = str(line.pop("stage", "")), dict(line.pop("time", {}))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StorageError(f"{path} has a line that is not one of a run: {raw[:80]!r}") from error
    rest = line if "event" in line else {name: _read_number(value) for name, value in line.items()}
    return {
        **head,
        "stage": stage,
        **rest,
        "time": {name: _read_number(value) for name, value in clock.items()},
    }


def _read_number(value: Any) -> Any:
    return float(value) if isinstance(value, str) else value


def _number(value: Value) -> float | int | None:
    """Plain Python, whatever library it came from."""
    if value is None:
        return None
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _written(values: Mapping[str, float | int | None]) -> dict[str, object]:
    return {
        name: json.dumps(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def _present(values: Mapping[str, float | int | None]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if value is not None}


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written
