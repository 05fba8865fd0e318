"""Which files code may touch, by Landlock (Linux 5.13 or newer): a few trees to read, one folder to write."""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable

from . import system

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_EXECUTE, _WRITE, _READ, _READ_FOLDER, _TRUNCATE, _DEVICES = 1, 2, 4, 8, 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _DEVICES
_HANDLED = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_ALL = (1 << 16) - 1
_TCP, _SCOPED = 3, 3


class _Below(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def version() -> int:
    """What the kernel can do; raises `OSError` where it can do nothing."""
    return system.call("landlock", _CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))


def keeps_signals(found: int) -> bool:
    """Whether a process that is held cannot signal those that are not."""
    return found >= 6


def hold(readable: Iterable[str], writable: Iterable[str]) -> int:
    """Hold this process to these trees (or files) for good; the kernel's version. Raises `OSError`."""
    found = version()
    handled = _HANDLED.get(found, _ALL)
    rules = (ctypes.c_uint64 * 3)(handled, _TCP, _SCOPED)
    size = 8 if found < 4 else 16 if found < 6 else 24
    ruleset = system.call("landlock", _CREATE, rules, ctypes.c_size_t(size), ctypes.c_uint32(0))
    for paths, allowed in ((readable, _EXECUTE | _READ | _READ_FOLDER), (writable, _ALL)):
        for path in paths:
            if os.path.exists(path):
                _allow(ruleset, path, allowed & handled)
    system.call("landlock", _RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)
    return found


def _allow(ruleset: int, path: str, allowed: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        allowed &= _OF_FILES
    system.call("landlock", _ADD, ctypes.c_int(ruleset), ctypes.c_int(1), ctypes.byref(_Below(allowed, place)), ctypes.c_uint32(0))
    os.close(place)
