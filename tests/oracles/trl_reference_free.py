"""TRL's preference losses without a reference: CPO, SimPO, AlphaPO, ORPO, TPO."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from tests.oracles.compare import SINGLE, Comparison
from tests.oracles.peers import Model, bare, peer_module
from tests.oracles.trl_preference import EMPTY_MEAN, batch, width
from tests.oracles.world import Padded


def shifted(given: Padded, response: str, columns: int) -> Tensor:
    """Logits as a model gives them: those of the prompt's one token stand for the first token of the answer."""
    rows = given.logits(response, width=columns)
    return torch.cat([rows, torch.zeros_like(rows[:, :1])], 1)


def _pairs(module: str, kind: str, settings: Mapping[str, Any]) -> Callable[[Padded], Tensor]:
    """`get_batch_loss_metrics` of the trainers that read logits."""

    def run(given: Padded) -> Tensor:
        pair = ("win", "lose")
        columns = width(given, pair)
        logits = torch.cat([shifted(given, response, columns) for response in pair])
        inputs = {}
        for side, response in (("chosen", "win"), ("rejected", "lose")):
            entry = {name: part[: len(part)] for name, part in batch(given, (response,)).items()}
            labels = entry["input_ids"].masked_fill(entry["completion_mask"] == 0, -100)
            inputs.update(
                {
                    f"{side}_input_ids": entry["input_ids"],
                    f"{side}_attention_mask": entry["attention_mask"].long(),
                    f"{side}_labels": labels,
                }
            )
        made = bare(getattr(peer_module(module), kind), is_encoder_decoder=False, pad_token_id=0, padding_value=0, **settings)
        return made.get_batch_loss_metrics(Model(SimpleNamespace(logits=logits)), inputs)[0]

    return run


def cpo(entries: str, body: str, *, without: Mapping[str, str] | None = None, differs: str = "", **changed: Any) -> Comparison:
    """A comparison with TRL's CPO trainer, which also has SimPO and AlphaPO."""
    shown = ", ".join(f"{key}={value!r}" for key, value in changed.items())
    settings = {"alpha": 0.0, "label_smoothing": 0.0, "beta": 0.3, "simpo_gamma": 0.0, **changed}
    return Comparison(
        tuple(entries.split()),
        "TRL",
        f"experimental CPOTrainer.get_batch_loss_metrics({shown})",
        body,
        _pairs("trl.experimental.cpo.cpo_trainer", "CPOTrainer", settings),
        without=without or {},
        differs=differs,
    )


SUMS = "let a = sum_log_p(actor, win)  let b = sum_log_p(actor, lose)  "
AVERAGES = "let a = average_log_p(actor, win)  let b = average_log_p(actor, lose)  "
ORPO = _pairs("trl.experimental.orpo.orpo_trainer", "ORPOTrainer", {"beta": 0.2})
CPO = (
    cpo(
        "reference_free.cpo_token_mean",
        "minimize l: cpo_token_mean(actor, win, lose, 0.3, 0.7)",
        loss_type="sigmoid",
        cpo_alpha=0.7,
    ),
    cpo(
        "reference_free.cpo reference_free.sum_log_p",
        SUMS + "minimize l: mean(cpo(a, b, 0.3))",
        loss_type="sigmoid",
        cpo_alpha=1.0,
        differs="the paper's NLL is the sum over each answer; TRL's is the mean over all tokens: `cpo_token_mean`",
    ),
    cpo("preference.hinge reference_free.sum_log_p", SUMS + "minimize l: mean(hinge(a - b, 0.3))", loss_type="hinge", cpo_alpha=0),
    cpo(
        "preference.ipo reference_free.average_log_p",
        AVERAGES + "minimize l: mean(ipo(a - b, 0.3))",
        without=EMPTY_MEAN,
        loss_type="ipo",
        cpo_alpha=0,
    ),
    cpo(
        "preference.dpo_smoothed reference_free.sum_log_p",
        SUMS + "minimize l: mean(dpo_smoothed(a - b, 0.3, 0.1))",
        loss_type="sigmoid",
        cpo_alpha=0,
        label_smoothing=0.1,
    ),
    cpo(
        "reference_free.simpo reference_free.average_log_p",
        AVERAGES + "minimize l: mean(simpo(a, b, 2, 0.5))",
        without=EMPTY_MEAN,
        loss_type="simpo",
        cpo_alpha=0,
        beta=2.0,
        simpo_gamma=0.5,
    ),
    cpo(
        "reference_free.alphapo reference_free.average_log_p",
        AVERAGES + "minimize l: mean(alphapo(a, b, 0.25, 2, 0.5))",
        without=EMPTY_MEAN,
        loss_type="simpo",
        cpo_alpha=0,
        beta=2.0,
        simpo_gamma=0.5,
        alpha=0.25,
    ),
    cpo(
        "reference_free.alphapo_reward preference.dpo reference_free.sum_log_p",
        SUMS + "minimize l: mean(dpo(alphapo_reward(a, 0.25) - alphapo_reward(b, 0.25), 0.3))",
        loss_type="sigmoid",
        cpo_alpha=0,
        alpha=0.25,
    ),
    Comparison(
        ("reference_free.orpo_token_mean",),
        "TRL",
        "experimental ORPOTrainer.get_batch_loss_metrics(beta=0.2)",
        "minimize l: orpo_token_mean(actor, win, lose, 0.2)",
        ORPO,
        without=EMPTY_MEAN,
        tolerance=SINGLE,
        why="TRL computes the odds in float32",
    ),
    Comparison(
        ("reference_free.orpo", "reference_free.average_log_p"),
        "TRL",
        "experimental ORPOTrainer.get_batch_loss_metrics(beta=0.2)",
        AVERAGES + "minimize l: mean(orpo(a, b, 0.2))",
        ORPO,
        without=EMPTY_MEAN,
        differs="the paper's NLL is the mean over answers of each answer's mean; TRL's is the mean over all "
        "tokens, those of the prompt included: `orpo_token_mean`",
    ),
)


def _tpo(settings: Mapping[str, Any]) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        names = ("win", "lose", "gold")[: 3 if settings["tpo_alpha"] else 2]
        columns = width(given, names)
        logits = torch.cat([shifted(given, name, columns) for name in names])
        made = bare(
            peer_module("trl.experimental.tpo.tpo_trainer").TPOTrainer, beta=0.3, label_smoothing=0.0, tpo_l_gamma=0.5, **settings
        )
        return made._compute_loss(Model(SimpleNamespace(logits=logits)), batch(given, names), False)

    return run


TPO = (
    Comparison(
        ("reference_free.tpo_token_mean",),
        "TRL",
        "experimental TPOTrainer._compute_loss(loss_type='sigmoid', tpo_alpha=0.7)",
        "minimize l: tpo_token_mean(actor, win, lose, gold, 0.3, 0.7)",
        _tpo({"loss_type": "sigmoid", "tpo_alpha": 0.7}),
    ),
    Comparison(
        ("reference_free.tpo", "reference_free.sum_log_p"),
        "TRL",
        "experimental TPOTrainer._compute_loss(loss_type='sigmoid', tpo_alpha=0.7)",
        SUMS + "minimize l: mean(tpo(a, b, sum_log_p(actor, gold), 0.3, 0.7))",
        _tpo({"loss_type": "sigmoid", "tpo_alpha": 0.7}),
        differs="the paper's NLL is the sum over each answer; TRL's is the mean over all tokens: `tpo_token_mean`",
    ),
    Comparison(
        ("reference_free.simpo", "supervised.nll_token_mean", "reference_free.average_log_p"),
        "TRL",
        "experimental TPOTrainer._compute_loss(loss_type='tpo-l', tpo_alpha=0.7)",
        AVERAGES + "minimize l: mean(simpo(a, b, 0.3, 0.5)) + 0.7 * nll_token_mean(actor, gold)",
        _tpo({"loss_type": "tpo-l", "tpo_alpha": 0.7}),
        without=EMPTY_MEAN,
    ),
    Comparison(
        ("reference_free.tpo_l", "reference_free.average_log_p"),
        "TRL",
        "experimental TPOTrainer._compute_loss(loss_type='tpo-l', tpo_alpha=0.7)",
        AVERAGES + "minimize l: mean(tpo_l(a, b, average_log_p(actor, gold), 0.3, 0.5, 0.7))",
        _tpo({"loss_type": "tpo-l", "tpo_alpha": 0.7}),
        without=EMPTY_MEAN,
        differs="the library's NLL is the mean over answers of each answer's mean; TRL's is the mean over all tokens: "
        "`simpo` and `nll_token_mean`",
    ),
)
COMPARISONS = (*CPO, *TPO)
