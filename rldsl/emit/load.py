"""Writes emitted text to a cache of modules and imports it, so that tracebacks show it and numba keeps machine code.

A module's name holds the hash of its text and of the versions that matter: a file never changes once it is there.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
import tempfile
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock
from types import ModuleType

from rldsl.diagnostics import InternalError
from rldsl.emit.names import identifier

_LOCK = Lock()


def load_module(text: str, stem: str) -> ModuleType:
    """The module of this text, imported once for each process. `stem` is for people who read tracebacks."""
    name = f"rldsl_{identifier(stem)}_{_digest(text)}"
    with _LOCK:
        if name not in sys.modules:
            _import(name, _written(cache_folder(), name, text))
        return sys.modules[name]


def cache_folder() -> Path:
    """Where modules are kept: `RLDSL_CACHE`, else the user's cache folder, else a private temporary folder."""
    chosen = os.environ.get("RLDSL_CACHE")
    if chosen:
        candidates = [Path(chosen)]
    else:
        base = os.environ.get("XDG_CACHE_HOME")
        candidates = [(Path(base) if base else Path.home() / ".cache") / "rldsl"]
    for candidate in candidates:
        folder = candidate / "modules"
        if _is_usable(folder):
            return folder
    return _temporary_folder()


@cache
def _temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="rldsl-"))


def _is_usable(folder: Path) -> bool:
    """Whether modules may be written there and nobody else could have: it is executed."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            status = folder.stat()
    except OSError:
        return False
    return not hasattr(os, "getuid") or status.st_uid == os.getuid()


def _digest(text: str) -> str:
    return sha256("\0".join((text, *_versions())).encode("utf-8")).hexdigest()[:24]


@cache
def _versions() -> tuple[str, ...]:
    """What else the machine code depends on. Numba itself looks at the processor."""
    found = [platform.python_implementation(), platform.python_version()]
    for package in ("numba", "numpy", "torch", "triton"):
        try:
            found.append(version(package))
        except PackageNotFoundError:
            found.append("")
    return tuple(found)


def _written(folder: Path, name: str, text: str) -> Path:
    """The file, written whole or not at all; one that is there is left alone, so that numba's cache of it holds."""
    path = folder / f"{name}.py"
    data = text.encode("utf-8")
    if path.is_file() and path.read_bytes() == data:
        return path
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _import(name: str, path: Path) -> None:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InternalError(f"cannot import {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
