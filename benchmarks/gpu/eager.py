"""The objectives in eager torch, as a trainer writes them: from float32 logits, differentiated by autograd."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.gpu.problems import Problem
from benchmarks.gpu.specs import BETA, BONUS, DPO_BETA, HIGH, LOW


def loss_of_logits(name: str, logits: Tensor, problem: Problem, other: Tensor | None = None) -> Tensor:
    """Of packed rows; `other` are those of the second policy."""
    log_p = torch.log_softmax(logits.float(), -1)
    if other is not None:
        return _divergence(name, log_p, torch.log_softmax(other.float(), -1))
    logp = log_p.gather(1, problem.targets[:, None])[:, 0]
    entropy = -(log_p.exp() * log_p).sum(-1) if name == "token" else None
    return loss_of_reads(name, logp, entropy, problem)


def loss_of_reads(name: str, logp: Tensor, entropy: Tensor | None, problem: Problem) -> Tensor:
    """Of log-probabilities of the targets, and entropies."""
    match name:
        case "gspo":
            ratio = torch.exp(problem.by_sample(logp - problem.old).mean(1))
            return -_clipped(ratio, problem.advantage).mean()
        case "dpo":
            chosen, rejected = problem.by_sample(logp - problem.ref).sum(1).chunk(2)
            return -functional.logsigmoid(DPO_BETA * (chosen - rejected)).mean()
        case "token" | "plain":
            surrogate = _clipped(torch.exp(logp - problem.old), problem.advantage.repeat_interleave(problem.length)).mean()
            apart = problem.ref - logp
            loss = BETA * (torch.expm1(apart) - apart).mean() - surrogate
            return loss if entropy is None else loss - BONUS * entropy.mean()
    raise ValueError(name)


def _clipped(ratio: Tensor, advantage: Tensor) -> Tensor:
    return torch.minimum(ratio * advantage, ratio.clamp(LOW, HIGH) * advantage)


def _divergence(name: str, log_p: Tensor, log_q: Tensor) -> Tensor:
    if name == "kl":
        return (log_p.exp() * (log_p - log_q)).sum(-1).mean()
    middle = torch.logaddexp(log_p, log_q) - torch.log(log_p.new_tensor(2.0))
    return 0.5 * (log_p.exp() * (log_p - middle) + log_q.exp() * (log_q - middle)).sum(-1).mean()
