"""`HostCalls`: runs the `Foreign` calls of a graph over packed batches. Names failures; decides nothing."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from rldsl.graph.model import Foreign
from rldsl.graph.spec import ExternSpec
from rldsl.rewards.calls import VERIFIERS, HostCall, Surroundings, plan_call
from rldsl.rewards.expanding import EXPANDING, Expanding
from rldsl.rewards.in_process import Threads
from rldsl.rewards.kept_calls import Identified, Kept, KeptCalls
from rldsl.rewards.outcome import Cost, Failure, Outcome, is_absent
from rldsl.rewards.places import Places, laid_out
from rldsl.rewards.pool import Item, Job, Pool, Reply
from rldsl.rewards.results import check_value, pack, spread_batch
from rldsl.rewards.signatures import Result
from rldsl.rewards.texts import NATIVE
from rldsl.rewards.tiers import Tier
from rldsl.types import Element

WHOLE: Final = frozenset({"batch", "trl"})
"""Calling conventions in which a function sees the whole batch."""
Column: TypeAlias = "Sequence[Any] | npt.NDArray[Any]"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A function of the project before the first batch: how it is called (`item`, `batch`, `trl`, `verl`, `areal`),
    or why it cannot be."""

    function: str
    convention: str
    problem: Failure | None


@dataclass(frozen=True, slots=True)
class Answers:
    """What a service gives for a batch: at each item a value (None: absent) or a `Failure`, `evidence` and cost. Of an
    expanding operation each value is `Places`."""

    values: list[Any]
    evidence: Mapping[int, Any] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    computed: int = 0


class Service(Protocol):
    """Answers operations that need more than a function: a judge, an encoder of texts. Called from several threads. `tier`
    (`Tier.JUDGE` where a service has none) says what that costs beside other calls; `problem(operation)`, where it has that,
    why it cannot answer at all; `job(operation)`, where it has that and there is one, what runs in child processes over its
    column `text`: what that says of each item, or its failure, is one column more; `expands`, where it is true, that each
    value is `Places` or a `Failure`; `together(operation)` that it is to see all places below one of its axis' parent at once;
    `close()`, where it has that, lets go of what it holds."""

    def result(self, operation: Foreign) -> Result:
        """The promise that each value is checked against."""

    def answer(self, operation: Foreign, columns: Sequence[list[Any]]) -> Answers:
        """One answer for each item; no input is absent. Columns are in the order of `operation.names`."""


class HostCalls:
    """The host side of a graph. Keeps child processes between batches: close it, or use it in `with`.

    `services` answer the operations whose name, up to its colon if it has one, is theirs (`rubric`: `rubric:clear`). With
    `keep` answers of costly calls are kept on disk, and not asked for again (see `kept_calls`).
    """

    def __init__(self, externs: Iterable[ExternSpec], project: Path, *,
                 workers: int | None = None, services: Mapping[str, Service] | None = None, keep: Kept | None = None) -> None:
        self._services = dict(services or {})
        self._around = Surroundings({extern.name: extern for extern in externs}, project, _search())
        self._size = workers or max(1, min(4, os.cpu_count() or 1))
        self._runners: dict[str, Pool | Threads] = {}
        self._plans: dict[Foreign, HostCall] = {}
        self._conventions: dict[str, str] = {}
        self._kept = KeptCalls(keep, project) if keep is not None else None
        self._guard = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        weakref.finalize(self, _close, self._runners, self._services)

    def call(self, operation: Foreign, inputs: Sequence[Column]) -> Outcome:
        """Results of one operation for a batch: `inputs` are columns of one length, in the order of
        `operation.names`; None and NaN in them are absent and make the result absent. An expanding operation gives a list
        for each item: its `Outcome` is by place, with `counts` of the items. May be called from several threads; calls that
        share processes take turns, and the seconds of one are those of its own turn."""
        service = self._services.get(operation.name.partition(":")[0])
        if service is not None:
            return self._served(service, operation, [_as_list(column) for column in inputs])
        if (expanding := _expanding(operation)) is not None:
            return self._expanded(operation, expanding, [_as_list(column) for column in inputs])
        plan = self._plan(operation)
        columns = [_as_list(inputs[index]) for index in plan.order or range(len(inputs))]
        count = len(columns[0])
        if any(len(column) != count for column in columns):
            lengths = [len(column) for column in columns]
            raise ValueError(f"inputs of {operation.name} differ in length: {lengths}")
        present = _present(columns)
        if present is not None:
            columns = [[column[index] for index in present] for column in columns]
        with self._turn(plan):
            started = time.perf_counter()
            replies, computed = self._replies(operation, plan, columns)
            values, failed = pack([check_value(reply.value, plan.result) for reply in replies], plan.result, count, present)
            seconds = time.perf_counter() - started
        places = range(count) if present is None else present
        evidence = {place: reply.evidence for place, reply in zip(places, replies, strict=True) if reply.evidence is not None}
        return Outcome(values, failed, seconds, computed, evidence)

    def _turn(self, plan: HostCall) -> AbstractContextManager[Any]:
        if plan.job is None:
            return nullcontext()
        with self._guard:
            return self._turns.setdefault(plan.runner, threading.Lock())

    def serve(self, name: str, service: Service) -> None:
        """Let a service answer the operations of this name."""
        self._services[name] = service

    def tier(self, operation: Foreign) -> Tier:
        """What a call of it costs beside others."""
        service = self._services.get(operation.name.partition(":")[0])
        if service is not None:
            return Tier(getattr(service, "tier", Tier.JUDGE))
        return Tier.NATIVE if operation.name in NATIVE or _expanding(operation) is not None else Tier.PROCESS

    def may_be_absent(self, operation: Foreign) -> bool:
        """Whether it may give nothing although its inputs are there."""
        service = self._services.get(operation.name.partition(":")[0])
        return (self._plan(operation).result if service is None else service.result(operation)).optional

    def is_whole(self, operation: Foreign) -> bool:
        """Whether it is called with a whole batch, of which no item may be left out: what it says may depend on all."""
        if operation.name.partition(":")[0] in self._services or _expanding(operation) is not None:
            return False
        plan = self._plan(operation)
        return plan.job is not None and plan.is_python and self._open(plan, plan.job) in WHOLE

    def is_together(self, operation: Foreign) -> bool:
        """Whether it is asked about all places below one of its axis' parent at once."""
        service = self._services.get(operation.name.partition(":")[0])
        return service is not None and hasattr(service, "together") and bool(service.together(operation))

    def prepare(self, operations: Iterable[Foreign]) -> tuple[Prepared, ...]:
        """Load every function of the project that the operations need, before anything is trained."""
        found: dict[str, Prepared] = {}
        for operation in operations:
            service = self._services.get(operation.name.partition(":")[0])
            if service is not None:
                problem = service.problem(operation) if hasattr(service, "problem") else None
                found[operation.name] = Prepared(operation.name, "", problem)
                continue
            if _expanding(operation) is not None:
                continue
            plan = self._plan(operation)
            if plan.job is not None and plan.job.key not in found:
                opened = self._open(plan, plan.job)
                problem = opened if isinstance(opened, Failure) else None
                found[plan.job.key] = Prepared(plan.shown, "" if problem else str(opened), problem)
        return tuple(found.values())

    def shown(self, operation: Foreign) -> str:
        """What it is called for people: a function of the project by its module and name."""
        is_planned = operation.name.partition(":")[0] not in self._services and _expanding(operation) is None
        return self._plan(operation).shown if is_planned else operation.name

    def close(self) -> None:
        """End the child processes, and let go of what services hold."""
        _close(self._runners, self._services)

    def _plan(self, operation: Foreign) -> HostCall:
        if operation not in self._plans:
            self._plans[operation] = plan_call(operation, self._around)
        return self._plans[operation]

    def _runner(self, plan: HostCall) -> Pool | Threads:
        with self._guard:
            if plan.runner not in self._runners:
                project = self._around.project
                made = Threads(project) if plan.isolate == "none" else Pool(project, self._size, plan.isolate)
                self._runners[plan.runner] = made
            return self._runners[plan.runner]

    def _open(self, plan: HostCall, job: Job) -> str | Failure:
        if job.key not in self._conventions:
            opened = self._runner(plan).open(job)
            if isinstance(opened, Failure):
                return opened
            self._conventions[job.key] = opened
        return self._conventions[job.key]

    def _expanded(self, operation: Foreign, expanding: Expanding, columns: list[list[Any]]) -> Outcome:
        count, present = len(columns[0]), _present(columns)
        if present is not None:
            columns = [[column[index] for index in present] for column in columns]
        settings = dict(operation.settings)
        job = expanding.job(settings)
        plan = HostCall(operation.name, settings, expanding.result, (), job, VERIFIERS)
        with self._turn(plan):
            started = time.perf_counter()
            if job is not None:
                replies = self._run(plan, job, list(zip(*columns, strict=True))) if columns[0] else []
                columns = [*columns, [_beside(reply) for reply in replies]]
            laid = laid_out(expanding.run(settings, *columns), expanding.result, count, present)
            seconds = time.perf_counter() - started
        return Outcome(laid.values, laid.failed, seconds, len(columns[0]), counts=laid.counts, starts=laid.starts)

    def _replies(self, operation: Foreign, plan: HostCall, columns: list[list[Any]]) -> tuple[list[Reply], int]:
        """One for each item, and how many were computed."""
        count = len(columns[0])
        if plan.job is None:
            return [Reply(value) for value in NATIVE[operation.name](plan.settings, *columns)], count
        if not count:
            return [], 0
        convention = self._open(plan, plan.job) if plan.is_python else ""
        if isinstance(convention, Failure):
            return [Reply(convention)] * count, 0
        columns = _as_declared(columns, plan.elements)
        if convention in WHOLE:
            return spread_batch(self._run(plan, plan.job, [columns])[0], count), count
        items, places = _different(columns)
        replies, computed = self._looked_up(plan, plan.job, items)
        return [replies[place] for place in places], computed

    def _looked_up(self, plan: HostCall, job: Job, items: Sequence[tuple[Any, ...]]) -> tuple[list[Reply], int]:
        """Replies for different items, and how many were computed: all, unless some are kept."""
        identity = self._kept.identity_of(plan) if self._kept is not None else None
        if self._kept is None or identity is None:
            return self._run(plan, job, items), len(items)
        return self._kept.answered(identity, items, lambda missing: self._run(plan, job, missing))

    def _run(self, plan: HostCall, job: Job, items: Sequence[Item]) -> list[Reply]:
        """A reply for each item, from whatever runs the job."""
        return self._runner(plan).run(job, items)

    def _served(self, service: Service, operation: Foreign, columns: list[list[Any]]) -> Outcome:
        started, promise = time.perf_counter(), service.result(operation)
        count, present = len(columns[0]), _present(columns)
        if present is not None:
            columns = [[column[index] for index in present] for column in columns]
        found = self._served_or_kept(service, operation, columns)
        if getattr(service, "expands", False) or any(isinstance(value, Places) for value in found.values):
            laid = laid_out(found.values, promise, count, present)
            firsts, items = np.cumsum(laid.counts) - laid.counts, range(count) if present is None else present
            said = {int(firsts[items[index]]): entry for index, entry in found.evidence.items() if laid.counts[items[index]]}
            return Outcome(laid.values, laid.failed, time.perf_counter() - started, found.computed, said, found.cost, laid.counts,
                           laid.starts)
        values, failed = pack([check_value(value, promise) for value in found.values], promise, count, present)
        places = range(count) if present is None else present
        evidence = {places[index]: said for index, said in found.evidence.items()}
        return Outcome(values, failed, time.perf_counter() - started, found.computed, evidence, found.cost)

    def _served_or_kept(self, service: Service, operation: Foreign, columns: list[list[Any]]) -> Answers:
        identity = service.identity(operation) if self._kept is not None and isinstance(service, Identified) else None
        if self._kept is None or identity is None or not columns[0]:
            return self._asked(service, operation, columns)
        items, places = _different(columns)
        costs: list[Cost] = []

        def ask(missing: Sequence[Sequence[Any]]) -> list[Reply]:
            said = self._asked(service, operation, [list(column) for column in zip(*missing, strict=True)])
            costs.append(said.cost)
            return [Reply(value, said.evidence.get(place)) for place, value in enumerate(said.values)]
        replies, computed = self._kept.answered([operation.name, identity], items, ask)
        evidence = {index: replies[place].evidence for index, place in enumerate(places) if replies[place].evidence is not None}
        return Answers([replies[place].value for place in places], evidence, sum(costs, Cost()), computed)

    def _asked(self, service: Service, operation: Foreign, columns: Sequence[list[Any]]) -> Answers:
        """What a service says, which is told what its job says of the texts: each text is run once."""
        job: Job | None = service.job(operation) if hasattr(service, "job") else None
        if job is None:
            return service.answer(operation, columns)
        texts = columns[operation.names.index("text")]
        different = list(dict.fromkeys(texts))
        plan = HostCall(operation.name, dict(operation.settings), service.result(operation), (), job, VERIFIERS)
        with self._turn(plan):
            replies = self._runner(plan).run(job, [(text,) for text in different]) if different else []
        said = dict(zip(different, map(_beside, replies), strict=True))
        return service.answer(operation, [*columns, [said[text] for text in texts]])

    def __enter__(self) -> HostCalls:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


def _expanding(operation: Foreign) -> Expanding | None:
    return EXPANDING.get(operation.name.partition(":")[0])


def _beside(reply: Reply) -> Any:
    """What a job says beside its value, or its failure."""
    return reply.value if isinstance(reply.value, Failure) else reply.evidence


def _close(runners: dict[str, Pool | Threads], services: Mapping[str, Service]) -> None:
    while runners:
        runners.popitem()[1].close()
    for service in services.values():
        if hasattr(service, "close"):
            service.close()


def _search() -> list[str]:
    """Where this process finds modules; a child looks there after the project's folder."""
    return [folder for folder in sys.path if folder]


def _as_list(column: Column) -> list[Any]:
    return column.tolist() if isinstance(column, np.ndarray) else list(column)


def _present(columns: list[list[Any]]) -> list[int] | None:
    """The items without an absent input; None if that is all of them."""
    absent = {index for column in columns for index, value in enumerate(column) if is_absent(value)}
    return [index for index in range(len(columns[0])) if index not in absent] if absent else None


def _as_declared(columns: list[list[Any]], elements: tuple[Element, ...]) -> list[list[Any]]:
    """Numbers as the integers and truth values that a declaration promises to the function."""
    kinds = {Element.INT: int, Element.BOOL: bool}
    if not elements:
        return columns
    declared = zip(columns, elements, strict=True)
    return [list(map(kinds[element], column)) if element in kinds else column for column, element in declared]


def _different(columns: list[list[Any]]) -> tuple[list[tuple[Any, ...]], list[int]]:
    """Each different item once, and which of them stands at each place."""
    items: list[tuple[Any, ...]] = []
    known: dict[Any, int] = {}
    places: list[int] = []
    for item in zip(*columns, strict=True):
        key = tuple(part if isinstance(part, str) else (type(part), json.dumps(part) if isinstance(part, (dict, list)) else part)
                    for part in item)  # a column of JSON may hold 1, 1.0, true, [1] and the text "[1]"
        if key not in known:
            known[key] = len(items)
            items.append(item)
        places.append(known[key])
    return items, places
