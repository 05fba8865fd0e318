"""The whole emitted Triton module of an objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rldsl.emit.excerpts import excerpts
from rldsl.emit.parameters import FUNCTIONS, Parameter
from rldsl.emit.sources import header
from rldsl.emit.templates import render
from rldsl.emit.triton.combine import combine_function, used_helpers
from rldsl.emit.triton.kernels import PARTS, WHOLE_BLOCK
from rldsl.emit.triton.signatures import KernelSignature
from rldsl.graph.staged import StagedObjective
from rldsl.source import Source


@dataclass(frozen=True, slots=True)
class TritonSource:
    """The text of the module, and the parameters of its three functions in their order. `kernels` are what it launches."""

    text: str
    prepare: tuple[Parameter, ...]
    coefficients: tuple[Parameter, ...]
    values: tuple[Parameter, ...]
    fused: tuple[tuple[Parameter, ...] | None, ...]
    kernels: tuple[KernelSignature, ...]


def emit_triton(staged: StagedObjective, sources: Mapping[str, Source] | None = None, *, fast: bool = False) -> TritonSource:
    """The module of an objective. `sources` are the texts that spans point into, for the comments. `fast`: sums to the batch in
    one launch; the last bits of sums to the batch may differ from run to run."""
    functions = [combine_function(staged, name, sources or {}, fast=fast) for name in FUNCTIONS]
    kernels = [kernel for function in functions for kernel in function.kernels]
    body = "\n".join(line for kernel in kernels for line in kernel.lines)
    library = sorted({name for function in functions for name in function.library})
    divided = any("divided(" in line for function in functions for line in function.host)
    text = render("triton/objective.py.jinja", header=header(staged, sources or {}), functions=functions, rows=[], fast=fast,
                  used=used_helpers(body), library=excerpts(library) if library else (), divided=divided, parts=PARTS,
                  whole_block=WHOLE_BLOCK)
    taken = {function.name: function.parameters for function in functions}
    return TritonSource(text, taken["prepare"], taken["coefficients"], taken["values"], (),
                        tuple(kernel.signature for kernel in kernels))
