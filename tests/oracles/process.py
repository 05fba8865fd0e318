"""Verdicts on steps: against torch's functions of segments, and TorchRL's estimator of one step. Steps are rows of tokens."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from tests.oracles.compare import Comparison
from tests.oracles.peers import peer_module
from tests.oracles.world import Padded

# A live number of each step; a step without a token has 1/2.
RIGHT = "let right = sigmoid(sum(value(v, y), per: step))  "


def _right(given: Padded) -> Tensor:
    return torch.stack([torch.sigmoid(step.sum()) for step in given.steps(given.value())])


def _counts(given: Padded) -> Tensor:
    return torch.tensor([len(steps) for steps in given.by_answers(_right(given).detach())])


# ------------------------------------------------------------------ one number an answer
def _segments(reduction: str) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        return (torch.segment_reduce(_right(given), reduction, lengths=_counts(given)) * given.frozen("advantage")).sum()

    return run


def _of_answer(entry: str, reduction: str) -> Comparison:
    body = f"{RIGHT}minimize l: sum(advantage * {entry}(right))"
    return Comparison((f"process.{entry}",), "torch", f"segment_reduce('{reduction}')", body, _segments(reduction), trains="v")


# ------------------------------------------------------------------ one number a step
def _in_answers(of_steps: Callable[[Tensor, int], Tensor]) -> Callable[[Padded], Tensor]:
    """Of the steps of each answer and its number; each step is weighed by the sum of its tokens' weights."""

    def run(given: Padded) -> Tensor:
        weights = torch.stack([step.sum() for step in given.steps(given.frozen("token_weight"))])
        found = [of_steps(steps, place) for place, steps in enumerate(given.by_answers(_right(given)))]
        return (torch.cat(found) * weights).sum()

    return run


WEIGHED = f"{RIGHT}let weight = sum(token_weight, per: step)  minimize l: sum(weight * "


def _potential(right: Tensor, _: int) -> Tensor:
    """What TorchRL calls the advantage of one step without a reward, the state after the last step being terminal."""
    value, done = right[:, None], torch.zeros(len(right), 1).bool()
    done[-1] = True
    after = torch.cat([value[1:], torch.zeros_like(value[:1])])
    estimate = peer_module("torchrl.objectives.value.functional").td0_advantage_estimate
    found: Tensor = estimate(0.9, value, after, torch.zeros_like(value), done, done)[:, 0]
    return found


def _redistributed(given: Padded) -> Tensor:
    total = given.frozen("total")
    return _in_answers(lambda right, place: total[place] * functional.normalize(right, p=1, dim=0))(given)


# ------------------------------------------------------------------ steps and tokens
def _at_ends(given: Padded) -> Tensor:
    """A step's number at its last token."""
    right, value = _right(given), given.value()[given.mask().bool()]
    lengths = torch.tensor([len(step) for step in given.steps(value)])
    held = lengths > 0
    placed = torch.zeros_like(value).index_put((lengths.cumsum(0)[held] - 1,), right[held])
    return (placed * given.frozen("token_weight")[given.mask().bool()]).sum()


def _ratios(given: Padded) -> Tensor:
    """As rows of a sequence-level ratio: TRL's, of steps."""
    mask = given.mask().bool()
    ratio = (given.logp() - given.frozen("y_logp"))[mask]
    lengths = torch.tensor([len(step) for step in given.steps(ratio)])
    held = lengths > 0
    mean = torch.segment_reduce(ratio, "mean", lengths=lengths[held])
    advantage = torch.stack([step.sum() for step in given.steps(given.frozen("token_advantage"))])
    return (mean.exp() * advantage[held]).sum()


COMPARISONS = (
    _of_answer("product", "prod"),
    _of_answer("weakest", "min"),
    Comparison(
        ("process.progress",),
        "torch",
        "diff(prepend=start) of each answer",
        WEIGHED + "progress(right, 0.25))",
        _in_answers(lambda right, _: right.diff(prepend=torch.full((1,), 0.25))),
        trains="v",
    ),
    Comparison(
        ("process.potential_shaping",),
        "TorchRL",
        "td0_advantage_estimate(gamma=0.9) without rewards",
        WEIGHED + "potential_shaping(right, 0.9))",
        _in_answers(_potential),
        trains="v",
    ),
    Comparison(
        ("process.redistributed",),
        "torch",
        "nn.functional.normalize(p=1) of each answer",
        WEIGHED + "redistributed(total, right))",
        _redistributed,
        trains="v",
    ),
    Comparison(
        ("process.at_step_ends",),
        "torch",
        "index_put at the ends of segments",
        RIGHT + "minimize l: sum(token_weight * at_step_ends(right, value(v, y)))",
        _at_ends,
        trains="v",
    ),
    Comparison(
        ("process.step_ratio",),
        "torch",
        "exp of segment_reduce('mean')",
        "let weight = sum(token_advantage, per: step)  minimize l: sum(weight * step_ratio(logp(actor, y) - y.logp))",
        _ratios,
    ),
)
