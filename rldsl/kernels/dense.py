"""The reads of a vocabulary row in plain torch, any dtype, differentiable: what the row kernels must agree with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def dense_reads(logits: Tensor, others: Sequence[Tensor], targets: Tensor, temperature: float,
                kinds: Sequence[tuple[str, int | None]]) -> list[Tensor]:
    """One value a row for each kind: logp, entropy, logz, and of other policy i: kl, reverse_kl, js, tv."""
    log_p = torch.log_softmax(logits / temperature, -1)
    log_others = [torch.log_softmax(other / temperature, -1) for other in others]
    found = []
    for kind, other in kinds:
        if other is not None:
            found.append(_divergence(kind, log_p, log_others[other]))
        elif kind == "logp":
            found.append(log_p.gather(1, targets[:, None])[:, 0])
        elif kind == "entropy":
            found.append(-_expected(log_p, log_p))
        else:
            found.append(torch.logsumexp(logits / temperature, -1))
    return found


def _divergence(kind: str, log_p: Tensor, log_q: Tensor) -> Tensor:
    match kind:
        case "kl":
            return _expected(log_p, log_p) - _expected(log_p, log_q)
        case "reverse_kl":
            return _expected(log_q, log_q) - _expected(log_q, log_p)
        case "tv":
            return 0.5 * (log_p.exp() - log_q.exp()).abs().sum(-1)
        case _:
            log_mixture = torch.logaddexp(_finite(log_p), _finite(log_q)) - torch.log(log_p.new_tensor(2.0))
            return 0.5 * (_expected(log_p, log_p - log_mixture) + _expected(log_q, log_q - log_mixture))


def _expected(log_p: Tensor, value: Tensor) -> Tensor:
    """Mean of a value under p, with 0 * -inf = 0."""
    p = log_p.exp()
    return (p * torch.where(p > 0, value, 0.0)).sum(-1)


def _finite(log_p: Tensor) -> Tensor:
    return log_p.clamp(min=torch.finfo(log_p.dtype).min / 4)
