"""Token by token through a model, with its keys and values kept: a decoder for the families, one for any other model.

A decoder holds a batch of rows that started from prompts; it draws nothing (`sampler` does).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import DynamicCache

from rldsl.kernels.device.products import moved_to
from rldsl.rollouts.attention import attend
from rldsl.rollouts.families import AnyBlock, Family, block_of, family_of, fed_forward, normed, out_of, rotated, rotations
from rldsl.rollouts.heads import body_of, capped, softcap_of, vocabulary_head
from rldsl.rollouts.packed import pack, prompt_states
from rldsl.rollouts.tokenizers import Ids
from rldsl.rollouts.tokens import Longs

_GROWTH = 64  # columns that the buffers have room for at first, beside the prompts


class Decoder(Protocol):
    """Logits are fp32, [rows, V]."""

    def start(self, prompts: Sequence[Ids], prompt_of: Longs, limit: int) -> Tensor:
        """Logits of the first token of each row; row `i` follows `prompts[prompt_of[i]]` by `limit` tokens at most."""
        ...

    def step(self, ids: Tensor) -> Tensor:
        """Logits after one more token [rows] of each row."""
        ...

    def keep(self, rows: Tensor) -> None:
        """Goes on with these rows alone."""
        ...


def decoder_of(module: Any) -> Decoder:
    """One whose buffers grow: the fast one where the architecture allows it."""
    family = family_of(body_of(module))
    return CacheDecoder(module) if family is None else FastDecoder(module, family)


class FastDecoder:
    """Static buffers of keys and values, joined weights, each distinct prompt computed once.

    Columns of a buffer: the prompt, right-padded to the longest of the batch, then the answer. Where prompts differ in
    length a mask hides the padding and each row has its own position.
    """

    def __init__(self, module: Any, family: Family) -> None:
        body: Any = body_of(module)
        self.body = body
        self.family = family
        self.head, self.head_bias = vocabulary_head(module)
        self.softcap = softcap_of(module)
        self.blocks: list[AnyBlock] = [block_of(layer, family) for layer in body.layers]
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.mask: Tensor | None = None
        self.lengths: Tensor | None = None

    def start(self, prompts: Sequence[Ids], prompt_of: Longs, limit: int) -> Tensor:
        """See `Decoder.start`."""
        device = self.head.device
        none = np.zeros(0, np.int64)
        packed = pack(list(prompts), none, none, none, device)
        hidden, kept = prompt_states(self.body, self.family, packed, self.blocks)
        rows = moved_to(torch.from_numpy(prompt_of), device)
        self.column = packed.prompts.width
        self.last_column = self.column + limit - 1
        self.room = min(self.last_column, self.column + _GROWTH)
        is_same = np.array_equal(prompt_of, np.arange(len(prompts)))
        self.keys = [self._buffer(keys if is_same else keys[rows]) for keys, _ in kept]
        self.values = [self._buffer(values if is_same else values[rows]) for _, values in kept]
        self._place(packed.prompt_lengths, rows, device)
        return self._logits(hidden)[rows]

    def step(self, ids: Tensor) -> Tensor:
        """See `Decoder.step`."""
        if self.column == self.room:
            self._grow()
        turn = self._turn()
        stop = self.column + 1
        mask = None if self.mask is None else self.mask[..., :stop]
        x = self.body.embed_tokens(ids)
        for place, (layer, block) in enumerate(zip(self.body.layers, self.blocks, strict=True)):
            queries, keys, values = rotated(block, self.family, normed(layer.input_layernorm, x), turn)
            self.keys[place][:, :, self.column] = keys
            self.values[place][:, :, self.column] = values
            seen = attend(queries[:, :, None], self.keys[place][:, :, :stop], self.values[place][:, :, :stop], mask)
            x = fed_forward(layer, block, x + out_of(layer, seen.flatten(1)))
        self.column = stop
        return self._logits(normed(self.body.norm, x))

    def keep(self, rows: Tensor) -> None:
        """See `Decoder.keep`."""
        self.keys = [self._moved(buffer, rows) for buffer in self.keys]
        self.values = [self._moved(buffer, rows) for buffer in self.values]
        if self.mask is not None and self.lengths is not None:
            self.mask, self.lengths = self.mask[rows], self.lengths[rows]

    def _place(self, lengths: Longs, rows: Tensor, device: torch.device) -> None:
        """Rotations of the positions to come and, where prompts differ in length, what each row may see."""
        self.turns = rotations(self.body, self.last_column + 1)
        self.width = self.column
        self.mask = self.lengths = None
        if (lengths != self.width).any():
            self.lengths = moved_to(torch.from_numpy(lengths), device)[rows]
            columns = torch.arange(self.last_column + 1, device=device)
            hidden = (columns >= self.lengths[:, None]) & (columns < self.width)
            self.mask = torch.zeros(hidden.shape, device=device).masked_fill_(hidden, -torch.inf)[:, None, None]

    def _turn(self) -> Tensor:
        """Rotations of the newest column's positions: [rows or 1, 1, D / 2]."""
        done = self.column - self.width
        if self.lengths is None:
            return self.turns[self.column].view(1, 1, -1)
        return self.turns[self.lengths + done][:, None]

    def _logits(self, hidden: Tensor) -> Tensor:
        return capped(F.linear(hidden, self.head, self.head_bias).float(), self.softcap)

    def _buffer(self, prompt: Tensor) -> Tensor:
        """[rows, kv_heads, room, D] with the prompts' columns filled in."""
        rows, heads, width, size = prompt.shape
        buffer = prompt.new_empty((rows, heads, self.room, size))
        buffer[:, :, :width] = prompt
        return buffer

    def _grow(self) -> None:
        self.room = min(self.last_column, 2 * self.room)
        self.keys = [self._buffer(buffer[:, :, :self.column]) for buffer in self.keys]
        self.values = [self._buffer(buffer[:, :, :self.column]) for buffer in self.values]

    def _moved(self, buffer: Tensor, rows: Tensor) -> Tensor:
        return self._buffer(buffer[:, :, :self.column].index_select(0, rows))


@dataclass(slots=True)
class _Running:
    cache: DynamicCache
    mask: Tensor
    positions: Tensor


class CacheDecoder:
    """Any causal language model, by its own forward and cache; prompts are left-padded, with masks and positions."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.device = module.device
        self.takes_positions = "position_ids" in inspect.signature(module.forward).parameters
        self.running: _Running | None = None

    def start(self, prompts: Sequence[Ids], prompt_of: Longs, limit: int) -> Tensor:
        """See `Decoder.start`."""
        width = max(len(ids) for ids in prompts)
        ids = np.zeros((len(prompts), width), dtype=np.int64)
        mask = np.zeros((len(prompts), width), dtype=np.int64)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt):] = prompt
            mask[row, width - len(prompt):] = 1
        positions = np.maximum(mask.cumsum(1) - 1, 0)
        cache = DynamicCache(config=self.module.config)
        tensors = [moved_to(torch.from_numpy(array), self.device) for array in (ids, mask, positions)]
        logits = self._forward(tensors[0], _Running(cache, tensors[1], tensors[2]))
        rows = moved_to(torch.from_numpy(prompt_of), self.device)
        cache.batch_select_indices(rows)
        self.running = _Running(cache, tensors[1][rows], tensors[2][rows, -1:])
        return logits[rows]

    def step(self, ids: Tensor) -> Tensor:
        """See `Decoder.step`."""
        assert self.running is not None
        old = self.running
        mask = torch.cat([old.mask, old.mask.new_ones(len(ids), 1)], dim=1)
        self.running = _Running(old.cache, mask, old.positions + 1)
        return self._forward(ids[:, None], self.running)

    def keep(self, rows: Tensor) -> None:
        """See `Decoder.keep`."""
        assert self.running is not None
        self.running.cache.batch_select_indices(rows)
        self.running = _Running(self.running.cache, self.running.mask[rows], self.running.positions[rows])

    def _forward(self, ids: Tensor, state: _Running) -> Tensor:
        extra = {"position_ids": state.positions} if self.takes_positions else {}
        out = self.module(input_ids=ids, attention_mask=state.mask, past_key_values=state.cache, use_cache=True,
                          logits_to_keep=1, **extra)
        logits: Tensor = out.logits[:, -1].float()
        return logits
