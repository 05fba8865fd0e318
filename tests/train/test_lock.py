"""One writer for one run: another process is refused by name, and what is let go of is let go of once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rldsl.train.durable import StorageError
from rldsl.train.lock import RunLock

ROOT = Path(__file__).parents[2]
ASKING = """
import sys
from pathlib import Path
from rldsl.train.durable import StorageError
from rldsl.train.lock import RunLock
try:
    RunLock(Path(sys.argv[1]))
except StorageError as fault:
    print(fault)
"""


def asked_elsewhere(folder: Path) -> str:
    """What another process is told that wants the lock; empty where it gets it."""
    return subprocess.run([sys.executable, "-c", ASKING, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True,
                          timeout=120).stdout.strip()


def test_another_process_is_refused_and_told_which_one_writes(tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    assert asked_elsewhere(tmp_path) == f"process {os.getpid()} is writing the run in {tmp_path}"
    lock.release()
    assert not asked_elsewhere(tmp_path)


def test_the_same_process_is_refused_too(tmp_path: Path) -> None:
    lock = RunLock(tmp_path)
    with pytest.raises(StorageError, match="this process is already writing the run"):
        RunLock(tmp_path / "..." / "..")
    lock.release()
    RunLock(tmp_path).release()


def test_a_process_that_has_ended_holds_nothing(tmp_path: Path) -> None:
    assert not asked_elsewhere(tmp_path)  # its lock was never released
    RunLock(tmp_path).release()


def test_what_was_released_is_not_released_again_under_the_next_writer(tmp_path: Path) -> None:
    """The number of its file may be another file's by then."""
    first = RunLock(tmp_path)
    first.release()
    second = RunLock(tmp_path)
    first.release()
    assert asked_elsewhere(tmp_path) == f"process {os.getpid()} is writing the run in {tmp_path}"
    with pytest.raises(StorageError, match="already writing"):
        RunLock(tmp_path)
    second.release()
    second.release()
    assert not asked_elsewhere(tmp_path)
