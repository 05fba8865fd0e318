"""Hands kernels to two child processes and keeps what they make, by content: what is kept is not made again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Timer
from typing import IO, Any

from rldsl.ahead.results import REPORT, Compiled, Refused
from rldsl.ahead.units import Unit, environment
from rldsl.emit.load import cache_folder

PROCESSES = 2
DEADLINE = 300.0  # seconds for one kernel: large tiles take a dozen

Result = Compiled | Refused


def kept_folder() -> Path:
    """Where compiled kernels are kept, beside the emitted modules."""
    return cache_folder().parent / "ahead"


def compile_all(units: Sequence[Unit], folder: Path | None = None) -> list[Result]:
    """Each unit's result, in their order. Equal units are compiled once. `folder` is that of `kept_folder` otherwise."""
    place = folder if folder is not None else kept_folder()
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    digests = [unit.digest for unit in units]
    found: dict[str, Result] = {}
    waiting: dict[str, Unit] = {}
    for digest, unit in zip(digests, units, strict=True):
        kept = _kept(place / digest)
        if kept is None:
            waiting[digest] = unit
        else:
            found[digest] = kept
    found |= _made(waiting.values(), place)
    return [found[digest] for digest in digests]


def _kept(folder: Path) -> Compiled | None:
    try:
        return Compiled.from_json(json.loads((folder / REPORT).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _made(units: Iterable[Unit], folder: Path) -> dict[str, Result]:
    jobs: SimpleQueue[Unit] = SimpleQueue()
    count = 0
    for unit in sorted(units, key=lambda unit: -len(unit.text)):  # long ones first, so that none is waited for at the end
        jobs.put(unit)
        count += 1
    if not count:
        return {}
    workers = min(PROCESSES, count)
    with ThreadPoolExecutor(workers) as pool:
        parts = [pool.submit(_work, jobs, folder) for _ in range(workers)]
        return {digest: result for part in parts for digest, result in part.result().items()}


def _work(jobs: SimpleQueue[Unit], folder: Path) -> dict[str, Result]:
    """One child after another, each until it dies."""
    made: dict[str, Result] = {}
    child: subprocess.Popen[str] | None = None
    try:
        while True:
            unit = jobs.get_nowait()
            if child is not None and child.poll() is not None:
                _end(child)
                child = None
            child = child if child is not None else _child(folder)
            made[unit.digest] = _ask(child, unit)
    except Empty:
        return made
    finally:
        if child is not None:
            _end(child)


def _child(folder: Path) -> subprocess.Popen[str]:
    root = str(Path(__file__).parents[2])
    inherited = environment()
    paths = os.pathsep.join(filter(None, (root, inherited.get("PYTHONPATH"))))
    return subprocess.Popen([sys.executable, "-m", "rldsl.ahead.worker", str(folder)], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8",
                            env=inherited | {"PYTHONPATH": paths})


def _ask(child: subprocess.Popen[str], unit: Unit) -> Result:
    given, taken = _pipes(child)
    late = Timer(DEADLINE, child.kill)
    late.start()
    try:
        given.write(json.dumps(unit.as_job()) + "\n")
        given.flush()
        line = taken.readline()
    except BrokenPipeError:
        line = ""
    finally:
        late.cancel()
    if not line:
        return Refused(unit.name, unit.target, f"the compiler ended without an answer (exit code {child.wait()})")
    return _answer(json.loads(line))


def _answer(data: dict[str, Any]) -> Result:
    return Compiled.from_json(data["done"]) if "done" in data else Refused(**data["refused"])


def _pipes(child: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert child.stdin is not None and child.stdout is not None
    return child.stdin, child.stdout


def _end(child: subprocess.Popen[str]) -> None:
    given, taken = _pipes(child)
    with suppress(BrokenPipeError):
        given.close()
    child.wait()
    taken.close()
