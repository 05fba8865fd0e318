"""Static decoding of any causal language model, by its own forward over transformers' `StaticCache`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import StaticCache
from transformers.cache_utils import StaticLayer

from rldsl.rollouts.decoders import CacheDecoder
from rldsl.rollouts.replay import Replay
from rldsl.rollouts.static import rounded_up
from rldsl.rollouts.tokenizers import Ids
from rldsl.rollouts.tokens import Longs


def why_not_static(module: Any) -> str | None:
    """Why a model's steps cannot have fixed addresses, in a sentence; None where they can."""
    layers = StaticCache(config=module.config, max_cache_len=1).layers
    if any(type(layer) is not StaticLayer for layer in layers):
        return "its layers keep something else than the keys and values of all tokens (windows, states)"
    if not hasattr(layers[0], "cumulative_length"):
        return "this release of transformers keeps the length of a static cache on the host; 5.0 and newer keep it beside the cache"
    return None


class StaticCacheDecoder:
    """Prompts are left-padded and computed by `CacheDecoder`; their keys and values are then copied into buffers that stay."""

    def __init__(self, module: Any, replay: Replay) -> None:
        self.module, self.replay = module, replay
        self.beginning = CacheDecoder(module)
        self.rows = self.size = self.done = 0
        self.most_rows = self.most_columns = 0
        self.buffers: list[tuple[Tensor, Tensor]] = []

    @property
    def bytes(self) -> int:
        """What the buffers hold."""
        return sum(buffer.numel() * buffer.element_size() for pair in self.buffers for buffer in pair)

    def start(self, prompts: Sequence[Ids], prompt_of: Longs, limit: int) -> Tensor:
        """See `Decoder.start`."""
        logits = self.beginning.start(prompts, prompt_of, limit)
        running, self.beginning.running = self.beginning.running, None
        assert running is not None
        layers: list[Any] = running.cache.layers
        width = running.mask.shape[1]
        self.rows, self.size = len(prompt_of), rounded_up(len(prompt_of))
        self._make_room(self.size, width + limit, layers)
        index = self._padded(torch.arange(self.rows, device=logits.device))
        for (keys, values), layer in zip(self.buffers, layers, strict=True):
            keys[:self.size, :, :width] = layer.keys[index]
            values[:self.size, :, :width] = layer.values[index]
        self.mask[:self.size] = 1
        self.mask[:self.size, :width] = running.mask[index]
        self.positions[:self.size] = running.positions[index] + 1
        self.column.fill_(width)
        self.done = width
        return logits

    def step(self, ids: Tensor) -> Tensor:
        """See `Decoder.step`."""
        self.ids[:self.rows, 0] = ids
        self.ids[self.rows:self.size, 0] = ids[:1].expand(self.size - self.rows)
        self.replay.run(self.size, partial(self._step, self.size))
        self.column += 1
        self.positions += 1
        self.done += 1
        return self.logits[:self.rows]

    def keep(self, rows: Tensor) -> None:
        """See `Decoder.keep`."""
        self.rows, self.size = len(rows), rounded_up(len(rows))
        index = self._padded(rows)
        for buffer in (buffer for pair in self.buffers for buffer in pair):
            buffer[:self.size, :, :self.done] = buffer[:, :, :self.done].index_select(0, index)
        for kept in (self.mask, self.positions):
            kept[:self.size] = kept.index_select(0, index)

    def _step(self, rows: int) -> None:
        """From `ids` to `logits`. To do it twice comes to the same."""
        for layer, (keys, values) in zip(self.cache.layers, self.buffers, strict=True):
            place: Any = layer
            place.keys, place.values, place.batch_size = keys[:rows], values[:rows], rows
            place.cumulative_length.copy_(self.column[0])
        extra = {"position_ids": self.positions[:rows]} if self.beginning.takes_positions else {}
        out = self.module(input_ids=self.ids[:rows], attention_mask=self.mask[:rows], past_key_values=self.cache, use_cache=True,
                          logits_to_keep=1, **extra)
        self.logits[:rows] = out.logits[:, -1].float()

    def _make_room(self, rows: int, columns: int, like: Sequence[Any]) -> None:
        if rows <= self.most_rows and columns <= self.most_columns:
            return
        self.replay.forget()
        self.most_rows, self.most_columns = max(rows, self.most_rows), -(-max(columns, self.most_columns) // 64) * 64
        self.buffers = []
        self.buffers = [(self._zeros(layer.keys), self._zeros(layer.values)) for layer in like]
        device = like[0].keys.device
        self.cache = StaticCache(config=self.module.config, max_cache_len=self.most_columns)
        for layer, (keys, _) in zip(self.cache.layers, self.buffers, strict=True):
            place: Any = layer  # as its own `lazy_initialization` leaves it, without what torch.compile needs
            place.dtype, place.device, place.num_heads, place.is_initialized = keys.dtype, device, keys.shape[1], True
            place.cumulative_length = torch.zeros((), dtype=torch.int64, device=device)
        self.ids, self.positions = (torch.zeros((self.most_rows, 1), dtype=torch.int64, device=device) for _ in range(2))
        self.mask = torch.zeros((self.most_rows, self.most_columns), dtype=torch.int64, device=device)
        self.column = torch.zeros(1, dtype=torch.int64, device=device)
        self.logits = torch.zeros((self.most_rows, self.module.get_output_embeddings().weight.shape[0]), device=device)

    def _zeros(self, like: Tensor) -> Tensor:
        return like.new_zeros((self.most_rows, like.shape[1], self.most_columns, like.shape[3]))

    def _padded(self, index: Tensor) -> Tensor:
        return torch.cat([index, index[:1].expand(self.size - self.rows)])
