"""Processes that hold one vocabulary between them: what they tell each other of a chunk of rows.

Every process sees the same hidden states and targets, so all take the same way through the chunks and decide the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed
from torch import Tensor

from rldsl.kernels.adapter import Shard

LOG2_E = 1.4426950408889634
TOP, TOTAL, WEIGHTED, CHOSEN = range(4)  # of a policy's part of a row


@dataclass(frozen=True, slots=True)
class Partners:
    """The processes of a shard's group."""

    group: Any

    @staticmethod
    def of(shard: Shard | None) -> Partners | None:
        """Raises `ValueError` where there are no processes to speak to."""
        if shard is None:
            return None
        if not torch.distributed.is_available() or not torch.distributed.is_initialized():
            raise ValueError("rows in shards need `torch.distributed.init_process_group` first, in every process")
        return Partners(shard.group)

    @property
    def count(self) -> int:
        """How many there are."""
        return torch.distributed.get_world_size(self.group)

    def add(self, values: Tensor) -> None:
        """The sum over all processes, in place."""
        torch.distributed.all_reduce(values, group=self.group)

    def gather(self, values: Tensor) -> Tensor:
        """What each process has, [processes, …]."""
        found = values.new_empty((self.count, *values.shape))
        torch.distributed.all_gather(list(found.unbind(0)), values.contiguous(), group=self.group)
        return found


def merged(parts: Tensor, inverse: Tensor) -> Tensor:
    """Parts of rows [processes, rows, policies, 4] become whole rows [rows, policies, 4]: highest logit, sum of the terms
    e^((x - top) / temperature), the same weighted with log2 of each, the chosen logit. `inverse` is 1 / temperature."""
    tops = parts[..., TOP]
    top = tops.amax(0)
    power = ((tops - top) * inverse).masked_fill(tops == top, 0.0)
    factor = torch.exp(power)
    totals = factor * parts[..., TOTAL]
    weighted = factor * parts[..., WEIGHTED] + (power * LOG2_E * totals).masked_fill(totals == 0, 0.0)
    return torch.stack([top, totals.sum(0), weighted.sum(0), parts[..., CHOSEN].amax(0)], -1)
