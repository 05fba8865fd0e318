"""The `tune` command: measures the tiles of every objective's row kernels on the GPU that is here, and keeps the fastest."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from rldsl.graph.spec import Spec
from rldsl.kernels.rows import Rows
from rldsl.plan.search import Measured
from rldsl.program import CompiledObjective, Program
from rldsl.reporting import check_path, print_failure, print_findings
from rldsl.resolve.modules import LoadFailure
from rldsl.triton_choice import NAMES
from rldsl.triton_module import TritonOptions
from rldsl.triton_tuning import tune

DTYPES = {name: dtype for dtype, name in NAMES.items()}


@dataclass(frozen=True, slots=True)
class Tuned:
    """What to measure for: the vocabulary, the dtype of logits or weights, and the width of hidden states (None: logits are
    given)."""

    vocabulary: int
    dtype: str
    hidden: int | None


def tune_file(path: Path, overrides: Mapping[str, str], asked: Tuned) -> int:
    """0 where tiles were measured, 1 where the spec is at fault or no tile runs, 2 where there is no GPU or the command is at
    fault."""
    if asked.dtype not in DTYPES:
        print(f"error: logits are not `{asked.dtype}`\n why: they are one of {', '.join(DTYPES)}.\n fix: --dtype bf16",
              file=sys.stderr)
        return 2
    result = check_path(path, overrides)
    if isinstance(result, LoadFailure):
        print_failure(path, result)
        return 1
    if result.errors or result.spec is None:
        print_findings(path, result.errors, result.sources)
        return 1
    try:
        device = _gpu()
    except RuntimeError as fault:
        print(f"error: tiles are measured on a GPU\n why: {fault}.\n"
              " fix: rldsl compile --target sm_90, which predicts them on any machine", file=sys.stderr)
        return 2
    return _tune(result.spec, asked, device)


def _gpu() -> torch.device:
    device = TritonOptions().chosen_device()
    if device.type != "cuda":
        raise RuntimeError("TRITON_INTERPRET is set, and the interpreter runs on the CPU")
    return device


def _tune(spec: Spec, asked: Tuned, device: torch.device) -> int:
    program = Program(spec, "triton")
    is_whole = True
    for named in spec.objectives:
        objective = program.objective(named.name)
        rows = made_up_rows(asked, device)
        found = tune(objective, {group.rows: rows for group in objective.staged.groups})
        print("\n".join(tuned_lines(objective, found)))
        is_whole = is_whole and None not in found.values()
    return 0 if is_whole else 1


def made_up_rows(asked: Tuned, device: torch.device) -> Rows:
    """One row of that vocabulary and dtype."""
    dtype, target = DTYPES[asked.dtype], torch.zeros(1, dtype=torch.int64, device=device)
    if asked.hidden is None:
        return Rows(target, logits=torch.zeros(1, asked.vocabulary, dtype=dtype, device=device))
    hidden = torch.zeros(1, asked.hidden, dtype=dtype, device=device)
    return Rows(target, hidden, torch.zeros(asked.vocabulary, asked.hidden, dtype=dtype, device=device))


def tuned_lines(objective: CompiledObjective, found: Mapping[int, Measured | None]) -> Iterator[str]:
    """A line for each group, the fastest tile first."""
    for number, group in enumerate(objective.staged.groups):
        measured = found[number]
        rows = f"{objective.staged.name}, {group.response} under {group.model}"
        if measured is None:
            yield f"{rows}: no tile runs; the predicted one is used"
            continue
        times = [f"{block:,} columns by {warps} warps {seconds * 1e3:.3f} ms"
                 for (block, warps, _), seconds in measured.seconds.items()]
        yield f"{rows}: {'; '.join(times)}. The first is kept."
