"""The scores of scoringrules, on its torch back end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from tests.oracles.compare import Comparison
from tests.oracles.peers import peer_module
from tests.oracles.world import Padded

PEER = "scoringrules"


def rules() -> Any:
    """The package."""
    return peer_module("scoringrules")


def _mean(score: Callable[[Padded], Tensor]) -> Callable[[Padded], Tensor]:
    return lambda given: (score(given) * given.mask()).sum() / given.mask().sum()


def _interval(given: Padded) -> Tensor:
    middle, half = given.value(), given.frozen("token_weight")
    return rules().interval_score(given.frozen("token_return"), middle - half, middle + half, 0.2, backend="torch")


def _quantile(given: Padded) -> Tensor:
    return rules().quantile_score(given.frozen("token_return"), given.value(), 0.7, backend="torch")


COMPARISONS = (
    Comparison(
        ("scoring.interval_score",),
        PEER,
        "interval_score(alpha=0.2)",
        "let x = value(v, y)  minimize a: mean(interval_score(x - token_weight, x + token_weight, token_return, 0.2))",
        _mean(_interval),
        trains="v",
    ),
    Comparison(
        ("value.quantile_loss",),
        PEER,
        "quantile_score(alpha=0.7)",
        "minimize a: mean(quantile_loss(token_return - value(v, y), 0.7))",
        _mean(_quantile),
        trains="v",
    ),
)
