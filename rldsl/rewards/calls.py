"""From a `Foreign` operation to what runs it: a function in process, or a job with its promise."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rldsl.graph.model import Foreign, Setting
from rldsl.graph.spec import Amount, ExternSpec, Invocation
from rldsl.rewards.pool import Job
from rldsl.rewards.signatures import EXTERN_SETTINGS, PRIMITIVES, Result, result_of
from rldsl.rewards.texts import NATIVE
from rldsl.types import Element

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_VERIFIER_MEMORY = 4 << 30


@dataclass(frozen=True, slots=True)
class HostCall:
    """How one operation is run. `job` is None for a function of `texts`; `runner` names the processes that it
    shares. `in_process` is `isolate: none`. `elements` are those of the inputs, where they are declared."""

    shown: str
    settings: Mapping[str, Any]
    result: Result
    job: Job | None = None
    runner: str = ""
    in_process: bool = False
    elements: tuple[Element, ...] = ()

    @property
    def is_python(self) -> bool:
        """Whether it is a function of the project."""
        return self.job is not None and self.job.kind == "python"


def plan_call(operation: Foreign, externs: Mapping[str, ExternSpec], project: Path,
              search: Sequence[str]) -> HostCall:
    """What to run for an operation; `search` are more folders for imports. KeyError for an unknown one."""
    if operation.name.startswith("extern:"):
        return _plan_extern(operation, externs[operation.name.removeprefix("extern:")], project, search)
    primitive = PRIMITIVES[operation.name]
    defaults = {parameter.name: parameter.default for parameter in primitive.parameters if parameter.constant}
    settings: dict[str, Any] = {**defaults, **dict(operation.settings)}
    result = result_of(primitive, settings)
    if operation.name in NATIVE:
        return HostCall(operation.name, settings, result)
    if operation.name == "verify.python":
        return _plan_python(str(settings["function"]), operation.names, 1, settings, result, project, search)
    kind = operation.name.removeprefix("verify.")
    job = _job(kind, {**settings, "memory": _VERIFIER_MEMORY}, float(settings["timeout"]))
    return HostCall(operation.name, settings, result, job, "verifiers")


def _plan_extern(operation: Foreign, extern: ExternSpec, project: Path, search: Sequence[str]) -> HostCall:
    defaults = {parameter.name: parameter.default for parameter in EXTERN_SETTINGS}
    written = {name: _setting(value) for name, value in extern.settings}
    result = Result(extern.result.element, extern.result.interval, extern.result.optional)
    elements = tuple(element for _, element in extern.parameters)
    return _plan_python(str(extern.source.positional[0]), operation.names, 0, {**defaults, **written}, result,
                        project, search, elements)


def _plan_python(reference: str, names: Sequence[str], positional: int, settings: Mapping[str, Any],
                 result: Result, project: Path, search: Sequence[str],
                 elements: tuple[Element, ...] = ()) -> HostCall:
    given = {"function": reference, "names": list(names), "positional": positional, "call": settings["call"],
             "chat": settings["chat"], "project": str(project.resolve()), "path": list(search)}
    in_process = settings["isolate"] == "none"
    job = _job("python", given, float(settings["timeout"]))
    return HostCall(reference, settings, result, job, f"{reference} {in_process}", in_process, elements)


def _job(kind: str, settings: Mapping[str, Any], timeout: float) -> Job:
    return Job(json.dumps([kind, settings], sort_keys=True), kind, settings, timeout)


def _setting(value: Any) -> Setting:
    """A setting of a declaration as a plain constant: a duration in seconds, a word as a text."""
    if isinstance(value, Amount):
        return value.number * _SECONDS[value.unit]
    return value.name if isinstance(value, Invocation) else value
