"""What the row kernels of a tile spill on the device that is there: Triton compiles them and says so; none is launched.

Kernels that are compiled here are those that an update then launches, so that nothing is compiled twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from rldsl.emit.triton.signatures import SHARED_ROWS, WHOLE_ROWS, KernelSignature
from rldsl.plan.spills import SpillsUnknown
from rldsl.plan.tiles import Tile

WORD = 4  # bytes of what Triton counts: `n_spills` is the local memory of a thread in words


def row_kernels(kernels: Sequence[KernelSignature], group: int, sharded: bool) -> Iterator[KernelSignature]:
    """Those of a group that an update launches: of whole rows, or of rows whose columns other processes hold too."""
    stems = (*SHARED_ROWS, "write_rows") if sharded else WHOLE_ROWS
    named = {kernel.name: kernel for kernel in kernels}
    yield from (named[f"{stem}{group}"] for stem in stems if f"{stem}{group}" in named)


@dataclass(frozen=True, slots=True)
class Specialised:
    """By what Triton makes another kernel of the same text: dtypes, and which numbers 16 divides."""

    logits: torch.dtype
    gradient: torch.dtype
    vocabulary: int
    stride: int

    def arguments(self, kernel: KernelSignature, tile: Tile) -> dict[str, Any]:
        """Of each parameter. A dtype stands for a tensor of it."""
        switches = {"IN_PLACE": self.logits is self.gradient} if "IN_PLACE" in kernel.constexprs else {}
        pointers = {"*{out}": self.gradient, "*fp64": torch.float64, "*i64": torch.int64}
        found: dict[str, Any] = dict(kernel.values(tile.shape, **switches))
        for name, kind in kernel.arguments.items():
            if kind in pointers:
                found[name] = pointers[kind]
            elif kind.startswith("*{"):
                found[name] = self.logits
            else:
                found[name] = self.stride if name.endswith("_stride") else self.vocabulary if name == "vocabulary" else 0
        return found


def spilled_bytes(module: Any, kernels: Iterable[KernelSignature], given: Specialised, tile: Tile) -> int | None:
    """Bytes of a thread that kernels of an emitted module spill with this tile; None where one needs more of a processor than there
    is. Those after the first that spills are not compiled. Raises `SpillsUnknown`."""
    from triton.runtime.errors import OutOfResources
    for kernel in kernels:
        try:
            found = _spilled(getattr(module, kernel.name), kernel, given, tile)
        except OutOfResources:
            return None
        if found:
            return found
    return 0


def _spilled(function: Any, kernel: KernelSignature, given: Specialised, tile: Tile) -> int:
    """As `options_of` of an emitted module has it launched."""
    arguments = given.arguments(kernel, tile)
    made = function.warmup(*(arguments[name] for name in function.arg_names), grid=(1,), num_warps=tile.warps,
                           num_stages=tile.stages, enable_fp_fusion=True)
    if hasattr(made, "_init_handles"):
        made._init_handles()  # registers and spills are read where machine code is loaded
    words = getattr(made, "n_spills", None)
    if words is None:
        raise SpillsUnknown(f"Triton says nothing of what `{kernel.name}` spills")
    return WORD * int(words)
