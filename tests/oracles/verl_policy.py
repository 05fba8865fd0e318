"""verl's policy losses, ways of averaging, penalties, value loss and entropy: `verl.trainer.ppo.core_algos`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from tests.oracles.compare import EXACT, TWENTYFOLD, Comparison
from tests.oracles.peers import peer_module
from tests.oracles.world import Padded

NAMES = "let now = logp(actor, y)  let d = now - y.logp  let r = exp(d)  "
# verl divides by `n + 1e-8` where it means n: a hundred millionth of an answer of one token.
GUARDED, GUARD = 4e-8, "verl divides by `n + 1e-8` in place of n"
EMPTY = {"empty answers": "verl leaves an answer without tokens out (`where: count(…) > 0`); in the library its sum is 0"}
EMPTY_GMPO = {"empty answers": "verl counts an answer without tokens as one whose loss is 0, the library leaves it out"}


def algorithms() -> Any:
    """verl's module of losses and advantages."""
    return peer_module("verl.trainer.ppo.core_algos")


def actor_config(loss: Mapping[str, Any] | None = None, **changed: Any) -> Any:
    """verl's own configuration of an actor."""
    config = peer_module("verl.workers.config.actor")
    settings = {
        "strategy": "fsdp",
        "rollout_n": 1,
        "ppo_micro_batch_size_per_gpu": 1,
        "clip_ratio_low": 0.2,
        "clip_ratio_high": 0.28,
        "policy_loss": config.PolicyLossConfig(**(loss or {})),
        **changed,
    }
    return config.ActorConfig(**settings)


def _loss(
    name: str, mode: str, loss: Mapping[str, Any], changed: Mapping[str, Any], weights: Callable[[Padded], Tensor] | None, old: str
) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        mask = given.mask()
        advantage = given.frozen("advantage")[:, None] * mask
        return algorithms().get_policy_loss_fn(name)(
            old_log_prob=given.frozen(old),
            log_prob=given.logp(),
            advantages=advantage,
            response_mask=mask,
            loss_agg_mode=mode,
            config=actor_config(loss, **changed),
            rollout_is_weights=None if weights is None else weights(given),
        )[0]

    return run


def verl(
    entries: str,
    body: str,
    name: str,
    mode: str = "token-mean",
    *,
    loss: Mapping[str, Any] | None = None,
    without: Mapping[str, str] | None = None,
    differs: str = "",
    why: str = "",
    names: str = NAMES,
    old: str = "y_logp",
    weights: Callable[[Padded], Tensor] | None = None,
    shown: str = "",
    **changed: Any,
) -> Comparison:
    """A comparison with one of verl's registered policy losses; bounds are 0.8 .. 1.28 unless they are changed."""
    settings = {"loss_agg_mode": mode, **(loss or {}), **changed}
    text = shown or ", ".join(f"{key}={value!r}" for key, value in settings.items())
    return Comparison(
        tuple(entries.split()),
        "verl",
        f"core_algos {name}({text})",
        names + body,
        _loss(name, mode, loss or {}, changed, weights, old),
        without=without or {},
        differs=differs,
        tolerance=GUARDED if why else EXACT,
        why=why,
    )


VANILLA = "dual_clipped(r, advantage, 0.8 .. 1.28, 1.5)"
LOSSES = (
    verl("surrogate.dual_clipped aggregate.token_mean", f"maximize a: token_mean({VANILLA})", "vanilla", clip_ratio_c=1.5),
    verl(
        "surrogate.clipped aggregate.token_mean",
        "maximize a: token_mean(clipped(r, advantage, 0.8 .. 1.28))",
        "vanilla",
        clip_ratio_c=1e6,
    ),
    verl(
        "aggregate.sequence_mean surrogate.dual_clipped",
        f"maximize a: sequence_mean({VANILLA})",
        "vanilla",
        "seq-mean-token-mean",
        clip_ratio_c=1.5,
        why=GUARD,
    ),
    verl(
        "aggregate.sequence_sum surrogate.dual_clipped",
        f"maximize a: sequence_sum({VANILLA})",
        "vanilla",
        "seq-mean-token-sum",
        clip_ratio_c=1.5,
        without=EMPTY,
    ),
    verl(
        "aggregate.constant_length surrogate.dual_clipped",
        f"maximize a: constant_length({VANILLA}, 8)",
        "vanilla",
        "seq-mean-token-sum-norm",
        clip_ratio_c=1.5,
        global_batch_info={"loss_scale_factor": 8},
        without=EMPTY,
    ),
    verl(
        "token_choice.dppo_truncated token_choice.binary_tv aggregate.token_mean",
        "let limit = where(advantage > 0, 0.06, 0.03)  "
        "maximize a: token_mean(dppo_truncated(now, r, advantage, binary_tv(now, y.logp), limit, 1.5))",
        "dppo_tv",
        clip_ratio_low=0.03,
        clip_ratio_high=0.06,
        clip_ratio_c=1.5,
    ),
    verl(
        "token_choice.dppo_truncated token_choice.binary_kl aggregate.token_mean",
        "let limit = where(advantage > 0, 0.01, 0.005)  "
        "maximize a: token_mean(dppo_truncated(now, r, advantage, binary_kl(now, y.logp), limit, 1.5))",
        "dppo_kl",
        clip_ratio_low=0.005,
        clip_ratio_high=0.01,
        clip_ratio_c=1.5,
    ),
    verl(
        "sequence.gspo_token aggregate.sequence_mean",
        "maximize a: sequence_mean(gspo_token(now, d, advantage, 0.9 .. 1.1))",
        "gspo",
        "seq-mean-token-mean",
        clip_ratio_low=0.1,
        clip_ratio_high=0.1,
        why=GUARD,
    ),
    verl(
        "surrogate.sapo aggregate.sequence_mean",
        "maximize a: sequence_mean(sapo(r, advantage, 1, 1.05))",
        "sapo",
        why=GUARD,
        tau_pos=1.0,
        tau_neg=1.05,
    ),
    verl("policy_gradient.reinforce aggregate.token_mean", "maximize a: token_mean(reinforce(now, advantage))", "gpg"),
    verl(
        "token_choice.clip_cov token_choice.covariance aggregate.token_mean",
        "maximize a: token_mean(clip_cov(r, advantage, 0.8 .. 1.28, covariance(now, advantage), 0.1 .. 1.5, 1, draw))",
        "clip_cov",
        loss={"clip_cov_ratio": 1.0, "clip_cov_lb": 0.1, "clip_cov_ub": 1.5},
    ),
    verl(
        "token_choice.kl_cov token_choice.covariance aggregate.token_mean",
        "maximize a: token_mean(kl_cov(d, advantage, covariance(now, advantage), 0.2, 0.5))",
        "kl_cov",
        loss={"kl_cov_ratio": 0.2, "ppo_kl_coef": 0.5},
    ),
    verl(
        "sequence.gmpo",
        "maximize a: mean(gmpo(d, advantage, exp(-0.4) .. exp(0.4)))",
        "geo_mean",
        clip_ratio_low=0.4,
        clip_ratio_high=0.4,
        without=EMPTY_GMPO,
        why=GUARD,
    ),
    verl(
        "policy_gradient.dro_surrogate aggregate.token_mean",
        "maximize a: token_mean(dro_surrogate(now, d, advantage, 0.4))",
        "dro",
        loss={"dro_beta": 0.4},
    ),
    verl("policy_gradient.cispo aggregate.token_mean", "maximize a: token_mean(cispo(now, r, advantage, 0.8 .. 1.28))", "cispo"),
)
# The same where answers without tokens do not count.
LEFT_OUT = tuple(
    replace(entry, why="answers without tokens are left out")
    for entry in (
        verl(
            "surrogate.dual_clipped",
            f"maximize a: mean(sum({VANILLA}, per: sample), where: count(d, per: sample) > 0)",
            "vanilla",
            "seq-mean-token-sum",
            clip_ratio_c=1.5,
        ),
        verl(
            "surrogate.dual_clipped",
            f"maximize a: mean(sum({VANILLA}, per: sample) / 8, where: count(d, per: sample) > 0)",
            "vanilla",
            "seq-mean-token-sum-norm",
            clip_ratio_c=1.5,
            global_batch_info={"loss_scale_factor": 8},
        ),
    )
)


# ------------------------------------------------------------------ penalties
def _penalty(form: str, scale: float) -> Callable[[Padded], Tensor]:
    """The mean over tokens of the penalty, each with its own frozen weight."""

    def run(given: Padded) -> Tensor:
        core = algorithms()
        found = core.kl_penalty(scale * given.logp(), scale * given.logp(model="ref"), form)
        return core.agg_loss(found * given.frozen("token_weight"), given.mask(), "token-mean")

    return run


def penalty(entry: str, ours: str, form: str, scale: float = 1.0) -> Comparison:
    """A comparison with a form of verl's penalty."""
    return Comparison(
        (f"divergence.{entry}", "aggregate.token_mean"),
        "verl",
        f"core_algos.kl_penalty({form!r})",
        f"minimize a: token_mean(token_weight * {ours})",
        _penalty(form, scale),
        tolerance=EXACT if scale == 1 else TWENTYFOLD,
        why="" if scale == 1 else "log-ratios are taken 20 times",
    )


OF = "logp(actor, y) - logp(ref, y)"
PENALTIES = (
    penalty("k1", "k1(actor, ref, y)", "k1"),
    penalty("k2", "k2(actor, ref, y)", "k2"),
    penalty("k2_of", f"k2_of({OF})", "mse"),
    penalty("k1_of", f"k1_of({OF})", "kl"),
    penalty("absolute", "absolute(actor, ref, y)", "abs"),
    penalty("k3", "k3(actor, ref, y)", "k3"),
    penalty("k3_of", f"k3_of({OF})", "low_var_kl"),
    penalty("k3_clipped_of", f"k3_clipped_of(20 * ({OF}), -20 .. 20, 10)", "low_var_kl", 20.0),
    penalty("k1_straight_through", "k1_straight_through(actor, ref, y)", "k1+"),
    penalty("k3_straight_through", "k3_straight_through(actor, ref, y)", "k3+"),
    penalty("k1_straight_through_of", f"k1_straight_through_of({OF})", "kl+"),
    penalty("k3_straight_through_of", f"k3_straight_through_of({OF})", "low_var_kl+"),
    Comparison(
        ("divergence.squared", "aggregate.token_mean"),
        "verl",
        "core_algos.kl_penalty('mse')",
        "minimize a: token_mean(token_weight * squared(actor, ref, y))",
        _penalty("mse", 1.0),
        differs="what verl calls `mse` has the half: `k2`",
    ),
)


# ------------------------------------------------------------------ values, entropy, coefficients
def _value_loss(given: Padded) -> Tensor:
    return algorithms().compute_value_loss(
        given.value(), given.frozen("token_return"), given.frozen("old_value"), given.mask(), 0.5
    )[0]


def _plain_value_loss(given: Padded) -> Tensor:
    return algorithms().compute_value_loss(
        given.value(), given.frozen("token_return"), given.frozen("old_value"), given.mask(), 1e6
    )[0]


def _entropy(given: Padded) -> Tensor:
    return algorithms().compute_entropy_loss(given.logits(), given.mask())


def _controller(given: Padded) -> Tensor:
    """The coefficient after one update, times a live number."""
    controller = algorithms().AdaptiveKLController(0.2, 0.3, 100)
    controller.update(float(given.frozen("total").mean()), 10)
    return controller.value * (given.value() * given.mask()).sum()


def _rewards(given: Padded) -> Tensor:
    rewards = algorithms().compute_rewards(given.frozen("token_reward"), given.frozen("y_logp"), given.logp(model="ref"), 0.1)
    return (given.value() * rewards * given.mask()).sum()


OTHERS = (
    Comparison(
        ("value.clipped_value_loss", "aggregate.token_mean"),
        "verl",
        "core_algos.compute_value_loss(cliprange_value=0.5)",
        "minimize a: token_mean(clipped_value_loss(value(v, y), old_value, token_return, 0.5))",
        _value_loss,
        trains="v",
    ),
    Comparison(
        ("value.value_loss", "aggregate.token_mean"),
        "verl",
        "core_algos.compute_value_loss(cliprange_value=1e6)",
        "minimize a: token_mean(value_loss(value(v, y), token_return))",
        _plain_value_loss,
        trains="v",
    ),
    Comparison(
        ("aggregate.token_mean",),
        "verl",
        "core_algos.compute_entropy_loss",
        "minimize penalize: token_mean(entropy(actor, y))",
        _entropy,
    ),
    Comparison(
        ("coefficient.proportional",),
        "verl",
        "core_algos.AdaptiveKLController.update",
        "minimize a: proportional(0.2, mean(total), 0.3, 0.1, -0.2 .. 0.2) * sum(value(v, y))",
        _controller,
        trains="v",
    ),
    Comparison(
        ("divergence.k1_of",),
        "verl",
        "core_algos.compute_rewards",
        "let p = y.logp - logp(ref, y)  minimize a: sum(value(v, y) * (token_reward - 0.1 * k1_of(p)))",
        _rewards,
        trains="v",
    ),
)
COMPARISONS = (*LOSSES, *LEFT_OUT, *PENALTIES, *OTHERS)
