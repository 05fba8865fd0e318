"""The vocabulary projection of a chunk of rows on a device, and its gradients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from rldsl.kernels.adapter import Adapter
from rldsl.kernels.device.products import add_product, project
from rldsl.kernels.device.shards import Partners
from rldsl.kernels.projection import ProjectionSums, Selection
from rldsl.kernels.sums import Sum
from rldsl.kernels.workspace import Workspace

UPCAST_BYTES = 256 << 20  # of weight, upcast at a time


@dataclass(frozen=True, slots=True)
class DeviceProjection:
    """`hidden @ (weight + scale * up @ down).T + bias`, by chunks of rows, in the dtype of the weight.

    Of a projection in shards (`partners`) these are the columns of this process; gradients of hidden states are then summed
    over all processes, those of `down` too.
    """

    hidden: Tensor
    weight: Tensor
    bias: Tensor | None
    adapter: Adapter | None = None
    partners: Partners | None = None

    @property
    def gradient_dtype(self) -> torch.dtype:
        """Of the gradient by logits: that of the weight, so that products stay on tensor cores. A gradient by a logit is about one
        part in the number of tokens, which bf16 holds and fp16 does not: float32 then, and the weight is upcast by slices."""
        return torch.float32 if self.weight.dtype is torch.float16 else self.weight.dtype

    def forward(self, rows: Selection, out: Tensor) -> None:
        """Logits of the rows into `out` [rows, V]."""
        hidden = self._rows(rows)
        project(out, hidden, self.weight, self.bias)
        if self.adapter is not None:
            add_product(out, self._narrow(hidden, self.adapter), self.adapter.up.to(hidden.dtype).t(), first=False)

    def backward(self, gradient: Tensor, rows: Selection, by_hidden: Tensor | None, sums: ProjectionSums,
                 workspace: Workspace) -> None:
        """From `gradient` [rows, V]: adds to `sums`, and writes the rows of `by_hidden`."""
        hidden = self._rows(rows).to(gradient.dtype)
        _add(sums.weight, gradient.t(), hidden)
        if sums.bias is not None:
            sums.bias.add(gradient.sum(0, dtype=torch.float32))
        by_narrow = None
        if self.adapter is not None:
            _add(sums.up, gradient.t(), self._narrow(hidden, self.adapter))
            if by_hidden is not None or sums.down is not None:
                by_narrow = self._by_narrow(gradient, self.adapter)
                _add(sums.down, by_narrow.t(), hidden)
        if by_hidden is not None:
            self._write_hidden(gradient, by_narrow, rows, by_hidden, workspace)

    def _rows(self, rows: Selection) -> Tensor:
        """The hidden states of the rows; widened to the dtype of the weight where theirs is narrower."""
        chosen = self.hidden[rows] if isinstance(rows, slice) else self.hidden.index_select(0, rows)
        return chosen.to(self.weight.dtype)

    def _narrow(self, hidden: Tensor, adapter: Adapter) -> Tensor:
        """What lies between the two matrices of the adapter, scaled: [rows, rank]."""
        narrow = hidden.new_empty(len(hidden), len(adapter.down), dtype=torch.float32)
        add_product(narrow, hidden, adapter.down.to(hidden.dtype).t(), first=True)
        return narrow.mul_(adapter.scale).to(hidden.dtype)

    def _by_narrow(self, gradient: Tensor, adapter: Adapter) -> Tensor:
        narrow = gradient.new_empty(len(gradient), len(adapter.down), dtype=torch.float32)
        add_product(narrow, gradient, adapter.up.to(gradient.dtype), first=True)
        if self.partners is not None:
            self.partners.add(narrow)
        return narrow.mul_(adapter.scale).to(gradient.dtype)

    def _write_hidden(self, gradient: Tensor, by_narrow: Tensor | None, rows: Selection, by_hidden: Tensor,
                      workspace: Workspace) -> None:
        """Summed in float32, over the whole vocabulary: a GEMM with a bf16 result may sum parts of it in bf16. Where that is the
        dtype of the gradient and there is one product alone, it goes to its place at once."""
        is_one = by_narrow is None and self.partners is None and self.weight.dtype is gradient.dtype
        if is_one and isinstance(rows, slice) and by_hidden.dtype is torch.float32:
            add_product(by_hidden[rows], gradient, self.weight, first=True)
            return
        product = workspace.take("by_hidden", len(gradient), self.weight.shape[1])
        for columns, weight in self._slices(gradient.dtype, workspace):
            add_product(product, gradient[:, columns], weight, first=columns.start == 0)
        if self.partners is not None:
            self.partners.add(product)
        if by_narrow is not None and self.adapter is not None:
            add_product(product, by_narrow, self.adapter.down.to(by_narrow.dtype), first=False)
        if isinstance(rows, slice):
            by_hidden[rows] = product
        else:
            by_hidden.index_copy_(0, rows, product.to(by_hidden.dtype))

    def _slices(self, dtype: torch.dtype, workspace: Workspace) -> Iterator[tuple[slice, Tensor]]:
        """The weight in the dtype of the gradient: whole, or upcast slice by slice."""
        count, width = self.weight.shape
        if self.weight.dtype is dtype:
            yield slice(0, count), self.weight
            return
        step = max(1, UPCAST_BYTES // (4 * width))
        for start in range(0, count, step):
            stop = min(start + step, count)
            upcast = workspace.take("upcast", stop - start, width, dtype=dtype)
            yield slice(start, stop), upcast.copy_(self.weight[start:stop])


def _add(total: Sum | None, left: Tensor, right: Tensor) -> None:
    if total is not None:
        add_product(total.total, left, right, first=total.is_empty)
        total.is_empty = False
