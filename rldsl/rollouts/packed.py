"""The body's forward over packed tokens: no padding in the products, and each prompt once for all its samples.

For the architectures of `families`. Prompts attend to themselves; samples attend to their prompt's keys and values
and to their own. Gradients flow as if each sample had been computed with its prompt alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rldsl.kernels.device.products import moved_to
from rldsl.rollouts.attention import attend
from rldsl.rollouts.families import AnyBlock, Family, block_of, fed_forward, normed, out_of, rotated, rotations
from rldsl.rollouts.tokens import Longs, concatenated_ranges, offsets_of

KeysValues = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Grid:
    """Packed pieces seen as rows of one width. `from_packed` and `to_packed` are None where all are of that width."""

    rows: int
    width: int
    from_packed: Tensor | None
    to_packed: Tensor | None

    @staticmethod
    def of(lengths: Longs, device: torch.device) -> Grid:
        """Rows of the longest piece's width, padded at their end."""
        rows, width = len(lengths), int(lengths.max(initial=0))
        if (lengths == width).all():
            return Grid(rows, width, None, None)
        starts = offsets_of(lengths)[:-1]
        columns = np.minimum(np.arange(width), np.maximum(lengths, 1)[:, None] - 1)
        back = concatenated_ranges(np.arange(rows, dtype=np.int64) * width, lengths)
        last = int(lengths.sum()) - 1
        place = np.minimum(starts[:, None] + columns, last).reshape(-1)
        return Grid(rows, width, moved_to(torch.from_numpy(place), device), moved_to(torch.from_numpy(back), device))

    def padded(self, x: Tensor) -> Tensor:
        """[N, heads, D] to [rows, heads, width, D]."""
        spread = x if self.from_packed is None else x.index_select(0, self.from_packed)
        return spread.view(self.rows, self.width, *x.shape[1:]).transpose(1, 2)

    def packed(self, x: Tensor) -> Tensor:
        """[rows, heads, width, D] to [N, heads * D]."""
        flat = x.transpose(1, 2).reshape(self.rows * self.width, -1)
        return flat if self.to_packed is None else flat.index_select(0, self.to_packed)


@dataclass(frozen=True, slots=True)
class Pack:
    """Tokens of prompts, then tokens that follow them. `prompt_of` [rows] is the prompt of each following piece;
    `group` is set where each prompt has so many, in order; `mask` holds what each token may not see (-inf) of
    [prompt, own], None where nothing follows. `positions_used`: one more than the last position, known on the host."""

    ids: Tensor
    positions: Tensor
    prompts: Grid
    following: Grid
    prompt_of: Tensor
    group: int | None
    mask: Tensor | None
    prompt_lengths: Longs
    positions_used: int

    @property
    def split(self) -> int:
        """How many tokens are of prompts."""
        return int(self.prompt_lengths.sum())

    def for_following(self, x: Tensor) -> Tensor:
        """[prompts, ...] to [rows of following pieces, ...]."""
        if self.group is None:
            return x.index_select(0, self.prompt_of)
        return x[:, None].expand(-1, self.group, *x.shape[1:]).flatten(0, 1)


def pack(prompts: list[npt.NDArray[np.int32]], prompt_of: Longs, following: Longs, lengths: Longs,
         device: torch.device) -> Pack:
    """`following` are packed tokens, `lengths[i]` of them after prompt `prompt_of[i]`."""
    prompt_lengths = np.array([len(ids) for ids in prompts], dtype=np.int64)
    own = concatenated_ranges(np.zeros(len(lengths), np.int64), lengths)
    positions = np.concatenate([concatenated_ranges(np.zeros(len(prompts), np.int64), prompt_lengths),
                                own + np.repeat(prompt_lengths[prompt_of], lengths)])
    grids = Grid.of(prompt_lengths, device), Grid.of(lengths, device)
    mask = _mask(prompt_lengths, prompt_of, grids[1].width) if len(following) else None
    group = len(prompt_of) // max(1, len(prompts))
    is_regular = np.array_equal(prompt_of, np.repeat(np.arange(len(prompts)), group))
    ids = np.concatenate([*prompts, following]).astype(np.int64)
    return Pack(moved_to(torch.from_numpy(ids), device), moved_to(torch.from_numpy(positions), device), *grids,
                moved_to(torch.from_numpy(prompt_of), device), group if is_regular else None,
                None if mask is None else moved_to(torch.from_numpy(mask), device), prompt_lengths, int(positions.max()) + 1)


def packed_hidden(body: Any, family: Family, tokens: Pack) -> Tensor:
    """Hidden states [N, H] of all packed tokens."""
    turn = rotations(body, tokens.positions_used)[tokens.positions][:, None]
    x = body.embed_tokens(tokens.ids)
    for layer in body.layers:
        block = block_of(layer, family)
        seen = _attended(tokens, *rotated(block, family, normed(layer.input_layernorm, x), turn))
        x = fed_forward(layer, block, x + out_of(layer, seen))
    return normed(body.norm, x)


def prompt_states(body: Any, family: Family, tokens: Pack, blocks: Sequence[AnyBlock]) -> tuple[Tensor, list[KeysValues]]:
    """Hidden states [prompts, H] of the prompts' last tokens, and each layer's keys and values, padded: [prompts,
    kv_heads, width, D]. The last layer goes on with the last tokens alone."""
    turn = rotations(body, tokens.prompts.width)[tokens.positions][:, None]
    x = body.embed_tokens(tokens.ids)
    last = moved_to(torch.from_numpy(offsets_of(tokens.prompt_lengths)[1:] - 1), x.device)
    hidden = _padding(tokens.prompt_lengths)
    kept: list[KeysValues] = []
    for layer, block in zip(body.layers, blocks, strict=True):
        queries, keys, values = rotated(block, family, normed(layer.input_layernorm, x), turn)
        kept.append((tokens.prompts.padded(keys), tokens.prompts.padded(values)))
        if len(kept) < len(blocks):
            seen = tokens.prompts.packed(attend(tokens.prompts.padded(queries), *kept[-1], None))
        else:
            x = x[last]
            seen = attend(queries[last][:, :, None], *kept[-1], moved_to(hidden, x.device)).flatten(1)
        x = fed_forward(layer, block, x + out_of(layer, seen))
    return normed(body.norm, x), kept


def _attended(tokens: Pack, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """[N, heads * D]. The reordering inside queries and keys does not reach the values."""
    split = tokens.split
    q, k, v = (tokens.prompts.padded(x[:split]) for x in (queries, keys, values))
    of_prompts = tokens.prompts.packed(attend(q, k, v, None))
    if tokens.mask is None:
        return of_prompts
    own_q, own_k, own_v = (tokens.following.padded(x[split:]) for x in (queries, keys, values))
    all_k, all_v = (torch.cat([tokens.for_following(x), own], dim=2) for x, own in ((k, own_k), (v, own_v)))
    return torch.cat([of_prompts, tokens.following.packed(attend(own_q, all_k, all_v, tokens.mask))])


def _padding(lengths: Longs) -> Tensor:
    """-inf at the columns after each prompt's end: [prompts, 1, 1, width]."""
    beyond = np.arange(int(lengths.max())) >= lengths[:, None]
    return torch.from_numpy(np.where(beyond, np.float32(-np.inf), np.float32(0)))[:, None, None]


def _mask(prompt_lengths: Longs, prompt_of: Longs, width: int) -> npt.NDArray[np.float32]:
    """[rows or 1, 1, width, longest prompt + width]."""
    longest = int(prompt_lengths.max())
    if (prompt_lengths == longest).all():
        prompt_of = prompt_of[:1]
    own = np.where(np.tri(width, dtype=np.bool_), np.float32(0), np.float32(-np.inf))
    of_prompt = np.where(np.arange(longest) < prompt_lengths[prompt_of][:, None], np.float32(0), np.float32(-np.inf))
    shape = (len(prompt_of), 1, width)
    return np.concatenate([np.broadcast_to(of_prompt[:, None, None], (*shape, longest)),
                           np.broadcast_to(own, (*shape, width))], axis=-1)
