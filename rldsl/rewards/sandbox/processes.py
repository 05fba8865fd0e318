"""Ending processes with all that they have started, from a process that inherits what is left over (a subreaper)."""

from __future__ import annotations

import os
import signal
import time

_PATIENCE = 10.0


def kill(child: int) -> None:
    """A process, and its group if it leads one."""
    for end in (os.killpg, os.kill):
        try:
            end(child, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def reap_all() -> None:
    """Kill and reap every child, and what becomes a child as its parent ends, until there is none."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not ended:
            for child in _children():
                kill(child)
            time.sleep(0.001)


def _children() -> list[int]:
    """The children of this process; empty where there is no /proc."""
    own, found = os.getpid(), []
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for name in names:
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == own:
            found.append(int(name))
    return found
