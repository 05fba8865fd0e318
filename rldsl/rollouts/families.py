"""The architectures whose blocks are computed here rather than by their module: Llama's and those made like it.

Holds what the packed forward (`packed`) and the decoder (`fast_decoder`) share; both use the module's own weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

_KINDS: Final = frozenset({"qwen2", "llama", "mistral", "qwen3"})
_ROPES: Final = frozenset({"default", "linear", "llama3"})


@dataclass(frozen=True, slots=True)
class Family:
    """Sizes of a supported body. `heads` attention heads of `head_width`, in groups over `kv_heads`."""

    heads: int
    kv_heads: int
    head_width: int
    epsilon: float


def family_of(body: Any) -> Family | None:
    """The sizes, or None where the body is not of these architectures exactly (adapters, sliding windows, ...)."""
    config = body.config
    if config.model_type not in _KINDS or getattr(config, "hidden_act", "") != "silu":
        return None
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or getattr(config, "sliding_window", None) is not None:
        return None
    if body.rotary_emb.rope_type not in _ROPES or not all(_is_plain(layer) for layer in body.layers):
        return None
    width = body.layers[0].self_attn.head_dim
    return Family(config.num_attention_heads, config.num_key_value_heads, width, config.rms_norm_eps)


def rotations(body: Any, count: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines [count, head_width / 2] of the positions 0 to count - 1, as the module computes them."""
    positions = torch.arange(count, device=body.embed_tokens.weight.device)[None]
    cosines, sines = body.rotary_emb(body.embed_tokens.weight[:1, :1].float(), positions)
    half = cosines.shape[-1] // 2
    return cosines[0, :, :half].contiguous(), sines[0, :, :half].contiguous()


def _is_plain(layer: Any) -> bool:
    attention, inner = layer.self_attn, layer.mlp
    parts = [attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj,
             inner.gate_proj, inner.up_proj, inner.down_proj]
    return all(type(part) is nn.Linear for part in parts)
