"""Checkpoints that appear whole or not at all, and are checked to the bit when loaded. Knows no models.

A checkpoint is written into a fresh folder, every file synced, its manifest last, then renamed. A kill
leaves at most a folder whose name starts with a dot; `clean_leftovers` removes it at the next start.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rldsl.train.durable import StorageError, explained, sync_folder
from rldsl.train.exact_json import dump_exactly, load_exactly
from rldsl.train.manifest import read_manifest, verify_files, write_manifest

STATE = "trainer/state.json"
_WRITING, _REMOVING, _REPLACED = ".writing-", ".removing-", ".replaced-"
_NAME = re.compile(r"checkpoint-(\d{1,18})")


@dataclass(frozen=True, slots=True)
class LoadedCheckpoint:
    """A checkpoint whose every file was found as it was written."""

    path: Path
    iteration: int
    state: Mapping[str, object]

    def model(self, name: str) -> Path:
        """The Hugging Face folder of one model."""
        return self.path / "models" / name

    @property
    def trainer(self) -> Path:
        """The folder of the trainer's own tensors."""
        return self.path / "trainer"


def save_checkpoint(
    root: Path,
    iteration: int,
    write: Callable[[Path], None],
    state: Mapping[str, object],
    *,
    keep: int | None,
) -> Path:
    """Writes `root/checkpoint-<iteration>` and returns it.

    `write` fills the folder that it is given (`models/<name>/…`, `trainer/*.safetensors`; both folders are
    there); `state` becomes `trainer/state.json`. Of the checkpoints up to this one the newest `keep` stay
    (None: all do). Should anything fail, there is no new checkpoint and the older ones are untouched.
    """
    if keep is not None and keep < 1:
        raise ValueError("keep at least one checkpoint, the one that is written")
    target = root / f"checkpoint-{iteration}"
    fresh = root / f"{_WRITING}{target.name}.{os.getpid()}"
    try:
        with explained("write the checkpoint", target):
            _fill(fresh, write, state)
        write_manifest(fresh, iteration)
        with explained("write the checkpoint", target):
            _put(fresh, target)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if keep is not None:
        older = [number for number in _numbers(root) if number <= iteration]
        for number in older[: len(older) - keep]:
            _remove(root / f"checkpoint-{number}")
    return target


def load_checkpoint(path: Path) -> LoadedCheckpoint:
    """Reads a checkpoint after checking every byte of it.

    A `StorageError` names the file that is not as written.
    """
    if not path.is_dir():
        raise StorageError(f"there is no checkpoint {path}")
    iteration, entries = read_manifest(path)
    verify_files(path, entries)
    with explained("read", path / STATE):
        state = load_exactly((path / STATE).read_text("ascii"))
    assert isinstance(
        state, dict
    )  # `save_checkpoint` takes nothing else, and the bytes are the ones it wrote
    return LoadedCheckpoint(path, iteration, state)


def latest_checkpoint(root: Path, *, warn: Callable[[str], None] | None = None) -> LoadedCheckpoint | None:
    """The newest whole checkpoint, or None where none was ever written.

    A damaged one is skipped with a warning that says what is damaged (printed to the error output unless
    `warn` takes it). If there are checkpoints and none is whole, that is an error: a run never starts again
    without being told to.
    """
    skipped: list[str] = []
    for number in reversed(_numbers(root)):
        try:
            found = load_checkpoint(root / f"checkpoint-{number}")
        except StorageError as error:
            skipped.append(str(error))
            continue
        for reason in skipped:
            (warn or _print_warning)(
                f"warning: a checkpoint was skipped: {reason}; continuing from {found.path.name}"
            )
        return found
    if skipped:
        raise StorageError("every checkpoint is damaged:\n  " + "\n  ".join(skipped))
    return None


def discard_after(root: Path, iteration: int) -> tuple[str, ...]:
    """Removes checkpoints later than `iteration`, where a run goes on that writes its own; their names."""
    names = tuple(f"checkpoint-{number}" for number in _numbers(root) if number > iteration)
    for name in names:
        _remove(root / name)
    return names


def clean_leftovers(root: Path) -> tuple[str, ...]:
    """Removes what killed writes left, brings back a checkpoint whose replacement was cut off.

    Returns the names.
    """
    if not root.is_dir():
        return ()
    with explained("clean", root):
        found = sorted(
            path for path in root.iterdir() if path.name.startswith((_WRITING, _REMOVING, _REPLACED))
        )
        for path in found:
            original = root / path.name.removeprefix(_REPLACED)
            if path.name.startswith(_REPLACED) and not original.exists():
                path.rename(original)
            else:
                shutil.rmtree(path)
        sync_folder(root)
    return tuple(path.name for path in found)


def _fill(fresh: Path, write: Callable[[Path], None], state: Mapping[str, object]) -> None:
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / "models").mkdir(parents=True)
    (fresh / "trainer").mkdir()
    write(fresh)
    (fresh / STATE).write_text(dump_exactly(dict(state)), "ascii")


def _put(fresh: Path, target: Path) -> None:
    """Renames; a checkpoint of the same iteration (a damaged one, as a rule) is set aside first."""
    replaced = target.with_name(f"{_REPLACED}{target.name}")
    if target.exists():
        if replaced.exists():
            shutil.rmtree(replaced)
        target.rename(replaced)
    fresh.rename(target)
    sync_folder(target.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def _remove(path: Path) -> None:
    """Renames first, so that a kill does not leave half a checkpoint under a whole one's name."""
    aside = path.with_name(f"{_REMOVING}{path.name}.{os.getpid()}")
    with explained("remove", path), suppress(FileNotFoundError):
        path.rename(aside)
        shutil.rmtree(aside)


def _numbers(root: Path) -> list[int]:
    if not root.is_dir():
        return []
    with explained("read", root):
        matches = [_NAME.fullmatch(path.name) for path in root.iterdir() if path.is_dir()]
    return sorted(int(match[1]) for match in matches if match and str(int(match[1])) == match[1])


def _print_warning(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
