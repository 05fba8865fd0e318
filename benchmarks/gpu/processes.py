"""Runs Python in a process of its own that ends in time, and writes files that are whole or not there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Ended:
    """The status of a process, None where it was stopped, and what it printed."""

    status: int | None
    said: str


def run(arguments: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None) -> Ended:
    """This Python with arguments. What it has started ends with it: a compiler or a kernel that went on would be in the times of
    what comes next."""
    with TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env={**os.environ, **(environment or {})},
                                   stdout=said, stderr=subprocess.STDOUT, process_group=0)
        status: int | None = None
        try:
            with suppress(subprocess.TimeoutExpired):
                status = process.wait(max(0.0, seconds))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        said.seek(0)
        return Ended(status, said.read())


def written(target: Path, data: Mapping[str, Any]) -> None:
    """As JSON, in the place of what was there."""
    beside = target.with_suffix(".part")
    beside.write_text(json.dumps(data, indent=1), encoding="utf-8")
    os.replace(beside, target)
