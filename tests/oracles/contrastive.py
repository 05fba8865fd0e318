"""Contrastive losses against torch's of a matrix of scores: members and their counterparts on the diagonal, rivals beside it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tests.oracles.compare import Comparison
from tests.oracles.trl_supervised import NO_SCORE, last_values
from tests.oracles.world import Padded


def _scores(given: Padded) -> Tensor:
    own, rival = last_values(given, "win"), last_values(given, "lose")
    return torch.where(torch.eye(len(own)).bool(), own[:, None], rival[None, :].expand(len(own), -1))


def _infonce(given: Padded) -> Tensor:
    scores = _scores(given)
    return functional.cross_entropy(scores, torch.arange(len(scores)))


def _weighted_infonce(given: Padded) -> Tensor:
    """A weight adds its logarithm to a rival's score."""
    scores = _scores(given)
    weights = torch.where(torch.eye(len(scores)).bool(), 1.0, given.frozen("pairs_margin")[None, :])
    return functional.cross_entropy(scores + weights.log(), torch.arange(len(scores)))


def _decoupled(given: Padded) -> Tensor:
    scores = _scores(given)
    rivals = scores.masked_fill(torch.eye(len(scores)).bool(), -torch.inf)
    return (torch.logsumexp(rivals, 1) - scores.diagonal()).mean()


def _goal_conditioned(given: Padded) -> Tensor:
    scores = _scores(given)
    return functional.binary_cross_entropy_with_logits(scores, torch.eye(len(scores)), reduction="sum") / len(scores)


def _choice(given: Padded) -> Tensor:
    """Of each prompt's answers the one that is ranked highest."""
    scores, ranked = last_values(given, "y"), given.frozen("score")
    groups = [torch.from_numpy(np.flatnonzero(given.groups == group)) for group in np.unique(given.groups)]
    return torch.stack([functional.cross_entropy(scores[members], ranked[members].argmax()) for members in groups]).sum()


RIVALS = "let own = last(value(v, win), per: sample)  let rival = others(last(value(v, lose), per: sample), per: batch)  "
MATRIX = "of a matrix of scores"
COMPARISONS = (
    Comparison(
        ("contrastive.infonce",),
        "torch",
        f"nn.functional.cross_entropy {MATRIX}",
        RIVALS + "minimize l: mean(infonce(own, rival))",
        _infonce,
        trains="v",
        without=NO_SCORE,
    ),
    Comparison(
        ("contrastive.weighted_infonce",),
        "torch",
        f"nn.functional.cross_entropy {MATRIX} and log weights",
        RIVALS + "minimize l: mean(weighted_infonce(own, rival, others(pairs.margin, per: batch)))",
        _weighted_infonce,
        trains="v",
        without=NO_SCORE,
    ),
    Comparison(
        ("contrastive.decoupled",),
        "torch",
        f"logsumexp {MATRIX}",
        RIVALS + "minimize l: mean(decoupled(own, rival))",
        _decoupled,
        trains="v",
        without=NO_SCORE,
    ),
    Comparison(
        ("contrastive.goal_conditioned",),
        "torch",
        f"nn.functional.binary_cross_entropy_with_logits {MATRIX}",
        RIVALS + "minimize l: mean(goal_conditioned(own, rival))",
        _goal_conditioned,
        trains="v",
        without=NO_SCORE,
    ),
    Comparison(
        ("contrastive.choice",),
        "torch",
        "nn.functional.cross_entropy of each prompt's scores",
        "let s = last(value(v, y), per: sample)  minimize l: sum(choice(s, top(score, 1, per: prompt), per: prompt))",
        _choice,
        trains="v",
        without=NO_SCORE,
    ),
)
