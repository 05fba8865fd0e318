"""torch's own losses, which are always there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tests.oracles.compare import Comparison
from tests.oracles.world import Padded


def _mean(
    loss: Callable[..., Tensor], target: Callable[[Tensor], Tensor] = lambda x: x, **settings: Any
) -> Callable[[Padded], Tensor]:
    """A loss of values and returns, over all tokens."""

    def run(given: Padded) -> Tensor:
        mask = given.mask().bool()
        return loss(given.value()[mask], target(given.frozen("token_return")[mask]), **settings)

    return run


def of_values(entries: str, ours: str, function: str, theirs: Callable[[Padded], Tensor]) -> Comparison:
    """A comparison of a loss of the critic's values, averaged over all tokens."""
    return Comparison(
        tuple(entries.split()), "torch", function, f"let x = value(v, y)  minimize a: mean({ours})", theirs, trains="v"
    )


def _probability(given: Padded) -> Tensor:
    mask = given.mask().bool()
    return functional.binary_cross_entropy(
        torch.sigmoid(given.value()[mask]), (given.frozen("token_return")[mask] > 0).to(given.dtype)
    )


def _cross_entropy(given: Padded) -> Tensor:
    labels = given.tokens("win").masked_fill(given.mask("win") == 0, -100)
    return functional.cross_entropy(given.logits("win").flatten(0, 1), labels.flatten(), ignore_index=-100)


def _soft_labels(given: Padded) -> Tensor:
    scaled = 0.3 * (
        (given.logp("win", fill=0.0) - given.logp("win", "ref", 0.0)).sum(1)
        - (given.logp("lose", fill=0.0) - given.logp("lose", "ref", 0.0)).sum(1)
    )
    return functional.binary_cross_entropy_with_logits(scaled, given.frozen("pairs_label"))


MARGIN = "let m = implicit_reward(actor, ref, win) - implicit_reward(actor, ref, lose)  "
COMPARISONS = (
    of_values(
        "value.value_loss",
        "value_loss(x, token_return)",
        "nn.functional.mse_loss, half of it",
        _mean(lambda x, y: 0.5 * functional.mse_loss(x, y)),
    ),
    of_values(
        "reward_model.regression_loss", "regression_loss(x, token_return)", "nn.functional.mse_loss", _mean(functional.mse_loss)
    ),
    of_values("scoring.brier", "brier(x, token_return)", "nn.functional.mse_loss", _mean(functional.mse_loss)),
    of_values(
        "value.huber_value_loss",
        "huber_value_loss(x, token_return, 0.7)",
        "nn.functional.huber_loss(delta=0.7)",
        _mean(functional.huber_loss, delta=0.7),
    ),
    of_values(
        "value.huber",
        "huber(x - token_return, 0.7) / 0.7",
        "nn.functional.smooth_l1_loss(beta=0.7)",
        _mean(functional.smooth_l1_loss, beta=0.7),
    ),
    of_values(
        "value.logit_value_loss",
        "logit_value_loss(x, sigmoid(token_return))",
        "nn.functional.binary_cross_entropy_with_logits",
        _mean(functional.binary_cross_entropy_with_logits, torch.sigmoid),
    ),
    of_values(
        "scoring.binary_cross_entropy",
        "binary_cross_entropy(x, sigmoid(token_return))",
        "nn.functional.binary_cross_entropy_with_logits",
        _mean(functional.binary_cross_entropy_with_logits, torch.sigmoid),
    ),
    of_values(
        "scoring.log_score",
        "log_score(sigmoid(x), where(token_return > 0, 1, 0))",
        "nn.functional.binary_cross_entropy",
        _probability,
    ),
    of_values(
        "reward_model.graded_preference",
        "graded_preference(x, sigmoid(token_return))",
        "nn.functional.binary_cross_entropy_with_logits",
        _mean(functional.binary_cross_entropy_with_logits, torch.sigmoid),
    ),
    Comparison(
        ("supervised.nll",),
        "torch",
        "nn.functional.cross_entropy(ignore_index=-100)",
        "minimize l: mean(nll(actor, win))",
        _cross_entropy,
    ),
    Comparison(
        ("preference.preference_cross_entropy", "preference.implicit_reward"),
        "torch",
        "nn.functional.binary_cross_entropy_with_logits",
        MARGIN + "minimize l: mean(preference_cross_entropy(0.3 * m, pairs.label))",
        _soft_labels,
    ),
)
