"""TRL's policy losses: GRPO with all its loss types, GMPO, RLOO, A2PO."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from tests.oracles.compare import Comparison
from tests.oracles.peers import Model, bare, peer_module
from tests.oracles.world import Padded

NAMES = "let now = logp(actor, y)  let d = now - y.logp  let r = exp(d)  "
CLIP = "clipped(r, advantage, 0.8 .. 1.28)"
SETTINGS = {
    "loss_type": "dapo",
    "importance_sampling_level": "token",
    "beta": 0.0,
    "epsilon_low": 0.2,
    "epsilon_high": 0.28,
    "top_entropy_quantile": 1.0,
    "off_policy_mask_threshold": None,
    "use_vllm": False,
    "vllm_importance_sampling_correction": False,
    "use_adaptive_entropy": False,
    "_entropy_bonus_enabled": False,
    "entropy_coef": 0.0,
    "max_completion_length": 8,
}
ARGUMENTS = {
    "use_bias_correction_kl": False,
    "delta": None,
    "sapo_temperature_pos": 1.0,
    "sapo_temperature_neg": 1.05,
    "vespo_k_pos": 2.0,
    "vespo_lambda_pos": 3.0,
    "vespo_k_neg": 3.0,
    "vespo_lambda_neg": 2.0,
    "steps_per_generation": 1,
}
EMPTY = {"empty answers": "TRL counts an answer without tokens as one whose loss is 0 (`… else 0`), the library leaves it out"}
SETS_OFF = ("loss_type", "importance_sampling_level")


def trainer(logp: Tensor, entropy: Tensor, module: str, kind: str, changed: Mapping[str, Any], made_of: type | None = None) -> Any:
    """A bare trainer with TRL's settings, of which some are changed; the model's outputs are given."""
    return bare(
        made_of or getattr(peer_module(module), kind),
        args=SimpleNamespace(**{**ARGUMENTS, **{key: changed[key] for key in changed if key in ARGUMENTS}}),
        _get_per_token_logps_and_entropies=lambda *_, **__: (logp, entropy, None),
        **{**SETTINGS, **{key: changed[key] for key in changed if key not in ARGUMENTS}},
    )


def inputs(given: Padded) -> dict[str, Any]:
    """What TRL's rollout hands to its losses."""
    mask = given.mask()
    return {
        "prompt_ids": torch.zeros(len(mask), 1),
        "prompt_mask": torch.ones(len(mask), 1),
        "completion_ids": given.tokens(),
        "completion_mask": mask,
        "advantages": given.frozen("advantage"),
        "old_per_token_logps": given.frozen("y_logp"),
        "ref_per_token_logps": given.logp(model="ref"),
        "num_items_in_batch": mask.sum(),
    }


def entropies(given: Padded, width: int | None = None) -> Tensor:
    """The exact entropy at each token."""
    logp = torch.log_softmax(given.live_logits(), -1)
    return given.pad(-(logp.exp() * logp).sum(-1), fill=0.0, width=width)


def policy_loss(module: str, kind: str, changed: Mapping[str, Any]) -> Callable[[Padded], Tensor]:
    """`_compute_loss` of a trainer."""

    def run(given: Padded) -> Tensor:
        made = trainer(given.logp(fill=0.0), entropies(given), module, kind, changed)
        return made._compute_loss(Model(None), inputs(given))

    return run


def grpo(entries: str, body: str, *, without: Mapping[str, str] | None = None, differs: str = "", **changed: Any) -> Comparison:
    """A comparison with GRPO's loss under some settings."""
    shown = ", ".join(f"{key}={value!r}" for key, value in changed.items() if key != "_entropy_bonus_enabled")
    return Comparison(
        tuple(entries.split()),
        "TRL",
        f"GRPOTrainer._compute_loss({shown})",
        NAMES + body,
        policy_loss("trl.trainer.grpo_trainer", "GRPOTrainer", changed),
        without=without or {},
        differs=differs,
    )


GRPO = (
    grpo("surrogate.clipped aggregate.token_mean", f"maximize a: token_mean({CLIP})", loss_type="dapo"),
    grpo("aggregate.token_mean surrogate.clipped", f"maximize a: token_mean({CLIP})", loss_type="bnpo"),
    grpo("aggregate.sequence_mean surrogate.clipped", f"maximize a: sequence_mean({CLIP})", without=EMPTY, loss_type="grpo"),
    grpo("aggregate.constant_length surrogate.clipped", f"maximize a: constant_length({CLIP}, 8)", loss_type="dr_grpo"),
    grpo(
        "surrogate.two_sided_clipped aggregate.token_mean",
        "maximize a: token_mean(two_sided_clipped(r, advantage, 0.8 .. 1.28, 1.5))",
        loss_type="dapo",
        delta=1.5,
    ),
    grpo(
        "surrogate.two_sided_clipped aggregate.token_mean",
        "maximize a: token_mean(two_sided_clipped(r, advantage, 0.8 .. 1.28, 1.1))",
        loss_type="dapo",
        delta=1.1,
    ),
    grpo(
        "sequence.gspo",
        "maximize a: mean(gspo(d, advantage, 0.9 .. 1.1))",
        without=EMPTY,
        loss_type="grpo",
        importance_sampling_level="sequence",
        epsilon_low=0.1,
        epsilon_high=0.1,
    ),
    grpo(
        "sequence.luspo",
        "maximize a: mean(luspo(d, advantage, 0.9 .. 1.1))",
        without=EMPTY,
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
        without=EMPTY,
        loss_type="sapo",
    ),
    grpo(
        "surrogate.sapo",
        "maximize a: mean(sapo(exp(mean(d, per: sample)), advantage, 2, 3))",
        without=EMPTY,
        loss_type="sapo",
        importance_sampling_level="sequence",
        sapo_temperature_pos=2.0,
        sapo_temperature_neg=3.0,
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
    grpo(
        "token_choice.top_quantile surrogate.clipped aggregate.token_mean",
        f"maximize a: token_mean(where(top_quantile(entropy(actor, y), 0.3, per: batch), {CLIP}, 0))",
        loss_type="dapo",
        top_entropy_quantile=0.3,
    ),
    grpo(
        "entropy.forking_tokens surrogate.clipped",
        f"maximize a: mean({CLIP}, where: forking_tokens(entropy(actor, y), 0.3))",
        differs="TRL multiplies by the mask, so that tokens that are not kept count in the mean; the paper's mean is over those "
        "that are kept. `token_mean(where(forking_tokens(…), x, 0))` is TRL's",
        loss_type="dapo",
        top_entropy_quantile=0.3,
    ),
    grpo(
        "entropy.forking_tokens surrogate.clipped aggregate.token_mean",
        f"maximize a: token_mean(where(forking_tokens(entropy(actor, y), 0.3), {CLIP}, 0))",
        loss_type="dapo",
        top_entropy_quantile=0.3,
    ),
    grpo(
        "sequence.off_policy_mask surrogate.clipped aggregate.token_mean",
        f"maximize a: token_mean({CLIP} * off_policy_mask(d, advantage, 0.1))",
        loss_type="dapo",
        off_policy_mask_threshold=0.1,
    ),
    grpo(
        "aggregate.token_mean surrogate.clipped",
        f"maximize a: token_mean({CLIP})  maximize b: 0.01 * token_mean(entropy(actor, y))",
        loss_type="dapo",
        entropy_coef=0.01,
        _entropy_bonus_enabled=True,
    ),
)
# The same where answers without tokens count as those whose loss is 0.
COUNTED = tuple(
    replace(entry, why="answers without tokens count as 0")
    for entry in (
        grpo("surrogate.clipped", f"maximize a: mean(mean({CLIP}, per: sample) else 0)", loss_type="grpo"),
        grpo("surrogate.sapo", "maximize a: mean(mean(sapo(r, advantage, 1, 1.05), per: sample) else 0)", loss_type="sapo"),
        grpo(
            "sequence.gspo",
            "maximize a: mean(gspo(d, advantage, 0.9 .. 1.1) else 0)",
            loss_type="grpo",
            importance_sampling_level="sequence",
            epsilon_low=0.1,
            epsilon_high=0.1,
        ),
        grpo(
            "sequence.luspo",
            "maximize a: mean(luspo(d, advantage, 0.9 .. 1.1) else 0)",
            loss_type="luspo",
            importance_sampling_level="sequence",
            epsilon_low=0.1,
            epsilon_high=0.1,
        ),
    )
)


# ------------------------------------------------------------------ other trainers
def _rloo(given: Padded) -> Tensor:
    made = trainer(given.logp(fill=0.0), entropies(given), "trl.trainer.rloo_trainer", "RLOOTrainer", {"epsilon_high": 0.2})
    return made._compute_loss(Model(None), {**inputs(given), "old_logps": given.frozen("y_logp", fill=0.0).sum(1)})


def _a2po(given: Padded) -> Tensor:
    """Its reference log-probabilities are sums; the value of a prompt is given in place of one that it would estimate."""
    module = peer_module("trl.experimental.a2po.a2po_trainer")
    made = bare(module.A2POTrainer, args=SimpleNamespace(beta2=0.3), _get_sequence_logps=lambda *_: given.logp(fill=0.0).sum(1))
    return made.compute_loss(
        Model(None),
        {
            "input_ids": None,
            "attention_mask": None,
            "logits_to_keep": None,
            "ref_logps": given.frozen("ref_logp_y", fill=0.0).sum(1),
            "rewards": given.frozen("total"),
            "v_star": given.by_answer(given.frozen("greedy")),
        },
    )


OTHERS = (
    Comparison(
        ("sequence.gmpo",),
        "TRL",
        "experimental GMPOTrainer._compute_loss(epsilon 0.4)",
        NAMES + "maximize a: mean(gmpo(d, advantage, exp(-0.4) .. exp(0.4)))",
        policy_loss("trl.experimental.gmpo.gmpo_trainer", "GMPOTrainer", {"epsilon_low": 0.4, "epsilon_high": 0.4}),
        without=EMPTY,
    ),
    Comparison(
        ("sequence.product_ratio", "surrogate.clipped"),
        "TRL",
        "RLOOTrainer._compute_loss",
        NAMES + "maximize a: mean(clipped(product_ratio(d), advantage, 0.8 .. 1.2))",
        _rloo,
    ),
    Comparison(
        ("policy_gradient.dro", "preference.implicit_reward"),
        "TRL",
        "experimental A2POTrainer.compute_loss",
        "minimize a: 2 * mean(dro(implicit_reward(actor, ref, y), total, greedy, 0.3))",
        _a2po,
    ),
)
COMPARISONS = (*GRPO, *COUNTED, *OTHERS)
