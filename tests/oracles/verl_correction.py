"""verl's corrections for samples of another policy: `verl.trainer.ppo.rollout_corr_helper`, through the losses that use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from tests.oracles.compare import Comparison
from tests.oracles.peers import peer_module
from tests.oracles.verl_policy import GUARD, GUARDED, NAMES, actor_config, algorithms
from tests.oracles.world import Padded

EMPTY = {
    "empty answers": "verl's sums of an answer without tokens meet its thresholds, in the library it has no mean and no maximum"
}


def _bypass(settings: Mapping[str, Any]) -> Callable[[Padded], Tensor]:
    """`bypass_mode`: weights and masks come from the current policy over the one that sampled."""

    def run(given: Padded) -> Tensor:
        mask = given.mask()
        config = actor_config({"rollout_correction": dict(settings)}, clip_ratio_c=1e6)
        return algorithms().get_policy_loss_fn("bypass_mode")(
            old_log_prob=given.frozen("y_logp"),
            log_prob=given.logp(),
            advantages=given.frozen("advantage")[:, None] * mask,
            response_mask=mask,
            loss_agg_mode="token-mean",
            config=config,
        )[0]

    return run


def bypass(entries: str, body: str, *, without: Mapping[str, str] | None = None, why: str = "", **settings: Any) -> Comparison:
    """A comparison with verl's bypass mode."""
    shown = ", ".join(f"{key}={value!r}" for key, value in settings.items())
    return Comparison(
        tuple(entries.split()),
        "verl",
        f"core_algos bypass_mode({shown})",
        NAMES + body,
        _bypass(settings),
        without=without or {},
        why=why,
        tolerance=GUARDED if why else Comparison.tolerance,
    )


def _decoupled(threshold: float | str) -> Callable[[Padded], Tensor]:
    """Three policies: the clip is about the proximal one, the weight is that one over the one that sampled."""

    def run(given: Padded) -> Tensor:
        mask, proximal = given.mask(), given.frozen("old")
        helper = peer_module("verl.trainer.ppo.rollout_corr_helper")
        weights, _ = helper.compute_rollout_correction_weights(proximal - given.frozen("y_logp"), mask, "token", threshold)
        return algorithms().compute_policy_loss_vanilla(
            old_log_prob=proximal,
            log_prob=given.logp(),
            advantages=given.frozen("advantage")[:, None] * mask,
            response_mask=mask,
            loss_agg_mode="token-mean",
            config=actor_config(clip_ratio_c=1e6),
            rollout_is_weights=weights,
        )[0]

    return run


CLIP = "clipped(r, advantage, 0.8 .. 1.28)"


def rejection(entries: str, condition: str, mode: str, threshold: str, **others: Any) -> Comparison:
    """The clipped surrogate over what is kept."""
    return bypass(
        f"{entries} surrogate.clipped",
        f"maximize a: mean({CLIP}, where: {condition})",
        rollout_rs=mode,
        rollout_rs_threshold=threshold,
        **others,
    )


def near(estimate: str, combine: str, limit: str) -> Comparison:
    """Rejection of answers by an estimate of their tokens."""
    return rejection(
        f"importance.is_answer_near divergence.{estimate}_of",
        f"is_answer_near(d, {estimate}_of, {combine}, {limit})",
        f"seq_{combine}_{estimate}",
        limit,
        without=EMPTY if combine != "sum" else None,
        why=GUARD if combine == "mean" else "",
    )


WEIGHTS = (
    bypass(
        "policy_gradient.weighted_reinforce importance.truncated aggregate.token_mean",
        "maximize a: token_mean(weighted_reinforce(now, truncated(r, 1.3), advantage))",
        loss_type="reinforce",
        rollout_is="token",
        rollout_is_threshold=1.3,
    ),
    bypass(
        "importance.truncated sequence.product_ratio policy_gradient.weighted_reinforce aggregate.token_mean",
        "maximize a: token_mean(weighted_reinforce(now, truncated(product_ratio(d), 1.3), advantage))",
        loss_type="reinforce",
        rollout_is="sequence",
        rollout_is_threshold=1.3,
    ),
    bypass(
        "importance.masked policy_gradient.weighted_reinforce aggregate.token_mean",
        "maximize a: token_mean(weighted_reinforce(now, masked(r, 0.8 .. 1.3), advantage))",
        loss_type="reinforce",
        rollout_is="token",
        rollout_is_threshold="0.8_1.3",
    ),
    bypass(
        "importance.masked sequence.product_ratio policy_gradient.weighted_reinforce aggregate.token_mean",
        "maximize a: token_mean(weighted_reinforce(now, masked(product_ratio(d), 0.6 .. 1.6), advantage))",
        loss_type="reinforce",
        rollout_is="sequence",
        rollout_is_threshold="0.6_1.6",
    ),
    bypass(
        "importance.self_normalized importance.truncated policy_gradient.weighted_reinforce aggregate.token_mean",
        "maximize a: token_mean(weighted_reinforce(now, self_normalized(truncated(r, 1.3)), advantage))",
        loss_type="reinforce",
        rollout_is="token",
        rollout_is_threshold=1.3,
        rollout_is_batch_normalize=True,
        why=GUARD,
    ),
    bypass(
        "policy_gradient.reinforce aggregate.token_mean", "maximize a: token_mean(reinforce(now, advantage))", loss_type="reinforce"
    ),
    Comparison(
        ("surrogate.decoupled_clipped", "importance.truncated", "aggregate.token_mean"),
        "verl",
        "core_algos vanilla(rollout_is_weights), rollout_corr_helper.compute_rollout_correction_weights(threshold 1.3)",
        "let near = exp(logp(actor, y) - old)  let w = truncated(exp(old - y.logp), 1.3)  "
        "maximize a: token_mean(decoupled_clipped(near, w, advantage, 0.8 .. 1.28))",
        _decoupled(1.3),
    ),
    Comparison(
        ("surrogate.decoupled_clipped", "importance.masked", "aggregate.token_mean"),
        "verl",
        "core_algos vanilla(rollout_is_weights), rollout_corr_helper.compute_rollout_correction_weights(threshold '0.8_1.3')",
        "let near = exp(logp(actor, y) - old)  let w = masked(exp(old - y.logp), 0.8 .. 1.3)  "
        "maximize a: token_mean(decoupled_clipped(near, w, advantage, 0.8 .. 1.28))",
        _decoupled("0.8_1.3"),
    ),
)
REJECTIONS = (
    rejection("importance.is_within", "is_within(d, log(1 / 1.3) .. log(1 / 0.8))", "token_k1", "0.8_1.3"),
    rejection("importance.is_within", "is_within(sum(d, per: sample), log(1 / 1.5) .. log(1 / 0.7))", "seq_sum_k1", "0.7_1.5"),
    rejection(
        "importance.is_within",
        "is_within(mean(d, per: sample), log(1 / 1.2) .. log(1 / 0.9))",
        "seq_mean_k1",
        "0.9_1.2",
        without=EMPTY,
        why=GUARD,
    ),
    rejection("importance.is_near_by_k2", "is_near_by_k2(d, 0.05)", "token_k2", "0.05"),
    rejection("importance.is_near_by_k3", "is_near_by_k3(d, 0.05)", "token_k3", "0.05"),
    near("k2", "sum", "0.5"),
    near("k2", "mean", "0.2"),
    near("k2", "max", "0.3"),
    near("k3", "sum", "0.5"),
    near("k3", "mean", "0.2"),
    near("k3", "max", "0.3"),
)
COMPARISONS = (*WEIGHTS, *REJECTIONS)
