"""What TRL makes of rewards and of samplers before its losses: `_generate_and_score_completions` of GRPO and RLOO.

The method is TRL's, run on a bare trainer: what it would generate, score and be rewarded with is given.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from tests.oracles.compare import Comparison, only
from tests.oracles.peers import Model
from tests.oracles.trl_policy import entropies, trainer
from tests.oracles.world import Padded

EVEN = only("even groups", "TRL's groups are all of one size, and have two answers or more")


def rollout(
    given: Padded, module: str, kind: str, rewards: tuple[str, ...], weights: tuple[float, ...] = (1.0,), **changed: Any
) -> Any:
    """The trainer, and what its rollout hands to its loss."""
    lengths, targets = given.lengths().tolist(), given.world.targets["y"].tolist()
    sampled, ids, sampler, start = given.world.packed("y_logp").tolist(), [], [], 0
    for length in lengths:
        ids.append(targets[start : start + length])
        sampler.append(sampled[start : start + length])
        start += length
    width = int(max(lengths))
    generated = (
        ([[0]] * len(ids), ids, None, [""] * len(ids), sampler, {}, None, None)
        if kind == "GRPOTrainer"
        else ([[0]] * len(ids), ids, [""] * len(ids))
    )
    settings = {
        "environment_factories": None,
        "tools": None,
        "environments": None,
        "pad_to_multiple_of": None,
        "mask_truncated_completions": False,
        "num_iterations": 1,
        "num_generations": 3,
        "scale_rewards": "group",
        "multi_objective_aggregation": "sum_then_normalize",
        "reward_funcs": rewards,
        "reward_func_names": rewards,
        "reward_weights": torch.tensor(weights),
        "reward_clip_range": None,
        "normalize_advantages": False,
        "log_multimodal": False,
        "_tokenizer": SimpleNamespace(pad_token_id=0),
        "ref_model": Model(None),
        "_pending_extra_logs": {},
        "_pending_metrics": {},
        "vllm_importance_sampling_mode": "token_truncate",
        "vllm_importance_sampling_clip_min": None,
        "vllm_importance_sampling_clip_max": 1.3,
        "_logs": defaultdict(list, rewards=defaultdict(list), extra=defaultdict(list)),
        **changed,
    }
    made = trainer(given.logp(fill=0.0, width=width), entropies(given, width), module, kind, settings)
    made.__dict__.update(
        _generate=lambda prompts: generated,
        _calculate_rewards=lambda *_: torch.stack([given.frozen(name) for name in rewards], 1),
        _get_per_token_logps_and_entropies=lambda model, *_, **__: (
            given.logp(model="ref", fill=0.0, width=width) if model is made.ref_model else given.frozen("old", 0.0, width=width),
            None,
            None,
        ),
    )
    made.args.__dict__.update(
        per_device_train_batch_size=len(ids), gradient_accumulation_steps=1, gradient_checkpointing_kwargs=None, report_to=[]
    )
    return made, made._generate_and_score_completions([{"prompt": ""}] * len(ids))


def _advantages(
    module: str, kind: str, rewards: tuple[str, ...], weights: tuple[float, ...] = (1.0,), **changed: Any
) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        _, found = rollout(given, module, kind, rewards, weights, **changed)
        return (found["advantages"][:, None] * given.value() * given.mask()).sum()

    return run


def advantage(
    entries: str,
    ours: str,
    kind: str = "GRPOTrainer",
    rewards: tuple[str, ...] = ("total",),
    weights: tuple[float, ...] = (1.0,),
    differs: str = "",
    **changed: Any,
) -> Comparison:
    """A comparison of advantages as slopes of the same values."""
    shown = ", ".join(f"{key}={value!r}" for key, value in changed.items())
    module = "trl.trainer.grpo_trainer" if kind == "GRPOTrainer" else "trl.trainer.rloo_trainer"
    return Comparison(
        tuple(entries.split()),
        "TRL",
        f"{kind}._generate_and_score_completions({shown})",
        f"minimize a: sum(value(v, y) * ({ours}))",
        _advantages(module, kind, rewards, weights, **changed),
        trains="v",
        without=EVEN,
        differs=differs,
    )


def _corrected(mode: str, **changed: Any) -> Callable[[Padded], Tensor]:
    """GRPO's loss with the weights that TRL computes for a sampler that is not the trainer's policy."""

    def run(given: Padded) -> Tensor:
        made, inputs = rollout(
            given,
            "trl.trainer.grpo_trainer",
            "GRPOTrainer",
            ("total",),
            use_vllm=True,
            vllm_importance_sampling_correction=True,
            vllm_importance_sampling_mode=mode,
            **changed,
        )
        width = int(given.lengths().max())
        made.__dict__["_get_per_token_logps_and_entropies"] = lambda *_, **__: (
            given.logp(fill=0.0, width=width),
            entropies(given, width),
            None,
        )
        return made._compute_loss(Model(None), {**inputs, "advantages": given.frozen("advantage")})

    return run


def correction(entries: str, weight: str, mode: str, **changed: Any) -> Comparison:
    """The clipped surrogate about the trainer's policy, weighted by that policy over the sampler."""
    names = "let near = exp(logp(actor, y) - old)  let apart = old - y.logp  "
    shown = ", ".join(
        [f"mode={mode!r}", *(f"{key.removeprefix('vllm_importance_sampling_')}={value!r}" for key, value in changed.items())]
    )
    return Comparison(
        ("surrogate.decoupled_clipped", *entries.split(), "aggregate.token_mean"),
        "TRL",
        f"GRPOTrainer._compute_loss(vllm_importance_sampling: {shown})",
        names + f"maximize a: token_mean(decoupled_clipped(near, {weight}, advantage, 0.8 .. 1.28))",
        _corrected(mode, **changed),
        without=EVEN,
    )


CAP = {"vllm_importance_sampling_clip_max": 1.3}
WINDOW = {"vllm_importance_sampling_clip_min": 0.8, "vllm_importance_sampling_clip_max": 1.3}
COMPARISONS = (
    advantage("group.grpo_advantage", "grpo_advantage(total, 0.0001)"),
    advantage("advantage.centre", "centre(total, per: prompt)", scale_rewards="none"),
    advantage(
        "advantage.centre_and_scale",
        "centre_and_scale(total, mean_per: prompt, std_per: batch, guard: 0.0001)",
        scale_rewards="batch",
    ),
    advantage(
        "group.gdpo_advantage",
        "gdpo_advantage(each(total, second), each(1, 2), 0.0001)",
        rewards=("total", "second"),
        weights=(1.0, 2.0),
        multi_objective_aggregation="normalize_then_sum",
    ),
    advantage("group.rloo_advantage", "rloo_advantage(total)", "RLOOTrainer"),
    advantage(
        "group.rloo_advantage prelude.normalize",
        "normalize(rloo_advantage(total), per: batch, guard: 0.0001)",
        "RLOOTrainer",
        normalize_advantages=True,
    ),
    advantage(
        "group.rloo_advantage divergence.k1_of",
        "rloo_advantage(total - 0.1 * sum(k1_of(old - logp(ref, y)), per: sample))",
        "RLOOTrainer",
        beta=0.1,
    ),
    correction("importance.truncated", "truncated(exp(apart), 1.3)", "token_truncate", **CAP),
    correction("importance.truncated sequence.product_ratio", "truncated(product_ratio(apart), 1.3)", "sequence_truncate", **CAP),
    correction("importance.masked", "masked(exp(apart), 0.8 .. 1.3)", "token_mask", **WINDOW),
    correction(
        "importance.masked sequence.product_ratio",
        "masked(product_ratio(apart), 0.6 .. 1.6)",
        "sequence_mask",
        vllm_importance_sampling_clip_min=0.6,
        vllm_importance_sampling_clip_max=1.6,
    ),
)
