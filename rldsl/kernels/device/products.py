"""Products of a chunk with the vocabulary projection, in the dtype of the projection and summed in float32.

Everything here needs torch and its neighbours alone: an emitted launcher carries copies of these functions.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rldsl.kernels.device.cuda import to_device, wide_product


def add_product(out: Tensor, left: Tensor, right: Tensor, first: bool) -> None:
    """`left @ right` written over `out` or added to it. Both have one dtype; `out` has it too, or is float32."""
    if left.is_cuda and out.dtype is not left.dtype:
        wide_product(out, left, right, first)
    elif left.is_cuda or left.dtype is torch.float32:
        torch.mm(left, right, out=out) if first else out.addmm_(left, right)
    else:  # a CPU sums bf16 in bf16: upcast, so that it rounds as a GPU does, once
        product = left.float() @ right.float()
        out.copy_(product) if first else out.add_(product)


def project(out: Tensor, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """Logits [rows, V] of hidden states [rows, H]."""
    if bias is not None:
        out.copy_(bias)
    add_product(out, hidden, weight.t(), first=bias is None)


def aligned(columns: int) -> int:
    """So many that each row of a buffer begins at a multiple of 128 bytes. Tensor cores need it of bf16 operands, and row kernels
    of wide loads: over rows of an odd length both are several times slower."""
    return -(-columns // 64) * 64


def chunk_ends(starts: Tensor, row_bytes: int, budget: int, least_rows: int) -> list[int]:
    """Where chunks of whole pieces end: `starts` [pieces + 1] is the first row of each, on the host. Chunks are about equally
    long and hold what the budget does, but at least `least_rows` rows and one piece."""
    rows = starts - starts[0]
    total = int(rows[-1])
    most = max(least_rows, budget // max(1, row_bytes)) if row_bytes else max(1, total)
    share = -(-total // max(1, -(-total // most)))
    ends, done = [], 0
    while done < len(rows) - 1:
        stop = int(torch.searchsorted(rows, int(rows[done]) + share, right=True)) - 1
        done = max(stop, done + 1)
        ends.append(done)
    return ends


def compact(rows: Tensor, active: Tensor) -> Tensor:
    """Move the active rows to the front, into the places of those that are not; which row then stands in each (on the host,
    as `active` is). A few at a time, so that the copy between stays small."""
    count = int(active.sum())
    order = torch.arange(count)
    holes = torch.nonzero(~active[:count])[:, 0]
    late = count + torch.nonzero(active[count:])[:, 0]
    order[holes] = late
    if len(holes):
        into, source = moved_to(torch.stack([holes, late]), rows.device)
        step = 1 + len(active) // 16
        for start in range(0, len(holes), step):
            rows.index_copy_(0, into[start : start + step], rows.index_select(0, source[start : start + step]))
    return order


def moved_to(values: Tensor, device: torch.device) -> Tensor:
    """Where the others are, without waiting for it."""
    return to_device(values, device) if device.type == "cuda" else values
