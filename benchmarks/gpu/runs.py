"""A whole run: tests, sections, table. On a GPU each section is a process of its own, so that a kernel that fails takes no other
row with it; ours and its peers always share one."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.gpu.figures import SECTIONS, Figure, Found, failed, found_of, table

# Of each section its module and function, imported when it is run.
WHERE = {
    "limits": ("limits", "limits"), "logits": ("vocabulary", "logits"), "hidden 4096": ("vocabulary", "hidden_wide"),
    "hidden 1536": ("vocabulary", "hidden_narrow"), "sequence": ("vocabulary", "sequence"),
    "divergence": ("vocabulary", "divergence"), "combine": ("combining", "combine"),
    "compiling": ("compile_time", "compiling"), "sweeps": ("sweeps", "sweeps"),
}
PACKAGES = ("torch", "triton", "numpy", "liger-kernel", "verl", "trl")
TESTS = ("tests/triton",)
TEST_SECONDS = 150.0
LEAST = 15.0  # seconds that a section needs to begin
ROOT = Path(__file__).parents[2]


def whole(chosen: argparse.Namespace) -> int:
    """Everything that was asked for; 1 where a test, a row or a gradient failed."""
    began = time.monotonic()
    names = [name for name in SECTIONS if not chosen.only or name == "limits" or name in chosen.only]
    unknown = sorted(set(chosen.only or ()) - set(SECTIONS))
    if unknown:
        print(f"no section {unknown[0]!r}; there are {', '.join(SECTIONS)}", file=sys.stderr)
        return 2
    fault = _unfit(chosen)
    if fault:
        print(fault, file=sys.stderr)
        return 2
    print("\n".join(heading(chosen.rehearse)), flush=True)
    tests = None if chosen.no_tests or chosen.rehearse else _tests()
    found: dict[str, Found] = {}
    for name in names:
        left = chosen.seconds - (time.monotonic() - began)
        found[name] = failed(name, "out of time") if left < LEAST else _one(name, chosen, found, left)
        print(f"\n== {name}\n" + "\n".join(found[name].lines), flush=True)
    figures = [figure for entry in found.values() for figure in entry.figures]
    _written(chosen, {"rehearsal": chosen.rehearse, "heading": list(heading(chosen.rehearse)), "tests": tests,
                      "sections": {name: entry.as_plain() for name, entry in found.items()}})
    print(f"\n{closing(figures, tests, chosen.rehearse)}\n")
    print("\n".join(table(figures)), flush=True)
    wrong = any("WRONG" in line for entry in found.values() for line in entry.lines)
    return int(tests not in (None, 0) or wrong or any(_is_fault(figure) for figure in figures))


def heading(rehearses: bool) -> Iterator[str]:
    """Hardware and versions, and what kind of run this is."""
    from benchmarks.gpu.place import here
    rehearsal = "A REHEARSAL on the CPU, interpreted: nothing in it is a time, a rate or a size of a GPU."
    yield rehearsal if rehearses else here(False).name
    yield f"Python {platform.python_version()}, " + ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    yield "Products of float32 may use TF32 (some peers have such), but not those of the reference."


def closing(figures: Sequence[Figure], tests: int | None, rehearses: bool) -> str:
    """How it went, in a line."""
    said = "tests were not run" if tests is None else "tests passed" if tests == 0 else f"TESTS FAILED ({tests})"
    faults = sum(_is_fault(figure) for figure in figures)
    shown = f"{len(figures)} rows, {faults} of them failed; {said}"
    return f"Rehearsed: {shown}. No figure below was measured; `predicted` is the model's." if rehearses else f"{shown}."


def _is_fault(figure: Figure) -> bool:
    return figure.note.startswith(("WRONG", "failed"))


def _unfit(chosen: argparse.Namespace) -> str | None:
    """Why there can be no run, in a sentence."""
    from benchmarks.gpu.place import here
    try:
        here(chosen.rehearse)
    except RuntimeError as fault:
        return str(fault)
    return None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "-"


def _written(chosen: argparse.Namespace, data: dict[str, Any]) -> None:
    folder = os.environ.get("OUT")
    target = chosen.json or (Path(folder) / "gpu.json" if folder else None)
    if target is not None:
        target.write_text(json.dumps(data, indent=1), encoding="utf-8")


def _tests() -> int:
    """The tests that are right on a device, on all cores; their warnings are shown, not errors: versions differ."""
    workers = ("-n", str(min(8, os.cpu_count() or 1)), "--dist", "load") if _version("pytest-xdist") != "-" else ()
    command = [sys.executable, "-m", "pytest", *TESTS, "-m", "gpu and not slow", "-W", "default", *workers]
    print(f"\n== tests: {' '.join(command[1:])}", flush=True)
    try:
        on_device = {**os.environ, "TRITON_INTERPRET": "0"}  # never interpreted, whatever tests/conftest.py thinks is there
        return subprocess.run(command, cwd=ROOT, env=on_device, timeout=TEST_SECONDS, check=False).returncode
    except subprocess.TimeoutExpired:
        print(f"tests: stopped after {TEST_SECONDS:.0f} s", flush=True)
        return 124


# ------------------------------------------------------------------ a section
def _one(name: str, chosen: argparse.Namespace, found: dict[str, Found], left: float) -> Found:
    numbers = found["limits"].numbers if "limits" in found else None
    if chosen.rehearse and not chosen.apart:
        return measured(name, chosen.rehearse, numbers)
    with TemporaryDirectory() as folder:
        target = Path(folder) / "found.json"
        command = [sys.executable, "-m", "benchmarks.gpu", "--section", name, "--json", str(target),
                   "--ceilings", json.dumps(numbers), *(("--rehearse",) if chosen.rehearse else ())]
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(command, cwd=ROOT, timeout=left, check=False, capture_output=True, text=True)
            if target.exists():
                return found_of(json.loads(target.read_text(encoding="utf-8")))
            last = (done.stderr.strip().splitlines() or [""])[-1]
            return failed(name, f"failed: its process ended with {done.returncode}: {last[:200]}")
    return failed(name, "out of time")


def section(chosen: argparse.Namespace) -> int:
    """In a process of its own: one section, written where the whole run looks."""
    found = measured(chosen.section, chosen.rehearse, json.loads(chosen.ceilings or "null"))
    chosen.json.write_text(json.dumps(found.as_plain()), encoding="utf-8")
    return 0


def measured(name: str, rehearses: bool, numbers: Any) -> Found:
    """One section, here."""
    import torch

    from benchmarks.gpu.place import here
    from benchmarks.gpu.predicted import Ceilings
    from benchmarks.gpu.situation import Situation
    torch.set_float32_matmul_precision("high")
    module, function = WHERE[name]
    run: Callable[[Situation], Found] = getattr(import_module(f"benchmarks.gpu.{module}"), function)
    return run(Situation(here(rehearses), Ceilings(numbers["copy"], numbers["gemm"]) if numbers else None))
