"""Sums of the gradients of projections, over the chunks of all runs of an update batch. Computes no gradient itself."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

ROUNDED_APART = 1 << 20  # elements that are rounded beside the others, first
Pair = tuple[Tensor, Tensor]  # a tensor and the gradient by it


@dataclass(slots=True)
class Sum:
    """Sum of the gradients by one tensor, in float32 (float64 of float64); the first part is written, so nothing is zeroed."""

    total: Tensor
    is_empty: bool = True

    @staticmethod
    def like(given: Tensor) -> Sum:
        """An empty one, where the tensor lies."""
        dtype = torch.float64 if given.dtype is torch.float64 else torch.float32
        return Sum(torch.empty(given.shape, dtype=dtype, device=given.device))

    def add(self, part: Tensor) -> None:
        """One more part."""
        self.total.add_(part) if not self.is_empty else self.total.copy_(part)
        self.is_empty = False

    def add_product(self, left: Tensor, right: Tensor) -> None:
        """One more part, the product of two matrices of the sum's own dtype."""
        add_product(self.total, left, right, first=self.is_empty)
        self.is_empty = False


@dataclass(slots=True)
class Sums:
    """One sum for each tensor that requires a gradient, shared by all rows that go through it: tied weights are one tensor."""

    entries: list[tuple[Tensor, Sum]] = field(default_factory=list)

    def of(self, given: Tensor | None) -> Sum | None:
        """The sum of this tensor; None where no gradient is asked for."""
        if given is None or not given.requires_grad:
            return None
        for known, total in self.entries:
            if known is given:
                return total
        self.entries.append((given, Sum.like(given)))
        return self.entries[-1][1]

    def take(self) -> list[Pair]:
        """The gradients, in the dtypes of what they are by, zeros where no part was added; nothing is left."""
        for _, entry in self.entries:
            if entry.is_empty:
                entry.total.zero_()
        pairs = [(given, rounded(entry.total, given.dtype)) for given, entry in self.entries]
        self.entries.clear()
        return pairs


def rounded(total: Tensor, dtype: torch.dtype) -> Tensor:
    """The sum in the dtype of what it is by, used up: where that is narrower, in the sum's own memory, so that nothing of its size
    is allocated. Element i of two bytes lies over element i / 2 of four."""
    if dtype.itemsize >= total.dtype.itemsize:
        return total.to(dtype)
    wide = total.view(-1)
    narrow = wide.view(dtype)[: len(wide)]
    done = min(ROUNDED_APART, len(wide))
    narrow[:done] = wide[:done].to(dtype)
    while done < len(wide):  # at most twice as many: what they are written over was read before
        stop = min(2 * done, len(wide))
        narrow[done:stop] = wide[done:stop]
        done = stop
    return narrow.view(total.shape)


def add_product(total: Tensor, left: Tensor, right: Tensor, first: bool) -> None:
    """`left @ right`, written over `total` or added to it."""
    if first:
        torch.mm(left, right, out=total)
    else:
        total.addmm_(left, right)
