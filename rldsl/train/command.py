"""The `run` and `eval` commands: check, call the loop, print the result. Exit codes are those of the command line."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rldsl.graph.spec import Spec
from rldsl.reporting import check_path, folder_of, print_failure, print_findings, visible
from rldsl.resolve.modules import LoadFailure

FAULT, USAGE = 1, 2
BACKENDS: Final = ("numba", "triton", "torch")  # as in rldsl.program, which imports torch
DTYPES: Final = ("bf16", "fp32")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command says of device, number format and back end; None where it says nothing."""

    device: str | None = None
    dtype: str | None = None
    backend: str | None = None

    @property
    def fault(self) -> str | None:
        """What is no word of the command, before anything is loaded."""
        if self.backend is not None and self.backend not in BACKENDS:
            return f"error: there is no back end `{self.backend}`\n fix: `--backend numba`, `--backend triton` or `--backend torch`"
        if self.dtype is not None and self.dtype not in DTYPES:
            return f"error: there is no number format `{self.dtype}`\n fix: `--dtype bf16` or `--dtype fp32`"
        if self.device is not None and not re.fullmatch(r"cpu|cuda(:\d+)?", self.device):
            return f"error: there is no device `{self.device}`\n fix: `--device cpu`, `--device cuda` or `--device cuda:1`"
        return None


def run_file(path: Path, out: Path | None, overrides: Mapping[str, str], *, seed: int, resume: bool, dry_run: bool,
             quiet: bool, asked: Asked) -> int:
    """Train. 0 finished, 1 a fault, 2 a bad command, 3 a guard stopped the run, 130 interrupted."""
    if (wrong := asked.fault) is not None:
        print(wrong, file=sys.stderr)
        return USAGE
    spec = checked_spec(path, overrides)
    if spec is None:
        return FAULT
    from rldsl.train.devices import choose_device
    from rldsl.train.outcome import RunError
    from rldsl.train.runner import run_spec
    folder = out if out is not None else Path("runs") / f"{path.stem}-{seed}"
    try:
        chosen = choose_device(asked.device, asked.dtype, asked.backend)
        result = run_spec(spec, project=folder_of(path), out=folder, seed=seed, resume=resume, quiet=quiet, chosen=chosen,
                          dry_run=dry_run)
    except RunError as fault:
        print(f"error: {fault.message}", file=sys.stderr)
        return fault.exit_status
    print(result.message)
    if result.logp_difference is not None:
        print(f"sampler against trainer: log-probabilities of the same tokens differ by at most {result.logp_difference:.1e}")
    if result.report is not None:
        print(f"report: {result.report}")
    return result.exit_status


def checked_spec(path: Path, overrides: Mapping[str, str]) -> Spec | None:
    """A spec without errors; findings are printed, warnings too."""
    result = check_path(path, overrides)
    if isinstance(result, LoadFailure):
        print_failure(path, result)
        return None
    shown = visible(result.diagnostics, pedantic=False)
    if shown:
        print_findings(path, shown, result.sources)
    return None if result.errors else result.spec


def eval_run(path: Path, run: Path, name: str | None, overrides: Mapping[str, str], *, seed: int, as_json: bool,
             asked: Asked = Asked()) -> int:
    """Measure the weights of a run's last checkpoint, or of a named one, by the spec's evals."""
    if (wrong := asked.fault) is not None:
        print(wrong, file=sys.stderr)
        return USAGE
    spec = checked_spec(path, overrides)
    if spec is None:
        return FAULT
    known = [entry.name for entry in spec.evals]
    if not known or (name is not None and name not in known):
        print(f"error: there is no eval `{name or ''}`\n why: {path} declares {', '.join(known) or 'none'}.\n"
              " fix: `eval heldout on … { report mean(correct) }`", file=sys.stderr)
        return USAGE
    from rldsl.rollouts.placement import described
    from rldsl.train.devices import placed
    from rldsl.train.measure import measure
    from rldsl.train.outcome import RunError
    try:
        placement = placed(asked.device, asked.dtype)
        if placement.is_cuda:
            print(f"measures on {described(placement)}", file=sys.stderr)
        found = measure(spec, folder_of(path), run, [name] if name is not None else known, seed, placement)
    except RunError as fault:
        print(f"error: {fault.message}", file=sys.stderr)
        return fault.exit_status
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        for label, value in found.items():
            print(f"{label:<48} {value:.6g}")
    return 0
