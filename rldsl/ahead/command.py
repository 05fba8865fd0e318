"""`rldsl compile --target`: the Triton kernels of objectives, compiled for GPUs that need not be there, written and reported."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rldsl.ahead.asked import Asked
from rldsl.ahead.jobs import Job, Made, make, measured_work
from rldsl.ahead.pool import kept_folder
from rldsl.ahead.report import kernel_table
from rldsl.ahead.results import CUBIN, PTX, Compiled, Refused
from rldsl.ahead.sass import Listing
from rldsl.ahead.units import Unit, triton_version
from rldsl.emit.triton import TritonSource
from rldsl.graph.staged import StagedObjective
from rldsl.plan.show import choice_lines, prediction_lines
from rldsl.plan.work import GroupPlan, plan_group

FAULT, USAGE = 1, 2


def compile_ahead(sources: Sequence[tuple[StagedObjective, TritonSource]], out: Path, asked: Asked) -> int:
    """Compile, write PTX and cubins into `out/<objective>_triton/<target>`, print the report. 0 if every kernel compiled without a
    spill that was not accepted, 1 otherwise, 2 where the command itself is at fault."""
    if fault := asked.fault():
        print(fault, file=sys.stderr)
        return USAGE
    jobs = [Job(staged, source, target, asked.machine_of(target)) for target in asked.targets for staged, source in sources]
    status = 0
    for job, made in zip(jobs, make(jobs, asked), strict=True):
        folder = out / f"{job.staged.name}_triton" / job.target
        _write(job, made, folder, asked)
        print("\n".join(_report(job, made, asked)))
        faults = list(_faults(job, made, asked))
        print("".join(faults), end="", file=sys.stderr)
        status = max(status, USAGE if _is_of_target(made) else FAULT if faults else 0)
        print(f"wrote {folder}")
    return status


# ------------------------------------------------------------------ what is written
def _write(job: Job, made: Sequence[Made], folder: Path, asked: Asked) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    kept = kept_folder()
    for unit, _ in _compiled(made):
        for name in (PTX, CUBIN):
            shutil.copyfile(kept / unit.digest / name, folder / f"{unit.name}{Path(name).suffix}")
    report = {"objective": job.staged.name, "target": job.target, "triton": triton_version(),
              "kernels": [compiled.to_json() | {"constants": dict(unit.constants)} for unit, compiled in _compiled(made)],
              "predicted": [_as_plain(plan) | {"machine": job.machine.name} for plan in _plans(job, made, asked)]}
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _as_plain(plan: GroupPlan) -> dict[str, object]:
    return {"response": plan.group.response, "model": plan.group.model, "tile": plan.tile.shape, "seconds": plan.seconds,
            "chunk": None if plan.chunk is None else plan.chunk.rows, "steps": [asdict(step) for step in plan.steps]}


def _compiled(made: Sequence[Made]) -> Iterator[tuple[Unit, Compiled]]:
    for several in made:
        for unit, result in zip(several.units, several.results, strict=True):
            if isinstance(result, Compiled):
                yield unit, result


# ------------------------------------------------------------------ what is said
def _report(job: Job, made: Sequence[Made], asked: Asked) -> Iterator[str]:
    yield f"{job.staged.name} for {job.target}, {asked.dtype}, Triton {triton_version()}"
    kernels = [(compiled, unit.block) for unit, compiled in _compiled(made)]
    yield from (f"  {line}" for line in kernel_table(kernels))
    for plan in _plans(job, made, asked):
        yield from (f"  {line}" for line in (*choice_lines(plan), *prediction_lines(plan, asked.sizes, job.machine)))


def _plans(job: Job, made: Sequence[Made], asked: Asked) -> list[GroupPlan]:
    """Of each group, with the tile it was compiled for, and with those that were passed over."""
    plans = [plan_group(job.staged, group, asked.sizes, job.machine, tile=several.tile,
                        rates=measured_work(several, len(group.others)))
             for group, several in zip(job.staged.groups, made, strict=False)]
    return [replace(plan, tile=replace(plan.tile, why=(*plan.tile.why, *several.why)))
            for plan, several in zip(plans, made, strict=False)]


def _is_of_target(made: Sequence[Made]) -> bool:
    return any(isinstance(result, Refused) and result.is_target for several in made for result in several.results)


def _faults(job: Job, made: Sequence[Made], asked: Asked) -> Iterator[str]:
    refused = [result for several in made for result in several.results if isinstance(result, Refused)]
    for message in dict.fromkeys(result.message for result in refused if result.is_target):
        yield (f"error: Triton {triton_version()} makes no code for {job.target}\n why: {message}\n"
               " fix: another Triton (pip install -U triton), or another --target\n")
    for result in refused:
        if not result.is_target:
            yield f"error: `{result.name}` of `{job.staged.name}` did not compile for {job.target}\n why: {result.message}\n"
    for unit, kernel in _compiled(made) if not asked.accepts_spills else ():
        if kernel.listing is not None and kernel.spills:
            yield _spill(job, kernel, kernel.listing, "fewer reads of one row" if unit.counts else "another release of Triton")


def _spill(job: Job, kernel: Compiled, listing: Listing, remedy: str) -> str:
    return (f"error: `{kernel.name}` of `{job.staged.name}` spills {listing.spilled} bytes a thread on {job.target}\n"
            f" why: {kernel.usage.registers} registers a thread do not hold what it keeps: {listing.local_stores} stores to local "
            f"memory, {listing.local_loads} loads from it.\n"
            f" fix: {remedy}, or --accept-spills\n")
