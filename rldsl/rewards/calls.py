"""From a `Foreign` operation to what runs it: a function in process, or a job with its promise."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rldsl.data.isolation import container_named
from rldsl.graph.model import Foreign, Setting
from rldsl.graph.spec import Amount, ExternSpec, Invocation
from rldsl.rewards.pool import Job
from rldsl.rewards.signatures import EXTERN_SETTINGS, PRIMITIVES, Result, result_of
from rldsl.rewards.texts import NATIVE
from rldsl.types import Element

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
VERIFIERS = "verifiers"  # the name of the processes that they share
_VERIFIER_MEMORY = 4 << 30
_TO_START = 90.0  # beyond its own deadline an item of code may have to start a box, twice
_ALWAYS = {"tests": ("text", "tests"), "program": ("text", "cases"), "sql": ("text", "setup", "expected")}


@dataclass(frozen=True, slots=True)
class HostCall:
    """How one operation is run. `order` are the inputs in the order of the declaration.

    `job` is None for a function of `texts`; `runner` names the processes that the job shares, and `isolate` says where they
    run (`none`: in this one). `elements` are those of the ordered inputs, where a declaration has them.
    """

    shown: str
    settings: Mapping[str, Any]
    result: Result
    order: tuple[int, ...]
    job: Job | None = None
    runner: str = ""
    isolate: str = "process"
    elements: tuple[Element, ...] = ()

    @property
    def is_python(self) -> bool:
        """Whether it is a function of the project."""
        return self.job is not None and self.job.kind == "python"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What calls may need: the declared functions, the project's folder, more folders for imports."""

    externs: Mapping[str, ExternSpec]
    project: Path
    search: Sequence[str]


def promise_of(operation: Foreign, externs: Mapping[str, ExternSpec]) -> Result | None:
    """What a call promises of every value; None of what a service answers, which says that itself."""
    if operation.name.startswith("extern:"):
        result = externs[operation.name.removeprefix("extern:")].result
        return Result(result.element, result.interval, result.optional)
    primitive = PRIMITIVES.get(operation.name)
    return None if primitive is None else result_of(primitive, dict(operation.settings))


def plan_call(operation: Foreign, around: Surroundings) -> HostCall:
    """What to run for an operation. KeyError for one that nobody knows."""
    if operation.name.startswith("extern:"):
        return _plan_extern(operation, around)
    primitive = PRIMITIVES[operation.name]
    defaults = {parameter.name: parameter.default for parameter in primitive.parameters if parameter.constant}
    settings: dict[str, Any] = {**defaults, **dict(operation.settings)}
    result = result_of(primitive, settings)
    declared = [parameter.name for parameter in primitive.parameters if not parameter.constant]
    order = _order(operation.names, declared)
    if operation.name in NATIVE:
        return HostCall(operation.name, settings, result, order)
    if operation.name == "verify.python":
        names = [operation.names[index] for index in order] or declared
        job = _python_job(str(settings["function"]), names, 1, settings, around)
        return _python_call(job, settings, result, order)
    kind = operation.name.removeprefix("verify.")
    if "isolate" in settings:
        names = [operation.names[index] for index in order] or [name for name in declared if name in _ALWAYS[kind]]
        job = _job(kind, {**settings, "inputs": names}, float(settings["timeout"]) + _TO_START)
        return HostCall(operation.name, settings, result, order, job, f"code {settings['isolate']}")
    job = _job(kind, {**settings, "memory": _VERIFIER_MEMORY}, float(settings["timeout"]))
    return HostCall(operation.name, settings, result, order, job, VERIFIERS)


def _plan_extern(operation: Foreign, around: Surroundings) -> HostCall:
    extern = around.externs[operation.name.removeprefix("extern:")]
    defaults = {parameter.name: parameter.default for parameter in EXTERN_SETTINGS}
    settings = {**defaults, **{name: _setting(value) for name, value in extern.settings}}
    names = [name for name, _ in extern.parameters]
    order = _order(operation.names or names, names)
    job = _python_job(str(extern.source.positional[0]), names, 0, settings, around)
    result = Result(extern.result.element, extern.result.interval, extern.result.optional)
    return _python_call(job, settings, result, order, tuple(element for _, element in extern.parameters))


def _python_job(reference: str, names: Sequence[str], positional: int, settings: Mapping[str, Any],
                around: Surroundings) -> Job:
    apart = str(settings["isolate"]).startswith("container")  # which has folders of its own
    given = {"function": reference, "names": list(names), "positional": positional, "call": settings["call"],
             "chat": settings["chat"], "project": "" if apart else str(around.project.resolve()),
             "path": [] if apart else list(around.search)}
    return _job("python", given, float(settings["timeout"]))


def _python_call(job: Job, settings: Mapping[str, Any], result: Result, order: tuple[int, ...],
                 elements: tuple[Element, ...] = ()) -> HostCall:
    reference, isolate = str(job.settings["function"]), str(settings["isolate"])
    return HostCall(reference, settings, result, order, job, f"{reference} {isolate}", isolate, elements)


def _order(written: Sequence[str], declared: Sequence[str]) -> tuple[int, ...]:
    """Positions of the inputs, the declared ones first in their order, the others behind them in theirs."""
    ranks = {name: rank for rank, name in enumerate(declared)}
    return tuple(sorted(range(len(written)), key=lambda index: ranks.get(written[index], len(ranks))))


def _job(kind: str, settings: Mapping[str, Any], timeout: float) -> Job:
    return Job(json.dumps([kind, settings, timeout], sort_keys=True), kind, settings, timeout)


def _setting(value: Any) -> Setting:
    """A setting of a declaration as a plain constant: a duration in seconds, a word as a text."""
    if isinstance(value, Amount):
        return value.number * _SECONDS[value.unit]
    return container_named(value) or value.name if isinstance(value, Invocation) else value
