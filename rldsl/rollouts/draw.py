"""One token from each row of logits, by a given uniform number, and its log-probability under the same transforms.

The order is that of transformers and vLLM: temperature, then the `top_k` likeliest, then of those the fewest that
reach `top_p`. What is left is renormalised, and the log-probability is of that.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rldsl.rollouts.signatures import Rule, Sampling


def draw_tokens(logits: Tensor, uniform: Tensor, settings: Sampling) -> tuple[Tensor, Tensor]:
    """Tokens [B] and log-probabilities [B] from fp32 logits [B, V] and fp64 numbers [B] in [0, 1).

    Greedy takes the likeliest token and gives its log-probability at temperature 1, without truncation.
    """
    if settings.greedy:
        logp, chosen = torch.log_softmax(logits, -1).max(-1)
        return chosen, logp
    scaled = logits if settings.temperature == 1.0 else logits / settings.temperature
    if settings.top_p == 1.0 and not 0 < settings.top_k < logits.shape[1]:
        return _by_inverse(torch.log_softmax(scaled, -1), uniform)
    kept, places = _truncated(scaled, settings)
    rank, logp = _by_inverse(kept, uniform)
    return places.gather(1, rank[:, None])[:, 0], logp


def drawable(logits: Tensor, settings: Sampling) -> Tensor:
    """Which tokens [B, V] `draw_tokens` could draw from these logits."""
    inside = logits > -torch.inf
    if settings.greedy or (settings.top_p == 1.0 and not 0 < settings.top_k < logits.shape[1]):
        return inside
    kept, places = _truncated(logits if settings.temperature == 1.0 else logits / settings.temperature, settings)
    return torch.zeros_like(inside).scatter(1, places, kept > -torch.inf)


def likeliest(logits: Tensor, rule: Rule) -> Tensor:
    """Which tokens [B, V] a rule lets through, by the logits of its model."""
    ordered, places = _sorted(logits)
    likely = torch.softmax(ordered, -1)
    before = likely.cumsum(-1, dtype=torch.float64) - likely
    ranks = torch.arange(logits.shape[1], device=logits.device)
    inside = ranks < rule.top_k if rule.top_k else before < rule.top_p
    return torch.zeros_like(logits, dtype=torch.bool).scatter(1, places, (inside | (ranks < rule.least)) & (ordered > -torch.inf))


def _truncated(scaled: Tensor, settings: Sampling) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the kept tokens, likeliest first and -inf after the last kept one, and which they are."""
    count = settings.top_k if 0 < settings.top_k < scaled.shape[1] else scaled.shape[1]
    ordered, places = scaled.topk(count, dim=-1) if count < scaled.shape[1] else _sorted(scaled)
    if settings.top_p < 1.0:
        likely = torch.softmax(ordered, -1)
        before = likely.cumsum(-1, dtype=torch.float64) - likely
        ordered = ordered.masked_fill(before >= settings.top_p, -torch.inf)
    return torch.log_softmax(ordered, -1), places


def _sorted(scaled: Tensor) -> tuple[Tensor, Tensor]:
    ordered, places = scaled.sort(dim=-1, descending=True, stable=True)
    return ordered, places


def _by_inverse(logp: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """The first place whose cumulated probability passes the uniform number: never one of probability 0."""
    cumulated = logp.exp().cumsum(-1, dtype=torch.float64)
    total = cumulated[:, -1:]
    target = torch.minimum(uniform[:, None] * total, torch.nextafter(total, torch.zeros_like(total)))
    chosen = torch.searchsorted(cumulated, target, right=True)
    return chosen[:, 0], logp.gather(1, chosen)[:, 0]
