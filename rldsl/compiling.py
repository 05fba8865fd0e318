"""The `compile` command: writes the kernels of every objective as files that run without rldsl, and their certificates."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rldsl.graph.spec import Spec
from rldsl.graph.staged import StagedObjective
from rldsl.passes import compile_objective
from rldsl.reporting import check_path, print_failure, print_findings
from rldsl.resolve.modules import LoadFailure

if TYPE_CHECKING:
    from rldsl.ahead.asked import Asked
    from rldsl.emit.triton.module import TritonSource
    from rldsl.program import BackendName


@dataclass(frozen=True, slots=True)
class Ahead:
    """What to compile for GPUs that need not be there, and the sizes and machine that times are predicted for."""

    targets: tuple[str, ...]
    dtype: str
    machine: str | None
    tokens: int
    vocabulary: int
    hidden: int | None
    accepts_spills: bool


def compile_file(path: Path, out: Path, overrides: Mapping[str, str], *, certify: bool, seed: int,
                 ahead: Ahead | None = None, backend: str = "numba", fast: bool = False) -> int:
    """0 where everything was written (and compiled ahead of time and certified, if asked), 1 where the spec or a kernel is at
    fault, 2 where the command is. `fast` (Triton): sums to the batch in one launch, in no certain order."""
    result = check_path(path, overrides)
    if isinstance(result, LoadFailure):
        print_failure(path, result)
        return 1
    if result.errors or result.spec is None:
        print_findings(path, result.errors, result.sources)
        return 1
    if not result.spec.objectives:
        print(f"error: {path} has no objective\n why: kernels are those of objectives.\n fix: `objective grpo for actor {{ … }}`",
              file=sys.stderr)
        return 1
    if backend not in ("numba", "triton"):
        print(f"error: no kernels are certified for `{backend}`\n fix: `--backend numba` or `--backend triton`", file=sys.stderr)
        return 2
    if ahead is not None and (fault := _asked(ahead).fault()):
        print(fault, file=sys.stderr)
        return 2
    out.mkdir(parents=True, exist_ok=True)
    emitted = list(_emitted(result.spec, fast))
    for name, text in (entry for one in emitted for entry in one.files()):
        (out / name).write_text(text, encoding="utf-8")
        print(f"wrote {out / name}")
    status = 0 if ahead is None else _compile_ahead(emitted, out, ahead)
    return max(status, _certify(result.spec, out, seed, "triton" if backend == "triton" else "numba") if certify else 0)


def _asked(ahead: Ahead) -> Asked:
    from rldsl.ahead.asked import Asked
    from rldsl.ahead.units import DTYPES
    from rldsl.plan.work import Sizes
    sizes = Sizes(ahead.tokens, ahead.vocabulary, ahead.hidden, DTYPES.get(ahead.dtype, 0))
    return Asked(ahead.targets, ahead.dtype, ahead.machine, sizes, ahead.accepts_spills)


def _compile_ahead(emitted: Iterable[_Emitted], out: Path, ahead: Ahead) -> int:
    from rldsl.ahead.command import compile_ahead
    return compile_ahead([(one.staged, one.triton) for one in emitted], out, _asked(ahead))


def kernel_files(spec: Spec, *, fast: bool = False) -> Iterator[tuple[str, str]]:
    """File name and text of each kernel of each objective. `fast`: see `compile_file`."""
    for one in _emitted(spec, fast):
        yield from one.files()


@dataclass(frozen=True, slots=True)
class _Emitted:
    """An objective, and its module for GPUs, of which machine code is made as well."""

    spec: Spec
    staged: StagedObjective
    triton: TritonSource

    def files(self) -> Iterator[tuple[str, str]]:
        """Name and text."""
        from rldsl.emit.to_head import emit_rows, emit_sweep, row_shape
        from rldsl.emit.to_numba import emit_numba
        from rldsl.emit.to_torch import emit_torch
        staged, sources = self.staged, self.spec.sources
        yield f"{staged.name}_torch.py", emit_torch(staged, sources)
        yield f"{staged.name}_combine_numba.py", emit_numba(staged, sources).text
        yield f"{staged.name}_triton.py", self.triton.text
        shapes = [row_shape(group) for group in staged.groups]
        modules = _distinct(f"{staged.name}_rows_{group.model}_{group.response}" for group in staged.groups)
        for module, shape in zip(modules, shapes, strict=True):
            yield f"{module}.py", emit_rows(shape)
        if shapes:
            yield f"{staged.name}_sweep_numba.py", emit_sweep(staged.name, f"{staged.name}_combine_numba", modules, shapes)


def _emitted(spec: Spec, fast: bool) -> Iterator[_Emitted]:
    from rldsl.emit.triton import emit_triton
    for objective in spec.objectives:
        staged = compile_objective(spec, objective)
        yield _Emitted(spec, staged, emit_triton(staged, spec.sources, fast=fast))


def _distinct(names: Iterable[str]) -> list[str]:
    """Names of modules: those of rows that differ in temperature or context alone are numbered."""
    met: Counter[str] = Counter()
    found = []
    for name in names:
        met[name] += 1
        found.append(f"{name}_numba" if met[name] == 1 else f"{name}__{met[name]}_numba")
    return found


def _certify(spec: Spec, out: Path, seed: int, backend: BackendName) -> int:
    from rldsl.certify import certify
    from rldsl.program import Program
    program = Program(spec, backend)
    worst = 0
    for objective in spec.objectives:
        try:
            report = certify(program.objective(objective.name), seed=seed)
        except RuntimeError as fault:
            print(f"error: {fault}", file=sys.stderr)
            return 1
        certificate = out / f"{objective.name}{'_triton' if backend == 'triton' else ''}_certificate.json"
        certificate.write_text(json.dumps(report.to_json(), indent=2), encoding="utf-8")
        print(f"{report}\nwrote {certificate}")
        worst = max(worst, 0 if report.passed else 1)
    return worst
