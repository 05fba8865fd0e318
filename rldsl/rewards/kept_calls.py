"""Answers of costly calls kept on disk: by what is called, its settings, its code and its inputs. Failures are never kept.

Judges keep their own (`judging.keep`); here are verifiers, functions of the project and services that say what they depend on.
What a function reads from files or from the network is not seen: whoever turns this on says that functions of the project depend
on their inputs and on the project's Python alone.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from rldsl.graph.model import Foreign
from rldsl.rewards.calls import HostCall
from rldsl.rewards.judging.question import key_of
from rldsl.rewards.outcome import Failure
from rldsl.rewards.pool import Item, Reply

KIND: Final = "call"
KINDS: Final = frozenset({"python", "math", "reasoning_gym", "tests", "program"})
"""Jobs that cost more than a look at the disk, and that read nothing but their inputs (a function of the project: its code)."""
PLACE: Final = frozenset({"most_failures", "project", "path", "isolate"})
LIMITS: Final = frozenset({"timeout", "memory"})
"""What says whether a call fails, and never what it gives; of code that is tested they decide which tests it passes."""
LIBRARIES: Final = ("math-verify", "latex2sympy2_extended", "sympy", "reasoning-gym")


@runtime_checkable
class Identified(Protocol):
    """A service whose answers are plain JSON and follow from its inputs and from what it names: settings, a digest of weights."""

    def identity(self, operation: Foreign) -> Any:
        """Plain JSON that says everything else that an answer depends on; None: answers are not to be kept."""


class Kept(Protocol):
    """Answers by key: `judging.keep.Keep`."""

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        """What is kept under these keys, those that are."""

    def put(self, kind: str, values: Mapping[str, Any]) -> None:
        """Keep plain JSON values."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """Knows nothing, and keeps what is answered: for what changed where no key sees it."""

    kept: Kept

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        """Nothing."""
        return {}

    def put(self, kind: str, values: Mapping[str, Any]) -> None:
        """Keep them in place of what was there."""
        self.kept.put(kind, values)


class KeptCalls:
    """Looks answers up before anybody is asked."""

    def __init__(self, keep: Kept, project: Path) -> None:
        self.keep, self.project = keep, project

    def identity_of(self, plan: HostCall) -> Any:
        """What the answers of a job depend on beside its inputs; None where that cannot be told."""
        if plan.job is None or plan.job.kind not in KINDS:
            return None
        left_out = PLACE if plan.job.kind in ("tests", "program") else PLACE | LIMITS
        settings = {name: value for name, value in plan.job.settings.items() if name not in left_out}
        code: Any = None
        if plan.is_python:
            code = project_code(self.project, str(plan.job.settings["function"]).partition(":")[0])
            if code is None:
                return None
        return [plan.job.kind, settings, code, own_code()]

    def answered(self, identity: Any, items: Sequence[Item],
                 ask: Callable[[Sequence[Item]], Sequence[Reply]]) -> tuple[list[Reply], int]:
        """A reply for each item, and how many had to be asked for."""
        keys = [key_of(KIND, identity, list(item)) for item in items]
        kept = self.keep.get(keys)
        missing = [place for place, key in enumerate(keys) if key not in kept]
        fresh = dict(zip(missing, ask([items[place] for place in missing]) if missing else (), strict=True))
        told = {keys[place]: reply for place, reply in fresh.items() if not isinstance(reply.value, Failure)}
        self.keep.put(KIND, {key: {"value": reply.value, "evidence": reply.evidence} for key, reply in told.items()})
        return [fresh[place] if place in fresh else _read(kept[key]) for place, key in enumerate(keys)], len(missing)


def _read(kept: Mapping[str, Any]) -> Reply:
    return Reply(kept["value"], kept["evidence"])


def project_code(project: Path, module: str) -> str | None:
    """A digest of all Python of a project; None for a module that is not the project's."""
    top = module.partition(".")[0]
    if not (project / f"{top}.py").is_file() and not (project / top).is_dir():
        return None
    digest = hashlib.sha256()
    for path in sorted(project.rglob("*.py")):
        place = path.relative_to(project)
        if not any(part.startswith(".") or part in ("site-packages", "__pycache__") for part in place.parts):
            digest.update(f"{place.as_posix()}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


@cache
def own_code() -> str:
    """A digest of the verifiers themselves, and of the libraries that they use."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    for name in LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            digest.update(f"{name}=={importlib.metadata.version(name)}\n".encode())
    return digest.hexdigest()
