"""The `run` and `eval` commands: check, call the loop, print the result. Exit codes are those of the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from rldsl.graph.spec import Spec
from rldsl.reporting import check_path, folder_of, print_failure, print_findings, visible
from rldsl.resolve.modules import LoadFailure

FAULT, USAGE = 1, 2
BACKENDS: Final = ("numba", "triton", "torch")  # as in rldsl.program, which imports torch


def run_file(path: Path, out: Path | None, overrides: Mapping[str, str], *, seed: int, resume: bool, dry_run: bool,
             quiet: bool, backend: str) -> int:
    """Train. 0 finished, 1 a fault, 2 a bad command, 3 a guard stopped the run, 130 interrupted."""
    if backend not in BACKENDS:
        print(f"error: there is no back end `{backend}`\n fix: `--backend numba`, `--backend triton` or `--backend torch`",
              file=sys.stderr)
        return USAGE
    spec = checked_spec(path, overrides)
    if spec is None:
        return FAULT
    from rldsl.train.outcome import RunError
    from rldsl.train.runner import run_spec
    folder = out if out is not None else Path("runs") / f"{path.stem}-{seed}"
    try:
        result = run_spec(spec, project=folder_of(path), out=folder, seed=seed, resume=resume, quiet=quiet,
                          backend=cast(Any, backend), dry_run=dry_run)
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


def eval_run(path: Path, run: Path, name: str | None, overrides: Mapping[str, str], *, seed: int, as_json: bool) -> int:
    """Measure the weights of a run's last checkpoint, or of a named one, by the spec's evals."""
    spec = checked_spec(path, overrides)
    if spec is None:
        return FAULT
    known = [entry.name for entry in spec.evals]
    if not known or (name is not None and name not in known):
        print(f"error: there is no eval `{name or ''}`\n why: {path} declares {', '.join(known) or 'none'}.\n"
              " fix: `eval heldout on … { report mean(correct) }`", file=sys.stderr)
        return USAGE
    from rldsl.train.measure import measure
    from rldsl.train.outcome import RunError
    try:
        found = measure(spec, folder_of(path), run, [name] if name is not None else known, seed)
    except RunError as fault:
        print(f"error: {fault.message}", file=sys.stderr)
        return fault.exit_status
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        for label, value in found.items():
            print(f"{label:<48} {value:.6g}")
    return 0
