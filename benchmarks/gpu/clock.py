"""Times and peak memory of calls that take turns.

Device time lies between two events; before the first the device is kept busy for as long as the host takes to queue the call, so
that launches are not timed. What the host waits for within a call is. Call time is the host's, until the device is done. Before
each repetition the L2 cache is filled with something else. In a rehearsal everything runs and nothing is timed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from benchmarks.gpu.place import Place

FLUSH = 256 << 20      # bytes, several times the L2 cache
TICKS = 2.0e6          # of the device's clock in a millisecond, about
LONGEST = 20.0         # milliseconds that the device is kept busy at most
CALLS = 3              # of which the call time is the median

Call = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of each repetition; empty in a rehearsal."""

    device: tuple[float, ...] = ()
    call: tuple[float, ...] = ()

    @property
    def median(self) -> float | None:
        """Of the device times."""
        return statistics.median(self.device) if self.device else None

    @property
    def median_call(self) -> float | None:
        """Of the call times."""
        return statistics.median(self.call) if self.call else None


@dataclass(slots=True)
class Clock:
    """Times calls at a place."""

    place: Place
    _other: Tensor | None = field(default=None)

    def interleaved(self, calls: Mapping[str, Call], restore: Call, rounds: int | None = None) -> dict[str, Times]:
        """Of each call, taking turns. All have run before. `restore` puts back what a call uses up."""
        if self.place.rehearses:
            for call in calls.values():
                restore()
                call()
            return {name: Times() for name in calls}
        busy = {name: self._queueing(call, restore) for name, call in calls.items()}
        device: dict[str, list[float]] = {name: [] for name in calls}
        waited: dict[str, list[float]] = {name: [] for name in calls}
        for turn in range(rounds or self.place.shapes.rounds):
            for name, call in calls.items():
                device[name].append(self.device_time(call, restore, busy[name]))
                if turn < CALLS:
                    waited[name].append(self.call_time(call, restore))
        return {name: Times(tuple(device[name]), tuple(waited[name])) for name in calls}

    def device_time(self, call: Call, restore: Call, busy: float = 1.0) -> float:
        """Milliseconds between events, once; `busy` milliseconds before."""
        restore()
        self.flush()
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        self.place.wait()
        torch.cuda._sleep(int(busy * TICKS))
        begin.record()
        kept = call()
        end.record()
        self.place.wait()
        del kept
        return begin.elapsed_time(end)

    def call_time(self, call: Call, restore: Call) -> float:
        """Milliseconds from the host, once."""
        restore()
        self.flush()
        self.place.wait()
        began = time.perf_counter()
        kept = call()
        self.place.wait()
        del kept
        return 1e3 * (time.perf_counter() - began)

    def _queueing(self, call: Call, restore: Call) -> float:
        return min(LONGEST, 1.5 * self.call_time(call, restore) + 0.2)

    def flush(self) -> None:
        """Fill L2 with something else."""
        if self._other is None:
            self._other = torch.empty(FLUSH, dtype=torch.int8, device=self.place.device)
        self._other.fill_(1)

    def peak(self, call: Call, restore: Call) -> float | None:
        """Bytes that a call has at its peak above what was there before; None in a rehearsal."""
        restore()
        if self.place.rehearses:
            call()
            return None
        self.place.wait()
        self.place.forget()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        kept = call()
        self.place.wait()
        found = torch.cuda.max_memory_allocated() - before
        del kept
        return float(found)
