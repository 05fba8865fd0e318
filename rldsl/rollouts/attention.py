"""Attention over padded rows: plain products for short rows on a CPU, torch's fused attention for the others."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

_SHORT: Final = 2**14  # scores of one row and head up to which plain products are faster (measured: 3 times at 50)


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """[rows, heads, q, D] from queries [rows, heads, q, D], keys and values [rows, kv_heads, k, D].

    `mask` [rows or 1, 1, q, k] is added to the scores. None is causal, from the first key on, but for a single query,
    which sees all keys.
    """
    if queries.device.type == "cpu" and 1 < queries.shape[2] <= _SHORT // keys.shape[2]:
        return _by_products(queries, keys, values, mask)
    if queries.device.type != "cpu":
        return attend_grouped(queries, keys, values, mask)
    shared = queries.shape[1] != keys.shape[1]
    bias = None if mask is None else mask.to(queries.dtype)
    is_causal = mask is None and queries.shape[2] > 1
    return F.scaled_dot_product_attention(queries, keys, values, bias, is_causal=is_causal, enable_gqa=shared)


def attend_grouped(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """`attend` by the fused kernels of a GPU, which take no mask together with shared keys (`enable_gqa` is for flash attention,
    and flash attention has no mask; torch would fall back to forming all scores). Queries of one token that share keys stand as
    so many tokens of one head; for more tokens keys are repeated, unless there is no mask."""
    rows, heads, count, width = queries.shape
    group = heads // keys.shape[1]
    bias = None if mask is None else mask.to(queries.dtype)
    if count == 1 and group > 1:
        bias = None if bias is None else bias.expand(-1, -1, group, -1)
        seen = F.scaled_dot_product_attention(queries.reshape(rows, -1, group, width), keys, values, bias)
        return seen.reshape(rows, heads, 1, width)
    if bias is not None and group > 1:
        keys, values = keys.repeat_interleave(group, 1), values.repeat_interleave(group, 1)
    return F.scaled_dot_product_attention(queries, keys, values, bias, is_causal=bias is None and count > 1,
                                          enable_gqa=keys.shape[1] != heads)


def causal(count: int, device: torch.device) -> Tensor:
    """0 where a place may see another, -inf where it lies after it: [count, count]."""
    return torch.full((count, count), -torch.inf, device=device).triu(1)


def _by_products(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    rows, heads, count, width = queries.shape
    kv_heads, seen = keys.shape[1:3]
    grouped = (queries * width**-0.5).reshape(rows, kv_heads, -1, width)
    scores = torch.matmul(grouped, keys.transpose(2, 3)).view(rows, heads, count, seen)
    scores = scores + (causal(count, queries.device) if mask is None else mask)
    weights = torch.softmax(scores, -1, dtype=torch.float32).to(values.dtype)
    return torch.matmul(weights.view(rows, kv_heads, -1, seen), values).view(rows, heads, count, width)
