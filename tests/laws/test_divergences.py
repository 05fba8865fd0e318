"""Divergences by exact expectation: what each estimator of the library measures, and what it follows as a loss."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.laws.scenes import Law, law, outcome
from tests.laws.specs import HEAD
from tests.laws.test_expectations import CURRENT, PREFIXES, SAMPLER, VOCABULARY, WEIGHT, all_answers, same, tables

IMPORTS = """import std.divergence (absolute, alpha_straight_through_of, forward_kl_straight_through_of, js_straight_through_of,
  k1_straight_through, k3_clipped_of, k3_straight_through, k3_weighted_of, sampled_alpha, sampled_forward_kl, sampled_js,
  sampled_tv, squared, tv_straight_through_of)
"""
RATIO = "let d = logp(actor, y) - logp(ref, y)  "
Divergence = Callable[[Tensor, Tensor], Tensor]


def form(body: str) -> Law:
    """A spec with one objective and all divergences of the library."""
    return law(f"{IMPORTS}{HEAD}objective main for actor {{\n  {RATIO}{body}\n}}\n")


def expected(term: str, seed: int, weight: str = WEIGHT) -> tuple[float, Tensor]:
    """The average of a term over all answers, and its gradient by the logits after each prefix."""
    scene, prefixes = all_answers(seed)
    found = outcome(form(f"{weight}minimize a: sum(w * {term})"), scene)
    by_token = found.gradients["states", "actor", CURRENT, "y"]
    return found.values["loss"], torch.zeros(PREFIXES, VOCABULARY, dtype=torch.float64).index_add_(0, prefixes, by_token)


def exact(divergence: Divergence, seed: int, *, of_sampler: bool = False) -> tuple[float, Tensor]:
    """A divergence at every prefix, weighted by how often the prefix is met, which is held still."""
    policy, other, old = tables(seed)
    live = policy.clone().requires_grad_()
    p, q = torch.softmax(live, -1), torch.softmax(other, -1)
    first = torch.softmax(old if of_sampler else policy, -1)[0]
    often = torch.cat([torch.ones(1, dtype=torch.float64), first])
    total = (often * divergence(p, q)).sum()
    gradient, = torch.autograd.grad(total, live)
    return float(total.detach()), gradient


def kl(p: Tensor, q: Tensor) -> Tensor:
    return (p * (p.log() - q.log())).sum(-1)


def backward_kl(p: Tensor, q: Tensor) -> Tensor:
    return kl(q, p)


def total_variation(p: Tensor, q: Tensor) -> Tensor:
    return (p - q).abs().sum(-1) / 2


def mixed(weight: float) -> Divergence:
    def divergence(p: Tensor, q: Tensor) -> Tensor:
        mixture = weight * p + (1 - weight) * q
        return weight * kl(p, mixture) + (1 - weight) * kl(q, mixture)
    return divergence


def alpha(order: float) -> Divergence:
    def divergence(p: Tensor, q: Tensor) -> Tensor:
        return ((p ** order * q ** (1 - order)).sum(-1) - 1) / (order * (order - 1))
    return divergence


UNBIASED = [
    ("k1(actor, ref, y)", kl), ("k3(actor, ref, y)", kl), ("k1_straight_through(actor, ref, y)", kl),
    ("k3_straight_through(actor, ref, y)", kl), ("k3_clipped_of(d, -20 .. 20, 1000)", kl),
    ("sampled_forward_kl(actor, ref, y)", backward_kl), ("forward_kl_straight_through_of(d)", backward_kl),
    ("sampled_tv(actor, ref, y)", total_variation), ("tv_straight_through_of(d)", total_variation),
    ("sampled_js(actor, ref, y, 0.5)", mixed(0.5)), ("sampled_js(actor, ref, y, 0.1)", mixed(0.1)),
    ("js_straight_through_of(d, 0.1)", mixed(0.1)), ("sampled_alpha(actor, ref, y, 2)", alpha(2)),
    ("sampled_alpha(actor, ref, y, 0.5)", alpha(0.5)), ("sampled_alpha(actor, ref, y, -1)", alpha(-1)),
    ("alpha_straight_through_of(d, 0.5)", alpha(0.5)),
]


@pytest.mark.wide(4)
@pytest.mark.parametrize(("term", "divergence"), UNBIASED, ids=[term for term, _ in UNBIASED])
def test_an_unbiased_estimator_is_right_on_average(term: str, divergence: Divergence) -> None:
    for seed in range(3):
        value, _ = expected(term, seed)
        wanted, _ = exact(divergence, seed)
        assert value == pytest.approx(wanted, rel=1e-12) and wanted > 1e-3


@pytest.mark.parametrize(("term", "divergence"), [
    ("k2(actor, ref, y)", kl), ("absolute(actor, ref, y) / 2", total_variation), ("squared(actor, ref, y) / 2", kl)])
def test_k2_and_the_absolute_log_ratio_are_not(term: str, divergence: Divergence) -> None:
    assert abs(expected(term, 0)[0] - exact(divergence, 0)[0]) > 1e-3


FOLLOWS = [
    ("k2(actor, ref, y)", kl), ("squared(actor, ref, y) / 2", kl), ("k3(actor, ref, y)", backward_kl),
    ("k1_straight_through(actor, ref, y)", kl), ("k3_straight_through(actor, ref, y)", kl),
    ("absolute(actor, ref, y) / 2", total_variation), ("tv_straight_through_of(d)", total_variation),
    ("forward_kl_straight_through_of(d)", backward_kl), ("js_straight_through_of(d, 0.5)", mixed(0.5)),
    ("js_straight_through_of(d, 0.1)", mixed(0.1)), ("alpha_straight_through_of(d, 2)", alpha(2)),
    ("alpha_straight_through_of(d, 0.5)", alpha(0.5)), ("alpha_straight_through_of(d, -1)", alpha(-1)),
]


@pytest.mark.parametrize(("term", "divergence"), FOLLOWS, ids=[term for term, _ in FOLLOWS])
def test_as_a_loss_it_has_on_average_the_gradient_of(term: str, divergence: Divergence) -> None:
    for seed in range(3):
        assert same(expected(term, seed)[1], exact(divergence, seed)[1])


@pytest.mark.parametrize(("term", "divergence"), [
    ("k3(actor, ref, y)", kl), ("sampled_forward_kl(actor, ref, y)", backward_kl),
    ("sampled_tv(actor, ref, y)", total_variation), ("sampled_js(actor, ref, y, 0.5)", mixed(0.5)),
    ("sampled_alpha(actor, ref, y, 2)", alpha(2)), ("sampled_alpha(actor, ref, y, 0.5)", alpha(0.5))])
def test_as_a_loss_an_unbiased_estimator_does_not_follow_what_it_measures(term: str, divergence: Divergence) -> None:
    for seed in range(3):
        found, wanted = expected(term, seed)[1], exact(divergence, seed)[1]
        assert float((found - wanted).norm()) > 0.1 * float(wanted.norm())


def test_k3_with_the_ratio_of_the_sampler_is_right_in_value_and_gradient() -> None:
    """Given the prefixes that the sampler wrote."""
    for seed in range(3):
        value, gradient = expected("k3_weighted_of(exp(logp(actor, y) - y.logp), d)", seed, SAMPLER)
        wanted = exact(kl, seed, of_sampler=True)
        assert value == pytest.approx(wanted[0], rel=1e-12)
        assert same(gradient, wanted[1])
        assert not same(expected("k3_straight_through(actor, ref, y)", seed, SAMPLER)[1], wanted[1])


@pytest.mark.wide(2)
@pytest.mark.parametrize(("read", "estimator"), [
    ("kl(actor, ref, y)", "k3_straight_through(actor, ref, y)"), ("kl(ref, actor, y)", "forward_kl_straight_through_of(d)"),
    ("tv(actor, ref, y)", "tv_straight_through_of(d)"), ("js(actor, ref, y)", "js_straight_through_of(d, 0.5)")])
def test_a_straight_through_estimate_is_on_average_the_exact_read(read: str, estimator: str) -> None:
    found, wanted = expected(estimator, 1), expected(read, 1)
    assert math.isclose(found[0], wanted[0], rel_tol=1e-12)
    assert same(found[1], wanted[1])
