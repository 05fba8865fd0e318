"""A low-rank change of a vocabulary projection, and a projection of which this process holds a part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """The projection is `weight + scale * up @ down`: LoRA's A is `down` [r, H], its B is `up` [V, r], its alpha / r is `scale`."""

    down: Tensor
    up: Tensor
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.down.ndim != 2 or self.up.ndim != 2 or self.down.shape[0] != self.up.shape[1]:
            raise ValueError("an adapter is `down` [rank, hidden] and `up` [vocabulary, rank], "
                             f"not {tuple(self.down.shape)} and {tuple(self.up.shape)}")

    def detached(self) -> Adapter:
        """Without gradients."""
        return Adapter(self.down.detach(), self.up.detach(), self.scale)

    def check(self, weight: Tensor) -> None:
        """Raise `ValueError` where it does not change this weight [V, H]."""
        found = self.up.shape[0], self.down.shape[1]
        if found != tuple(weight.shape):
            raise ValueError(f"the adapter changes a projection {found}, and this one is {tuple(weight.shape)}")


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """The weight at hand holds the rows `start .. start + len(weight)` of a vocabulary of `size` tokens, those of the other
    processes of `group` (a `torch.distributed` process group; None: all processes) the rest. Hidden states and targets are the
    same on all of them."""

    start: int
    size: int
    group: Any = None

    def check(self, held: int) -> None:
        """Raise `ValueError` where the part lies outside of the vocabulary."""
        if not 0 <= self.start <= self.start + held <= self.size:
            raise ValueError(f"a shard of tokens {self.start} .. {self.start + held - 1} lies outside of the {self.size} "
                             "of the vocabulary")
