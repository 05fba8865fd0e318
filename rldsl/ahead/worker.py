"""The child process: compiles kernels for targets, one JSON line in, one out. Never interprets, never runs a kernel.

    python -m rldsl.ahead.worker FOLDER

Each job becomes a folder named by its digest with the PTX, the cubin and the report, which appears whole or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, TextIO

from rldsl.ahead.results import CUBIN, PTX, REPORT, Compiled
from rldsl.ahead.sass import Usage, listing_of, usage_of
from rldsl.ahead.ttir import loops_of

ALIGNED = 16  # bytes of pointers, and a divisor of strides: what Triton finds in arguments when it launches
_NO_TARGET = re.compile(r"gpu-name|not a recognized processor|Unsupported \.(?:version|target)|unsupported (?:gpu|arch)"
                        r"|(?:No such file|Cannot find).*ptxas", re.IGNORECASE)


def main() -> None:
    """Answer until the input ends. What Triton prints (the PTX that ptxas refused) goes to the error stream."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    folder = Path(sys.argv[1])
    os.environ["TRITON_CACHE_DIR"] = tempfile.mkdtemp(prefix="triton-", dir=folder)
    try:
        _answer(folder, answers)
    finally:
        shutil.rmtree(os.environ["TRITON_CACHE_DIR"], ignore_errors=True)


def _answer(folder: Path, answers: TextIO) -> None:
    for line in sys.stdin:
        job = json.loads(line)
        try:
            result: dict[str, Any] = {"done": _make(job, folder)}
        except Exception as fault:  # whatever a compiler throws is the answer
            result = {"refused": _refusal(job, fault)}
        answers.write(json.dumps(result) + "\n")
        answers.flush()


def _refusal(job: dict[str, Any], fault: Exception) -> dict[str, Any]:
    text = str(fault)
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith(("//", "Repro", "==="))]
    told = next((line for line in lines if _NO_TARGET.search(line)), None)
    message = told or next((line for line in reversed(lines) if "rror" in line), lines[-1] if lines else "no message")
    return {"name": job["name"], "target": job["target"], "is_target": told is not None,
            "message": f"{type(fault).__name__}: {message[:300]}"}


def _make(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Compile into a temporary folder beside, and move it into its place."""
    place = Path(tempfile.mkdtemp(prefix="part-", dir=folder))
    try:
        made = _compile(job, place)
        (place / PTX).write_text(made.asm["ptx"], encoding="utf-8")
        (place / CUBIN).write_bytes(made.asm["cubin"])
        report = _report(job, made, place / CUBIN).to_json()
        (place / REPORT).write_text(json.dumps(report), encoding="utf-8")
        try:
            place.rename(folder / job["digest"])
        except OSError:  # somebody else was first
            if not (folder / job["digest"] / REPORT).is_file():
                raise
        return report
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _compile(job: dict[str, Any], place: Path) -> Any:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    function = _function(job, place)
    constants = dict(job["constants"])
    signature = dict(job["arguments"]) | dict.fromkeys(constants, "constexpr")
    places = {parameter.name: number for number, parameter in enumerate(function.params)}
    ordered = {name: signature[name] for name in places}
    source = ASTSource(function, ordered, constexprs={(places[name],): value for name, value in constants.items()},
                       attrs={(places[name],): [["tt.divisibility", ALIGNED]] for name in job["aligned"]})
    target = GPUTarget("cuda", int(job["target"].removeprefix("sm_")), 32)
    return triton.compile(source, target=target, options={
        "num_warps": job["warps"], "num_stages": job["stages"], "enable_fp_fusion": job["fuses"]})


def _function(job: dict[str, Any], place: Path) -> Any:
    """The kernel, from a file: Triton reads its source again."""
    path = place / "kernel.py"
    path.write_text(job["text"], encoding="utf-8")
    spec = spec_from_file_location(f"rldsl_kernel_{job['digest']}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {path}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, job["name"])


def _report(job: dict[str, Any], made: Any, cubin: Path) -> Compiled:
    usage = usage_of(_tool("cuobjdump", "-res-usage", str(cubin)))
    if usage is None:
        raise RuntimeError("cuobjdump says nothing of registers")
    is_listed = job["counts"] or usage.stack > 0  # what spills has a stack
    listing = listing_of(_tool("nvdisasm", "-c", "-ndf", str(cubin))) if is_listed else None
    shared = max(int(made.metadata.shared), 0)
    return Compiled(job["name"], job["target"], job["warps"], job["stages"], Usage(usage.registers, usage.stack, shared),
                    listing, loops_of(made.asm["ttir"]))


def _tool(name: str, *arguments: str) -> str:
    """What a tool of Triton's own wheel prints: it knows the cubins of its neighbour ptxas, which others may not."""
    import triton
    path = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / name
    return subprocess.run([path, *arguments], capture_output=True, text=True, check=True, timeout=120).stdout


if __name__ == "__main__":
    main()
