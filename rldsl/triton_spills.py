"""What the row kernels of a tile spill on the device that is there: Triton compiles them and says so; none is launched.

Those of the tile that is taken are compiled as an update launches them, so that it compiles none of them again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from rldsl.emit.triton.signatures import FUSED_ROWS, ROWS_APART, SHARED_ROWS, KernelSignature
from rldsl.plan.spills import SpillsUnknown
from rldsl.plan.tiles import Tile

TYPES = {"fp64": torch.float64, "i64": torch.int64, "i32": torch.int32}
WORD = 4  # bytes of what Triton counts: `n_spills` is the local memory of a thread in words


def row_kernels(kernels: Sequence[KernelSignature], group: int, *, apart: bool, sharded: bool) -> list[KernelSignature]:
    """Those of a group that are launched: one that does all, or `apart`, or of rows whose columns other processes hold too."""
    named = {kernel.name: kernel for kernel in kernels}
    stems = (*SHARED_ROWS, ROWS_APART[-1]) if sharded else ROWS_APART if apart else FUSED_ROWS
    return [named[f"{stem}{group}"] for stem in stems if f"{stem}{group}" in named]


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
        found: dict[str, Any] = dict(kernel.values(tile.shape, **switches))
        for name, kind in kernel.arguments.items():
            found[name] = self._pointer(kind[1:]) if kind.startswith("*") else self._number(name)
        return found

    def _pointer(self, kind: str) -> torch.dtype:
        """The dtype for which a tensor stands; in braces the ones that a module leaves open."""
        return self.gradient if kind == "{out}" else self.logits if kind.startswith("{") else TYPES[kind]

    def _number(self, name: str) -> int:
        return self.stride if name.endswith("_stride") else self.vocabulary if name == "vocabulary" else 0


def spilled_bytes(module: Any, kernels: Iterable[KernelSignature], given: Specialised, tile: Tile) -> int | None:
    """Bytes of a thread that kernels of an emitted module spill with this tile; None where one needs more of a processor than there
    is. Those after the first that spills are not compiled. Raises `SpillsUnknown`."""
    from triton.runtime.errors import OutOfResources
    for kernel in kernels:
        try:
            found = _spilled(getattr(module, kernel.name), kernel, given, tile)
        except OutOfResources:
            return None
        except Exception as fault:  # whatever a compiler throws: if it is more than this question, the launch will throw it too
            first = str(fault).strip().splitlines()
            raise SpillsUnknown(f"`{kernel.name}`: {type(fault).__name__}: {first[0][:160] if first else ''}") from fault
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
        raise AttributeError("Triton says nothing of spills")
    return WORD * int(words)
