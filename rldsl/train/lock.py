"""One writer for one run: a lock on a folder that ends with its process, however that ends.

No waiting, no timeouts.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from rldsl.train.durable import StorageError, explained

NAME = ".lock"

# A POSIX record lock excludes other processes, and a child made by fork does not keep it alive (a hanging
# verifier must not block `--resume`). It does not exclude its own process: this set does.
_held: set[Path] = set()


class RunLock:
    """Taken when made; released by `release` or by the end of the process."""

    __slots__ = ("_descriptor", "_folder")

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        if self._folder in _held:
            raise StorageError(f"this process is already writing the run in {folder}")
        with explained("lock", folder):
            self._descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o644)
        if not _try_lock(self._descriptor):
            holder = _read_holder(self._descriptor)
            os.close(self._descriptor)
            raise StorageError(f"{holder} is writing the run in {folder}")
        _held.add(self._folder)
        with suppress(OSError):  # the number is for messages alone
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Lets another process write; may be called twice."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            _held.discard(self._folder)
            os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(
                descriptor, 1 << 20, os.SEEK_SET
            )  # away from the number, which others must be able to read
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _read_holder(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    number = os.read(descriptor, 20).decode("ascii", "replace").strip()
    return f"process {number}" if number.isdigit() else "another process"
