"""The reads of a vocabulary row in plain torch, any dtype, differentiable: what the row kernels must agree with."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

RowKind = tuple[str, int | None, float | None]  # what is read, of which other policy, with which parameter


def dense_reads(logits: Tensor, others: Sequence[Tensor], targets: Tensor, temperature: float,
                kinds: Sequence[RowKind]) -> list[Tensor]:
    """One value a row for each kind: logp, entropy, logz, and of other policy i: kl, reverse_kl, js (with the weight of this
    row), tv, alpha and reverse_alpha (with the exponent c that is not above 1/2, of the other row or of this)."""
    log_p = torch.log_softmax(logits / temperature, -1)
    log_others = [torch.log_softmax(other / temperature, -1) for other in others]
    found = []
    for kind, other, parameter in kinds:
        if other is not None:
            found.append(_divergence(kind, log_p, log_others[other], parameter))
        elif kind == "logp":
            found.append(log_p.gather(1, targets[:, None])[:, 0])
        elif kind == "entropy":
            found.append(-_expected(log_p, log_p))
        else:
            found.append(torch.logsumexp(logits / temperature, -1))
    return found


def _divergence(kind: str, log_p: Tensor, log_q: Tensor, parameter: float | None) -> Tensor:
    match kind:
        case "kl":
            return _expected(log_p, log_p) - _expected(log_p, log_q)
        case "reverse_kl":
            return _expected(log_q, log_q) - _expected(log_q, log_p)
        case "tv":
            return 0.5 * (log_p.exp() - log_q.exp()).abs().sum(-1)
        case "js" if parameter is not None:
            return _jensen_shannon(log_p, log_q, parameter)
        case "alpha" if parameter is not None:
            return _alpha(log_p, log_q, parameter)
        case "reverse_alpha" if parameter is not None:
            return _alpha(log_q, log_p, parameter)
        case _:
            raise ValueError(f"there is no divergence {kind!r} with {parameter}")


def _jensen_shannon(log_p: Tensor, log_q: Tensor, weight: float) -> Tensor:
    """weight KL(p||m) + (1 - weight) KL(q||m), with m = weight p + (1 - weight) q."""
    log_mixture = torch.logaddexp(_finite(log_p) + math.log(weight), _finite(log_q) + math.log1p(-weight))
    return weight * _expected(log_p, log_p - log_mixture) + (1 - weight) * _expected(log_q, log_q - log_mixture)


def _alpha(log_p: Tensor, log_q: Tensor, exponent: float) -> Tensor:
    """(1 - sum p^(1 - c) q^c) / (c (1 - c)) = -sum p ((q/p)^c - 1) / (c (1 - c)), the second without losing what is small.
    Where p is 0 there is nothing, whatever q is."""
    there = log_p != -torch.inf
    ratio = torch.where(there, _finite(log_q) - torch.where(there, log_p, 0.0), 0.0)
    product = exponent * ratio
    near = product.abs() < 1.0
    small = log_p.exp() * torch.expm1(torch.where(near, product, 0.0))
    large = torch.exp(torch.where(near, -torch.inf, _finite(log_p) + product)) - log_p.exp()
    return torch.where(near, small, torch.where(there, large, 0.0)).sum(-1) / (-exponent * (1.0 - exponent))


def _expected(log_p: Tensor, value: Tensor) -> Tensor:
    """Mean of a value under p, with 0 * -inf = 0."""
    p = log_p.exp()
    return (p * torch.where(p > 0, value, 0.0)).sum(-1)


def _finite(log_p: Tensor) -> Tensor:
    return log_p.clamp(min=torch.finfo(log_p.dtype).min / 4)
