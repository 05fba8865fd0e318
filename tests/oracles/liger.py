"""Liger's chunked losses: the plain functions within its fused heads, which run on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from tests.oracles.compare import EXACT, TWENTYFOLD, Comparison
from tests.oracles.peers import peer_module
from tests.oracles.trl_policy import CLIP, EMPTY, NAMES
from tests.oracles.trl_preference import EMPTY_MEAN, SCORES
from tests.oracles.trl_reference_free import AVERAGES, SUMS
from tests.oracles.world import Padded

PEER = "Liger"
READ = "preference.implicit_reward"
EMPTY_HERE = {"empty answers": EMPTY["empty answers"].replace("TRL", "Liger")}
NO_MEAN = {"empty answers": EMPTY_MEAN["empty answers"].replace("TRL", "Liger")}


def _ppo(settings: Mapping[str, Any]) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        function = peer_module("liger_kernel.chunked_loss.grpo_loss").LigerFusedLinearGRPOFunction.ppo_loss_fn
        mask = given.mask()
        return function(
            given.logp(fill=0.0),
            mask,
            given.frozen("advantage"),
            mask,
            ref_per_token_logps=given.logp(model="ref"),
            old_per_token_logps=given.frozen("y_logp"),
            **{"beta": 0.0, "epsilon_high": 0.28, **settings},
        )[0]

    return run


def grpo(entries: str, body: str, *, without: Mapping[str, str] | None = None, **settings: Any) -> Comparison:
    """A comparison with its GRPO loss."""
    shown = ", ".join(f"{key}={value!r}" for key, value in settings.items())
    return Comparison(
        tuple(entries.split()),
        PEER,
        f"LigerFusedLinearGRPOFunction.ppo_loss_fn({shown})",
        NAMES + body,
        _ppo(settings),
        without=without or {},
    )


POLICY = (
    grpo("surrogate.clipped aggregate.token_mean", f"maximize a: token_mean({CLIP})", loss_type="dapo"),
    grpo("aggregate.sequence_mean surrogate.clipped", f"maximize a: sequence_mean({CLIP})", without=EMPTY_HERE, loss_type="grpo"),
    grpo(
        "aggregate.constant_length surrogate.clipped",
        f"maximize a: constant_length({CLIP}, 8)",
        loss_type="dr_grpo",
        max_completion_length=8,
    ),
    grpo(
        "surrogate.two_sided_clipped aggregate.token_mean",
        "maximize a: token_mean(two_sided_clipped(r, advantage, 0.8 .. 1.28, 1.5))",
        loss_type="dapo",
        delta=1.5,
    ),
    grpo(
        "sequence.gspo",
        "maximize a: mean(gspo(d, advantage, 0.9 .. 1.1))",
        without=EMPTY_HERE,
        loss_type="grpo",
        importance_sampling_level="sequence",
        epsilon_low=0.1,
        epsilon_high=0.1,
    ),
    grpo(
        "sequence.luspo",
        "maximize a: mean(luspo(d, advantage, 0.9 .. 1.1))",
        without=EMPTY_HERE,
        loss_type="luspo",
        importance_sampling_level="sequence",
        epsilon_low=0.1,
        epsilon_high=0.1,
    ),
    grpo(
        "policy_gradient.cispo aggregate.token_mean",
        "maximize a: token_mean(cispo(now, r, advantage, 0 .. 1.3))",
        loss_type="cispo",
        epsilon_high=1.3,
    ),
    grpo(
        "surrogate.sapo aggregate.sequence_mean",
        "maximize a: sequence_mean(sapo(r, advantage, 1, 1.05))",
        without=EMPTY_HERE,
        loss_type="sapo",
    ),
    grpo(
        "policy_gradient.vespo aggregate.token_mean",
        "maximize a: token_mean(vespo(now, sum(d, per: sample), advantage, 2, 3, 3, 2))",
        loss_type="vespo",
    ),
    grpo(
        "divergence.k3 surrogate.clipped aggregate.token_mean",
        f"maximize a: token_mean({CLIP})  minimize b: 0.04 * token_mean(k3(actor, ref, y))",
        loss_type="dapo",
        beta=0.04,
    ),
    grpo(
        "divergence.k3_weighted_of surrogate.clipped aggregate.token_mean",
        f"maximize a: token_mean({CLIP})  minimize b: 0.04 * token_mean(k3_weighted_of(r, now - logp(ref, y)))",
        loss_type="dapo",
        beta=0.04,
        use_bias_correction_kl=True,
    ),
)


# ------------------------------------------------------------------ preferences
def answers(given: Padded, response: str, model: str, mean: bool) -> Tensor:
    """Summed or mean log-probabilities."""
    found = given.logp(response, model, 0.0).sum(1)
    return found / given.lengths(response) if mean else found


def _pair(module: str, kind: str, reference: bool, mean: bool, settings: Mapping[str, Any]) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        function = getattr(peer_module(f"liger_kernel.chunked_loss.{module}"), kind).preference_loss_fn
        win, lose = (answers(given, name, "actor", mean) for name in ("win", "lose"))
        references = (
            {f"ref_{side}_logps": answers(given, name, "ref", mean) for side, name in (("chosen", "win"), ("rejected", "lose"))}
            if reference
            else {}
        )
        return function(win, lose, torch.zeros(2 * len(win)), **references, **settings)[0]

    return run


def dpo(entry: str, body: str, loss_type: str, *, tolerance: float = EXACT, why: str = "", **settings: Any) -> Comparison:
    """A comparison with its DPO loss; beta is 0.3."""
    shown = ", ".join(f"{key}={value!r}" for key, value in {"loss_type": loss_type, **settings}.items())
    return Comparison(
        (entry, READ),
        PEER,
        f"LigerFusedLinearDPOFunction.preference_loss_fn({shown})",
        SCORES + body,
        _pair("dpo_loss", "LigerFusedLinearDPOFunction", True, False, {"loss_type": loss_type, "beta": 0.3, **settings}),
        tolerance=tolerance,
        why=why,
    )


def other(entries: str, body: str, module: str, kind: str, *, mean: bool, **settings: Any) -> Comparison:
    """A comparison with a loss without a reference."""
    shown = ", ".join(f"{key}={value!r}" for key, value in settings.items())
    return Comparison(
        tuple(entries.split()),
        PEER,
        f"{kind}.preference_loss_fn({shown})",
        (AVERAGES if mean else SUMS) + body,
        _pair(module, kind, False, mean, settings),
        without=NO_MEAN if mean else {},
    )


def _kto(given: Padded) -> Tensor:
    function = peer_module("liger_kernel.chunked_loss.kto_loss").LigerFusedLinearKTOFunction.preference_loss_fn
    mismatched = (answers(given, "other", "actor", False) - answers(given, "other", "ref", False)).mean().detach().clamp(min=0)
    liked = given.frozen("pairs_liked") > 0
    return function(
        answers(given, "win", "actor", False), liked, liked, answers(given, "win", "ref", False), beta=0.3, kl=mismatched
    )[0]


def _jsd(beta: float) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        function = peer_module("liger_kernel.chunked_loss.jsd_loss").LigerFusedLinearJSDFunction.distillation_loss_fn
        labels = given.tokens().masked_fill(given.mask() == 0, -100)
        return function(given.logits(), given.logits(model="ref"), beta=beta, target=labels) / given.mask().sum()

    return run


PREFERENCES = (
    dpo("preference.dpo", "minimize l: mean(dpo(a - b, 0.3))", "sigmoid"),
    dpo("preference.hinge", "minimize l: mean(hinge(a - b, 0.3))", "hinge"),
    dpo("preference.exo", "minimize l: mean(exo(a - b, 0.3, 0.1))", "exo_pair", label_smoothing=0.1),
    dpo("preference.robust_dpo", "minimize l: mean(robust_dpo(a - b, 0.3, 0.1))", "robust", label_smoothing=0.1),
    dpo(
        "preference.discopop",
        "minimize l: mean(discopop(a - b, 0.3, 0.05))",
        "discopop",
        tolerance=TWENTYFOLD,
        why="tau divides the margin by 0.05",
    ),
    dpo("anchored.nca", "minimize l: mean(nca(a, b, 0.3))", "nca_pair"),
    dpo("anchored.bco_pair", "minimize l: mean(bco_pair(a, b, 0.3))", "bco_pair"),
    dpo("anchored.apo_zero", "minimize l: mean(apo_zero(a, b, 0.3))", "apo_zero"),
    dpo("anchored.apo_down", "minimize l: mean(apo_down(a, b, 0.3))", "apo_down"),
    dpo("nash.sppo_hard", "minimize l: mean(sppo_hard(a, b, 0.3))", "sppo_hard"),
    other(
        "preference.dpo_smoothed reference_free.sum_log_p",
        "minimize l: mean(dpo_smoothed(a - b, 0.3, 0.1))",
        "cpo_loss",
        "LigerFusedLinearCPOFunction",
        mean=False,
        beta=0.3,
        label_smoothing=0.1,
    ),
    other(
        "reference_free.odds_ratio reference_free.average_log_p",
        "minimize l: 0.2 * mean(odds_ratio(a, b))",
        "orpo_loss",
        "LigerFusedLinearORPOFunction",
        mean=True,
        beta=0.2,
    ),
    other(
        "reference_free.simpo reference_free.average_log_p",
        "minimize l: mean(simpo(a, b, 2, 0.5))",
        "simpo_loss",
        "LigerFusedLinearSimPOFunction",
        mean=True,
        beta=2.0,
        gamma=0.5,
    ),
    Comparison(
        ("unpaired.kto", "unpaired.kto_baseline", READ),
        PEER,
        "LigerFusedLinearKTOFunction.preference_loss_fn",
        "let z = kto_baseline(implicit_reward(actor, ref, other))  "
        "minimize l: mean(kto(implicit_reward(actor, ref, win), pairs.liked, z, 0.3, 1, 1))",
        _kto,
    ),
    Comparison(
        ("distillation.forward_kl",),
        PEER,
        "LigerFusedLinearJSDFunction.distillation_loss_fn(beta=0)",
        "minimize l: mean(forward_kl(ref, actor, y, 1.0))",
        _jsd(0),
    ),
    Comparison(
        ("distillation.reverse_kl",),
        PEER,
        "LigerFusedLinearJSDFunction.distillation_loss_fn(beta=1)",
        "minimize l: mean(reverse_kl(ref, actor, y, 1.0))",
        _jsd(1),
    ),
    Comparison(
        ("distillation.jensen_shannon",),
        PEER,
        "LigerFusedLinearJSDFunction.distillation_loss_fn(beta=0.5)",
        "minimize l: mean(jensen_shannon(ref, actor, y, 1.0))",
        _jsd(0.5),
    ),
)
COMPARISONS = (*POLICY, *PREFERENCES)
