"""What TRL 1.0 had and TRL has dropped since: Nash-MD, XPO, BCO, DPPO, the token form of GSPO, MiniLLM."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from tests.oracles.compare import SINGLE, Comparison
from tests.oracles.peers import Model, bare, older_module
from tests.oracles.trl_policy import EMPTY, NAMES, entropies, inputs, trainer
from tests.oracles.world import Padded

PEER = "TRL 1.0"


def older(name: str) -> Any:
    """A module of its experimental part."""
    return older_module(PEER, f"trl.experimental.{name}")


# ------------------------------------------------------------------ preferences
def _nash_md(given: Padded) -> Tensor:
    """`win_rate` is that of each answer against the mixture's, as a judge would say."""
    made = bare(older("nash_md.nash_md_trainer").NashMDTrainer, _beta=[0.2], state=SimpleNamespace(epoch=0))
    return made._compute_losses(given.logp(fill=0.0), given.logp(model="ref", fill=0.0), given.frozen("success"))[0]


def _xpo(loss_type: str) -> Callable[[Padded], Tensor]:
    """Of each row, one answer is taken as the policy's and the other as the reference's; `liked` says which is better."""

    def run(given: Padded) -> Tensor:
        made = bare(
            older("xpo.xpo_trainer").XPOTrainer,
            _beta=[0.3],
            _alpha=[0.05],
            state=SimpleNamespace(epoch=0),
            args=SimpleNamespace(loss_type=loss_type),
        )
        own, other = ((given.logp(name, fill=0.0), given.logp(name, model="ref", fill=0.0)) for name in ("win", "lose"))
        return made._compute_losses(own[0], other[0], other[1], own[1], given.frozen("pairs_liked") > 0)[0]

    return run


MARGIN = (
    "let a = implicit_reward(actor, ref, win)  let b = implicit_reward(actor, ref, lose)  "
    "let m = where(pairs.liked, a - b, b - a)  let e = sum(logp(actor, lose), per: sample)  "
)


def _bco(given: Padded) -> Tensor:
    module = older("bco.bco_trainer")
    made = bare(module.BCOTrainer, beta=0.3, embedding_func=None, embedding_tokenizer=None)
    made.running = module.RunningMoments(made.accelerator)
    liked = given.frozen("pairs_liked") > 0
    policy, reference = given.logp("win", fill=0.0).sum(1), given.logp("win", model="ref", fill=0.0).sum(1)
    return made.bco_loss(policy[liked], policy[~liked], reference[liked], reference[~liked], None, None)[0].mean()


def _density_ratio(given: Padded) -> Tensor:
    """The weight that a probability gets, as a slope."""
    made = bare(
        older("bco.bco_trainer").BCOTrainer,
        args=SimpleNamespace(min_density_ratio=0.5, max_density_ratio=2.0),
        _get_chosen_prob=lambda numbers: numbers,
    )
    return (made._get_udm_weight(given.frozen("pairs_label")) * given.logp("win", fill=0.0).sum(1)).sum()


REWARD = "let d = implicit_reward(actor, ref, win)  "
SHIFT = "TRL keeps the running mean in float32"
PREFERENCES = (
    Comparison(
        ("nash.nash_md_token", "divergence.k1"),
        PEER,
        "experimental NashMDTrainer._compute_losses",
        "minimize l: mean(nash_md_token(logp(actor, y), k1(actor, ref, y), success, 0.2))",
        _nash_md,
    ),
    Comparison(
        ("nash.nash_md", "preference.implicit_reward"),
        PEER,
        "experimental NashMDTrainer._compute_losses",
        "minimize l: mean(nash_md(sum(logp(actor, y), per: sample), implicit_reward(actor, ref, y), success, 0.2))",
        _nash_md,
        differs="the paper holds whole answers to the reference, TRL each token by its own log-ratio: `nash_md_token`",
    ),
    Comparison(
        ("nash.xpo", "preference.implicit_reward"),
        PEER,
        "experimental XPOTrainer._compute_losses(loss_type='sigmoid')",
        MARGIN + "minimize l: mean(xpo(m, 0.3, e, 0.05))",
        _xpo("sigmoid"),
    ),
    Comparison(
        ("preference.ipo", "preference.implicit_reward"),
        PEER,
        "experimental XPOTrainer._compute_losses(loss_type='ipo')",
        MARGIN + "minimize l: mean(ipo(m, 0.3) + 0.05 * e)",
        _xpo("ipo"),
    ),
    Comparison(
        ("unpaired.bco", "preference.implicit_reward"),
        PEER,
        "experimental BCOTrainer.bco_loss",
        REWARD + "minimize l: mean(bco(d, pairs.liked, frozen(mean(0.3 * d)), 0.3))",
        _bco,
        tolerance=SINGLE,
        why=SHIFT,
    ),
    Comparison(
        ("unpaired.bco_shift", "unpaired.bco", "preference.implicit_reward"),
        PEER,
        "experimental BCOTrainer.bco_loss",
        REWARD + "minimize l: mean(bco(d, pairs.liked, bco_shift(0.3 * d, pairs.liked), 0.3))",
        _bco,
        differs="the paper's shift is midway between the two kinds' means, TRL's a running mean of all rewards",
    ),
    Comparison(
        ("unpaired.density_ratio",),
        PEER,
        "experimental BCOTrainer._get_udm_weight",
        "minimize l: sum(density_ratio(pairs.label, 0.5 .. 2) * sum(logp(actor, win), per: sample))",
        _density_ratio,
        tolerance=1e-7,
        why="TRL adds 1e-8 to `1 - p`",
    ),
)


def _mixture(given: Padded) -> Tensor:
    """The log-probabilities of the opponent that Nash-MD samples from; the function itself, without its inference mode."""
    wrapper = older("nash_md.nash_md_trainer").GeometricMixtureWrapper
    made = bare(
        wrapper,
        model=Model(SimpleNamespace(logits=given.logits())),
        ref_model=Model(SimpleNamespace(logits=given.logits(model="ref"))),
        mixture_coef=0.3,
    )
    found = wrapper.forward.__wrapped__(made).logits.gather(-1, given.tokens()[..., None])[..., 0]
    return (found * given.frozen("token_weight") * given.mask()).sum()


# ------------------------------------------------------------------ policy gradients
def _dppo(divergence: str, low: float, high: float) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        made = trainer(given.logp(fill=0.0), entropies(given), "", "", {}, older("dppo.dppo_trainer").DPPOTrainer)
        made.__dict__.update(
            divergence_type=divergence,
            epsilon_low=low,
            epsilon_high=high,
            clip_ratio_c=1.5,
            _get_per_token_logps_and_entropies=lambda *_, **__: (given.logp(fill=0.0), entropies(given)),
        )
        return made._compute_loss(Model(None), {**inputs(given), "sampling_per_token_logps": given.frozen("y_logp")})

    return run


def _gspo_token(given: Padded) -> Tensor:
    made = trainer(
        given.logp(fill=0.0),
        entropies(given),
        "",
        "",
        {"loss_type": "grpo", "epsilon_low": 0.1, "epsilon_high": 0.1},
        older("gspo_token.grpo_trainer").GRPOTrainer,
    )
    made.__dict__.update(
        importance_sampling_level="sequence_token",
        _get_per_token_logps_and_entropies=lambda *_, **__: (given.logp(fill=0.0), entropies(given)),
    )
    return made._compute_loss(Model(None), inputs(given))


LIMIT = "let limit = where(advantage > 0, {high}, {low})  "
POLICY = (
    Comparison(
        ("token_choice.dppo_truncated", "token_choice.binary_tv", "aggregate.token_mean"),
        PEER,
        "experimental DPPOTrainer._compute_loss(divergence_type='binary_tv')",
        NAMES
        + LIMIT.format(high=0.06, low=0.03)
        + "maximize a: token_mean(dppo_truncated(now, r, advantage, binary_tv(now, y.logp), limit, 1.5))",
        _dppo("binary_tv", 0.03, 0.06),
    ),
    Comparison(
        ("token_choice.dppo_truncated", "token_choice.binary_kl", "aggregate.token_mean"),
        PEER,
        "experimental DPPOTrainer._compute_loss(divergence_type='binary_kl')",
        NAMES
        + LIMIT.format(high=0.01, low=0.005)
        + "maximize a: token_mean(dppo_truncated(now, r, advantage, binary_kl(now, y.logp), limit, 1.5))",
        _dppo("binary_kl", 0.005, 0.01),
    ),
    Comparison(
        ("sequence.gspo_token", "aggregate.sequence_mean"),
        PEER,
        "experimental gspo_token GRPOTrainer._compute_loss(importance_sampling_level='sequence_token')",
        NAMES + "maximize a: sequence_mean(gspo_token(now, d, advantage, 0.9 .. 1.1))",
        _gspo_token,
        without=EMPTY,
    ),
)


# ------------------------------------------------------------------ distillation
def _minillm(gamma: float) -> Callable[[Padded], Tensor]:
    """The advantage that MiniLLM adds, times the log-probability."""

    def run(given: Padded) -> Tensor:
        made = bare(older("minillm.minillm_trainer").MiniLLMTrainer, gamma=gamma, length_normalization=False)
        advantage = made._compute_advantage(given.logp(), given.logp(model="ref"), given.mask()).detach()
        return -(advantage * given.logp() * given.mask()).sum() / given.mask().sum()

    return run


def _one_step(given: Padded) -> Tensor:
    made = bare(older("minillm.minillm_trainer").MiniLLMTrainer)
    student, teacher = (torch.log_softmax(given.logits(model=name), -1) for name in ("actor", "ref"))
    return made._single_step_decomposition_loss(student, teacher, given.mask().bool())


DISTILLATION = (
    Comparison(
        ("distillation.on_policy_distillation",),
        PEER,
        "experimental MiniLLMTrainer._compute_advantage(gamma=1)",
        "minimize l: mean(on_policy_distillation(logp(actor, y), logp(ref, y), 1))",
        _minillm(1.0),
    ),
    Comparison(
        ("distillation.on_policy_distillation",),
        PEER,
        "experimental MiniLLMTrainer._compute_advantage(gamma=0)",
        "minimize l: mean(on_policy_distillation(logp(actor, y), logp(ref, y), 0))",
        _minillm(0.0),
    ),
    Comparison(
        ("distillation.on_policy_distillation",),
        PEER,
        "experimental MiniLLMTrainer._compute_advantage(gamma=0.9)",
        "minimize l: mean(on_policy_distillation(logp(actor, y), logp(ref, y), 0.9))",
        _minillm(0.9),
        differs="TRL discounts from the answer's start, `sum_k discount^(t + k) r_(t + k)`, its own comment and the library from "
        "the token on",
    ),
    Comparison(
        ("distillation.reverse_kl",),
        PEER,
        "experimental MiniLLMTrainer._single_step_decomposition_loss",
        "minimize l: mean(reverse_kl(ref, actor, y, 1))",
        _one_step,
    ),
)
MIXTURES = (
    Comparison(
        ("reference.normalised_geometric",),
        PEER,
        "experimental GeometricMixtureWrapper.forward(mixture_coef=0.3)",
        "minimize a: sum(token_weight * normalised_geometric(ref, actor, y, 0.3))",
        _mixture,
    ),
)


def _whitened(given: Padded) -> Tensor:
    mask = given.mask()
    return (older("ppo.ppo_trainer").masked_whiten(given.frozen("token_advantage"), mask.bool()) * given.value() * mask).sum()


ADVANTAGES = (
    Comparison(
        ("advantage.whiten",),
        PEER,
        "experimental ppo_trainer.masked_whiten",
        "minimize a: sum(value(v, y) * whiten(token_advantage, per: batch, guard: 0.00000001))",
        _whitened,
        trains="v",
    ),
)
COMPARISONS = (*PREFERENCES, *POLICY, *DISTILLATION, *MIXTURES, *ADVANTAGES)
