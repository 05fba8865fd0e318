"""What the Triton back end runs of one objective, where, and in which sizes."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any, Literal

import torch

from rldsl.emit.parameters import Parameter
from rldsl.emit.to_head import RowShape, row_shape
from rldsl.emit.triton import emit_triton
from rldsl.emit.triton.interpreter import is_interpreted
from rldsl.emit.triton.load import load_triton
from rldsl.emit.triton.signatures import KernelSignature
from rldsl.graph.staged import StagedObjective
from rldsl.kernels.device.chunks import LEAST_ROWS, RowLaunches, Tile
from rldsl.kernels.device.cuda import unusable

ELSEWHERE = "take the back end `numba` (`--backend numba`, `backend=\"numba\"`)"
INTERPRETED = "set TRITON_INTERPRET=1 before Python starts, which interprets the kernels on the CPU (slow, for tests)"


@dataclass(frozen=True, slots=True)
class TritonModule:
    """An emitted module that is loaded, and the parameters of its functions in their order. `fused[g]` are those of the
    coefficients of group g, where a row kernel computes them by itself."""

    text: str
    functions: Any  # prepare, coefficients, values, combined, and by group read0, write0, fused0, partition0, compare0, finish0
    shapes: tuple[RowShape, ...]
    prepare: tuple[Parameter, ...]
    coefficients: tuple[Parameter, ...]
    values: tuple[Parameter, ...]
    combined: tuple[Parameter, ...]
    fused: tuple[tuple[Parameter, ...] | None, ...]
    kernels: tuple[KernelSignature, ...] = ()

    def rows(self, group: int, tile: Tile) -> RowLaunches:
        """The launch functions of one group."""
        def named(name: str) -> Any:
            return getattr(self.functions, f"{name}{group}", None)

        shape = self.shapes[group]
        beside = sum(2 if read.kind in ("js", "tv") else 1 for read in shape.reads if read.other is not None)
        return RowLaunches(named("read"), named("write"), named("fused"), named("partition"), named("compare"),
                           named("finish"), shape.width, beside, tile)


def load_objective(staged: StagedObjective, *, fast: bool = False) -> TritonModule:
    """Emit, and import. `fast`: sums to the batch as programs end, in no certain order."""
    emitted = emit_triton(staged, fast=fast)
    shapes = tuple(row_shape(group) for group in staged.groups)
    return TritonModule(emitted.text, load_triton(emitted.text, f"triton_{staged.name}"), shapes, emitted.prepare,
                        emitted.coefficients, emitted.values, emitted.combined, emitted.fused, emitted.kernels)


@dataclass(frozen=True, slots=True)
class TritonOptions:
    """Where the kernels run, and in which sizes. `chunk_bytes` of buffers hold a chunk of logits (None: by a model of the device),
    of `least_rows` at least; where tokens are not coupled, the logits of `block_rows` rows at a time (None: by that model).
    `logits`: those of hidden states are float32, or in the dtype of the projection, turned into their gradient in place: a third
    less memory, and log-probabilities that are rounded to it. `tile` (block, warps, stages) of row kernels; None: as
    measured, else by a model of the device. `device`: None is the current CUDA device, or the CPU under the interpreter. `fast`:
    sums to the batch are added as programs end, a launch less each; their last bits may differ from run to run."""

    chunk_bytes: int | None = None
    least_rows: int = LEAST_ROWS
    block_rows: int | None = None
    logits: Literal["float32", "weight"] = "float32"
    tile: Tile | None = None
    device: torch.device | None = None
    fast: bool = False

    @property
    def exact(self) -> bool:
        """Whether logits of hidden states are float32."""
        return self.logits == "float32"

    def chosen_device(self) -> torch.device:
        """Where the kernels run. Raises `RuntimeError` where they cannot, with what to do."""
        if importlib.util.find_spec("triton") is None:
            raise RuntimeError("the Triton back end needs the package triton, which is not installed: `pip install triton`, "
                               f"or {ELSEWHERE}")
        if is_interpreted():
            if self.device is not None and self.device.type != "cpu":
                raise RuntimeError(f"TRITON_INTERPRET is set, and the interpreter runs on the CPU, not on {self.device}: unset it")
            return torch.device("cpu")
        if self.device is not None and self.device.type != "cuda":
            raise RuntimeError(f"the Triton kernels run on a CUDA device, not on {self.device}: {ELSEWHERE}, or {INTERPRETED}")
        fault = unusable()
        if fault is not None:
            raise RuntimeError(f"the Triton back end cannot run here: {fault}; {ELSEWHERE}, or {INTERPRETED}")
        return self.device if self.device is not None and self.device.index is not None else \
            torch.device("cuda", torch.cuda.current_device())
