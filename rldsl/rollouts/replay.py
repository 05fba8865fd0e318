"""How a decoding step runs that finds everything at fixed addresses: as it is, or as a CUDA graph that is captured once.

A graph launches a step's kernels by one call: of a small model most of a step is the launching of hundreds of kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Protocol

import torch

Step = Callable[[], None]
WARM_UPS = 2  # libraries choose their kernels and allocate their workspaces in the first runs, which no capture may


class Replay(Protocol):
    """`note` is why steps run otherwise than they might; empty where they do not."""

    note: str

    def run(self, key: Hashable, step: Step) -> None:
        """The step of this key. It may run several times at once, and has to come to the same then."""
        ...

    def forget(self) -> None:
        """What the steps read and write lies elsewhere from now on."""
        ...


class Plain:
    """Runs steps as they are."""

    def __init__(self) -> None:
        self.note = ""

    def run(self, key: Hashable, step: Step) -> None:
        """See `Replay.run`."""
        step()

    def forget(self) -> None:
        """Nothing is kept."""


class Captured:
    """Captures each step once, and replays it. A step that cannot be captured runs as it is, and so do all after it."""

    def __init__(self, name: str, device: torch.device) -> None:
        self.name, self.device = name, device
        self.note = ""
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}
        self._pool: Any = None

    def run(self, key: Hashable, step: Step) -> None:
        """See `Replay.run`."""
        if self.note:
            step()
            return
        if key not in self._graphs:
            try:
                self._graphs[key] = self._capture(step)
            except RuntimeError as fault:
                said = str(fault).strip().splitlines() or ["no reason is given"]
                self.note = f"`{self.name}` cannot be decoded by CUDA graphs and is decoded kernel by kernel: {said[0]}"
                self.forget()
                step()
                return
        self._graphs[key].replay()

    def forget(self) -> None:
        """See `Replay.forget`."""
        self._graphs.clear()
        self._pool = None

    def _capture(self, step: Step) -> torch.cuda.CUDAGraph:
        """The graphs of one model share a pool: nothing that a graph makes in it is read by another."""
        beside, current = torch.cuda.Stream(self.device), torch.cuda.current_stream(self.device)  # type: ignore[no-untyped-call]
        beside.wait_stream(current)
        with torch.cuda.stream(beside):
            for _ in range(WARM_UPS):
                step()
        current.wait_stream(beside)
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):  # other threads may go on
            step()
        return graph
