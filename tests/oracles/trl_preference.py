"""TRL's preference losses against a reference: DPO with all its loss types and divergences, KTO."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from tests.oracles.compare import EXACT, SINGLE, TWENTYFOLD, Comparison
from tests.oracles.peers import Model, bare, outputs, peer_module
from tests.oracles.world import Padded

SCORES = "let a = implicit_reward(actor, ref, win)  let b = implicit_reward(actor, ref, lose)  "
READ = "preference.implicit_reward"
MEANS = "let a = mean_implicit_reward(actor, ref, win)  let b = mean_implicit_reward(actor, ref, lose)  "
READ_MEANS = "preference.mean_implicit_reward"
EMPTY_MEAN = {
    "empty answers": "an answer without tokens has no mean: TRL takes 0, or divides 0 by 0; the library leaves the pair out"
}


def width(given: Padded, responses: tuple[str, ...]) -> int:
    """Of a batch in which several responses stand below each other."""
    return max(int(given.lengths(response).max()) for response in responses) + 1


def stacked(given: Padded, responses: tuple[str, ...], model: str) -> Any:
    """What TRL's fused head returns of those responses, one below the other."""
    columns = width(given, responses)
    rows = [given.live_logits(name) if model == "actor" else given.world.logits[model, name].to(given.dtype) for name in responses]
    collisions = [
        given.pad(torch.log_softmax(row, -1).exp().square().sum(-1).log(), name, 0.0, columns)
        for row, name in zip(rows, responses, strict=True)
    ]
    return outputs(torch.cat([given.logp(name, model, 0.0, columns) for name in responses]), log_sum_sq_probs=torch.cat(collisions))


def batch(given: Padded, responses: tuple[str, ...]) -> dict[str, Tensor]:
    """Token ids after a prompt of one token, and which of them are completions."""
    columns = width(given, responses)
    mask = torch.cat([given.mask(name, columns) for name in responses])
    tokens = torch.cat([given.tokens(name, columns) for name in responses])
    one = torch.ones(len(mask), 1, dtype=mask.dtype)
    return {
        "input_ids": torch.cat([torch.zeros(len(mask), 1, dtype=torch.int64), tokens], 1),
        "attention_mask": torch.cat([one, mask], 1),
        "completion_mask": torch.cat([0 * one, mask], 1),
    }


# ------------------------------------------------------------------ DPO
def _dpo_loss(changed: Mapping[str, Any]) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        settings = {
            "ld_alpha": None,
            "precompute_ref_logps": False,
            "f_divergence_type": "reverse_kl",
            "f_alpha_divergence_coef": 0.5,
            "loss_weights": [1.0],
            "beta": 0.3,
            "label_smoothing": 0.0,
            "use_weighting": False,
            **changed,
        }
        pair = ("win", "lose")
        trainer = bare(
            peer_module("trl.trainer.dpo_trainer").DPOTrainer,
            ref_model=Model(stacked(given, pair, "ref")),
            args=SimpleNamespace(discopop_tau=0.05, gradient_checkpointing_kwargs=None),
            **settings,
        )
        return trainer._compute_loss(Model(stacked(given, pair, "actor")), batch(given, pair), False)

    return run


def dpo(
    entries: str,
    body: str,
    *,
    scores: str = SCORES,
    without: Mapping[str, str] | None = None,
    dtype: torch.dtype = torch.float64,
    tolerance: float = EXACT,
    why: str = "",
    **changed: Any,
) -> Comparison:
    """A comparison with DPO's loss under some settings; beta is 0.3 unless it is changed."""
    shown = ", ".join(f"{key}={value!r}" for key, value in changed.items())
    read = READ_MEANS if scores is MEANS else READ if scores is SCORES else ""
    return Comparison(
        (*entries.split(), *([read] if read else [])),
        "TRL",
        f"DPOTrainer._compute_loss({shown})",
        scores + body,
        _dpo_loss(changed),
        without=without or {},
        dtype=dtype,
        tolerance=tolerance,
        why=why,
    )


LENGTHS = (
    "let short = min(win.length, lose.length)  "
    "let a = length_desensitized(k1(actor, ref, win), short, 0.4)  let b = length_desensitized(k1(actor, ref, lose), short, 0.4)  "
)
WEIGHTS = (
    "let w = wpo_weight(logp(actor, win), log_collision(actor, win)) * wpo_weight(logp(actor, lose), log_collision(actor, lose))  "
)
EMPTY_WEIGHT = {"empty answers": "TRL gives an answer without tokens the weight 1, the library none"}

DPO = (
    dpo("preference.dpo", "minimize l: mean(dpo(a - b, 0.3))", loss_types=["sigmoid"]),
    dpo("preference.hinge", "minimize l: mean(hinge(a - b, 0.3))", loss_types=["hinge"]),
    dpo("preference.ipo_mean", "minimize l: mean(ipo_mean(a, b, 0.3))", scores=MEANS, without=EMPTY_MEAN, loss_types=["ipo"]),
    dpo(
        "preference.dpo_mean",
        "minimize l: mean(dpo_mean(a, b, 3))",
        scores=MEANS,
        without=EMPTY_MEAN,
        loss_types=["sigmoid_norm"],
        beta=3.0,
    ),
    dpo("preference.exo", "minimize l: mean(exo(a - b, 0.3, 0.1))", loss_types=["exo_pair"], label_smoothing=0.1),
    dpo("preference.robust_dpo", "minimize l: mean(robust_dpo(a - b, 0.3, 0.1))", loss_types=["robust"], label_smoothing=0.1),
    dpo(
        "preference.discopop",
        "minimize l: mean(discopop(a - b, 0.3, 0.05))",
        loss_types=["discopop"],
        tolerance=TWENTYFOLD,
        why="tau divides the margin by 0.05",
    ),
    dpo("anchored.nca", "minimize l: mean(nca(a, b, 0.3))", loss_types=["nca_pair"]),
    dpo("anchored.bco_pair", "minimize l: mean(bco_pair(a, b, 0.3))", loss_types=["bco_pair"]),
    dpo("anchored.apo_zero", "minimize l: mean(apo_zero(a, b, 0.3))", loss_types=["apo_zero"]),
    dpo("anchored.apo_down", "minimize l: mean(apo_down(a, b, 0.3))", loss_types=["apo_down"]),
    dpo("nash.sppo_hard", "minimize l: mean(sppo_hard(a, b, 0.3))", loss_types=["sppo_hard"]),
    dpo(
        "transport.aot",
        "let p = sum(logp(actor, win), per: sample) - sum(logp(actor, lose), per: sample)  "
        "let q = sum(logp(ref, win), per: sample) - sum(logp(ref, lose), per: sample)  minimize l: mean(aot(p, q, 0.3, 0.1))",
        scores="",
        loss_types=["aot"],
        label_smoothing=0.1,
    ),
    dpo(
        "transport.aot_unpaired", "minimize l: mean(aot_unpaired(a, b, 0.3, 0.1))", loss_types=["aot_unpaired"], label_smoothing=0.1
    ),
    dpo(
        "preference_score.forward_kl_score preference.dpo",
        "minimize l: mean(dpo(forward_kl_score(a) - forward_kl_score(b), 0.3))",
        loss_types=["sigmoid"],
        f_divergence_type="forward_kl",
    ),
    dpo(
        "preference_score.jensen_shannon_score preference.dpo",
        "minimize l: mean(dpo(jensen_shannon_score(a) - jensen_shannon_score(b), 0.3))",
        loss_types=["sigmoid"],
        f_divergence_type="js_divergence",
    ),
    dpo(
        "preference_score.alpha_score preference.dpo",
        "minimize l: mean(dpo(alpha_score(a, 0.5) - alpha_score(b, 0.5), 0.3))",
        loss_types=["sigmoid"],
        f_divergence_type="alpha_divergence",
        dtype=torch.float32,
        tolerance=SINGLE,
        why="TRL computes this divergence in float32 alone",
    ),
    dpo(
        "preference_score.length_desensitized divergence.k1 preference.dpo",
        "minimize l: mean(dpo(a - b, 0.3))",
        scores=LENGTHS,
        loss_types=["sigmoid"],
        ld_alpha=0.4,
    ),
    dpo(
        "preference_score.wpo_weight preference_score.log_collision preference.dpo",
        WEIGHTS + "minimize l: mean(w * dpo(a - b, 0.3))",
        without=EMPTY_WEIGHT,
        loss_types=["sigmoid"],
        use_weighting=True,
    ),
    dpo("supervised.nll_token_mean", "minimize l: nll_token_mean(actor, win)", scores="", loss_types=["sft"]),
)


# ------------------------------------------------------------------ KTO
def _kto(loss_type: str) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        models = {
            name: Model(*([stacked(given, ("other",), name)] if loss_type == "kto" else []), stacked(given, ("win",), name))
            for name in ("actor", "ref")
        }
        made = bare(
            peer_module("trl.trainer.kto_trainer").KTOTrainer,
            ref_model=models["ref"],
            loss_type=loss_type,
            beta=0.3,
            calculate_KL=loss_type == "kto",
            precompute_ref_logps=False,
            desirable_weight=1.2,
            undesirable_weight=0.7,
            args=SimpleNamespace(gradient_checkpointing_kwargs=None),
        )
        mismatched = {f"KL_{name}": numbers for name, numbers in batch(given, ("other",)).items()}
        liked = given.frozen("pairs_liked")
        return made._compute_loss(models["actor"], {**batch(given, ("win",)), **mismatched, "label": liked}, False)

    return run


KTO = (
    Comparison(
        ("unpaired.kto", "unpaired.kto_baseline", READ),
        "TRL",
        "KTOTrainer._compute_loss(loss_type='kto')",
        "let z = kto_baseline(implicit_reward(actor, ref, other))  "
        "minimize l: mean(kto(implicit_reward(actor, ref, win), pairs.liked, z, 0.3, 1.2, 0.7))",
        _kto("kto"),
    ),
    Comparison(
        ("unpaired.apo_zero_unpaired", READ),
        "TRL",
        "KTOTrainer._compute_loss(loss_type='apo_zero_unpaired')",
        "let w = where(pairs.liked, 1.2, 0.7)  "
        "minimize l: mean(w * apo_zero_unpaired(implicit_reward(actor, ref, win), pairs.liked, 0.3))",
        _kto("apo_zero_unpaired"),
    ),
)


COMPARISONS = (*DPO, *KTO)
