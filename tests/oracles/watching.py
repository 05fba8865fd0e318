"""The statistics of the watch, and of calibration: those of scipy, torch, torchmetrics, numpy and verl over all answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from tests.oracles.compare import Comparison
from tests.oracles.peers import peer_module
from tests.oracles.shaping import SLOPE
from tests.oracles.torch_parts import members
from tests.oracles.world import Padded


def _scaled(statistic: Callable[[Padded], float]) -> Callable[[Padded], Tensor]:
    """A frozen statistic of the batch, times what is live."""
    return lambda given: statistic(given) * (given.value() * given.mask()).sum()


def watched(entry: str, ours: str, peer: str, function: str, statistic: Callable[[Padded], float]) -> Comparison:
    """A frozen statistic of the batch."""
    body = f"minimize l: {ours} * sum(value(v, y))"
    return Comparison((f"watch.{entry}",), peer, function, body, _scaled(statistic), trains="v")


# ------------------------------------------------------------------ correlation
def _verl_pearson(given: Padded) -> float:
    both = given.frozen("token_reward"), given.frozen("token_return")
    found: float = peer_module("verl.utils.debug.metrics").pearson_correlation_coefficient(*both, given.mask().bool())
    return found


def _live_pearson(given: Padded) -> Tensor:
    mask = given.mask().bool()
    return torch.corrcoef(torch.stack([given.value()[mask], given.frozen("token_return")[mask]]))[0, 1]


def _spearman(given: Padded) -> float:
    found = peer_module("scipy.stats").spearmanr(given.frozen("total").numpy(), given.lengths().numpy())
    return float(found.statistic)


def _ranks(given: Padded) -> Tensor:
    ranks = peer_module("scipy.stats").rankdata(given.frozen("total").numpy(), method="average") - 1
    return (torch.from_numpy(ranks) * given.value(fill=0.0).sum(1)).sum()


# ------------------------------------------------------------------ what a reward no longer tells
def _saturation(given: Padded) -> float:
    held = np.clip(given.frozen("total").numpy(), -0.25, 0.5)
    return float(max((held == -0.25).mean(), (held == 0.5).mean()))


def _no_signal(given: Padded) -> float:
    spreads = [np.ptp(given.frozen("success")[places].numpy()) for places in members(given) if len(places) > 1]
    return float(np.mean(np.array(spreads) == 0))


def _calibration(given: Padded) -> Tensor:
    mask = given.mask().bool()
    chances, right = torch.sigmoid(given.frozen("token_return")[mask]), given.frozen("token_reward")[mask] > 0
    error = peer_module("torchmetrics.functional.classification").binary_calibration_error
    found: Tensor = error(chances, right.long(), n_bins=10)
    return found * (given.value() * mask).sum()


def _disagreement(given: Padded) -> Tensor:
    scores = torch.stack([given.value(fill=0.0).sum(1), given.frozen("score"), given.frozen("second")])
    return scores.std(0, correction=0).mean()


COMPARISONS = (
    watched(
        "correlation",
        "correlation(token_reward, token_return)",
        "verl",
        "debug.metrics.pearson_correlation_coefficient",
        _verl_pearson,
    ),
    Comparison(
        ("watch.correlation",),
        "torch",
        "corrcoef",
        "minimize l: correlation(value(v, y), token_return)",
        _live_pearson,
        trains="v",
    ),
    watched("rank_correlation", "rank_correlation(total, y.length)", "scipy", "stats.spearmanr", _spearman),
    Comparison(
        ("watch.mid_rank",),
        "scipy",
        "stats.rankdata(method='average'), from 0 on",
        f"{SLOPE}minimize l: sum(slope * mid_rank(total))",
        _ranks,
        trains="v",
    ),
    watched("saturation", "saturation(total, -0.25, 0.5)", "numpy", "clip, and the share of each end", _saturation),
    watched("no_signal", "no_signal(success, per: prompt)", "numpy", "ptp of each group of two or more", _no_signal),
    Comparison(
        ("scoring.calibration_error",),
        "torchmetrics",
        "functional.classification.binary_calibration_error(n_bins=10)",
        "let right = where(token_reward > 0, 1, 0)  minimize l: calibration_error(sigmoid(token_return), right) * sum(value(v, y))",
        _calibration,
        trains="v",
    ),
    Comparison(
        ("watch.disagreement",),
        "torch",
        "std(correction=0) of members, mean of answers",
        f"{SLOPE}minimize l: disagreement(each(slope, score, second), per: sample)",
        _disagreement,
        trains="v",
    ),
)
