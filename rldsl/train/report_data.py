"""What a report says, read from the files of a run folder alone.

Draws nothing; a missing or damaged part is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from rldsl.train.charts import Series, Stage
from rldsl.train.durable import StorageError
from rldsl.train.folder import DIGEST, SPEC, read_json
from rldsl.train.metrics import CLOCK, numbers_of, read_lines
from rldsl.train.rollout_log import Sample, list_evaluations, list_files, read_file

MOST_ROWS = 20_000  # of one rollout file; an evaluation is smaller
PAIRS = 8

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Event:
    """A guard that fired, a warning, the end of the run."""

    iteration: int
    stage: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class History:
    """The metrics of a run, by name and by stage."""

    series: dict[str, Series] = field(default_factory=dict)
    timing: dict[str, Series] = field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    events: tuple[Event, ...] = ()
    last: int | None = None
    seconds: float = 0.0
    sessions: int = 0

    @property
    def span(self) -> tuple[int, int]:
        """First and last iteration that anything was logged at."""
        xs = [x for one in (*self.series.values(), *self.timing.values()) for x, _ in one.points]
        return (min(xs), max(xs)) if xs else (0, 1)


@dataclass(frozen=True, slots=True)
class Answers:
    """The samples of one evaluation or iteration; `right` is a node that says 0 or 1 of them, if one does."""

    iteration: int
    samples: tuple[Sample, ...]
    right: str | None

    def verdict(self, sample: Sample) -> bool | None:
        """Whether it is right; None where nothing says so."""
        value = None if self.right is None else sample.rewards.get(self.right)
        return None if value is None else value == 1

    @property
    def count_right(self) -> int:
        """How many of the samples are right."""
        return sum(self.verdict(sample) is True for sample in self.samples)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one prompt, of the first and of the last evaluation.

    Or to two prompts where none is shared.
    """

    before: Sample
    after: Sample | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Answers before and after, of one evaluation (or of training, where there is none)."""

    name: str
    before: Answers
    after: Answers | None
    pairs: tuple[Pair, ...]


def read_history(path: Path) -> History:
    """From `metrics.jsonl`; damaged lines are left out."""
    lines = list(read_lines(path, tolerant=True))
    series: dict[str, list[tuple[int, float]]] = {}
    timing: dict[str, list[tuple[int, float]]] = {}
    for line in lines:
        if "event" not in line:
            _collect(series, line["iteration"], numbers_of(line))
            clock = {name: value for name, value in line["time"].items() if name not in CLOCK}
            _collect(timing, line["iteration"], clock)
    return History(
        {name: Series(name, tuple(points)) for name, points in series.items()},
        {name: Series(name, tuple(points)) for name, points in timing.items()},
        _stages(lines),
        tuple(
            Event(line["iteration"], line["stage"], str(line["event"]), str(line.get("message", "")))
            for line in lines
            if "event" in line
        ),
        lines[-1]["iteration"] if lines else None,
        max((line["time"].get("elapsed", 0.0) for line in lines), default=0.0),
        max((line["time"].get("session", 1) for line in lines), default=0),
    )


def find_success(history: History) -> Series | None:
    """The curve of the headline: `success` if there is one, else the first number of the first evaluation."""
    found = history.series.get("success")
    return found or next((one for name, one in history.series.items() if name.startswith("eval/")), None)


def read_comparison(folder: Path, success: str) -> Comparison | None:
    """Answers to the same prompts at the first and at the last evaluation.

    `success` is the headline's metric.
    """
    name = next(iter(list_evaluations(folder)), None)
    files = list_files(folder, name)
    if not files:
        return None
    first = [sample for _, sample in islice(read_file(files[0][1]), MOST_ROWS)]
    last = [sample for _, sample in islice(read_file(files[-1][1]), MOST_ROWS)] if len(files) > 1 else []
    right = _verdict_node([*first, *last], success)
    before = Answers(files[0][0], tuple(first), right)
    after = Answers(files[-1][0], tuple(last), right) if len(files) > 1 else None
    return Comparison(name or "training", before, after, _pairs(first, last if after else None))


def read_or(default: T, read: Callable[[], T], problems: list[str]) -> T:
    """What `read` gives.

    If its file is missing or damaged, `default`, and the reason is added to `problems`.
    """
    try:
        return read()
    except StorageError as error:
        problems.append(str(error))
        return default


def read_texts(folder: Path) -> tuple[str, str]:
    """The spec's text and its hash, empty where there is none."""
    spec, digest = folder / SPEC, folder / DIGEST
    text = spec.read_bytes().decode("utf-8", "replace") if spec.is_file() else ""
    return text, (digest.read_text("ascii", "replace").split() or [""])[0] if digest.is_file() else ""


def read_facts(folder: Path, name: str, problems: list[str]) -> dict[str, object]:
    """A JSON file of the run; empty where there is none."""
    path = folder / name
    return read_or({}, lambda: read_json(path), problems) if path.is_file() else {}


def find_equations(explain: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and equation of each objective: `{"objectives": [{"name": …, "equation": …}, …]}`."""
    objectives = explain.get("objectives")
    if not isinstance(objectives, list):
        return []
    entries = [entry for entry in objectives if isinstance(entry, dict) and entry.get("equation")]
    return [(str(entry.get("name", "")), str(entry["equation"])) for entry in entries]


def flatten(content: dict[str, object], prefix: str = "") -> list[tuple[str, str]]:
    """Rows of a table: `optimizer.lr`, `0.001`."""
    rows: list[tuple[str, str]] = []
    for name, value in content.items():
        if isinstance(value, dict) and value:
            rows += flatten(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            rows.append((prefix + name, ", ".join(map(str, value)) or "none"))
        else:
            rows.append((prefix + name, str(value)))
    return rows


def _collect(into: dict[str, list[tuple[int, float]]], iteration: int, values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, int | float):
            into.setdefault(name, []).append((iteration, float(value)))


def _stages(lines: Sequence[dict[str, Any]]) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    for line in lines:
        name, iteration = line["stage"], line["iteration"]
        if stages and stages[-1].name == name:
            stages[-1] = Stage(name, stages[-1].first, iteration)
        else:
            stages.append(Stage(name, iteration, iteration))
    return tuple(stages)


def _verdict_node(samples: Sequence[Sample], success: str) -> str | None:
    """A node that is 0 or 1 everywhere: the one that the headline's metric names, else the first."""
    values: dict[str, set[object]] = {}
    for sample in samples:
        for name, value in sample.rewards.items():
            if value is not None and not isinstance(value, list):
                values.setdefault(name, set()).add(value)
    verdicts = [name for name, found in values.items() if all(_is_verdict(value) for value in found)]
    words = set(success.replace("/", " ").split())
    return next((name for name in verdicts if name in words), next(iter(verdicts), None))


def _is_verdict(value: object) -> bool:
    return isinstance(value, bool | int | float) and not math.isnan(value) and value in (0, 1)


def _pairs(first: Sequence[Sample], last: Sequence[Sample] | None) -> tuple[Pair, ...]:
    """Prompts spread evenly over the evaluation, whatever came of them, each with its first sample."""
    before, after = _by_prompt(first), _by_prompt(last or ())
    shared = [key for key in before if key in after] if last is not None else list(before)
    if shared:
        step = max(1, len(shared) / PAIRS)
        chosen = [shared[int(index * step)] for index in range(min(PAIRS, len(shared)))]
        return tuple(Pair(before[key], after.get(key)) for key in chosen)
    return tuple(
        Pair(one, other) for one, other in islice(zip(before.values(), after.values(), strict=False), PAIRS)
    )


def _by_prompt(samples: Sequence[Sample]) -> dict[tuple[str, str], Sample]:
    found: dict[tuple[str, str], Sample] = {}
    for sample in samples:
        found.setdefault((sample.rollout, sample.prompt), sample)
    return found
