"""OpenRLHF's loss modules: policy, value, preference, reward-model, process-reward and distillation losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.oracles.compare import SINGLE, Comparison
from tests.oracles.peers import loss_module
from tests.oracles.trl_preference import EMPTY_MEAN
from tests.oracles.trl_supervised import NO_SCORE, SCORES, last_values
from tests.oracles.verl_policy import GUARD, GUARDED, NAMES
from tests.oracles.world import Padded

PRESENT, OLD = "OpenRLHF", "OpenRLHF 0.8"


def losses(peer: str = PRESENT) -> Any:
    """Its module of losses."""
    return loss_module(peer, "openrlhf.models.loss", "deepspeed")


# ------------------------------------------------------------------ policy and value
def _policy(old: str, **settings: Any) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        mask = given.mask()
        loss = losses().PolicyLoss(clip_eps_low=0.2, clip_eps_high=0.28, **settings)
        return loss(
            given.logp(),
            given.frozen(old),
            given.frozen("advantage")[:, None] * mask,
            action_mask=mask,
            rollout_log_probs=given.frozen("y_logp"),
        )[0]

    return run


def policy(
    entries: str, body: str, *, old: str = "y_logp", names: str = NAMES, why: str = "", without: Any = None, **settings: Any
) -> Comparison:
    """A comparison with its policy loss."""
    shown = ", ".join(f"{key}={value!r}" for key, value in settings.items())
    return Comparison(
        tuple(entries.split()),
        PRESENT,
        f"PolicyLoss({shown})",
        names + body,
        _policy(old, **settings),
        without=without or {},
        why=why,
        tolerance=GUARDED if why else Comparison.tolerance,
    )


THREE = "let near = exp(logp(actor, y) - old)  let apart = old - y.logp  "
POLICY = (
    policy("surrogate.clipped aggregate.token_mean", "maximize a: token_mean(clipped(r, advantage, 0.8 .. 1.28))"),
    policy(
        "surrogate.dual_clipped aggregate.token_mean",
        "maximize a: token_mean(dual_clipped(r, advantage, 0.8 .. 1.28, 1.5))",
        dual_clip=1.5,
    ),
    policy(
        "aggregate.sequence_mean surrogate.clipped",
        "maximize a: sequence_mean(clipped(r, advantage, 0.8 .. 1.28))",
        token_level_loss=False,
        why=GUARD.replace("verl", "OpenRLHF"),
    ),
    policy(
        "sequence.gspo",
        "maximize a: mean(gspo(d, advantage, 0.8 .. 1.28))",
        policy_loss_type="gspo",
        why=GUARD.replace("verl", "OpenRLHF"),
    ),
    policy(
        "surrogate.decoupled_clipped importance.masked aggregate.token_mean",
        "maximize a: token_mean(decoupled_clipped(near, masked(exp(apart), 0.8 .. 1.3), advantage, 0.8 .. 1.28))",
        old="old",
        names=THREE,
        is_correction_level="token",
        is_correction_mode="mask",
        is_correction_threshold=(0.8, 1.3),
    ),
    policy(
        "surrogate.decoupled_clipped importance.is_within aggregate.token_mean",
        "let kept = is_within(mean(apart, per: sample), log(0.9) .. log(1.2))  "
        "maximize a: token_mean(decoupled_clipped(near, where(kept, exp(apart), 0), advantage, 0.8 .. 1.28))",
        old="old",
        names=THREE,
        is_correction_level="seq",
        is_correction_mode="mask",
        is_correction_threshold=(0.9, 1.2),
        without=EMPTY_MEAN,
    ),
    policy(
        "token_choice.binary_tv surrogate.decoupled_clipped aggregate.token_mean",
        "let kept = binary_tv(old, y.logp) <= 0.05  "
        "maximize a: token_mean(decoupled_clipped(near, where(kept, exp(apart), 0), advantage, 0.8 .. 1.28))",
        old="old",
        names=THREE,
        is_correction_level="token",
        is_correction_gating="tv",
        is_correction_threshold=(0.0, 0.05),
    ),
    policy(
        "token_choice.binary_kl surrogate.decoupled_clipped aggregate.token_mean",
        "let kept = binary_kl(old, y.logp) <= 0.01  "
        "maximize a: token_mean(decoupled_clipped(near, where(kept, exp(apart), 0), advantage, 0.8 .. 1.28))",
        old="old",
        names=THREE,
        is_correction_level="token",
        is_correction_gating="binary_kl",
        is_correction_threshold=(0.0, 0.01),
    ),
)


def _value(radius: float | None) -> Callable[[Padded], Tensor]:
    return lambda given: losses().ValueLoss(radius)(
        given.value(), given.frozen("old_value"), given.frozen("token_return"), given.mask()
    )


VALUES = (
    Comparison(
        ("value.clipped_value_loss", "aggregate.token_mean"),
        PRESENT,
        "ValueLoss(clip_eps=0.5)",
        "minimize a: token_mean(clipped_value_loss(value(v, y), old_value, token_return, 0.5))",
        _value(0.5),
        trains="v",
    ),
    Comparison(
        ("value.value_loss", "aggregate.token_mean"),
        PRESENT,
        "ValueLoss()",
        "minimize a: token_mean(value_loss(value(v, y), token_return))",
        _value(None),
        trains="v",
    ),
)


# ------------------------------------------------------------------ preferences and rewards
def _sums(given: Padded, response: str) -> tuple[Tensor, Tensor]:
    return given.logp(response, fill=0.0).sum(1), given.logp(response, model="ref", fill=0.0).sum(1)


def _dpo(**settings: Any) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        (win, ref_win), (lose, ref_lose) = _sums(given, "win"), _sums(given, "lose")
        return losses().DPOLoss(0.3, **settings)(win, lose, ref_win, ref_lose)[0]

    return run


def _kto(given: Padded) -> Tensor:
    """KTO of one process: what it would add up over processes is what there is."""
    module = losses(OLD)
    (win, reference), (other, ref_other), liked = _sums(given, "win"), _sums(given, "other"), given.frozen("pairs_liked") > 0
    gathered, module.dist.all_reduce = module.dist.all_reduce, lambda *_, **__: None
    try:
        return module.KTOLoss(0.3, 1.2, 0.7, 1, win.device)(
            win[liked], win[~liked], other, reference[liked], reference[~liked], ref_other
        )[0]
    finally:
        module.dist.all_reduce = gathered


def _pairwise(name: str, margin: bool) -> Callable[[Padded], Tensor]:
    return lambda given: getattr(losses(), name)()(
        last_values(given, "win"), last_values(given, "lose"), given.frozen("pairs_margin") if margin else None
    )


def _prm(given: Padded) -> Tensor:
    """Every token is a step; of the two tokens that stand for right and wrong, wrong has the logit 0."""
    logits = torch.stack([given.value(), torch.zeros_like(given.value())], -1)
    steps = torch.where(given.mask() > 0, 1, 0)
    labels = torch.sigmoid(given.frozen("token_return")).to(torch.float32)
    return losses(OLD).PRMLoss(1, [0, 1])(steps, logits, labels)


def _kd(given: Padded) -> Tensor:
    labels = given.tokens().masked_fill(given.mask() == 0, -100)
    return losses(OLD).KDLoss()(given.logits(), given.logits(model="ref"), labels)


def _reward(given: Padded) -> Tensor:
    """The outcome at the last token, less the penalty at each, as a slope."""
    helpers = loss_module(OLD, "openrlhf.models.utils", "deepspeed")
    mask, log_ratio = given.mask(), given.frozen("old", 0.0) - given.logp(model="ref", fill=0.0)
    return (helpers.compute_reward(given.frozen("total"), 0.1, log_ratio, mask) * given.value() * mask).sum()


def _smoothed(given: Padded) -> Tensor:
    """Its DPO loss of scores, without a reference."""
    win, lose = last_values(given, "win"), last_values(given, "lose")
    return losses().DPOLoss(1.0, 0.1)(win, lose, torch.zeros_like(win), torch.zeros_like(lose))[0]


MARGIN = "let m = implicit_reward(actor, ref, win) - implicit_reward(actor, ref, lose)  "
PREFERENCES = (
    Comparison(
        ("preference.dpo", "preference.implicit_reward"), PRESENT, "DPOLoss", MARGIN + "minimize l: mean(dpo(m, 0.3))", _dpo()
    ),
    Comparison(
        ("preference.dpo_smoothed", "preference.implicit_reward"),
        PRESENT,
        "DPOLoss(label_smoothing=0.1)",
        MARGIN + "minimize l: mean(dpo_smoothed(m, 0.3, 0.1))",
        _dpo(label_smoothing=0.1),
    ),
    Comparison(
        ("preference.ipo", "preference.implicit_reward"),
        PRESENT,
        "DPOLoss(ipo=True)",
        MARGIN + "minimize l: mean(ipo(m, 0.3))",
        _dpo(ipo=True),
    ),
    Comparison(
        ("unpaired.kto", "unpaired.kto_baseline", "preference.implicit_reward"),
        OLD,
        "KTOLoss",
        "let z = kto_baseline(implicit_reward(actor, ref, other))  "
        "minimize l: mean(kto(implicit_reward(actor, ref, win), pairs.liked, z, 0.3, 1.2, 0.7))",
        _kto,
    ),
    Comparison(
        ("reward_model.bradley_terry",),
        PRESENT,
        "LogExpLoss",
        SCORES + "minimize l: mean(bradley_terry(a, b))",
        _pairwise("LogExpLoss", False),
        trains="v",
        without=NO_SCORE,
    ),
    Comparison(
        ("reward_model.bradley_terry_margin",),
        PRESENT,
        "PairWiseLoss(margin)",
        SCORES + "minimize l: mean(bradley_terry_margin(a, b, pairs.margin))",
        _pairwise("PairWiseLoss", True),
        trains="v",
        without=NO_SCORE,
    ),
    Comparison(
        ("reward_model.stepwise_prm_loss",),
        OLD,
        "PRMLoss(soft labels)",
        "minimize l: stepwise_prm_loss(value(v, y), sigmoid(token_return))",
        _prm,
        trains="v",
        tolerance=SINGLE,
        why="OpenRLHF takes soft labels in float32",
    ),
)
SUPERVISED = (
    Comparison(
        ("supervised.nll_token_mean",),
        PRESENT,
        "SFTLoss",
        "minimize l: nll_token_mean(actor, win)",
        lambda given: losses().SFTLoss()(given.logp("win"), given.mask("win")),
    ),
    Comparison(
        ("supervised.nll_sequence_mean",),
        PRESENT,
        "SFTLoss(token_level_loss=False)",
        "minimize l: nll_sequence_mean(actor, win)",
        lambda given: losses().SFTLoss(False)(given.logp("win"), given.mask("win")),
        tolerance=GUARDED,
        why=GUARD.replace("verl", "OpenRLHF"),
    ),
    Comparison(
        ("distillation.forward_kl",),
        OLD,
        "KDLoss",
        "minimize l: mean(forward_kl(ref, actor, y, 1))",
        _kd,
        tolerance=SINGLE,
        why="a cross-entropy: the gradient alone is compared, which OpenRLHF computes in float32",
        only_gradient=True,
    ),
)
FURTHER = (
    Comparison(
        ("prelude.at_last", "divergence.k1_of"),
        OLD,
        "utils.compute_reward",
        "let k = k1_of(old - logp(ref, y))  minimize a: sum(value(v, y) * (at_last(total, y) - 0.1 * k))",
        _reward,
        trains="v",
        without={"empty answers": "OpenRLHF gives an answer without tokens its reward at the last padding"},
    ),
    Comparison(
        ("reward_model.bradley_terry_smoothed",),
        PRESENT,
        "DPOLoss(beta=1, label_smoothing=0.1), of scores",
        SCORES + "minimize l: mean(bradley_terry_smoothed(a, b, 0.1))",
        _smoothed,
        trains="v",
        without=NO_SCORE,
    ),
)
COMPARISONS = (*POLICY, *VALUES, *PREFERENCES, *SUPERVISED, *FURTHER)
