"""Files that appear whole or not at all, and errors of the disk in words.

Knows nothing of what the files hold.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

UNFINISHED = ".writing"  # how the name of a file ends until it is whole

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than this process may write",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EISDIR: "a folder of that name is in the way",
    errno.ENOENT: "there is no such file or folder",
    errno.EMFILE: "this process has too many files open",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EIO: "the disk reported an error",
}


class StorageError(Exception):
    """A file of a run could not be read, written or trusted.

    The message is for people, and names the file.
    """


@contextmanager
def explained(action: str, path: Path) -> Iterator[None]:
    """Turns an `OSError` inside the block into a `StorageError`: `cannot <action> <path>: <reason>`."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
        raise StorageError(f"cannot {action} {path}: {reason}") from error


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file that is seen whole or not at all, also after a crash; replaces one that is there."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    with explained("write", path):
        try:
            with open(unfinished, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise
        sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Waits until the content of a file is on the disk."""
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Waits until the names in a folder are on the disk (Windows has no such call and needs none)."""
    if sys.platform != "win32":
        sync_file(path)


def remove_unfinished(folder: Path) -> None:
    """Removes what killed calls of `write_atomically` left in a folder."""
    with explained("clean", folder):
        for path in sorted(folder.glob(f".*{UNFINISHED}")):
            path.unlink(missing_ok=True)
