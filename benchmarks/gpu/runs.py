"""A whole run: tests, sections, table. On a GPU each section is a process of its own, so that a kernel that fails takes no other
row with it; ours and its peers always share one."""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.gpu.figures import NOTHING, SECTIONS, Figure, Found, failed, found_of, table
from benchmarks.gpu.processes import Ended, run, written

# Of each section its module and function, imported when it is run.
WHERE = {
    "limits": ("limits", "limits"), "logits": ("vocabulary", "logits"), "hidden 4096": ("vocabulary", "hidden_wide"),
    "hidden 1536": ("vocabulary", "hidden_narrow"), "sequence": ("vocabulary", "sequence"),
    "divergence": ("vocabulary", "divergence"), "combine": ("combining", "combine"),
    "training": ("training", "training"), "compiling": ("compile_time", "compiling"), "sweeps": ("sweeps", "sweeps"),
}
PACKAGES = ("torch", "triton", "numpy", "liger-kernel", "verl", "trl")
TESTS = ("tests/triton",)
TEST_SECONDS = 150.0
WORKERS = 12   # processes of tests: most of a test is the compiler's
LEAST = 15.0   # seconds that a section needs to begin
EARLIER = 5.0  # seconds before its end that a section says where it is
ROOT = Path(__file__).parents[2]
Tests = dict[str, int]  # of which cases, and the status that they ended with


def whole(chosen: argparse.Namespace) -> int:
    """Everything that was asked for; 1 where a test, a row or a gradient failed. What is known is written down after each step."""
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

    def left() -> float:
        return chosen.seconds - (time.monotonic() - began)

    found: dict[str, Found] = {}
    tests: Tests = {}
    tested = not chosen.no_tests and not chosen.rehearse
    if tested:
        tests[SOME] = _tests(SOME, min(TEST_SECONDS, left()))
        _keep(chosen, tests, found)
    for name in names:
        before = left()
        found[name] = failed(name, "out of time") if before < LEAST else _one(name, chosen, found, before)
        print(f"\n== {name} ({before - left():.0f} s)\n" + "\n".join(found[name].lines), flush=True)
        _keep(chosen, tests, found)
    if tested and left() >= LEAST:
        tests[OTHERS] = _tests(OTHERS, left())
        _keep(chosen, tests, found)
    figures = [figure for entry in found.values() for figure in entry.figures]
    print(f"\n{closing(figures, tests, chosen.rehearse)}\n")
    print("\n".join(table(figures)), flush=True)
    wrong = any("WRONG" in line for entry in found.values() for line in entry.lines)
    return int(any(tests.values()) or wrong or any(_is_fault(figure) for figure in figures))


def heading(rehearses: bool) -> Iterator[str]:
    """Hardware and versions, and what kind of run this is."""
    from benchmarks.gpu.place import here
    rehearsal = "A REHEARSAL on the CPU, interpreted: nothing in it is a time, a rate or a size of a GPU."
    yield rehearsal if rehearses else here(False).name
    yield f"Python {platform.python_version()}, " + ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    yield "Products of float32 may use TF32 (some peers have such), but not those of the reference."


def closing(figures: Sequence[Figure], tests: Tests, rehearses: bool) -> str:
    """How it went, in a line."""
    said = "tests were not run" if not tests else "; ".join(
        f"{cases} passed" if status == 0 else f"{cases.upper()} FAILED ({status})" for cases, status in tests.items())
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


def _keep(chosen: argparse.Namespace, tests: Tests, found: dict[str, Found]) -> None:
    folder = _folder()
    target = chosen.json or (folder / "gpu.json" if folder else None)
    if target is not None:
        written(target, {"rehearsal": chosen.rehearse, "heading": list(heading(chosen.rehearse)), "tests": tests,
                         "sections": {name: entry.as_plain() for name, entry in found.items()}})


def _folder() -> Path | None:
    if not os.environ.get("OUT"):
        return None
    folder = Path(os.environ["OUT"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# ------------------------------------------------------------------ tests
SOME, OTHERS = "some cases of each test", "the other cases"
CASES = {SOME: "gpu and not slow", OTHERS: "gpu and slow"}
SHOWN = 40  # lines at the end of what tests say


def _tests(cases: str, limit: float) -> int:
    """Tests on the device, over the cores; their warnings are shown, not errors: versions differ. All that they say is in the
    folder that OUT names, its end is shown."""
    workers = ("-n", str(min(WORKERS, os.cpu_count() or 1)), "--dist", "load") if _version("pytest-xdist") != "-" else ()
    command = ["-m", "pytest", *TESTS, "-m", CASES[cases], "-W", "default", *workers]
    print(f"\n== tests, {cases}: {' '.join(command)}", flush=True)
    ended = run(command, limit, {"TRITON_INTERPRET": "0"})  # never interpreted, whatever tests/conftest.py thinks is there
    folder = _folder()
    if folder is not None:
        (folder / f"tests-{cases.replace(' ', '-')}.log").write_text(ended.said, encoding="utf-8")
    print("\n".join(ended.said.splitlines()[-SHOWN:]), flush=True)
    if ended.status is None:
        print(f"tests: stopped after {limit:.0f} s", flush=True)
    return 124 if ended.status is None else ended.status


# ------------------------------------------------------------------ a section
def _one(name: str, chosen: argparse.Namespace, found: dict[str, Found], left: float) -> Found:
    numbers = found["limits"].numbers if "limits" in found else {}
    if chosen.rehearse and not chosen.apart:
        return reduce(Found.and_then, measured(name, chosen.rehearse, numbers), NOTHING)
    with TemporaryDirectory() as folder:
        target = Path(folder) / "found.json"
        ended = run(["-m", "benchmarks.gpu", "--section", name, "--json", str(target), "--seconds", str(left - EARLIER),
                     "--ceilings", json.dumps(numbers), *(("--rehearse",) if chosen.rehearse else ())], left)
        known = found_of(json.loads(target.read_text(encoding="utf-8"))) if target.exists() else NOTHING
    return known if ended.status == 0 else failed(name, _why(ended), ended.said[-TRACE:], known)


TRACE = 6000  # letters of what a process says at its end


def _why(ended: Ended) -> str:
    if ended.status is None or TOO_LATE in ended.said:
        return "out of time"
    return f"failed: its process ended with {ended.status}: {(ended.said.strip().splitlines() or [''])[-1][:200]}"


TOO_LATE = "Timeout ("  # as faulthandler begins what it says


def section(chosen: argparse.Namespace) -> int:
    """In a process of its own: one section, written where the whole run looks, part by part. Where it takes too long it says in
    which line it is, and ends."""
    faulthandler.dump_traceback_later(chosen.seconds, exit=True)
    try:
        found = NOTHING
        for part in measured(chosen.section, chosen.rehearse, json.loads(chosen.ceilings)):
            found = found.and_then(part)
            written(chosen.json, found.as_plain())
    finally:
        faulthandler.cancel_dump_traceback_later()
    return 0


def measured(name: str, rehearses: bool, numbers: Any) -> Iterable[Found]:
    """The parts of one section, here."""
    import torch

    from benchmarks.gpu.place import here
    from benchmarks.gpu.predicted import Ceilings
    from benchmarks.gpu.situation import Situation
    torch.set_float32_matmul_precision("high")
    module, function = WHERE[name]
    measure: Callable[[Situation], Iterable[Found]] = getattr(import_module(f"benchmarks.gpu.{module}"), function)
    return measure(Situation(here(rehearses), Ceilings(numbers["copy"], numbers["gemm"]) if numbers else None))
