"""What answers are worth beside each other: comparisons in pairs, strengths, votes, likeness. Against choix, verl, numpy, torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tests.oracles.compare import Comparison
from tests.oracles.peers import peer_module
from tests.oracles.shaping import SLOPE, weighed
from tests.oracles.torch_parts import members
from tests.oracles.world import Padded


def of_groups(one: Callable[[Tensor], Tensor], of: Callable[[Padded], Tensor]) -> Callable[[Padded], Tensor]:
    """Of the numbers of each prompt's answers; 0 for a lone answer, which has no others."""

    def run(given: Padded) -> Tensor:
        numbers = of(given)
        found = torch.zeros_like(numbers)
        for places in members(given):
            if len(places) > 1:
                found = found.index_put((places,), one(numbers[places]))
        return found

    return run


# ------------------------------------------------------------------ comparisons in pairs
# How much each is preferred to each other: a gap of more than one is a clear win, and ties occur.
WINS = """let rival = others(total, per: prompt)
  let gap = spread(total, to: rival) - rival
  let wins = where(gap > 1, 1, where(gap < -1, 0, 0.5 + 0.25 * sign(gap)))
  """
CHANCES = """let rival = others(score, per: prompt)
  let wins = sigmoid(1.5 * (spread(score, to: rival) - rival) + 0.2 * (spread(total, to: rival) - others(total, per: prompt)))
  """


def _wins(total: Tensor) -> Tensor:
    gap = total[:, None] - total[None, :]
    return torch.where(gap > 1, 1.0, torch.where(gap < -1, 0.0, 0.5 + 0.25 * gap.sign()))


def _others(matrix: Tensor) -> Tensor:
    """A matrix without its diagonal."""
    count = len(matrix)
    return matrix[~torch.eye(count).bool()].reshape(count, count - 1)


def _of_wins(statistic: Callable[[Tensor], Tensor]) -> Callable[[Padded], Tensor]:
    return weighed(of_groups(lambda total: statistic(_others(_wins(total))), lambda given: given.frozen("total")))


def won(entry: str, ours: str, function: str, statistic: Callable[[Tensor], Tensor]) -> Comparison:
    """What an answer's comparisons are worth."""
    body = f"{SLOPE}{WINS}minimize l: sum(slope * {ours})"
    return Comparison((f"pairwise.{entry}",), "torch", function, body, _of_wins(statistic), trains="v")


def _strengths(given: Padded) -> Tensor:
    """Of each prompt's answers, by the chances that each is preferred to each other."""
    score, total = given.frozen("score"), given.frozen("total")
    found = torch.zeros_like(score)
    for places in members(given):
        if len(places) > 1:
            gap = 1.5 * (score[places][:, None] - score[places]) + 0.2 * (total[places][:, None] - total[places])
            wins = torch.sigmoid(gap).fill_diagonal_(0.0).numpy()
            found[places] = torch.from_numpy(peer_module("choix").ilsr_pairwise_dense(wins, max_iter=1000, tol=1e-13))
    return found


MADE_TILL = 1e-9
PAIRS = (
    won("win_rate", "(win_rate(wins) else 0)", "mean of each row without the diagonal", lambda wins: wins.mean(1)),
    won("copeland", "(copeland(wins) else 0)", "mean of signs of each row", lambda wins: (wins - 0.5).sign().mean(1)),
    won("beats_all", "where(beats_all(wins), 1, 0)", "all of each row", lambda wins: (wins > 0.5).all(1).to(wins.dtype)),
    Comparison(
        ("language.bradley_terry",),
        "choix",
        "ilsr_pairwise_dense",
        f"{SLOPE}{CHANCES}minimize l: sum(slope * (bradley_terry(wins, per: prompt) else 0))",
        weighed(_strengths),
        trains="v",
        tolerance=MADE_TILL,
        why="both are iterations, each with its own end",
    ),
)


# ------------------------------------------------------------------ votes
def _majority(voted: str, said: str) -> Callable[[Padded], Tensor]:
    """Whether an answer says what most of its group say in one view, by verl's vote."""

    def run(given: Padded) -> Tensor:
        votes, texts = given.world.texts[voted], given.world.texts[said]
        found = torch.zeros(len(texts))
        for places in members(given):
            rows = [{"pred": votes[place], "val": votes[place]} for place in places.tolist()]
            most = peer_module("verl.trainer.ppo.metric_utils").calc_maj_val(rows, "pred", "val")
            found[places] = torch.tensor([float(texts[place] == most) for place in places.tolist()])
        return found

    return run


def _shares(weights: Callable[[Padded], Tensor]) -> Callable[[Padded], Tensor]:
    def run(given: Padded) -> Tensor:
        kinds = torch.from_numpy(np.unique(given.world.texts["said"], return_inverse=True)[1])
        weight, found = weights(given), torch.zeros(len(kinds))
        for places in members(given):
            counts = torch.bincount(kinds[places], weights=weight[places])
            found[places] = (counts / counts.sum())[kinds[places]]
        return found

    return run


def _largest(given: Padded) -> Tensor:
    found = torch.zeros(len(given.groups))
    for places in members(given):
        texts = [given.world.texts["said"][place] for place in places.tolist()]
        found[places] = float(np.unique(texts, return_counts=True)[1].max()) / len(texts)
    return found


def voted(entry: str, ours: str, peer: str, function: str, rewards: Callable[[Padded], Tensor]) -> Comparison:
    """A reward by what the answers to a prompt say."""
    body = f"{SLOPE}minimize l: sum(slope * {ours})"
    return Comparison((f"contrast.{entry}",), peer, function, body, weighed(rewards), trains="v")


VOTES = (
    voted("in_majority", "in_majority(said, per: prompt)", "verl", "metric_utils.calc_maj_val", _majority("said", "said")),
    voted(
        "agrees_across",
        "agrees_across(said, said_again, per: prompt)",
        "verl",
        "metric_utils.calc_maj_val of the other view",
        _majority("said_again", "said"),
    ),
    voted("majority_share", "majority_share(said, per: prompt)", "numpy", "unique(return_counts).max()", _largest),
    voted(
        "answer_share", "answer_share(said, per: prompt)", "torch", "bincount", _shares(lambda given: torch.ones(len(given.groups)))
    ),
    voted(
        "weighted_share",
        "weighted_share(said, exp(score), per: prompt)",
        "torch",
        "bincount(weights)",
        _shares(lambda given: given.frozen("score").exp()),
    ),
)


# ------------------------------------------------------------------ likeness
def _live(given: Padded) -> Tensor:
    return given.value(fill=0.0).sum(1)


def _alike(statistic: Callable[[Tensor], Tensor]) -> Callable[[Padded], Tensor]:
    """Of the cosines of (1, x) and (1, y), x and y being live numbers of two answers."""

    def one(numbers: Tensor) -> Tensor:
        vectors = torch.stack([torch.ones_like(numbers), numbers], 1)
        return statistic(_others(functional.cosine_similarity(vectors[:, None], vectors[None, :], dim=-1)))

    found = of_groups(one, _live)
    return lambda given: (given.frozen("advantage") * found(given)).sum()


ALIKE = (
    SLOPE
    + """let other = others(slope, per: prompt)
  let own = spread(slope, to: other)
  let alike = (1 + own * other) / sqrt((1 + own ^ 2) * (1 + other ^ 2))
  """
)


def likeness(entry: str, function: str, statistic: Callable[[Tensor], Tensor]) -> Comparison:
    """How alike the answers to a prompt are."""
    body = f"{ALIKE}minimize l: sum(advantage * ({entry}(alike) else 0))"
    return Comparison(
        (f"contrast.{entry}",), "torch", f"nn.functional.cosine_similarity, {function}", body, _alike(statistic), trains="v"
    )


def _anchors(given: Padded) -> Tensor:
    both = torch.stack([_live(given), given.frozen("score")], 1) / 0.7
    return (given.frozen("advantage") * both.softmax(1)[:, 0]).sum()


def _many_anchors(given: Padded) -> Tensor:
    wanted = [_live(given), given.frozen("score")]
    every = torch.stack([*wanted, given.frozen("total"), given.frozen("second")], 1) / 0.7
    return (given.frozen("advantage") * every.softmax(1)[:, :2].sum(1)).sum()


ANCHORS = (
    Comparison(
        ("contrast.share_of_anchors",),
        "torch",
        "softmax of two",
        f"{SLOPE}minimize l: sum(advantage * share_of_anchors(slope, score, 0.7))",
        _anchors,
        trains="v",
    ),
    Comparison(
        ("contrast.share_of_many",),
        "torch",
        "softmax of all, summed over the wanted ones",
        f"{SLOPE}minimize l: sum(advantage * share_of_many(each(slope, score), each(total, second), 0.7, per: sample))",
        _many_anchors,
        trains="v",
    ),
)
LIKENESS = (
    likeness("novelty", "1 less the mean of the others", lambda alike: 1 - alike.mean(1)),
    likeness("nearest_novelty", "1 less the largest of the others", lambda alike: 1 - alike.amax(1)),
    likeness("agreement", "mean of the others", lambda alike: alike.mean(1)),
)
COMPARISONS = (*PAIRS, *VOTES, *ANCHORS, *LIKENESS)
