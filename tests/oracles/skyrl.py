"""SkyRL's losses, ways of averaging and advantages: `skyrl.backends.skyrl_train.utils.ppo_utils`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from torch import Tensor

from tests.oracles.compare import EXACT, SINGLE, Comparison
from tests.oracles.peers import loss_module
from tests.oracles.verl_advantage import ALONE, NO_PLACE, outcome
from tests.oracles.verl_policy import NAMES
from tests.oracles.world import Padded

PEER = "SkyRL"
RATIO = "SkyRL exponentiates log-ratios in float32"
GUARD = "SkyRL divides by the mean plus 1e-6"
NO_CORRECTION = {
    "tis_ratio_type": None,
    "sequence_mask_metric": None,
    "outlier_token_is_threshold_low": None,
    "outlier_token_is_threshold_high": None,
    "token_mask_is_threshold_low": None,
    "token_mask_is_threshold_high": None,
}
SETTINGS = {"policy_loss_type": "regular", "loss_reduction": "sequence_mean", "eps_clip_low": 0.2, "eps_clip_high": 0.28}
EMPTY = {"empty answers": "SkyRL counts an answer without tokens as one whose loss is 0, the library leaves it out"}


def losses() -> Any:
    """Its module of losses."""
    return loss_module(PEER, "skyrl.backends.skyrl_train.utils.ppo_utils", "skyrl.train.config")


def _policy(name: str, reduction: str, settings: Mapping[str, Any], old: str) -> Callable[[Padded], Tensor]:
    """SkyRL averages by scaling advantages, then sums."""

    def run(given: Padded) -> Tensor:
        module, mask = losses(), given.mask()
        bounds = given.world.layout.offsets["y.sample"]
        advantages = module.apply_loss_reduction_to_advantages_minibatch(
            given.frozen("advantage")[:, None] * mask, mask, reduction, len(mask), 8, list(itertools.pairwise(bounds.tolist()))
        )
        correction = SimpleNamespace(**{**NO_CORRECTION, **settings.get("correction", {})})
        config = SimpleNamespace(**{**SETTINGS, **settings, "off_policy_correction": correction})
        return getattr(module, name)(given.logp(), given.frozen(old), advantages, config, mask, given.frozen("y_logp"))[0]

    return run


def policy(
    entries: str,
    body: str,
    name: str,
    reduction: str = "token_mean",
    *,
    without: Mapping[str, str] | None = None,
    why: str = RATIO,
    names: str = NAMES,
    old: str = "y_logp",
    only_gradient: bool = False,
    **settings: Any,
) -> Comparison:
    """A comparison with one of its policy losses."""
    shown = ", ".join(f"{key}={value!r}" for key, value in {"loss_reduction": reduction, **settings}.items())
    shown = shown.replace("namespace(", "(")
    return Comparison(
        tuple(entries.split()),
        PEER,
        f"ppo_utils.{name}({shown})",
        names + body,
        _policy(name, reduction, settings, old),
        without=without or {},
        why=why,
        tolerance=SINGLE if why else EXACT,
        only_gradient=only_gradient,
    )


CLIP = "clipped(r, advantage, 0.8 .. 1.28)"
LIMIT = "let limit = where(advantage > 0, 0.06, 0.03)  "
THREE = "let near = exp(logp(actor, y) - old)  let apart = old - y.logp  "
POLICY = (
    policy("aggregate.prompt_mean surrogate.clipped", f"maximize a: prompt_mean({CLIP})", "ppo_policy_loss", "prompt_mean"),
    policy(
        "surrogate.unclipped aggregate.token_mean",
        "maximize a: token_mean(unclipped(r, advantage))",
        "importance_sampling_loss",
        why="",
    ),
    policy(
        "surrogate.unclipped aggregate.prompt_mean",
        "maximize a: prompt_mean(unclipped(r, advantage))",
        "importance_sampling_loss",
        "prompt_mean",
        why="",
    ),
    policy(
        "aggregate.sequence_mean surrogate.unclipped",
        "maximize a: sequence_mean(unclipped(r, advantage))",
        "importance_sampling_loss",
        "sequence_mean",
        why="",
        without=EMPTY,
    ),
    policy(
        "aggregate.constant_length surrogate.unclipped",
        "maximize a: constant_length(unclipped(r, advantage), 8)",
        "importance_sampling_loss",
        "seq_mean_token_sum_norm",
        why="",
    ),
    policy(
        "surrogate.dual_clipped aggregate.token_mean",
        "maximize a: token_mean(dual_clipped(r, advantage, 0.8 .. 1.28, 1.5))",
        "ppo_policy_loss",
        policy_loss_type="dual_clip",
        clip_ratio_c=1.5,
    ),
    policy(
        "token_choice.dppo token_choice.binary_tv aggregate.token_mean",
        LIMIT + "maximize a: token_mean(dppo(r, advantage, binary_tv(now, y.logp), limit))",
        "dppo_policy_loss",
        dppo=SimpleNamespace(dppo_type="binary_tv", delta_low=0.03, delta_high=0.06),
    ),
    policy(
        "token_choice.dppo token_choice.binary_kl aggregate.token_mean",
        "let limit = where(advantage > 0, 0.01, 0.005)  maximize a: token_mean(dppo(r, advantage, binary_kl(now, y.logp), limit))",
        "dppo_policy_loss",
        dppo=SimpleNamespace(dppo_type="binary_kl", delta_low=0.005, delta_high=0.01),
    ),
    policy(
        "importance.masked policy_gradient.weighted_reinforce aggregate.token_mean",
        "maximize a: token_mean(weighted_reinforce(now, masked(r, 0.8 .. 1.28), advantage))",
        "rollout_is_policy_loss",
    ),
    policy(
        "surrogate.decoupled_clipped importance.truncated aggregate.token_mean",
        "maximize a: token_mean(decoupled_clipped(near, truncated(exp(apart), 1.3), advantage, 0.8 .. 1.28))",
        "ppo_policy_loss",
        names=THREE,
        old="old",
        correction={"tis_ratio_type": "token", "token_tis_ratio_clip_high": 1.3},
    ),
)


# ------------------------------------------------------------------ advantages
def _advantage(name: str, reward: str) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        found = getattr(losses(), name)(token_level_rewards=outcome(given, reward), response_mask=given.mask(), index=given.groups)[
            0
        ]
        return (found * given.value() * given.mask()).sum()

    return run


ADVANTAGES = (
    Comparison(
        ("group.maxrl_advantage",),
        PEER,
        "ppo_utils.compute_maxrl_advantage",
        "minimize a: sum(value(v, y) * maxrl_advantage(success))",
        _advantage("compute_maxrl_advantage", "success"),
        trains="v",
        without={**NO_PLACE, **ALONE},
        tolerance=1e-5,
        why=GUARD,
    ),
)


# ------------------------------------------------------------------ penalties
def _penalty(given: Padded) -> Tensor:
    mask = given.mask()
    found = losses().compute_approx_kl(given.logp(), given.logp(model="ref"), mask, "abs")
    return (found * given.frozen("token_weight")).sum() / mask.sum()


PENALTIES = (
    Comparison(
        ("divergence.absolute", "aggregate.token_mean"),
        PEER,
        "ppo_utils.compute_approx_kl('abs')",
        "minimize a: token_mean(token_weight * absolute(actor, ref, y))",
        _penalty,
    ),
)
COMPARISONS = (*POLICY, *ADVANTAGES, *PENALTIES)
