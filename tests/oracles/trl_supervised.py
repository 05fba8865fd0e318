"""TRL's supervised, distillation and reward-model losses, and its entropy controller."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from tests.oracles.compare import SINGLE, Comparison, only
from tests.oracles.peers import Model, bare, outputs, peer_module
from tests.oracles.trl_policy import CLIP, NAMES, entropies, inputs, trainer
from tests.oracles.trl_preference import batch
from tests.oracles.world import Padded

NO_SCORE = {"empty answers": "a score is read at the last token, which an answer without tokens does not have"}


# ------------------------------------------------------------------ likelihood
def _sft(loss_type: str) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        module = peer_module("trl.trainer.sft_trainer")
        given_batch = batch(given, ("win",))
        found = outputs(given.logp("win", fill=0.0), label_mask=given.mask("win"))
        made = bare(
            module.SFTTrainer,
            compute_loss_func=None,
            label_smoother=None,
            args=SimpleNamespace(loss_type=loss_type, average_tokens_across_devices=False),
        )
        made.accelerator.parallelism_config = None
        return made.compute_loss(Model(found), given_batch)

    return run


def _chosen(choose: Callable[[Padded], Tensor], response: str) -> Callable[[Padded], Tensor]:
    """NLL of some answers: the labels of the others are ignored."""

    def run(given: Padded) -> Tensor:
        mask = given.mask(response) * choose(given)[:, None]
        found = outputs(given.logp(response, fill=0.0) * mask, label_mask=mask)
        made = bare(
            peer_module("trl.trainer.sft_trainer").SFTTrainer,
            compute_loss_func=None,
            label_smoother=None,
            args=SimpleNamespace(loss_type="nll", average_tokens_across_devices=False),
        )
        made.accelerator.parallelism_config = None
        return made.compute_loss(Model(found), batch(given, (response,)))

    return run


def _best(given: Padded) -> Tensor:
    """1 for the answer of each prompt that is ranked highest."""
    scores, groups = given.frozen("score"), torch.from_numpy(given.groups)
    return torch.stack(
        [(score == scores[groups == group].max()).to(given.dtype) for score, group in zip(scores, groups, strict=True)]
    )


SUPERVISED = (
    Comparison(
        ("supervised.nll_token_mean",),
        "TRL",
        "SFTTrainer.compute_loss(loss_type='nll')",
        "minimize l: nll_token_mean(actor, win)",
        _sft("nll"),
    ),
    Comparison(
        ("supervised.dft", "aggregate.token_mean"),
        "TRL",
        "SFTTrainer.compute_loss(loss_type='dft')",
        "minimize l: token_mean(dft(logp(actor, win)))",
        _sft("dft"),
    ),
)

CHOSEN = (
    Comparison(
        ("supervised.rft",),
        "TRL",
        "SFTTrainer.compute_loss(loss_type='nll') of accepted answers",
        "minimize l: rft(logp(actor, win), pairs.liked)",
        _chosen(lambda given: given.frozen("pairs_liked"), "win"),
    ),
    Comparison(
        ("supervised.raft",),
        "TRL",
        "SFTTrainer.compute_loss(loss_type='nll') of each prompt's best answer",
        "minimize l: raft(logp(actor, y), score)",
        _chosen(_best, "y"),
    ),
)


# ------------------------------------------------------------------ distillation
def _labels(given: Padded) -> Tensor:
    return given.tokens().masked_fill(given.mask() == 0, -100)


def _gkd(beta: float, temperature: float) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        trainer_class = peer_module("trl.experimental.gkd.gkd_trainer").GKDTrainer
        return trainer_class.generalized_jsd_loss(
            given.logits(), given.logits(model="ref"), _labels(given), beta=beta, temperature=temperature
        )

    return run


def _chunked(beta: float, temperature: float) -> Callable[[Padded], Tensor]:
    """TRL projects hidden states: the logits, through a projection that is the identity."""

    def run(given: Padded) -> Tensor:
        module = peer_module("trl.trainer.distillation_trainer")
        student, one = given.logits(), torch.eye(given.live_logits().shape[1], dtype=given.dtype)
        return module._chunked_divergence_loss(
            student, given.logits(model="ref"), one, one, given.mask(), beta, temperature=temperature
        )[0]

    return run


def _sampled(given: Padded) -> Tensor:
    helpers = peer_module("trl.experimental.sdft.loss_utils")
    found = helpers.compute_sampled_token_self_distillation_loss(
        given.logits(), given.logits(model="ref"), given.tokens(), distillation_alpha=1.0
    )
    return (found * given.mask()).sum() / given.mask().sum()


def divergence(entry: str, name: str, beta: float, temperature: float) -> tuple[Comparison, Comparison]:
    """A divergence of teacher and student against both of TRL's implementations of it."""
    body = f"minimize l: mean({name}(ref, actor, y, {temperature}))"
    settings = f"beta={beta}, temperature={temperature}"
    return (
        Comparison((entry,), "TRL", f"experimental GKDTrainer.generalized_jsd_loss({settings})", body, _gkd(beta, temperature)),
        Comparison(
            (entry,),
            "TRL",
            f"distillation_trainer._chunked_divergence_loss({settings})",
            body,
            _chunked(beta, temperature),
            tolerance=SINGLE,
            why="TRL computes the divergence in float32",
        ),
    )


DISTILLATION = (
    *divergence("distillation.forward_kl", "forward_kl", 0, 1.0),
    *divergence("distillation.forward_kl", "forward_kl", 0, 2.5),
    *divergence("distillation.reverse_kl", "reverse_kl", 1, 1.0),
    *divergence("distillation.reverse_kl", "reverse_kl", 1, 0.7),
    *divergence("distillation.jensen_shannon", "jensen_shannon", 0.5, 1.0),
    *divergence("distillation.jensen_shannon", "jensen_shannon", 0.5, 1.6),
    Comparison(
        ("distillation.generalized_jsd",),
        "TRL",
        "experimental GKDTrainer.generalized_jsd_loss(beta=0.3, temperature=1.4)",
        "minimize l: mean(generalized_jsd(ref, actor, y, 0.3, 1.4))",
        _gkd(0.3, 1.4),
    ),
    Comparison(
        ("distillation.on_policy_distillation",),
        "TRL",
        "experimental sdft compute_sampled_token_self_distillation_loss",
        "minimize l: mean(on_policy_distillation(logp(actor, y), logp(ref, y), 0))",
        _sampled,
    ),
)


# ------------------------------------------------------------------ reward models
def last_values(given: Padded, response: str) -> Tensor:
    """The value at the last token of each answer: a score."""
    values = given.value(response)
    return values.gather(1, given.lengths(response)[:, None] - 1)[:, 0]


def _reward(margin: bool, centre: float | None) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        scores = torch.cat([last_values(given, "win"), last_values(given, "lose")])[:, None]
        made = bare(
            peer_module("trl.trainer.reward_trainer").RewardTrainer, args=SimpleNamespace(center_rewards_coefficient=centre)
        )
        more: dict[str, Any] = {"margin": given.frozen("pairs_margin")} if margin else {}
        return made.compute_loss(Model(SimpleNamespace(logits=scores)), {"attention_mask": given.mask("win"), **more})

    return run


def _ranked(given: Padded) -> Tensor:
    """Of two answers, the one with the higher reward is the chosen one."""
    scores, better = last_values(given, "y").reshape(-1, 2), given.frozen("score").reshape(-1, 2)
    order = better.argsort(dim=1, descending=True)
    logits = scores.gather(1, order).T.reshape(-1, 1)
    made = bare(peer_module("trl.trainer.reward_trainer").RewardTrainer, args=SimpleNamespace(center_rewards_coefficient=None))
    return made.compute_loss(Model(SimpleNamespace(logits=logits)), {"attention_mask": given.mask()})


SCORES = "let a = last(value(v, win), per: sample)  let b = last(value(v, lose), per: sample)  "
REWARDS = (
    Comparison(
        ("reward_model.bradley_terry",),
        "TRL",
        "RewardTrainer.compute_loss",
        SCORES + "minimize l: mean(bradley_terry(a, b))",
        _reward(False, None),
        trains="v",
        without=NO_SCORE,
    ),
    Comparison(
        ("reward_model.bradley_terry_margin",),
        "TRL",
        "RewardTrainer.compute_loss(margin)",
        SCORES + "minimize l: mean(bradley_terry_margin(a, b, pairs.margin))",
        _reward(True, None),
        trains="v",
        without=NO_SCORE,
    ),
    Comparison(
        ("reward_model.centre_penalty", "reward_model.bradley_terry"),
        "TRL",
        "RewardTrainer.compute_loss(center_rewards_coefficient=0.01)",
        SCORES + "minimize l: mean(bradley_terry(a, b)) + 0.01 * mean(centre_penalty(a, b))",
        _reward(False, 0.01),
        trains="v",
        without=NO_SCORE,
    ),
)

RANKED = Comparison(
    ("reward_model.group_bradley_terry",),
    "TRL",
    "RewardTrainer.compute_loss of the pair of each prompt",
    "minimize l: group_bradley_terry(last(value(v, y), per: sample), score)",
    _ranked,
    trains="v",
    without=only("two answers", "TRL's reward trainer takes pairs"),
)


# ------------------------------------------------------------------ the entropy's coefficient
def _adaptive(target: float) -> Callable[[Padded], Tensor]:
    """The coefficient before and after an update whose entropy lies on one side of the target, times live numbers."""

    def run(given: Padded) -> Tensor:
        before = (entropies(given).detach() * given.mask()).sum() / given.mask().sum()
        changed = {
            "use_adaptive_entropy": True,
            "_entropy_bonus_enabled": True,
            "entropy_coef": 0.01,
            "_entropy_window_stats": None,
            "_last_world_entropy": float(before),
        }
        made = trainer(given.logp(fill=0.0), entropies(given), "trl.trainer.grpo_trainer", "GRPOTrainer", changed)
        made.args.__dict__.update(entropy_target=target, entropy_coef_delta=0.004, entropy_coef_min=0.0, entropy_coef_max=0.012)
        loss = made._compute_loss(Model(None), inputs(given))
        return loss + made.entropy_coef * (given.logp() * given.mask()).sum()

    return run


def adaptive(target: float) -> Comparison:
    """The loss with the coefficient of before, and the coefficient of after as a slope."""
    return Comparison(
        ("coefficient.stepped", "coefficient.below_target", "surrogate.clipped"),
        "TRL",
        f"GRPOTrainer._compute_loss(use_adaptive_entropy, entropy_target={target})",
        NAMES
        + f"let h = mean(entropy(actor, y))  maximize a: mean({CLIP})  maximize b: below_target(0.01, frozen(h), {target}) * h  "
        f"minimize c: stepped(0.01, frozen(h), {target}, 0.004, 0 .. 0.012) * sum(now)",
        _adaptive(target),
    )


COMPARISONS = (*SUPERVISED, *CHOSEN, *DISTILLATION, *REWARDS, RANKED, adaptive(0.5), adaptive(1.9))
