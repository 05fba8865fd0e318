"""The folder of one run: what lies where, made once, continued by one process at a time.

Writes no metrics itself.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from rldsl.train.checkpoint import clean_leftovers
from rldsl.train.durable import StorageError, explained, remove_unfinished, sync_folder, write_atomically
from rldsl.train.environment import compare_environments, describe_environment
from rldsl.train.lock import NAME as LOCK
from rldsl.train.lock import RunLock

SPEC, DIGEST, PARAMETERS, ENVIRONMENT = "spec.rl", "spec.sha256", "parameters.json", "environment.json"
FOLDERS = ("tensorboard", "rollouts", "checkpoints")


class RunFolder:
    """A run on the disk, held by this process until `close` (or the end of the process). A context manager.

    ```
    spec.rl  spec.sha256  parameters.json  environment.json  metrics.jsonl  report.html
    tensorboard/  rollouts/iteration-000040.parquet  checkpoints/checkpoint-40/
    ```

    `spec.sha256` is written last: a folder that has it holds a run.
    """

    __slots__ = ("_lock", "path")

    def __init__(self, path: Path, lock: RunLock) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def create(cls, path: Path | str, spec_text: str, resolved: Mapping[str, object]) -> Self:
        """A new run; refuses a folder that holds a run or files of others.

        `resolved` becomes `parameters.json`.
        """
        path = Path(path)
        with explained("create the run folder", path):
            path.mkdir(parents=True, exist_ok=True)
            _refuse_foreign(path)
        lock = RunLock(path)
        try:
            _refuse_run(path)
            _write_beginning(path, spec_text, resolved)
        except BaseException:
            lock.release()
            raise
        return cls(path, lock)

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """A run that was begun before, to continue it; removes what a killed process left half written."""
        path = Path(path)
        if not holds_run(path):
            raise StorageError(f"there is no run in {path}: it has no {DIGEST}")
        lock = RunLock(path)
        try:
            check_spec(path)
            with explained("open the run folder", path):
                for name in FOLDERS:
                    (path / name).mkdir(exist_ok=True)
            remove_unfinished(path)
            remove_unfinished(path / "rollouts")
            clean_leftovers(path / "checkpoints")
        except BaseException:
            lock.release()
            raise
        return cls(path, lock)

    @property
    def metrics(self) -> Path:
        """One JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        """Event files."""
        return self.path / "tensorboard"

    @property
    def rollouts(self) -> Path:
        """Parquet files, one an iteration and one an evaluation."""
        return self.path / "rollouts"

    @property
    def checkpoints(self) -> Path:
        """`checkpoint-N` folders."""
        return self.path / "checkpoints"

    @property
    def spec_text(self) -> str:
        """The spec as it was when the run began."""
        return (self.path / SPEC).read_bytes().decode("utf-8", "surrogatepass")

    @property
    def parameters(self) -> dict[str, object]:
        """The resolved parameters of the run.

        Non-finite numbers are the texts that `write_json` made of them.
        """
        return read_json(self.path / PARAMETERS)

    def environment_changes(self) -> tuple[str, ...]:
        """What differs from the machine and the versions that the run began on.

        Resume is exact where nothing does.
        """
        return compare_environments(read_json(self.path / ENVIRONMENT), _plain_environment())

    def write_text(self, name: str, text: str) -> Path:
        """Writes a further file of the run, such as `explain.json`, whole or not at all."""
        write_atomically(self.path / name, text.encode("utf-8", "surrogatepass"))
        return self.path / name

    def close(self) -> None:
        """Lets another process continue the run; may be called twice."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def holds_run(path: Path | str) -> bool:
    """Whether a folder holds a run; one whose creation was cut off does not, and may be created again."""
    return (Path(path) / DIGEST).is_file()


def check_spec(path: Path) -> None:
    """Refuses a run whose `spec.rl` is no longer the text that it began with."""
    with explained("read the spec of the run in", path):
        written = (path / DIGEST).read_text("ascii", "replace").split()
        found = hashlib.sha256((path / SPEC).read_bytes()).hexdigest()
    if written[:1] != [found]:
        raise StorageError(
            f"{path / SPEC} was changed since the run began: its SHA-256 is not that of {DIGEST}"
        )


def read_json(path: Path) -> dict[str, object]:
    """The object in a JSON file of the run."""
    with explained("read", path):
        text = path.read_bytes()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise StorageError(f"{path} should hold a JSON object")
    return content


def _write_beginning(path: Path, spec_text: str, resolved: Mapping[str, object]) -> None:
    spec = spec_text.encode("utf-8", "surrogatepass")
    remove_unfinished(path)
    with explained("create the run folder", path):
        for name in FOLDERS:
            (path / name).mkdir(exist_ok=True)
    write_atomically(path / SPEC, spec)
    write_atomically(path / PARAMETERS, _to_json(resolved))
    write_atomically(path / ENVIRONMENT, _to_json(describe_environment()))
    with explained("create the run folder", path):
        sync_folder(path.absolute().parent)
    write_atomically(path / DIGEST, f"{hashlib.sha256(spec).hexdigest()}  {SPEC}\n".encode())


def _refuse_foreign(path: Path) -> None:
    """A folder that holds a run is refused later, under the lock; one with anything else is refused here."""
    if holds_run(path):
        return
    ours = {SPEC, PARAMETERS, ENVIRONMENT, LOCK, *FOLDERS}
    for entry in sorted(path.iterdir()):
        cut_off = entry.name in ours or entry.name.endswith(".writing")
        if not cut_off or (entry.name in FOLDERS and any(entry.iterdir())):
            raise StorageError(
                f"{path} is not empty and holds no run (it has {entry.name}): choose another folder"
            )


def _refuse_run(path: Path) -> None:
    if holds_run(path):
        raise StorageError(f"{path} already holds a run: continue it with --resume, or choose another folder")


def _plain_environment() -> dict[str, object]:
    found: dict[str, object] = json.loads(_to_json(describe_environment()))
    return found


def _to_json(content: Mapping[str, object]) -> bytes:
    text = json.dumps(_finite(content), indent=2, ensure_ascii=True, allow_nan=False, default=str)
    return f"{text}\n".encode()


def _finite(value: object) -> object:
    """The same with non-finite numbers as texts (`Infinity`), since JSON has none."""
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return {str(name): _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
