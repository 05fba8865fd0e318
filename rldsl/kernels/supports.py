"""The tokens that a draw was restricted to, place by place, and rows of logits restricted to them again.

What lies outside has probability 0: its logit is minus infinity, so that every read of the row is that of the renormalised
distribution, and no gradient reaches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rldsl.kernels.device.products import moved_to

Longs = npt.NDArray[np.int64]
MOST_ELEMENTS = 2**31 - 1  # of a tensor whose nonzero ones a GPU looks for


@dataclass(frozen=True, slots=True, eq=False)
class Support:
    """`ids[offsets[t]:offsets[t + 1]]` are the tokens that could be drawn at place `t`: four bytes for each of them."""

    ids: npt.NDArray[np.int32]
    offsets: Longs

    def __post_init__(self) -> None:
        if len(self.offsets) == 0 or self.offsets[0] != 0 or self.offsets[-1] != len(self.ids):
            raise ValueError(f"the offsets of a support run from 0 to the {len(self.ids)} tokens that it holds")
        if (np.diff(self.offsets) < 1).any():
            raise ValueError(f"nothing could be drawn at place {int(np.argmin(np.diff(self.offsets)))}: its support is empty")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, places: slice | Longs) -> Support:
        """That of some of the places, in their order."""
        chosen = np.arange(len(self))[places]
        counts = np.diff(self.offsets)[chosen]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        return Support(self.ids[_ranges(self.offsets[chosen], counts)], offsets)

    def restrict(self, rows: npt.NDArray[np.float32]) -> None:
        """Logits [places, V], in place."""
        places = np.repeat(np.arange(len(self)), np.diff(self.offsets))
        kept = rows[places, self.ids]
        rows.fill(-np.inf)
        rows[places, self.ids] = kept

    def restricted(self, logits: Tensor) -> Tensor:
        """The same of a tensor [places, V], differentiable; the logits stay as they are."""
        inside = torch.zeros(logits.shape, dtype=torch.bool)
        inside[np.repeat(np.arange(len(self)), np.diff(self.offsets)), self.ids] = True
        return logits.masked_fill(~moved_to(inside, logits.device), -torch.inf)

    @staticmethod
    def of(allowed: npt.NDArray[np.bool_]) -> Support:
        """From one truth value for each place and token, [places, V]."""
        counts = allowed.sum(1, dtype=np.int64)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        return Support(np.nonzero(allowed)[1].astype(np.int32), offsets)

    @staticmethod
    def drawn(allowed: Tensor) -> Support:
        """The same of a tensor, wherever it lies: its tokens come to the host, not a truth value for each of the vocabulary."""
        counts = allowed.sum(1).cpu().numpy()
        step = max(1, MOST_ELEMENTS // allowed.shape[1])
        parts = [torch.nonzero(allowed[start : start + step])[:, 1] for start in range(0, max(1, len(allowed)), step)]
        return Support(torch.cat(parts).to(torch.int32).cpu().numpy(), np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]))

    @staticmethod
    def joined(parts: Sequence[Support]) -> Support:
        """The places of one after those of the other."""
        counts = np.concatenate([np.zeros(0, np.int64), *(np.diff(part.offsets) for part in parts)])
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        return Support(np.concatenate([np.zeros(0, np.int32), *(part.ids for part in parts)]), offsets)


def _ranges(starts: Longs, counts: Longs) -> Longs:
    """`starts[i], starts[i] + 1, …` (`counts[i]` of them), one range after the other."""
    before = np.cumsum(counts) - counts
    found: Longs = np.arange(int(counts.sum()), dtype=np.int64) + np.repeat(starts - before, counts)
    return found
