"""From the text of a spec to its first gradient: with nothing kept from before, and with all of it, each in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import triton

from benchmarks.gpu.figures import Figure, Found, found_row
from benchmarks.gpu.situation import Situation

TRACE = 4000  # letters of where something failed, its end
TOKENS, LENGTH = 16, 4


def compiling(situation: Situation) -> Iterator[Found]:
    """Seconds, of which the start of Python, torch and Triton is no part; that of Triton stands beside them."""
    keys = ("compile, cold", "compile, from the cache")
    if situation.place.rehearses:
        first_gradient(situation)
        yield from (found_row(Figure(key, rehearsed=True)) for key in keys)
        return
    with TemporaryDirectory() as folder:
        yield from (found_row(_figure(key, Path(folder))) for key in keys)


def _figure(key: str, folder: Path) -> Figure:
    kept = {**os.environ, "RLDSL_CACHE": str(folder / "rldsl"), "TRITON_CACHE_DIR": str(folder / "triton")}
    command = [sys.executable, "-m", "benchmarks.gpu.compile_time"]
    done = subprocess.run(command, env=kept, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip()
        return Figure(key, note=f"failed: {said.splitlines()[-1][:200] if said else done.returncode}", fault=said[-TRACE:])
    started, seconds = json.loads(done.stdout.splitlines()[-1])
    return Figure(key, value=seconds, settings=f"Triton's own start: {started:.2g} s")


@triton.jit
def nothing() -> None:
    """The smallest kernel."""


def start_triton() -> float:
    """Seconds until a first kernel has run: Triton hashes its own library and connects to the driver."""
    began = time.perf_counter()
    nothing[(1,)](enable_fp_fusion=False)
    torch.cuda.synchronize()
    return time.perf_counter() - began


def first_gradient(situation: Situation) -> float:
    """Parse, check, stage, emit, compile every kernel of the full objective from bf16 logits, and run them once."""
    from benchmarks.gpu import ours
    from benchmarks.gpu.problems import make_problem
    from benchmarks.gpu.specs import staged
    from rldsl.program import CompiledObjective
    place = situation.place
    given = place.normal(TOKENS, situation.shapes.logits).requires_grad_()
    problem = make_problem(place, TOKENS, LENGTH, lambda part: given.detach()[part])
    place.wait()
    began = time.perf_counter()
    objective = CompiledObjective(staged("token"), "triton")
    ours.from_logits(objective, "token", problem, given)()
    place.wait()
    return time.perf_counter() - began


if __name__ == "__main__":
    from benchmarks.gpu.place import here
    print(json.dumps([start_triton(), first_gradient(Situation(here(False)))]))
