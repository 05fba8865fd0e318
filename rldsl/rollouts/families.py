"""The architectures whose blocks are computed here rather than by their module: Llama's and those made like it.

Holds what the packed forward (`packed`) and the decoder (`fast_decoder`) share; both use the module's own weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_KINDS: Final = frozenset({"qwen2", "llama", "mistral", "qwen3"})
_ROPES: Final = frozenset({"default", "linear", "llama3"})
_SMALL: Final = 2**22  # weights of up to so many numbers are joined for one product instead of two


@dataclass(frozen=True, slots=True)
class Family:
    """Sizes of a supported body. `heads` attention heads of `head_width`, in groups over `kv_heads`."""

    heads: int
    kv_heads: int
    head_width: int

    @property
    def turning(self) -> int:
        """How many of a joined projection's numbers are rotated: those of queries and keys."""
        return (self.heads + self.kv_heads) * self.head_width


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
    return Family(config.num_attention_heads, config.num_key_value_heads, body.layers[0].self_attn.head_dim)


def rotations(body: Any, count: int) -> Tensor:
    """Rotations [count, head_width / 2] of the positions 0 to count - 1, as complex numbers of the module's angles."""
    weight = body.embed_tokens.weight
    cosines, sines = body.rotary_emb(weight[:1, :1].float(), torch.arange(count, device=weight.device)[None])
    half = cosines.shape[-1] // 2
    return torch.complex(cosines[0, :, :half].contiguous(), sines[0, :, :half].contiguous())


@dataclass(frozen=True, slots=True)
class Block:
    """Weights of one layer, joined. In queries and keys the two halves of a head alternate, so that a rotation is
    one complex product; scores do not change, since both are reordered alike."""

    qkv: Tensor
    qkv_bias: Tensor | None
    norms: tuple[tuple[Tensor, float], ...] | None
    gate_up: Tensor | None


@dataclass(frozen=True, slots=True)
class OwnBlock:
    """A layer whose own weights are used as they lie. On a GPU two more products cost less than a copy of the weights, and a step
    that was captured once reads what training has made of them since."""

    attention: Any
    gate_up: None = None


AnyBlock: TypeAlias = Block | OwnBlock


def block_of(layer: Any, family: Family, joined: bool | None = None) -> AnyBlock:
    """Gradients flow to the layer's own weights. They are joined on a CPU, unless it is said."""
    attention, inner = layer.self_attn, layer.mlp
    if not (attention.q_proj.weight.device.type == "cpu" if joined is None else joined):
        return OwnBlock(attention)
    order = _alternating(family.heads, family.head_width, attention.q_proj.weight.device)
    shared = order[:family.kv_heads * family.head_width]
    projections = (attention.q_proj, attention.k_proj, attention.v_proj)
    qkv = torch.cat([projections[0].weight[order], projections[1].weight[shared], projections[2].weight])
    biases = [projection.bias for projection in projections]
    bias = None if biases[0] is None else torch.cat([biases[0][order], biases[1][shared], biases[2]])
    within = order[:family.head_width]
    norms = None if not hasattr(attention, "q_norm") else tuple(
        (norm.weight[within], float(norm.variance_epsilon)) for norm in (attention.q_norm, attention.k_norm))
    is_small = inner.gate_proj.bias is None and inner.gate_proj.weight.numel() <= _SMALL
    gate_up = torch.cat([inner.gate_proj.weight, inner.up_proj.weight]) if is_small else None
    return Block(qkv, bias, norms, gate_up)


def rotated(block: AnyBlock, family: Family, x: Tensor, turn: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries [N, heads, D], keys and values [N, kv_heads, D] of normalised states [N, H]; `turn` [N or 1, 1, D/2]."""
    if isinstance(block, OwnBlock):
        return _rotated_apart(block.attention, family, x, turn)
    joined = F.linear(x, block.qkv, block.qkv_bias)
    rows, width = x.shape[0], family.head_width
    values = joined[:, family.turning:].view(rows, family.kv_heads, width)
    plain = joined[:, :family.turning].view(rows, -1, width)
    if block.norms is not None:
        parts = plain[:, :family.heads], plain[:, family.heads:]
        plain = torch.cat([F.rms_norm(part, (width,), *norm)
                           for part, norm in zip(parts, block.norms, strict=True)], dim=1)
    pairs = torch.view_as_complex(plain.float().view(rows, -1, width // 2, 2))
    turned = torch.view_as_real(pairs * turn).view(rows, -1, width).to(x.dtype)
    return turned[:, :family.heads], turned[:, family.heads:], values


def _rotated_apart(attention: Any, family: Family, x: Tensor, turn: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    width = family.head_width
    queries = attention.q_proj(x).view(-1, family.heads, width)
    keys, values = (project(x).view(-1, family.kv_heads, width) for project in (attention.k_proj, attention.v_proj))
    if hasattr(attention, "q_norm"):
        queries, keys = (F.rms_norm(part, (width,), norm.weight, float(norm.variance_epsilon))
                         for part, norm in ((queries, attention.q_norm), (keys, attention.k_norm)))
    return _turned(queries, turn), _turned(keys, turn), values


def _turned(x: Tensor, turn: Tensor) -> Tensor:
    """Each head's halves are the two parts of complex numbers."""
    first, second = x.float().chunk(2, -1)
    cosines, sines = turn.real, turn.imag
    return torch.cat([first * cosines - second * sines, second * cosines + first * sines], -1).to(x.dtype)


def out_of(layer: Any, seen: Tensor) -> Tensor:
    """The layer's attention output from what its heads saw."""
    return F.linear(seen, layer.self_attn.o_proj.weight, layer.self_attn.o_proj.bias)


def fed_forward(layer: Any, block: AnyBlock, x: Tensor) -> Tensor:
    """The layer's second half, residual included."""
    h = normed(layer.post_attention_layernorm, x)
    if block.gate_up is None:
        return torch.add(x, layer.mlp(h))
    gate, up = F.linear(h, block.gate_up).chunk(2, dim=-1)
    return x + F.linear(F.silu(gate) * up, layer.mlp.down_proj.weight, layer.mlp.down_proj.bias)


def normed(norm: Any, x: Tensor) -> Tensor:
    """Root-mean-square normalisation by a module's weight."""
    if torch.is_grad_enabled() or x.dtype is not torch.float32:
        return F.rms_norm(x, (x.shape[-1],), norm.weight, norm.variance_epsilon)
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)  # fewer passes over x than torch's own on a CPU
    return (x * torch.rsqrt(length * length / x.shape[-1] + norm.variance_epsilon)).mul_(norm.weight)


def _alternating(heads: int, width: int, device: torch.device) -> Tensor:
    within = torch.arange(width, device=device).view(2, width // 2).t().reshape(-1)
    return (torch.arange(heads, device=device)[:, None] * width + within).reshape(-1)


def _is_plain(layer: Any) -> bool:
    attention, inner = layer.self_attn, layer.mlp
    parts = [attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj,
             inner.gate_proj, inner.up_proj, inner.down_proj]
    return all(type(part) is nn.Linear for part in parts)
