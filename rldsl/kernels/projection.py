"""The vocabulary projection of a chunk of rows, and its gradients: library GEMMs into buffers that are used again.

Arithmetic is float32 whatever the dtype of hidden states and weight: bf16 and fp16 are upcast slice by slice, since
bf16 GEMMs of CPUs may be a hundred times slower, and since sums over chunks in bf16 depend on the size of a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from rldsl.kernels.adapter import Adapter
from rldsl.kernels.sums import Sum, Sums, add_product
from rldsl.kernels.workspace import Workspace

UPCAST_BYTES = 64 << 20  # of weight, upcast at a time
Selection = slice | Tensor


@dataclass(frozen=True, slots=True)
class ProjectionSums:
    """Where the gradients of a projection go; None for what has none."""

    weight: Sum | None = None
    bias: Sum | None = None
    down: Sum | None = None
    up: Sum | None = None

    @staticmethod
    def of(sums: Sums, weight: Tensor, bias: Tensor | None, adapter: Adapter | None) -> ProjectionSums:
        """Those of an update batch."""
        low_rank = (None, None) if adapter is None else (sums.of(adapter.down), sums.of(adapter.up))
        return ProjectionSums(sums.of(weight), sums.of(bias), *low_rank)


@dataclass(frozen=True, slots=True)
class Projection:
    """`hidden @ (weight + scale * up @ down).T + bias`, by chunks of rows."""

    hidden: Tensor
    weight: Tensor
    bias: Tensor | None
    adapter: Adapter | None = None

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
        if self.adapter is not None:
            out.addmm_(_narrow(hidden, self.adapter), self.adapter.up.float().t())

    def backward(self, gradient: Tensor, rows: Selection, by_hidden: Tensor | None, sums: ProjectionSums,
                 workspace: Workspace) -> None:
        """From `gradient` [rows, V]: adds to `sums`, and writes the rows of `by_hidden`."""
        hidden = self.rows(rows)
        if sums.weight is not None:
            sums.weight.add_product(gradient.t(), hidden)
        if sums.bias is not None:
            sums.bias.add(gradient.sum(0))
        if sums.up is not None and self.adapter is not None:
            sums.up.add_product(gradient.t(), _narrow(hidden, self.adapter))
        by_narrow = None if self.adapter is None else gradient @ self.adapter.up.float() * self.adapter.scale
        if sums.down is not None and by_narrow is not None:
            sums.down.add_product(by_narrow.t(), hidden)
        if by_hidden is not None:
            self._write_hidden(gradient, by_narrow, rows, by_hidden, workspace)

    def rows(self, rows: Selection) -> Tensor:
        """The hidden states of the rows, in float32."""
        chosen = self.hidden[rows] if isinstance(rows, slice) else self.hidden.index_select(0, rows)
        return chosen.float()

    def _write_hidden(self, gradient: Tensor, by_narrow: Tensor | None, rows: Selection, by_hidden: Tensor,
                      workspace: Workspace) -> None:
        in_place = isinstance(rows, slice) and by_hidden.dtype is torch.float32
        size = gradient.shape[0], self.weight.shape[1]
        product = by_hidden[rows] if in_place else workspace.take("by_hidden", *size)
        for columns, weight in self._slices(workspace):
            part = gradient if columns is None else gradient[:, columns]
            add_product(product, part, weight, first=columns is None or columns.start == 0)
        if by_narrow is not None and self.adapter is not None:
            product.addmm_(by_narrow, self.adapter.down.float())
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


def _narrow(hidden: Tensor, adapter: Adapter) -> Tensor:
    """What lies between the two matrices of an adapter, scaled: [rows, rank]."""
    return hidden @ adapter.down.float().t() * adapter.scale
