"""TorchRL's value estimators: returns, GAE, TD(lambda), V-trace. They walk rectangles in which `done` ends an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.oracles.compare import Comparison
from tests.oracles.peers import peer_module
from tests.oracles.world import Padded


def functional() -> Any:
    """Its module of estimators."""
    return peer_module("torchrl.objectives.value.functional")


def steps(given: Padded) -> dict[str, Tensor]:
    """Rewards, values and the values after them, [answers, tokens, 1]; an answer is done at its last token."""
    value = given.frozen("old_value", fill=0.0)
    after = torch.cat([value[:, 1:], torch.zeros_like(value[:, :1])], 1)
    columns = torch.arange(value.shape[1])
    done = (columns == given.lengths()[:, None] - 1) | (given.mask() == 0)
    found = {"reward": given.frozen("token_reward", fill=0.0), "state_value": value, "next_state_value": after}
    return {**{name: numbers[..., None] for name, numbers in found.items()}, "done": done[..., None]}


def _weighed(estimate: Callable[[Padded], Tensor]) -> Callable[[Padded], Tensor]:
    return lambda given: (estimate(given)[..., 0] * given.value() * given.mask()).sum()


def _gae(place: int) -> Callable[[Padded], Tensor]:
    return lambda given: functional().generalized_advantage_estimate(0.98, 0.9, **steps(given))[place]


def _td_lambda(given: Padded) -> Tensor:
    found = steps(given)
    return functional().td_lambda_return_estimate(0.98, 0.9, found["next_state_value"], found["reward"], found["done"])


def _td0(given: Padded) -> Tensor:
    return functional().td0_advantage_estimate(0.98, **steps(given))


def _returns(given: Padded) -> Tensor:
    found = steps(given)
    return functional().reward2go(found["reward"], found["done"], 0.98)


def _vtrace(place: int) -> Callable[[Padded], Tensor]:
    """The ratio is that of the proximal policy to the one that sampled."""

    def run(given: Padded) -> Tensor:
        policy, sampler = (given.frozen(name, fill=0.0)[..., None] for name in ("old", "y_logp"))
        return functional().vtrace_advantage_estimate(0.98, policy, sampler, **steps(given), rho_thresh=1.2, c_thresh=0.9)[place]

    return run


def estimate(entries: str, ours: str, name: str, theirs: Callable[[Padded], Tensor]) -> Comparison:
    """An estimate as the slope of the critic's values."""
    return Comparison(
        tuple(entries.split()),
        "TorchRL",
        f"value.functional.{name}",
        f"minimize a: sum(value(v, y) * ({ours}))",
        _weighed(theirs),
        trains="v",
    )


def _cut_off(given: Padded) -> Tensor:
    """An answer that was cut off is done, but has not terminated: the value after it counts."""
    found = steps(given)
    last = (torch.arange(found["done"].shape[1]) == given.lengths()[:, None] - 1)[..., None]
    after = torch.where(last, given.frozen("total")[:, None, None], found["next_state_value"])
    return functional().generalized_advantage_estimate(
        0.98, 0.9, found["state_value"], after, found["reward"], found["done"], torch.zeros_like(found["done"])
    )[0]


def _expectile(given: Padded) -> Tensor:
    error = given.frozen("token_return") - given.value()
    found = peer_module("torchrl.objectives.iql").IQLLoss.loss_value_diff(error, 0.7)
    return (found * given.mask()).sum() / given.mask().sum()


TRACE = "exp(old - y.logp), token_reward, old_value, 0.98, 1, 1.2, 0.9"
COMPARISONS = (
    estimate("returns.returns", "returns(token_reward, 0.98)", "reward2go", _returns),
    estimate("returns.td_error", "td_error(token_reward, old_value, 0.98)", "td0_advantage_estimate", _td0),
    estimate("returns.gae", "gae(token_reward, old_value, 0.98, 0.9)", "generalized_advantage_estimate[0]", _gae(0)),
    estimate(
        "returns.lambda_returns", "lambda_returns(token_reward, old_value, 0.98, 0.9)", "generalized_advantage_estimate[1]", _gae(1)
    ),
    estimate(
        "returns.lambda_returns", "lambda_returns(token_reward, old_value, 0.98, 0.9)", "td_lambda_return_estimate", _td_lambda
    ),
    estimate(
        "returns.gae_bootstrapped",
        "gae_bootstrapped(token_reward, old_value, total, 0.98, 0.9)",
        "generalized_advantage_estimate(done, not terminated)",
        _cut_off,
    ),
    estimate("returns.vtrace_targets", f"vtrace_targets({TRACE})", "vtrace_advantage_estimate[1]", _vtrace(1)),
    estimate("returns.vtrace_advantage", f"vtrace_advantage({TRACE})", "vtrace_advantage_estimate[0]", _vtrace(0)),
    Comparison(
        ("value.expectile_loss",),
        "TorchRL",
        "IQLLoss.loss_value_diff(expectile=0.7)",
        "minimize a: mean(expectile_loss(token_return - value(v, y), 0.7))",
        _expectile,
        trains="v",
    ),
)
