"""`HostCalls`: runs the `Foreign` calls of a graph over packed batches. Decides nothing about failures; it names them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rldsl.graph.model import Foreign
from rldsl.graph.spec import ExternSpec
from rldsl.rewards.calls import HostCall, plan_call
from rldsl.rewards.in_process import Threads
from rldsl.rewards.outcome import Failure, FailureKind, Outcome, Values
from rldsl.rewards.pool import Job, Pool, Reply
from rldsl.rewards.results import check_results, pack
from rldsl.rewards.texts import NATIVE

Column: TypeAlias = "Sequence[Any] | npt.NDArray[Any]"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A function of the project before the first batch: how it is called (`item`, `batch`, `trl`, `verl`), or why
    it cannot be."""

    function: str
    convention: str
    problem: Failure | None


class HostCalls:
    """The host side of a spec's graph. Keeps child processes between batches: close it, or use it in `with`."""

    def __init__(self, externs: Iterable[ExternSpec], project: Path, *, workers: int | None = None) -> None:
        self.project = project
        self._externs = {extern.name: extern for extern in externs}
        self._size = workers or max(1, min(4, os.cpu_count() or 1))
        self._runners: dict[str, Pool | Threads] = {}
        self._plans: dict[Foreign, HostCall] = {}

    def call(self, operation: Foreign, inputs: Sequence[Column]) -> Outcome:
        """Results of one operation for a batch: `inputs` are columns of one length, in the order of
        `operation.names`; None and NaN in them are absent and make the result absent."""
        started = time.perf_counter()
        plan = self._plan(operation)
        columns = [_as_list(column) for column in inputs]
        count = len(columns[0])
        if any(len(column) != count for column in columns):
            raise ValueError(f"inputs of {operation.name} differ in length: {[len(column) for column in columns]}")
        present = _present(columns)
        if present is not None:
            columns = [[column[index] for index in present] for column in columns]
        replies, computed = self._replies(plan, columns)
        values, failed = pack(replies, plan.result, count, present)
        return Outcome(values, failed, time.perf_counter() - started, computed)

    def prepare(self, operations: Iterable[Foreign]) -> tuple[Prepared, ...]:
        """Load every function of the project that the operations need, before anything is trained."""
        found: dict[str, Prepared] = {}
        for operation in operations:
            plan = self._plan(operation)
            if plan.job is not None and plan.job.key not in found:
                opened = self._runner(plan).open(plan.job)
                problem = opened if isinstance(opened, Failure) else None
                found[plan.job.key] = Prepared(plan.shown, "" if problem else str(opened), problem)
        return tuple(found.values())

    def close(self) -> None:
        """End the child processes."""
        while self._runners:
            self._runners.popitem()[1].close()

    def __enter__(self) -> HostCalls:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()
