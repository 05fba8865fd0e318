"""A module of the form that is emitted for Triton, in plain torch and numba: what the device head alone is tested with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from rldsl.emit.combine import Combine
from rldsl.emit.load import load_module
from rldsl.emit.parameters import Parameter
from rldsl.emit.to_head import RowShape, row_shape
from rldsl.graph.staged import StagedObjective
from rldsl.kernels.dense import dense_reads
from rldsl.triton_module import TritonModule
from rldsl.types import Level


def standin(staged: StagedObjective) -> TritonModule:
    """Reads and gradients by autograd in float64, coefficients by numba. A single token-coupled group is also fused."""
    combine = Combine(staged)
    numba = load_module(combine.text, f"numba_{staged.name}")
    span = Parameter("span", "pieces_span", staged.piece_axis.name)
    functions = SimpleNamespace(
        prepare=lambda *arrays: numba.prepare(0, 1, *map(_host, arrays)),
        coefficients=lambda pieces, *arrays: numba.coefficients(*pieces, *map(_host, arrays)),
        values=lambda *arrays: numba.values(0, 1, *map(_host, arrays)))
    functions.combined = lambda pieces, *arrays: (
        functions.coefficients(pieces, *arrays[:len(combine.parameters["coefficients"])]),
        functions.values(*arrays[len(combine.parameters["coefficients"]):]))
    shapes = tuple(row_shape(group) for group in staged.groups)
    for number, shape in enumerate(shapes):
        rows = _Rows(shape, numba)
        setattr(functions, f"read{number}", rows.read)
        if shape.has_gradient:
            setattr(functions, f"write{number}", rows.write)
            setattr(functions, f"fused{number}", rows.fused)
    alone = staged.coupling is Level.TOKEN and len(staged.groups) == 1 and shapes[0].has_gradient
    fused = (combine.parameters["coefficients"],) if alone else (None,) * len(shapes)
    return TritonModule("", functions, shapes, combine.parameters["prepare"], (span, *combine.parameters["coefficients"]),
                        combine.parameters["values"],
                        (span, *combine.parameters["coefficients"], *combine.parameters["values"]), fused)


def _host(tensor: Tensor) -> Any:
    return tensor.numpy()


class _Rows:
    def __init__(self, shape: RowShape, numba: Any) -> None:
        self.shape, self.numba = shape, numba

    def read(self, x: Tensor, others: Any, targets: Tensor, places: Tensor | None, first: int, reads: Any, statistics: Tensor,
             settings: Tensor, tile: Any, capped: bool = False) -> None:
        """Statistics are left as they are: `write` reads anew."""
        assert statistics.shape == (len(targets), self.shape.width)
        with _disable_current_modes():
            for read, value in zip(reads, self._values(_chosen(x, places), others, targets, settings, capped), strict=True):
                read[first : first + len(targets)] = value

    def write(self, x: Tensor, out: Tensor, others: Any, targets: Tensor, places: Tensor | None, first: int, reads: Any,
              slopes: Any, statistics: Tensor, settings: Tensor, tile: Any, capped: bool = False, start: int = 0) -> None:
        """Zeros where all slopes are 0."""
        assert start == 0
        with _disable_current_modes():
            gradient = self._gradient(x, others, targets, places, slopes=[slope[first : first + len(targets)] for slope in slopes],
                                      settings=settings, capped=capped)
            if out is x and places is not None:
                out[places] = gradient.to(out.dtype)
            else:
                assert len(out) == len(targets)
                out.copy_(gradient)

    def _gradient(self, x: Tensor, others: Any, targets: Tensor, places: Tensor | None, *, slopes: list[Tensor],
                  settings: Tensor, capped: bool) -> Tensor:
        with torch.enable_grad():
            logits = _chosen(x, places).requires_grad_()
            values = self._values(logits, others, targets, settings, capped)
            needed = [value for value, read in zip(values, self.shape.reads, strict=True) if read.gradient]
            total = torch.stack([(value * slope).sum() for value, slope in zip(needed, slopes, strict=True)]).sum()
            gradient, = torch.autograd.grad(total, [logits])
        return torch.where(torch.stack([slope != 0 for slope in slopes]).any(0)[:, None], gradient, 0.0)

    def fused(self, x: Tensor, out: Tensor, others: Any, targets: Tensor, places: Tensor | None, first: int, reads: Any,
              slopes: Any, settings: Tensor, arguments: Any, tile: Any, capped: bool = False) -> None:
        """All three; pieces are tokens."""
        width = torch.empty(len(targets), self.shape.width)
        self.read(x, others, targets, places, first, reads, width, settings, tile, capped)
        self.numba.coefficients(first, first + len(targets), *map(_host, arguments))
        self.write(x, out, others, targets, places, first, reads, slopes, width, settings, tile, capped)

    def _values(self, logits: Tensor, others: Any, targets: Tensor, settings: Tensor, capped: bool) -> list[Tensor]:
        inverse, cap, *parameters = settings.tolist()
        assert capped == (cap > 0)
        beside = [_chosen(y, places) for y, places in others]
        if capped:
            logits, beside = cap * torch.tanh(logits / cap), [cap * torch.tanh(y / cap) for y in beside]
        left = iter(parameters)
        kinds = [(read.kind, read.other, None if read.parameter is None else next(left)) for read in self.shape.reads]
        return dense_reads(logits, beside, targets, 1 / inverse, kinds)


def _chosen(x: Tensor, places: Tensor | None) -> Tensor:
    return (x if places is None else x[places]).double()
