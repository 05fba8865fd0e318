"""Decoders whose buffers of keys and values stay where they are, so that a step can be captured once for a shape and replayed.

Shapes come in few sizes: rows and visible columns are rounded up, at most by half, and rows that nobody asked for repeat the first
one. What a step adds is hidden by a mask until it is there. The weights are read where training changes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rldsl.kernels.device.products import moved_to
from rldsl.rollouts.attention import attend
from rldsl.rollouts.families import AnyBlock, Family, block_of, fed_forward, normed, out_of, rotated, rotations
from rldsl.rollouts.heads import body_of, capped, softcap_of, vocabulary_head
from rldsl.rollouts.packed import pack, prompt_states
from rldsl.rollouts.replay import Replay
from rldsl.rollouts.tokenizers import Ids
from rldsl.rollouts.tokens import Longs

_LEAST_COLUMNS: Final = 64


def rounded_up(count: int) -> int:
    """The next of 1, 2, 3, 4, 6, 8, 12, 16, 24, …: two sizes for each doubling."""
    power = 1 << max(0, count - 1).bit_length()
    return power * 3 // 4 if power >= 4 and count <= power * 3 // 4 else power


class StaticDecoder:
    """Of the families (see `Decoder`). Columns of a buffer are as in `FastDecoder`: prompts, right-padded, then answers."""

    def __init__(self, module: Any, family: Family, replay: Replay) -> None:
        body: Any = body_of(module)
        self.body = body
        self.family, self.replay = family, replay
        self.head, self.head_bias = vocabulary_head(module)
        self.softcap = softcap_of(module)
        self.blocks: list[AnyBlock] = [block_of(layer, family, joined=False) for layer in body.layers]
        self.rows = self.size = self.done = 0
        self.most_rows = self.most_columns = 0

    @property
    def bytes(self) -> int:
        """What the buffers hold."""
        return sum(buffer.numel() * buffer.element_size() for buffer in (*self.keys, *self.values)) if self.most_rows else 0

    def start(self, prompts: Sequence[Ids], prompt_of: Longs, limit: int) -> Tensor:
        """See `Decoder.start`."""
        device, none = self.head.device, np.zeros(0, np.int64)
        packed = pack(list(prompts), none, none, none, device)
        hidden, kept = prompt_states(self.body, self.family, packed, self.blocks)
        width = packed.prompts.width
        self.rows, self.size = len(prompt_of), rounded_up(len(prompt_of))
        self._make_room(self.size, width + limit, kept[0][0], device)
        index = self._padded(moved_to(torch.from_numpy(prompt_of), device))
        for place, (keys, values) in enumerate(kept):
            self.keys[place][:self.size, :, :width] = keys[index]
            self.values[place][:self.size, :, :width] = values[index]
        lengths = moved_to(torch.from_numpy(packed.prompt_lengths), device)[index]
        self.positions[:self.size] = lengths
        hidden_columns = torch.arange(self.most_columns, device=device) >= lengths[:, None]
        self.mask[:self.size] = torch.zeros_like(self.mask[:self.size]).masked_fill_(hidden_columns[:, None, None], -torch.inf)
        self.column.fill_(width)
        self.done = width
        return self._logits(hidden)[index[:self.rows]]

    def step(self, ids: Tensor) -> Tensor:
        """See `Decoder.step`."""
        self.ids[:self.rows] = ids
        self.ids[self.rows:self.size] = ids[:1].expand(self.size - self.rows)
        visible = min(self.most_columns, max(_LEAST_COLUMNS, rounded_up(self.done + 1)))
        self.replay.run((self.size, visible), partial(self._step, self.size, visible))
        self.column += 1
        self.positions += 1
        self.done += 1
        return self.logits[:self.rows]

    def keep(self, rows: Tensor) -> None:
        """See `Decoder.keep`."""
        self.rows, self.size = len(rows), rounded_up(len(rows))
        index = self._padded(rows)
        for buffer in (*self.keys, *self.values):
            buffer[:self.size, :, :self.done] = buffer[:, :, :self.done].index_select(0, index)
        self.mask[:self.size] = self.mask.index_select(0, index)
        self.positions[:self.size] = self.positions.index_select(0, index)

    def _step(self, rows: int, visible: int) -> None:
        """From `ids` to `logits`, for `rows` rows that see so many columns. To do it twice comes to the same."""
        self.mask.index_fill_(3, self.column, 0.0)
        mask, turn = self.mask[:rows, ..., :visible], self.turns[self.positions[:rows]][:, None]
        x = self.body.embed_tokens(self.ids[:rows])
        for place, (layer, block) in enumerate(zip(self.body.layers, self.blocks, strict=True)):
            queries, keys, values = rotated(block, self.family, normed(layer.input_layernorm, x), turn)
            own = self.keys[place][:rows], self.values[place][:rows]
            own[0].index_copy_(2, self.column, keys[:, :, None])
            own[1].index_copy_(2, self.column, values[:, :, None])
            seen = attend(queries[:, :, None], own[0][:, :, :visible], own[1][:, :, :visible], mask)
            x = fed_forward(layer, block, x + out_of(layer, seen.flatten(1)))
        self.logits[:rows] = self._logits(normed(self.body.norm, x))

    def _make_room(self, rows: int, columns: int, like: Tensor, device: torch.device) -> None:
        """Buffers for at least so many rows and columns. Those that are there are taken where they are large enough."""
        if rows <= self.most_rows and columns <= self.most_columns:
            return
        self.replay.forget()
        self.most_rows, self.most_columns = max(rows, self.most_rows), -(-max(columns, self.most_columns) // 64) * 64
        self.keys = self.values = []
        shape = self.most_rows, like.shape[1], self.most_columns, like.shape[3]
        self.keys = [like.new_zeros(shape) for _ in self.blocks]
        self.values = [like.new_zeros(shape) for _ in self.blocks]
        self.mask = like.new_zeros((self.most_rows, 1, 1, self.most_columns))
        self.ids, self.positions = (torch.zeros(self.most_rows, dtype=torch.int64, device=device) for _ in range(2))
        self.column = torch.zeros(1, dtype=torch.int64, device=device)
        self.turns = rotations(self.body, self.most_columns)
        self.logits = torch.zeros((self.most_rows, len(self.head)), device=device)

    def _padded(self, index: Tensor) -> Tensor:
        return torch.cat([index, index[:1].expand(self.size - self.rows)])

    def _logits(self, hidden: Tensor) -> Tensor:
        return capped(F.linear(hidden, self.head, self.head_bias).float(), self.softcap)
