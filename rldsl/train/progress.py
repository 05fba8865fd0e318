"""What a person sees while a run goes on: one live line on a terminal, plain lines elsewhere.

Measures nothing else.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from statistics import median
from types import TracebackType
from typing import Literal, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

Mode = Literal["auto", "live", "plain", "quiet"]
RECENT = 21  # iterations that the time left is estimated from
BAR = 18

# What is shown, and the names of metrics it is taken from: TRL's, then the run's own. A success is any
# evaluation's.
SHOWN: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("loss", ("loss", "objective/loss", "objective/imitation")),
    ("reward", ("reward",)),
    ("success", ("success",)),
    ("kl", ("kl",)),
    ("entropy", ("entropy",)),
    ("tokens/s", ("tokens_per_second",)),
)


class Progress:
    """A context manager: `stage` begins one, `update` tells of an iteration done, `say` prints what stays.

    `auto` is live on a terminal and plain elsewhere; plain prints a line at most every `every` seconds, and
    the first and the last of each stage; quiet prints what is said and nothing more.
    """

    def __init__(
        self,
        *,
        mode: Mode = "auto",
        console: Console | None = None,
        every: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console or Console(stderr=True)
        self._mode = ("live" if self._console.is_terminal else "plain") if mode == "auto" else mode
        self._every, self._clock = every, clock
        self._live: Live | None = None
        self._name, self._total, self._done = "", 0, 0
        self._durations: deque[float] = deque(maxlen=RECENT)
        self._at = self._printed = clock()
        self._values: dict[str, float] = {}

    def stage(self, name: str, total: int, done: int = 0) -> None:
        """A stage of `total` iterations begins, or goes on after `done` of them."""
        if self._live is not None and self._done:
            self._console.print(
                self._line(self._console.width)
            )  # what the last stage came to stays on the screen
        self._name, self._total, self._done = name, total, done
        self._durations.clear()
        self._values.clear()
        self._at = self._clock()
        self._printed = -math.inf
        self._refresh()

    def update(self, done: int, values: Mapping[str, float | None]) -> None:
        """`done` iterations of this stage are over.

        `values` are the metrics of the last one, clock's included.
        """
        now = self._clock()
        if done > self._done:
            self._durations.append((now - self._at) / (done - self._done))
            self._at, self._done = now, done
        self._values.update(pick_shown(values))
        if self._mode == "live":
            self._refresh()
        elif self._mode == "plain" and (now - self._printed >= self._every or done >= self._total):
            self._printed = now
            self._console.print(self._plain(), soft_wrap=True)

    def say(self, message: str) -> None:
        """A line that stays, above the live one; also in quiet mode."""
        self._console.print(Text(message), soft_wrap=True)

    def seconds_left(self) -> float | None:
        """What is left of this stage, from the median of its recent iterations; None before the first."""
        if not self._durations:
            return None
        return median(self._durations) * max(0, self._total - self._done)

    def __enter__(self) -> Self:
        if self._mode == "live":
            self._live = Live(console=self._console, get_renderable=self._render, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._refresh()
            self._live.stop()
            self._live = None

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.refresh()

    def _render(self) -> Text:
        return self._line(self._console.width) if self._total else Text()

    def _fields(self) -> list[tuple[str, str]]:
        fields = [(name, format_number(self._values[name])) for name, _ in SHOWN if name in self._values]
        left = self.seconds_left()
        return [*fields, ("left", format_seconds(left))] if left is not None else fields

    def _line(self, width: int) -> Text:
        """The name, a bar, the count and as many fields as the width holds; time left is the last to go."""
        head = f"{self._name} " if self._name else ""
        count = f" {self._done}/{self._total}"
        fields, room = self._fields(), width - len(head) - len(count) - BAR - 1
        while fields and sum(len(name) + len(value) + 3 for name, value in fields) > room:
            fields.pop(-2 if len(fields) > 1 else -1)
        line = Text(head, style="bold", no_wrap=True, overflow="ellipsis")
        filled = round(BAR * min(1.0, self._done / self._total)) if self._total else 0
        line.append("━" * filled, style="green").append("━" * (BAR - filled), style="bright_black")
        line.append(count, style="not bold")
        for name, value in fields:
            line.append(f"  {name} ", style="not bold dim").append(value, style="not bold")
        return line

    def _plain(self) -> Text:
        head = f"{self._name} {self._done}/{self._total}".strip()
        return Text("  ".join([head, *(f"{name} {value}" for name, value in self._fields())]))


def pick_shown(values: Mapping[str, float | None]) -> dict[str, float]:
    """The numbers that are shown, by the names they are shown under."""
    found: dict[str, float] = {}
    for shown, names in SHOWN:
        value = next((values[name] for name in names if values.get(name) is not None), None)
        if shown == "success" and value is None:
            value = next((number for name, number in values.items() if name.startswith("eval/")), None)
        if value is not None:
            found[shown] = float(value)
    return found


def format_number(value: float) -> str:
    """Three figures or so: `0.953`, `0.0012`, `3e-06`, `21,480`."""
    size = abs(value)
    if not math.isfinite(value) or size >= 1e7:
        return f"{value:.3g}"
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.1f}"
    return f"{value:.3f}" if size >= 0.1 or value == 0 else f"{value:.2g}"


def format_seconds(seconds: float) -> str:
    """`42s`, `3m 05s`, `2h 10m`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
