"""The whole emitted Triton module of an objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rldsl.emit.excerpts import LAUNCHER_FILES, excerpts
from rldsl.emit.parameters import Parameter
from rldsl.emit.sources import header
from rldsl.emit.templates import render
from rldsl.emit.to_head import RowShape, row_shape
from rldsl.emit.triton.combine import combine_function, used_helpers
from rldsl.emit.triton.fuse import Fused, fused
from rldsl.emit.triton.launcher import LAUNCHED, emit_launcher
from rldsl.emit.triton.launches import COMBINING, PARTS, RESERVED, WHOLE_BLOCK, LocalNames
from rldsl.emit.triton.rows import emit_row_kernels, emit_row_parts, row_signatures, taken_names
from rldsl.emit.triton.signatures import KernelSignature
from rldsl.graph.staged import HeadGroup, StagedObjective
from rldsl.source import Source


@dataclass(frozen=True, slots=True)
class TritonSource:
    """The text of the module, and the parameters of its four functions in their order. `kernels` are what it launches."""

    text: str
    prepare: tuple[Parameter, ...]
    coefficients: tuple[Parameter, ...]
    values: tuple[Parameter, ...]
    combined: tuple[Parameter, ...]
    fused: tuple[tuple[Parameter, ...] | None, ...]
    kernels: tuple[KernelSignature, ...]


def emit_triton(staged: StagedObjective, sources: Mapping[str, Source] | None = None, *, fast: bool = False) -> TritonSource:
    """The module of an objective. `sources` are the texts that spans point into, for the comments. `fast`: sums to the batch in
    one launch; the last bits of sums to the batch may differ from run to run."""
    functions = [combine_function(staged, name, sources or {}, fast=fast) for name in COMBINING]
    kernels = [kernel for function in functions for kernel in function.kernels]
    shapes = [row_shape(group) for group in staged.groups]
    alone = [_fused(staged, group, shape, sources or {}) for group, shape in zip(staged.groups, shapes, strict=True)]
    rows = [emit_row_kernels(number, shape, coefficients)
            for number, (shape, coefficients) in enumerate(zip(shapes, alone, strict=True))]
    body = "\n".join(line for lines in (*(kernel.lines for kernel in kernels), *(entry.lines for entry in alone if entry))
                     for line in lines)
    library = sorted({name for function in functions for name in function.library})
    divided = any("divided(" in line for function in functions for line in function.host)
    launcher = emit_launcher(staged, functions, shapes, alone) if staged.groups or staged.direct else None
    carried = excerpts(LAUNCHED, LAUNCHER_FILES) if launcher is not None else ()
    text = render("triton/objective.py.jinja", launcher=launcher, carried=carried, functions=functions, fast=fast,
                  header=header(staged, sources or {}),
                  rows=[emit_row_parts(shapes), *rows] if shapes else [],
                  used=used_helpers(body), library=excerpts(library) if library else (), divided=divided, parts=PARTS,
                  whole_block=WHOLE_BLOCK)
    taken = {function.name: function.parameters for function in functions}
    signatures = [signature for number, (shape, coefficients) in enumerate(zip(shapes, alone, strict=True))
                  for signature in row_signatures(number, shape, coefficients)]
    return TritonSource(text, taken["prepare"], taken["coefficients"], taken["values"], taken["combined"],
                        tuple(None if entry is None else entry.parameters for entry in alone),
                        (*signatures, *(kernel.signature for kernel in kernels)))


def _fused(staged: StagedObjective, group: HeadGroup, shape: RowShape, sources: Mapping[str, Source]) -> Fused | None:
    """The coefficients that the row kernel of a group computes by itself, if it can."""
    names = LocalNames((*RESERVED, *taken_names(shape)))
    read_names = {live.key: read.name for live, read in zip(group.reads, shape.reads, strict=True)}
    return fused(staged, group, read_names, names, sources)
