"""More of verl: the cut of log-ratios, likelihood by weights, the values' explained variance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tests.oracles.compare import TWENTYFOLD, Comparison
from tests.oracles.peers import peer_module
from tests.oracles.verl_policy import GUARD, GUARDED, NAMES, actor_config, algorithms
from tests.oracles.world import Padded


def _far_apart(given: Padded) -> Tensor:
    """Log-probabilities are taken 20 times, so that their differences lie on both sides of the bound of 20."""
    mask = given.mask()
    return algorithms().compute_policy_loss_vanilla(
        old_log_prob=20 * given.frozen("y_logp"),
        log_prob=20 * given.logp(),
        advantages=given.frozen("advantage")[:, None] * mask,
        response_mask=mask,
        loss_agg_mode="token-mean",
        config=actor_config(clip_ratio_low=1.0, clip_ratio_high=1e12, clip_ratio_c=1e12),
    )[0]


def _weighted(mode: str) -> Callable[[Padded], Tensor]:
    """GPG with weights in the place of advantages."""

    def run(given: Padded) -> Tensor:
        mask = given.mask("win")
        return algorithms().get_policy_loss_fn("gpg")(
            old_log_prob=given.logp("win").detach(),
            log_prob=given.logp("win"),
            advantages=given.frozen("pairs_margin")[:, None] * mask,
            response_mask=mask,
            loss_agg_mode=mode,
            config=actor_config(),
        )[0]

    return run


def _explained(given: Padded) -> Tensor:
    """The metric, times a live number."""
    mask, zeros = given.mask(), torch.zeros_like(given.mask())
    proto = peer_module("verl.protocol").DataProto.from_dict(
        tensors={
            "token_level_scores": zeros,
            "token_level_rewards": zeros,
            "advantages": zeros,
            "returns": given.frozen("token_return"),
            "values": given.frozen("old_value"),
            "response_mask": mask,
            "prompts": zeros[:, :1],
            "responses": zeros,
            "attention_mask": torch.cat([torch.ones_like(mask[:, :1]), mask], 1),
        }
    )
    found = peer_module("verl.trainer.ppo.metric_utils").compute_data_metrics(proto)["critic/vf_explained_var"]
    return found * (given.value() * mask).sum()


COMPARISONS = (
    Comparison(
        ("surrogate.preclipped_ratio", "surrogate.unclipped", "aggregate.token_mean"),
        "verl",
        "core_algos vanilla, whose log-ratios are cut at -20 and 20",
        NAMES + "let far = preclipped_ratio(20 * d, exp(-20) .. exp(20))  maximize a: token_mean(unclipped(far, advantage))",
        _far_apart,
        tolerance=TWENTYFOLD,
        why="log-ratios are taken 20 times",
    ),
    Comparison(
        ("supervised.weighted_nll_token_mean",),
        "verl",
        "core_algos gpg(loss_agg_mode='token-mean'), weights for advantages",
        "minimize l: weighted_nll_token_mean(logp(actor, win), pairs.margin)",
        _weighted("token-mean"),
    ),
    Comparison(
        ("supervised.weighted_nll_sequence_mean",),
        "verl",
        "core_algos gpg(loss_agg_mode='seq-mean-token-mean'), weights for advantages",
        "minimize l: weighted_nll_sequence_mean(logp(actor, win), pairs.margin)",
        _weighted("seq-mean-token-mean"),
        tolerance=GUARDED,
        why=GUARD,
    ),
    Comparison(
        ("value.explained_variance",),
        "verl",
        "metric_utils.compute_data_metrics['critic/vf_explained_var']",
        "minimize a: explained_variance(old_value, token_return) * sum(value(v, y))",
        _explained,
        trains="v",
        tolerance=2e-4,
        why="verl adds 1e-5 to the returns' variance",
    ),
)
