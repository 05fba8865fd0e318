"""The list of a folder's files with their checksums: written last, and checked to the bit.

Knows nothing of checkpoints.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from rldsl.train.durable import StorageError, explained, sync_file, sync_folder, write_atomically

NAME = "manifest.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: its name relative to the folder with `/` between parts, its size in bytes, its SHA-256."""

    name: str
    size: int
    sha256: str


def write_manifest(folder: Path, iteration: int) -> tuple[Entry, ...]:
    """Brings every file and folder below `folder` to the disk, then writes the manifest of them."""
    with explained("write", folder):
        names, folders = _walk(folder)
        entries = tuple(_seal(folder, name) for name in names)
        for name in reversed(folders):
            sync_folder(folder / name)
        sync_folder(folder)
    write_atomically(folder / NAME, _render(iteration, entries))
    return entries


def read_manifest(folder: Path) -> tuple[int, tuple[Entry, ...]]:
    """Iteration and files of a manifest that is as it was written; any other bit in it is an error."""
    path = folder / NAME
    with explained("read", path):
        raw = path.read_bytes()
    try:
        content = json.loads(raw)
        entries = tuple(Entry(**entry) for entry in content["files"])
        iteration = int(content["iteration"])
        whole = content["format"] == FORMAT and _render(iteration, entries) == raw
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole:
        raise StorageError(f"{path} is damaged: it is not what was written")
    return iteration, entries


def verify_files(folder: Path, entries: tuple[Entry, ...]) -> None:
    """Refuses a folder in which a file is missing, additional, shorter, longer or changed, and names it."""
    with explained("read", folder):
        names, _ = _walk(folder)
    expected = {entry.name for entry in entries}
    for name in sorted(expected - set(names)):
        raise StorageError(f"{folder / name} is missing")
    for name in sorted(set(names) - expected):
        raise StorageError(f"{folder / name} was not written with the others: the manifest does not name it")
    for entry in entries:
        _verify(folder, entry)


def _verify(folder: Path, entry: Entry) -> None:
    path = folder / entry.name
    with explained("read", path):
        size = path.stat().st_size
        digest = _hash(path) if size == entry.size else ""
    if size != entry.size:
        raise StorageError(f"{path} is damaged: it has {size} bytes, {entry.size} were written")
    if digest != entry.sha256:
        raise StorageError(f"{path} is damaged: its SHA-256 is not the one written in {NAME}")


def _seal(folder: Path, name: str) -> Entry:
    path = folder / name
    sync_file(path)
    return Entry(name, path.stat().st_size, _hash(path))


def _hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _walk(folder: Path) -> tuple[list[str], list[str]]:
    """Names of all files but the manifest, and of all folders, sorted; refuses links and devices."""
    files, folders, pending = [], [], [folder]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                name = Path(entry.path).relative_to(folder).as_posix()
                if entry.is_dir(follow_symlinks=False):
                    folders.append(name)
                    pending.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    files.append(name)
                else:
                    raise StorageError(
                        f"{entry.path} is neither a file nor a folder: a checkpoint holds no links"
                    )
    return sorted(name for name in files if name != NAME), sorted(folders)


def _render(iteration: int, entries: tuple[Entry, ...]) -> bytes:
    content: dict[str, object] = {
        "format": FORMAT,
        "iteration": iteration,
        "files": [{"name": entry.name, "size": entry.size, "sha256": entry.sha256} for entry in entries],
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return (json.dumps(content | {"digest": digest}, indent=1) + "\n").encode()
