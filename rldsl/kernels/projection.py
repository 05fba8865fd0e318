"""The vocabulary projection of a chunk of rows, and its gradients: library GEMMs into buffers that are used again.

Arithmetic is float32 whatever the dtype of hidden states and weight: bf16 and fp16 are upcast slice by slice, since
bf16 GEMMs of CPUs may be a hundred times slower, and since sums over chunks in bf16 depend on the size of a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from rldsl.kernels.workspace import Workspace

UPCAST_BYTES = 64 << 20  # of weight, upcast at a time
Selection = slice | Tensor


@dataclass(slots=True)
class Accumulator:
    """Sum of the gradients of a projection over chunks, in float32; the first chunk writes, so nothing is zeroed."""

    weight: Tensor | None = None
    bias: Tensor | None = None
    is_empty: bool = True

    @staticmethod
    def of(weight: Tensor, bias: Tensor | None) -> Accumulator:
        """For what requires a gradient."""
        return Accumulator(_sum_of(weight), _sum_of(bias))

    def finish(self) -> None:
        """Zeros where no chunk had a gradient."""
        if self.is_empty:
            for gradient in (self.weight, self.bias):
                if gradient is not None:
                    gradient.zero_()
            self.is_empty = False


def _sum_of(given: Tensor | None) -> Tensor | None:
    if given is None or not given.requires_grad:
        return None
    return torch.empty(given.shape, dtype=torch.float64 if given.dtype is torch.float64 else torch.float32)


@dataclass(frozen=True, slots=True)
class Projection:
    """`hidden @ weight.T + bias`, by chunks of rows."""

    hidden: Tensor
    weight: Tensor
    bias: Tensor | None

    def forward(self, rows: Selection, out: Tensor, workspace: Workspace) -> None:
        """Logits of the rows into `out` [rows, V]."""
        hidden = self.rows(rows)
        for columns, weight in self._slices(workspace):
            target = out if columns is None else out[:, columns]
            if self.bias is None:
                torch.mm(hidden, weight.t(), out=target)
            else:
                bias = self.bias if columns is None else self.bias[columns]
                torch.addmm(bias.float(), hidden, weight.t(), out=target)

    def backward(self, gradient: Tensor, rows: Selection, by_hidden: Tensor | None, sums: Accumulator,
                 workspace: Workspace) -> None:
        """From `gradient` [rows, V]: adds to `sums`, and writes the rows of `by_hidden`."""
        hidden = self.rows(rows)
        if sums.weight is not None:
            _add_product(sums.weight, gradient.t(), hidden, first=sums.is_empty)
        if sums.bias is not None:
            total = gradient.sum(0)
            sums.bias.copy_(total) if sums.is_empty else sums.bias.add_(total)
        sums.is_empty = False
        if by_hidden is not None:
            self._write_hidden(gradient, rows, by_hidden, workspace)

    def rows(self, rows: Selection) -> Tensor:
        """The hidden states of the rows, in float32."""
        chosen = self.hidden[rows] if isinstance(rows, slice) else self.hidden.index_select(0, rows)
        return chosen.float()

    def _write_hidden(self, gradient: Tensor, rows: Selection, by_hidden: Tensor, workspace: Workspace) -> None:
        in_place = isinstance(rows, slice) and by_hidden.dtype is torch.float32
        size = gradient.shape[0], self.weight.shape[1]
        product = by_hidden[rows] if in_place else workspace.take("by_hidden", *size)
        for columns, weight in self._slices(workspace):
            part = gradient if columns is None else gradient[:, columns]
            _add_product(product, part, weight, first=columns is None or columns.start == 0)
        if not in_place:
            by_hidden[rows] = product.to(by_hidden.dtype)

    def _slices(self, workspace: Workspace) -> Iterator[tuple[slice | None, Tensor]]:
        """The weight in float32: whole, or upcast slice by slice, with the slice of the vocabulary."""
        if self.weight.dtype is torch.float32:
            yield None, self.weight
            return
        count, width = self.weight.shape
        step = max(1, UPCAST_BYTES // (4 * width))
        for start in range(0, count, step):
            stop = min(start + step, count)
            upcast = workspace.take("upcast", stop - start, width)
            yield slice(start, stop), upcast.copy_(self.weight[start:stop])


def _add_product(total: Tensor, left: Tensor, right: Tensor, first: bool) -> None:
    if first:
        torch.mm(left, right, out=total)
    else:
        total.addmm_(left, right)
