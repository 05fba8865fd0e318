"""Expected gradients, exact: every answer of two tokens over a small vocabulary is in the batch, weighted by its probability.

The weight is a frozen product of live log-probabilities, so no sampling and no rounding of frequencies is in the way. The
logits of a token are shared by all answers with the same beginning, as in a model.
"""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from rldsl.kernels.layout import Layout
from rldsl.types import Version
from tests.laws.scenes import Column, Scene, outcome
from tests.laws.specs import form

VOCABULARY = 4
WORDS = tuple(product(range(VOCABULARY), repeat=2))
PREFIXES = 1 + VOCABULARY  # nothing yet, or one of the tokens
CURRENT, FROZEN = Version.CURRENT.value, Version.FROZEN.value
WEIGHT = "let w = frozen(exp(sum(logp(actor, y), per: sample)))  "  # of an answer, under the policy itself
SAMPLER = "let w = frozen(exp(sum(y.logp, per: sample)))  "         # under another that wrote it
# Sixteen answers' float64 gradients of size 1 are added.
SAME = 1e-14


def tables(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """The logits after each prefix of the policy, the reference and the sampler."""
    generator = torch.Generator().manual_seed(seed)
    policy, other, old = (torch.randn(PREFIXES, VOCABULARY, generator=generator, dtype=torch.float64) for _ in range(3))
    return policy, other, policy + 0.5 * old


def all_answers(seed: int = 0) -> tuple[Scene, Tensor]:
    """The batch of one prompt with all answers of two tokens; also the prefix of each token."""
    policy, other, old = tables(seed)
    targets = torch.tensor([token for word in WORDS for token in word])
    prefixes = torch.tensor([place for first, _ in WORDS for place in (0, 1 + first)])
    layout = Layout.of({"problems": "batch", "y.sample": "problems", "y.token": "y.sample"},
                       {"problems": [1], "y.sample": [len(WORDS)], "y.token": [2] * len(WORDS)})
    rewards = torch.linspace(-1.0, 1.0, len(WORDS), dtype=torch.float64) ** 3
    columns = {
        ("targets", "y"): Column("y.token", targets),
        ("states", "actor", CURRENT, "y"): Column("y.token", policy[prefixes]),
        ("states", "ref", FROZEN, "y"): Column("y.token", other[prefixes]),
        ("logp", "y"): Column("y.token", torch.log_softmax(old, -1)[prefixes, targets]),
        ("reward", "verify.equal", "y.sample"): Column("y.sample", rewards),
        ("reward", "text.matching_places", "y.sample"): Column("y.sample", rewards.flip(0) ** 2)}
    return Scene(layout, columns), prefixes


def expected(body: str, seed: int = 0) -> Tensor:
    """The gradient by the logits after each prefix."""
    scene, prefixes = all_answers(seed)
    by_token = outcome(form(body), scene).gradients["states", "actor", CURRENT, "y"]
    return torch.zeros(PREFIXES, VOCABULARY, dtype=torch.float64).index_add_(0, prefixes, by_token)


def same(found: Tensor, wanted: Tensor) -> bool:
    return float((found - wanted).norm()) <= SAME * max(1.0, float(wanted.norm())) and float(wanted.norm()) > 1e-2


def test_the_weights_of_all_answers_add_up_to_one() -> None:
    law = form(WEIGHT + "minimize a: sum(w * spread(0 * logp(actor, y) + 1, to: y)) / 2")
    assert outcome(law, all_answers()[0]).values["loss"] == pytest.approx(1.0, rel=1e-14)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("term", ["k1(actor, ref, y)", "7 * logp(actor, y)", "sum(k1(actor, ref, y), per: sample)"])
def test_k1_as_a_loss_moves_nothing_on_average(term: str, seed: int) -> None:
    """Nor does any constant advantage: the expectation of the score is 0."""
    assert float(expected(WEIGHT + f"minimize a: sum(w * {term})", seed).norm()) <= SAME


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("estimator", "exact"), [("k2", "kl(actor, ref, y)"), ("k3", "kl(ref, actor, y)")])
def test_k2_follows_one_divergence_and_k3_the_other(estimator: str, exact: str, seed: int) -> None:
    """`k2` as a loss KL(actor||ref), `k3` KL(ref||actor), at every prefix."""
    found = expected(WEIGHT + f"minimize a: sum(w * {estimator}(actor, ref, y))", seed)
    assert same(found, expected(WEIGHT + f"minimize a: sum(w * {exact})", seed))
    other = "kl(ref, actor, y)" if exact == "kl(actor, ref, y)" else "kl(actor, ref, y)"
    assert not same(found, expected(WEIGHT + f"minimize a: sum(w * {other})", seed))


@pytest.mark.parametrize("estimator", ["k1", "k3"])
def test_k1_and_k3_are_right_on_average_where_k2_is_not(estimator: str) -> None:
    """As values, not as losses."""
    scene, _ = all_answers()
    value = {name: outcome(form(WEIGHT + f"minimize a: sum(w * {name}(actor, ref, y))"), scene).values["loss"]
             for name in ("k1", "k2", "k3", "kl")}
    assert value[estimator] == pytest.approx(value["kl"], rel=1e-14)
    assert abs(value["k2"] - value["kl"]) > 1e-3


def test_k1_in_the_reward_follows_the_divergence_of_whole_answers() -> None:
    """The score times the log-ratio of the answer: the gradient of KL(actor||ref) over answers, states included."""
    found = expected(WEIGHT + "let r = frozen(sum(k1(actor, ref, y), per: sample))"
                     "  minimize a: sum(w * r * sum(logp(actor, y), per: sample))")
    policy, other, _ = tables()
    live = policy.clone().requires_grad_()
    log_p, log_q = torch.log_softmax(live, -1), torch.log_softmax(other, -1)
    log_ratio = log_p - log_q
    first = log_p[0].exp()
    divergence = (first * (log_ratio[0] + (log_p[1:].exp() * log_ratio[1:]).sum(1))).sum()
    wanted, = torch.autograd.grad(divergence, live)
    assert same(found, wanted)


def test_the_exact_entropy_has_the_expected_gradient_of_its_estimator() -> None:
    found = expected(WEIGHT + "maximize a: sum(w * frozen(-logp(actor, y)) * logp(actor, y))")
    assert same(found, expected(WEIGHT + "maximize a: sum(w * entropy(actor, y))"))


def test_a_baseline_changes_no_expected_gradient() -> None:
    found = expected(WEIGHT + "maximize a: sum(w * (correct - 0.7) * sum(logp(actor, y), per: sample))")
    assert same(found, expected(WEIGHT + "maximize a: sum(w * correct * sum(logp(actor, y), per: sample))"))


def test_ratios_make_the_samples_of_another_policy_count_as_ones_own() -> None:
    """The product over the answer is exact."""
    found = expected(SAMPLER + "maximize a: sum(w * correct * exp(sum(logp(actor, y) - y.logp, per: sample)))")
    assert same(found, expected(WEIGHT + "maximize a: sum(w * correct * sum(logp(actor, y), per: sample))"))
    without = expected(SAMPLER + "maximize a: sum(w * correct * sum(logp(actor, y), per: sample))")
    assert not same(found, without)
