"""Rows of a vocabulary head in chunks, for emitted files that run without rldsl: each copies what it uses of this file.

Needs torch and its neighbours alone. It is the plain part of what `chunks` and `sources` do: no supports, adapters or shards.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from rldsl.kernels.device.mask import ActiveRows
from rldsl.kernels.device.products import add_product, aligned, chunk_ends, compact, moved_to, project

CHUNK_BYTES = 2 << 30  # of logits and their gradients, at a time
LEAST_ROWS = 1024      # of a chunk, whatever its bytes: below that products slow down


@dataclass
class Rows:
    """The rows of one response under one policy, packed, without padding: `logits` [T, V], which turn into their gradient, or
    `hidden` [T, H] with `weight` [V, H] and `bias` [V]. `targets` [T] are the tokens that stand there. `others` are the rows of
    further policies at the same tokens. `cap`: logits are capped, x -> cap tanh(x / cap). `frozen`: weight and bias take none."""

    targets: Tensor
    logits: Tensor | None = None
    hidden: Tensor | None = None
    weight: Tensor | None = None
    bias: Tensor | None = None
    others: tuple[Rows, ...] = ()
    cap: float = 0.0
    frozen: bool = False
    by_hidden: Tensor | None = None  # gradients, once they are formed: of `weight` and `bias` in float32
    by_weight: Tensor | None = None
    by_bias: Tensor | None = None
    buffers: dict[str, Tensor] = field(default_factory=dict)        # of one chunk
    left: tuple[int, Tensor, ActiveRows | None] | None = None       # of the chunk before: first row, gradient, which rows have one

    @property
    def vocabulary(self) -> int:
        """How many logits a row has."""
        given = self.weight if self.logits is None else self.logits.t()
        assert given is not None
        return len(given)

    @property
    def row_bytes(self) -> int:
        """Of buffers, for each row of a chunk: float32 logits, and gradients in the dtype of the weight."""
        own = 0 if self.weight is None else (4 + self.weight.element_size()) * aligned(len(self.weight))
        return own + sum(other.row_bytes for other in self.others)

    def load(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """The logits of some rows, and where their gradient goes. What the chunk before left to do is queued behind these logits,
        so that the device has them to compute while the host waits for the mask of that chunk."""
        in_place = self.weight is None or self.weight.dtype is torch.float32
        if in_place:
            self.finish()
        x = self.formed(start, stop)
        if in_place or self.weight is None:
            return x, x
        self.finish()
        return x, self.room("gradient", stop - start, self.weight.dtype)

    def formed(self, start: int, stop: int) -> Tensor:
        """The logits of some rows."""
        if self.logits is not None:
            return self.logits[start:stop]
        assert self.hidden is not None and self.weight is not None
        x = self.room("logits", stop - start, torch.float32)
        project(x, self.hidden[start:stop], self.weight, self.bias)
        return x

    def room(self, name: str, count: int, dtype: torch.dtype) -> Tensor:
        """[count, V] of a buffer that is used again, whose rows begin at multiples of 128 bytes."""
        if name not in self.buffers or len(self.buffers[name]) < count:
            self.buffers.pop(name, None)
            self.buffers[name] = self.targets.new_empty(count, aligned(self.vocabulary), dtype=dtype)
        return self.buffers[name][:count, : self.vocabulary]

    def beside(self, start: int, stop: int) -> tuple[tuple[Tensor, None], ...]:
        """The logits of the other policies, as row kernels take them."""
        return tuple((other.formed(start, stop), None) for other in self.others)

    def store(self, start: int, gradient: Tensor, active: ActiveRows | None) -> None:
        """The gradient of rows `start` and on lies there. Its products are queued later, when the host asks which rows have one
        (None: all of them, whatever the numbers)."""
        if self.hidden is not None:
            self.left = (start, gradient, active)

    def finish(self) -> None:
        """From the gradient of the chunk before to those of hidden states, weight and bias: the rows that have one alone."""
        if self.left is None or self.hidden is None or self.weight is None:
            return
        (start, gradient, active), self.left = self.left, None
        marked = torch.ones(len(gradient), dtype=torch.bool) if active is None else active.host()
        count = int(marked.sum())
        if not count:
            return
        order = torch.arange(len(marked)) if count == len(marked) else compact(gradient, marked)
        rows, gradient = moved_to(start + order, gradient.device), gradient[:count]
        hidden = self.hidden[rows]
        product = torch.empty(count, self.weight.shape[1], dtype=torch.float32, device=gradient.device)
        add_product(product, gradient, self.weight, first=True)
        if self.by_hidden is None:
            self.by_hidden = torch.zeros_like(self.hidden, dtype=torch.float32)
        self.by_hidden.index_copy_(0, rows, product)
        if not self.frozen:
            self.add_up(gradient, hidden, self.weight)

    def done(self) -> None:
        """After the last chunk: gradients of what had no row with one are zeros, and the buffers go."""
        self.finish()
        for rows in (self, *self.others):
            rows.buffers.clear()
        if self.hidden is None or self.weight is None:
            return
        if self.by_hidden is None:
            self.by_hidden = torch.zeros_like(self.hidden, dtype=torch.float32)
        if not self.frozen and self.by_weight is None:
            self.by_weight = torch.zeros_like(self.weight, dtype=torch.float32)
            self.by_bias = None if self.bias is None else torch.zeros_like(self.bias, dtype=torch.float32)

    def add_up(self, gradient: Tensor, hidden: Tensor, weight: Tensor) -> None:
        """To the sums over chunks for weight and bias."""
        is_first = self.by_weight is None
        if self.by_weight is None:
            self.by_weight = torch.empty_like(weight, dtype=torch.float32)
        add_product(self.by_weight, gradient.t(), hidden, first=is_first)
        if self.bias is not None:
            total = gradient.sum(0, dtype=torch.float32)
            self.by_bias = total if self.by_bias is None else self.by_bias.add_(total)


def settings_of(rows: Rows, numbers: tuple[float, ...]) -> Tensor:
    """What a row kernel is told: 1 / temperature, the cap, parameters of divergences. Floats as arguments would be float32."""
    temperature, *rest = numbers
    return moved_to(torch.tensor([temperature, rows.cap, *rest], dtype=torch.float64), rows.targets.device)


def places_below(bounds: Tensor, count: int) -> Tensor:
    """For each of `count` places of a finer axis, the place of the coarser one that it lies in, from where those start. The count
    is given, so that the host need not wait for it."""
    owners = torch.arange(len(bounds) - 1, dtype=torch.int32, device=bounds.device)
    return torch.repeat_interleave(owners, bounds[1:] - bounds[:-1], output_size=count)


def in_batch(count: int, device: torch.device) -> Tensor:
    """Where the places of an axis below the batch start."""
    return moved_to(torch.tensor([0, count]), device)


def there(bounds: Tensor, device: torch.device) -> Tensor:
    """Where places start, on the device. From the host they go up, and nobody waits."""
    return moved_to(bounds, device) if bounds.device.type == "cpu" else bounds


def whole_chunks(starts: list[Tensor], row_bytes: int) -> list[tuple[int, int]]:
    """Runs of whole pieces for each chunk; `starts` are the first rows of pieces, of each group, on the host."""
    ends = [0, *chunk_ends(torch.stack(starts).sum(0), row_bytes, CHUNK_BYTES, LEAST_ROWS)]
    return list(zip(ends[:-1], ends[1:], strict=True))


def row_chunks(count: int, row_bytes: int) -> list[tuple[int, int]]:
    """Runs of rows for each chunk, about equally long, none longer than the first."""
    most = max(LEAST_ROWS, CHUNK_BYTES // row_bytes) if row_bytes else max(1, count)
    parts = -(-count // most)
    ends = [-(-count * part // max(1, parts)) for part in range(parts + 1)]
    return list(zip(ends[:-1], ends[1:], strict=True))


def tile_of(vocabulary: int) -> tuple[int, int, int]:
    """Block, warps and stages of a row kernel."""
    block = min(4096, max(128, 1 << (vocabulary - 1).bit_length()))
    return block, max(1, min(8, block // 512)), 1

