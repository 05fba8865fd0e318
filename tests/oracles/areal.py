"""AReaL's losses: `areal.utils.functional.functional`. Its critic's losses are asked for in float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from tests.oracles.compare import EXACT, SINGLE, Comparison
from tests.oracles.peers import loss_module
from tests.oracles.verl_policy import NAMES
from tests.oracles.world import Padded

PEER = "AReaL"
WEIGHTS = "AReaL computes the behaviour's weights in float32"
EMPTY_GSPO = {"empty answers": "AReaL's GSPO is a mean over tokens"}


def losses() -> Any:
    """Its module of losses."""
    return loss_module(PEER, "areal.utils.functional.functional", "areal.api.cli_args", "areal.utils.data")


def _actor(settings: Mapping[str, Any], old: str) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        mask = given.mask()
        return losses().ppo_actor_loss_fn(
            given.logp(),
            given.frozen(old),
            given.frozen("y_logp"),
            given.frozen("advantage")[:, None] * mask,
            0.2,
            mask.bool(),
            0.28,
            **settings,
        )[0]

    return run


def actor(
    entries: str, body: str, shown: str = "", *, names: str = NAMES, old: str = "y_logp", why: str = "", **settings: Any
) -> Comparison:
    """A comparison with its actor's loss, a mean over tokens."""
    return Comparison(
        tuple(entries.split()),
        PEER,
        f"functional.ppo_actor_loss_fn({shown})",
        names + body,
        _actor(settings, old),
        why=why,
        tolerance=SINGLE if why else EXACT,
    )


THREE = "let near = exp(logp(actor, y) - old)  let apart = old - y.logp  "


def kept(action: str) -> SimpleNamespace:
    """Weights of tokens, between 0.8 and 1.3."""
    return SimpleNamespace(metric="ratio", level="token", agg="mean", action=action, lower=0.8, upper=1.3)


def _critic(kind: str, scale: float) -> Callable[[Padded], Tensor]:
    """Values and returns are taken 20 times, so that errors lie on both sides of the Huber loss's bound of 10."""

    def run(given: Padded) -> Tensor:
        return losses().ppo_critic_loss_fn(
            scale * given.value(),
            scale * given.frozen("old_value"),
            scale * given.frozen("token_return"),
            5.0,
            given.mask().bool(),
            kind,
        )[0]

    return run


def _sapo(given: Padded) -> Tensor:
    mask = given.mask()
    return losses().sapo_loss_fn(
        given.logp(), given.frozen("y_logp"), given.frozen("advantage")[:, None] * mask, 1.0, 1.05, mask.bool()
    )[0]


CONTROL = (
    "areal.api",
    "areal.api.cli_args",
    "areal.experimental.training_service.controller.controller",
    "areal.infra",
    "areal.infra.platforms",
    "areal.infra.rpc.serialization",
    "areal.trainer.ppo.stats",
    "areal.utils.stats_tracker",
    "areal.utils.data",
    "areal.utils.perf_tracer",
    "areal.utils.logging",
)


def _kdrl(given: Padded) -> Tensor:
    """The loss of the actor beside a teacher: here the reference."""
    mask = given.mask()
    actor_module = loss_module(PEER, "areal.trainer.ppo.actor", *CONTROL)
    return actor_module.grpo_loss_fn(
        given.logp(),
        torch.zeros_like(mask),
        {
            "logprobs": given.frozen("y_logp"),
            "prox_logp": given.frozen("y_logp"),
            "advantages": given.frozen("advantage")[:, None] * mask,
            "loss_mask": mask,
            "teacher_logp": given.logp(model="ref"),
            "distill_loss_weight": 0.5,
        },
        0.2,
        0.28,
        None,
    )


TEACHER = (
    Comparison(
        ("distillation.kdrl", "surrogate.clipped", "aggregate.token_mean"),
        PEER,
        "ppo.actor.grpo_loss_fn(teacher_logp)",
        NAMES + "maximize a: token_mean(clipped(r, advantage, 0.8 .. 1.28))  "
        "minimize b: 0.5 * mean(kdrl(now - logp(ref, y), success >= 0))",
        _kdrl,
        differs="the paper's estimator is k2; AReaL minimises the mean of k1, whose expected gradient is 0 (RL301)",
    ),
)
LOSSES = (
    actor("surrogate.clipped aggregate.token_mean", "maximize a: token_mean(clipped(r, advantage, 0.8 .. 1.28))"),
    actor(
        "surrogate.dual_clipped aggregate.token_mean",
        "maximize a: token_mean(dual_clipped(r, advantage, 0.8 .. 1.28, 1.5))",
        "c_clip=1.5",
        c_clip=1.5,
    ),
    actor(
        "surrogate.decoupled_clipped importance.masked aggregate.token_mean",
        "maximize a: token_mean(decoupled_clipped(near, masked(exp(apart), 0.8 .. 1.3), advantage, 0.8 .. 1.28))",
        "rejection_sampling: token ratio, mask 0.8 .. 1.3",
        names=THREE,
        old="old",
        why=WEIGHTS,
        rejection_sampling=kept("mask"),
    ),
    actor(
        "surrogate.decoupled_clipped aggregate.token_mean",
        "maximize a: token_mean(decoupled_clipped(near, clip(exp(apart), 0.8 .. 1.3), advantage, 0.8 .. 1.28))",
        "rejection_sampling: token ratio, clamp 0.8 .. 1.3",
        names=THREE,
        old="old",
        why=WEIGHTS,
        rejection_sampling=kept("clamp"),
    ),
    Comparison(
        ("surrogate.sapo", "aggregate.token_mean"),
        PEER,
        "functional.sapo_loss_fn",
        NAMES + "maximize a: token_mean(sapo(r, advantage, 1, 1.05))",
        _sapo,
    ),
    Comparison(
        ("value.clipped_huber_value_loss",),
        PEER,
        "functional.ppo_critic_loss_fn('huber')",
        "minimize a: mean(clipped_huber_value_loss(20 * value(v, y), 20 * old_value, 20 * token_return, 5, 10))",
        _critic("huber", 20.0),
        trains="v",
        dtype=torch.float32,
        tolerance=SINGLE,
        why="AReaL takes float32 alone",
    ),
    Comparison(
        ("value.clipped_value_loss",),
        PEER,
        "functional.ppo_critic_loss_fn('mse')",
        "minimize a: mean(clipped_value_loss(20 * value(v, y), 20 * old_value, 20 * token_return, 5))",
        _critic("mse", 20.0),
        trains="v",
        dtype=torch.float32,
        tolerance=SINGLE,
        why="AReaL takes float32 alone",
    ),
)
COMPARISONS = (*LOSSES, *TEACHER)
