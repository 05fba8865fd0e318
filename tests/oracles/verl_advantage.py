"""verl's advantages: every estimator of `verl.trainer.ppo.core_algos`, as the gradient by a value of each token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from tests.oracles.compare import EXACT, SINGLE, Comparison
from tests.oracles.peers import peer_module
from tests.oracles.verl_policy import GUARD, GUARDED, algorithms
from tests.oracles.world import Padded

NO_PLACE = {"empty answers": "verl adds a reward up over tokens: an answer without any has no place for it"}
ALONE = {
    "single answers": "of a lone answer verl keeps the reward itself, of which the library takes the mean of its group, itself"
}
ABSENT = {"single answers": "of a lone answer verl keeps the reward itself; in the library its deviation is absent"}
PAIRS = {"single answers": "verl asks for two answers or more"}


def outcome(given: Padded, name: str = "total") -> Tensor:
    """The reward of each answer at its last token, as verl keeps it."""
    lengths, reward = given.lengths(), given.frozen(name)
    found = torch.zeros_like(given.mask())
    rows = torch.arange(len(lengths))[lengths > 0]
    found[rows, lengths[rows] - 1] = reward[rows]
    return found


def _weighed(estimate: Callable[[Padded], tuple[Tensor, Tensor]], part: int) -> Callable[[Padded], Tensor]:
    """An estimate as the slope of the critic's values: their gradient is the advantage of each token."""

    def run(given: Padded) -> Tensor:
        return (estimate(given)[part] * given.value() * given.mask()).sum()

    return run


def advantage(
    entries: str,
    ours: str,
    name: str,
    estimate: Callable[[Padded], tuple[Tensor, Tensor]],
    *,
    part: int = 0,
    without: Mapping[str, str] | None = None,
    differs: str = "",
    why: str = "",
    tolerance: float | None = None,
) -> Comparison:
    """A comparison with an estimator: our advantages and verl's as slopes of the same values."""
    return Comparison(
        tuple(entries.split()),
        "verl",
        f"core_algos.{name}",
        f"minimize a: sum(value(v, y) * ({ours}))",
        _weighed(estimate, part),
        trains="v",
        without=without or {},
        differs=differs,
        why=why,
        tolerance=tolerance or (GUARDED if why else EXACT),
    )


def outcomes(name: str, reward: str = "total", **others: Any) -> Callable[[Padded], tuple[Tensor, Tensor]]:
    """An estimator of outcome rewards."""

    def run(given: Padded) -> tuple[Tensor, Tensor]:
        estimator = getattr(algorithms(), name)
        return estimator(token_level_rewards=outcome(given, reward), response_mask=given.mask(), index=given.groups, **others)

    return run


def _gae(given: Padded) -> tuple[Tensor, Tensor]:
    return algorithms().compute_gae_advantage_return(
        given.frozen("token_reward"), given.frozen("old_value"), given.mask(), 0.98, 0.9
    )


def _plus_plus(given: Padded) -> tuple[Tensor, Tensor]:
    config = peer_module("omegaconf").OmegaConf.create({"gamma": 0.97})
    return algorithms().compute_reinforce_plus_plus_outcome_advantage(
        given.frozen("token_reward", fill=0.0), given.mask(), config=config
    )


def _remax(given: Padded) -> tuple[Tensor, Tensor]:
    return algorithms().compute_remax_outcome_advantage(outcome(given), given.by_answer(given.frozen("greedy")), given.mask())


def _gdpo(given: Padded) -> tuple[Tensor, Tensor]:
    """Both rewards by their names, at the last token; the weights are 1 and 2."""
    mask = given.mask()
    config = peer_module("omegaconf").OmegaConf.create({"gdpo_reward_keys": ["total", "second"], "gdpo_reward_weights": [1.0, 2.0]})
    named = {name: given.frozen(name).numpy() for name in ("total", "second")}
    batch = {"prompts": torch.zeros(len(mask), 1), "attention_mask": torch.cat([torch.ones(len(mask), 1), mask], 1).long()}
    return algorithms().compute_gdpo_outcome_advantage(
        outcome(given), mask, given.groups, config=config, non_tensor_batch=named, batch=batch
    )


BOTH = "grpo_advantage(total, 0.000001) + 2 * grpo_advantage(second, 0.000001)"
ONE_BY_ONE = "verl computes this form in float32"
ESTIMATORS = (
    advantage(
        "returns.gae advantage.whiten",
        "whiten(gae(token_reward, old_value, 0.98, 0.9), per: batch, guard: 0.00000001)",
        "compute_gae_advantage_return[0]",
        _gae,
        why=GUARD,
    ),
    advantage(
        "returns.lambda_returns",
        "lambda_returns(token_reward, old_value, 0.98, 0.9)",
        "compute_gae_advantage_return[1]",
        _gae,
        part=1,
    ),
    advantage(
        "group.grpo_advantage",
        "grpo_advantage(total, 0.000001)",
        "compute_grpo_outcome_advantage",
        outcomes("compute_grpo_outcome_advantage"),
        without={**NO_PLACE, **ABSENT},
    ),
    advantage(
        "advantage.centre",
        "centre(total, per: prompt)",
        "compute_grpo_outcome_advantage(norm_adv_by_std_in_grpo=False)",
        outcomes("compute_grpo_outcome_advantage", norm_adv_by_std_in_grpo=False),
        without={**NO_PLACE, **ALONE},
    ),
    advantage(
        "group.grpo_advantage",
        "grpo_advantage(total, 0.000001)",
        "compute_grpo_vectorized_outcome_advantage",
        outcomes("compute_grpo_vectorized_outcome_advantage"),
        without={**NO_PLACE, **ABSENT},
        why=ONE_BY_ONE,
        tolerance=SINGLE,
    ),
    advantage(
        "group.best_over_second_advantage",
        "best_over_second_advantage(total)",
        "compute_grpo_passk_outcome_advantage(norm_adv_by_std_in_grpo=False)",
        outcomes("compute_grpo_passk_outcome_advantage", config={"norm_adv_by_std_in_grpo": False}),
        without={**NO_PLACE, **PAIRS},
    ),
    advantage(
        "group.best_over_second_advantage",
        "best_over_second_advantage(total) / (std(total, per: prompt) + 0.000001)",
        "compute_grpo_passk_outcome_advantage",
        outcomes("compute_grpo_passk_outcome_advantage", config={}),
        without={**NO_PLACE, **PAIRS},
    ),
    advantage(
        "group.rloo_advantage",
        "rloo_advantage(total) else total",
        "compute_rloo_outcome_advantage",
        outcomes("compute_rloo_outcome_advantage"),
        without=NO_PLACE,
    ),
    advantage(
        "group.rloo_advantage",
        "rloo_advantage(total)",
        "compute_rloo_vectorized_outcome_advantage",
        outcomes("compute_rloo_vectorized_outcome_advantage"),
        without=NO_PLACE,
    ),
    advantage(
        "group.opo_advantage",
        "opo_advantage(total, y.length)",
        "compute_opo_outcome_advantage",
        outcomes("compute_opo_outcome_advantage"),
        without={**NO_PLACE, **ALONE},
    ),
    advantage(
        "group.reinforce_plus_plus_advantage",
        "reinforce_plus_plus_advantage(token_reward, 0.97, 0.00000001)",
        "compute_reinforce_plus_plus_outcome_advantage[0]",
        _plus_plus,
        why=GUARD,
    ),
    advantage(
        "returns.returns", "returns(token_reward, 0.97)", "compute_reinforce_plus_plus_outcome_advantage[1]", _plus_plus, part=1
    ),
    advantage(
        "group.reinforce_plus_plus_baseline_token_advantage",
        "reinforce_plus_plus_baseline_token_advantage(total, y.logp, 0.00000001)",
        "compute_reinforce_plus_plus_baseline_outcome_advantage",
        outcomes("compute_reinforce_plus_plus_baseline_outcome_advantage"),
        without={**NO_PLACE, **ALONE},
        why=GUARD,
    ),
    advantage(
        "group.reinforce_plus_plus_baseline_advantage",
        "reinforce_plus_plus_baseline_advantage(total, 0.00000001)",
        "compute_reinforce_plus_plus_baseline_outcome_advantage",
        outcomes("compute_reinforce_plus_plus_baseline_outcome_advantage"),
        without={**NO_PLACE, **ALONE},
        differs="the paper whitens over answers, verl over tokens: `reinforce_plus_plus_baseline_token_advantage`",
    ),
    advantage(
        "group.remax_advantage", "remax_advantage(total, greedy)", "compute_remax_outcome_advantage", _remax, without=NO_PLACE
    ),
    advantage(
        "policy_gradient.nonzero_scale advantage.centre",
        "nonzero_scale(success) * centre(success, per: prompt)",
        "compute_gpg_outcome_advantage",
        outcomes("compute_gpg_outcome_advantage", "success"),
        without={**NO_PLACE, **ALONE},
    ),
    advantage(
        "policy_gradient.gpg_advantage",
        "gpg_advantage(success)",
        "compute_gpg_outcome_advantage",
        outcomes("compute_gpg_outcome_advantage", "success"),
        without={**NO_PLACE, **ALONE},
        differs="the paper's scale counts answers whose group disagrees, verl's those whose reward is not 0: `nonzero_scale`",
    ),
    advantage(
        "group.grpo_advantage advantage.whiten",
        f"whiten(spread({BOTH}, to: y.logp), per: batch, guard: 0.00000001)",
        "compute_gdpo_outcome_advantage",
        _gdpo,
        without={**NO_PLACE, **ABSENT},
        why=ONE_BY_ONE,
        tolerance=SINGLE,
    ),
    advantage(
        "group.gdpo_advantage",
        "gdpo_advantage(each(total, second), each(1, 2), 0.000001)",
        "compute_gdpo_outcome_advantage",
        _gdpo,
        without={**NO_PLACE, **ABSENT},
        differs="the paper and TRL normalise over answers, verl over tokens: `whiten(spread(…))`",
    ),
)
# The same where a lone answer keeps its reward.
LONE = tuple(
    replace(entry, why="a lone answer keeps its reward")
    for entry in (
        advantage(
            "group.grpo_advantage",
            "grpo_advantage(total, 0.000001) else total / 1.000001",
            "compute_grpo_outcome_advantage",
            outcomes("compute_grpo_outcome_advantage"),
            without=NO_PLACE,
        ),
        advantage(
            "advantage.centre",
            "where(count(total, per: prompt) > 1, centre(total, per: prompt), total)",
            "compute_grpo_outcome_advantage(norm_adv_by_std_in_grpo=False)",
            outcomes("compute_grpo_outcome_advantage", norm_adv_by_std_in_grpo=False),
            without=NO_PLACE,
        ),
    )
)
COMPARISONS = (*ESTIMATORS, *LONE)
