"""Ending processes with all that they have started, from a process that inherits what is left over (a subreaper)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection
from typing import Optional

_PATIENCE = 10.0
_ALONE, _AFTER = 1.0, 4.0


def kill(child: int) -> None:
    """A process, and its group if it leads one."""
    for end in (os.killpg, os.kill):
        try:
            end(child, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def let_end() -> None:
    """Let what a container's engine has started end by itself: its monitor is a child of this process, and takes the container away
    when what runs in it has ended. That is killed after a second; all in all it has five."""
    began, is_killed = time.monotonic(), False
    while (since := time.monotonic() - began) < _ALONE + _AFTER:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if ended:
            continue
        if since > _ALONE and not is_killed:
            for process in _children(_children()):
                kill(process)
            is_killed = True
        time.sleep(0.01)


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


def _children(of: Optional[Collection[int]] = None) -> list[int]:
    """The children of this process, or of some others; empty where there is no /proc."""
    parents, found = (os.getpid(),) if of is None else of, []
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
        if parent in parents:
            found.append(int(name))
    return found
