"""What is a function of torch's or numpy's by another name: losses of sums, quantiles, mixtures, statistics of several scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tests.oracles.compare import Comparison
from tests.oracles.trl_supervised import NO_SCORE, last_values
from tests.oracles.world import Padded


def members(given: Padded) -> Sequence[Tensor]:
    """The places of each prompt's answers."""
    return [torch.from_numpy(np.flatnonzero(given.groups == group)) for group in np.unique(given.groups)]


# ------------------------------------------------------------------ losses
def _unlikelihood(given: Padded) -> Tensor:
    p = given.logp("win")[given.mask("win").bool()].exp()
    return functional.binary_cross_entropy(p, torch.zeros_like(p))


def _redistribution(given: Padded) -> Tensor:
    return functional.mse_loss(given.value(fill=0.0).sum(1), given.frozen("total"))


def _implicit(given: Padded) -> Tensor:
    logit = 0.3 * (given.logp("win", fill=0.0) - given.logp("win", "ref", 0.0)).sum(1)
    return functional.binary_cross_entropy_with_logits(logit, given.frozen("pairs_liked"))


def _ranking(given: Padded) -> Tensor:
    """Each two answers to a prompt: the one that is ranked higher should have the higher score."""
    scores, ranked, total = last_values(given, "y"), given.frozen("score"), torch.zeros(())
    for places in members(given):
        worse, better = (ranked[places][:, None] < ranked[places][None, :]).nonzero().T
        one = torch.ones(len(worse))
        total = total + functional.margin_ranking_loss(scores[places][better], scores[places][worse], one, reduction="sum")
    return total


LOSSES = (
    Comparison(
        ("supervised.unlikelihood",),
        "torch",
        "nn.functional.binary_cross_entropy of probabilities and 0",
        "minimize l: mean(unlikelihood(logp(actor, win)))",
        _unlikelihood,
    ),
    Comparison(
        ("reward_model.redistribution_loss",),
        "torch",
        "nn.functional.mse_loss of sums",
        "minimize l: mean(redistribution_loss(value(v, y), total))",
        _redistribution,
        trains="v",
    ),
    Comparison(
        ("reward_model.implicit_prm_loss", "reward_model.implicit_process_reward"),
        "torch",
        "nn.functional.binary_cross_entropy_with_logits of sums",
        "let r = implicit_process_reward(actor, ref, win, 0.3)  minimize l: mean(implicit_prm_loss(r, where(pairs.liked, 1, 0)))",
        _implicit,
    ),
    Comparison(
        ("pairing.ranking_hinge",),
        "torch",
        "nn.functional.margin_ranking_loss over pairs",
        "minimize l: sum(ranking_hinge(last(value(v, y), per: sample), score, per: prompt))",
        _ranking,
        trains="v",
        without=NO_SCORE,
    ),
)


# ------------------------------------------------------------------ mixtures
def _mixture(shares: Sequence[float]) -> Callable[[Padded], Tensor]:
    """Of the policy, the reference and the proximal policy."""

    def run(given: Padded) -> Tensor:
        parts = [given.logp(), given.logp(model="ref"), given.frozen("old")][: len(shares)]
        mixed = torch.logsumexp(torch.stack(parts) + torch.tensor(shares).log()[:, None, None], 0)
        return (mixed * given.frozen("token_weight") * given.mask()).sum()

    return run


def mixture(entry: str, ours: str, shares: Sequence[float]) -> Comparison:
    """A mixture, each token with its own frozen weight."""
    function = "logsumexp of log-probabilities and log shares"
    return Comparison((f"reference.{entry}",), "torch", function, f"minimize a: sum(token_weight * {ours})", _mixture(shares))


MIXTURES = (
    mixture("mixture", "mixture(actor, ref, y, 0.3)", (0.3, 0.7)),
    mixture("mixture_of", "mixture_of(logp(actor, y), logp(ref, y), 0.3)", (0.3, 0.7)),
    mixture("mixture_of_three", "mixture_of_three(logp(actor, y), logp(ref, y), old, 0.3, 0.5)", (0.3, 0.5, 0.2)),
    mixture(
        "mixture_of_each",
        "mixture_of_each(each(logp(actor, y), logp(ref, y), old), each(3, 5, 2))",
        (0.3, 0.5, 0.2),
    ),
)


# ------------------------------------------------------------------ several scores
def _ensemble(statistic: Callable[[Tensor], Tensor]) -> Callable[[Padded], Tensor]:
    """Over three scores of each row."""
    return lambda given: statistic(torch.stack([last_values(given, name) for name in ("win", "lose", "gold")])).sum()


NAMED = zip("abc", ("win", "lose", "gold"), strict=True)
SCORES = "".join(f"let {name} = last(value(v, {response}), per: sample)  " for name, response in NAMED)


def ensemble(entry: str, ours: str, function: str, statistic: Callable[[Tensor], Tensor]) -> Comparison:
    """A statistic of three scores."""
    body = f"{SCORES}minimize l: sum({ours})"
    return Comparison((f"reward_model.{entry}",), "torch", function, body, _ensemble(statistic), trains="v", without=NO_SCORE)


ENSEMBLES = (
    ensemble("ensemble_mean", "ensemble_mean(each(a, b, c))", "mean", lambda x: x.mean(0)),
    ensemble("worst_case", "worst_case(each(a, b, c))", "amin", lambda x: x.amin(0)),
    ensemble("ensemble_variance", "ensemble_variance(each(a, b, c))", "var(correction=1)", lambda x: x.var(0, correction=1)),
    ensemble(
        "ensemble_variance_population",
        "ensemble_variance_population(each(a, b, c))",
        "var(correction=0)",
        lambda x: x.var(0, correction=0),
    ),
)


# ------------------------------------------------------------------ order
def _quantile(given: Padded) -> Tensor:
    """Of each prompt's rewards, as the slope of its answers' values."""
    reward, slope = given.frozen("total"), torch.zeros(len(given.groups))
    for places in members(given):
        slope[places] = float(np.quantile(reward[places].numpy(), 0.4, method="inverted_cdf"))
    return (slope[:, None] * given.value() * given.mask()).sum()


def _cumsum(given: Padded) -> Tensor:
    return (given.value(fill=0.0).cumsum(1) * given.frozen("token_weight") * given.mask()).sum()


ORDER = (
    Comparison(
        ("advantage.lower_quantile",),
        "numpy",
        "quantile(0.4, method='inverted_cdf')",
        "minimize a: sum(value(v, y) * lower_quantile(total, 0.4, per: prompt))",
        _quantile,
        trains="v",
    ),
    Comparison(("prelude.cumsum",), "torch", "cumsum", "minimize a: sum(token_weight * cumsum(value(v, y)))", _cumsum, trains="v"),
)
COMPARISONS = (*LOSSES, *MIXTURES, *ENSEMBLES, *ORDER)
