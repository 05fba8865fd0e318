"""What a function of a log-ratio measures and follows, told from its values alone. What is claimed here of each is shown by
exact expectations in tests/laws/test_divergences.py."""

from __future__ import annotations

import pytest

from rldsl.checks.estimators import Estimator
from rldsl.checks.facts import Facts
from rldsl.compiler import check_source
from rldsl.graph.model import Reduce
from rldsl.loading import library_only
from rldsl.source import Source

HEAD = """
import std.divergence (k1, k2, k3, absolute, squared, sampled_tv, sampled_js, sampled_alpha, sampled_forward_kl,
  k1_straight_through, k3_straight_through, tv_straight_through_of, js_straight_through_of, alpha_straight_through_of,
  forward_kl_straight_through_of, k3_clipped_of, straight_through)
data problems from jsonl("problems.jsonl") { question: Text }
policy actor from hf("model")
policy ref = frozen(actor)
policy far from hf("other")
param share: Real in [0, 1] = 0.2
rollout y ~ actor(problems.question) { samples: 2, max_tokens: 4 }
objective main for actor {
  let d = logp(actor, y) - logp(ref, y)
  minimize a: mean(%s)
}
"""
HERE, BACK = "KL(policy‖ref)", "KL(ref‖policy)"
TV, JS = "the total variation", "the Jensen-Shannon divergence"


def estimator(expression: str) -> Estimator | None:
    """Of what the mean of an objective is taken of."""
    result = check_source(Source("a.rl", HEAD % expression), library_only)
    structural = [entry for entry in result.errors if entry.code < "RL200"]
    assert not structural and result.spec is not None, (structural, expression)
    facts = Facts(result.spec)
    term, = result.spec.objectives[0].terms
    node = facts.graph[term.key]
    assert isinstance(node.operation, Reduce)
    return facts.estimator(facts.graph[node.inputs[0]])


@pytest.mark.parametrize(("expression", "value", "slope"), [
    ("k2(actor, ref, y)", None, HERE),
    ("squared(actor, ref, y)", None, HERE),
    ("k3(actor, ref, y)", HERE, BACK),
    ("exp(-d) - 1 + d", HERE, BACK),
    ("0.3 * (exp(logp(ref, y) - logp(actor, y)) - (logp(ref, y) - logp(actor, y)) - 1)", HERE, BACK),
    ("exp(logp(ref, y)) / exp(logp(actor, y)) - log(exp(logp(ref, y)) / exp(logp(actor, y))) - 1", HERE, BACK),
    ("k3_clipped_of(d, -20 .. 20, 10)", HERE, BACK),
    ("d + 5 * (exp(-d) - 1)", HERE, BACK),
    ("absolute(actor, ref, y)", None, TV),
    ("sqrt(d ^ 2)", None, TV),
    ("sampled_tv(actor, ref, y)", TV, None),
    ("where(d > 0, 1 - exp(-d), exp(-d) - 1)", TV, None),
    ("sampled_js(actor, ref, y, 0.5)", JS, None),
    ("sampled_js(actor, ref, y, share)", JS, None),
    ("sampled_forward_kl(actor, ref, y)", BACK, None),
    ("-d * exp(-d)", BACK, None),
    ("sampled_alpha(actor, ref, y, 2)", "the alpha divergence of order 2", None),
    ("exp(d) - 1", "the alpha divergence of order 2", "the alpha divergence of order 2"),
    ("k1_straight_through(actor, ref, y)", HERE, HERE),
    ("k3_straight_through(actor, ref, y)", HERE, HERE),
    ("straight_through(d, exp(-d) - 1 + d)", HERE, BACK),
    ("forward_kl_straight_through_of(d)", BACK, BACK),
    ("tv_straight_through_of(d)", TV, TV),
    ("js_straight_through_of(d, 0.3)", JS, JS),
    ("alpha_straight_through_of(d, 0.5)", "the alpha divergence of order 0.5", "the alpha divergence of order 0.5"),
    ("alpha_straight_through_of(d, -1)", "the alpha divergence of order -1", "the alpha divergence of order -1"),
    ("tanh(d) ^ 2", None, None),
])
def test_an_estimator_is_known_by_its_values(expression: str, value: str | None, slope: str | None) -> None:
    found = estimator(expression)
    assert found is not None
    assert (found.value, found.slope, found.is_flat) == (value, slope, False)


@pytest.mark.parametrize("expression", ["k1(actor, ref, y)", "3 * d + 1", "straight_through(k3(actor, ref, y), d)",
                                        "frozen(d) * 0.5 + logp(actor, y)"])
def test_what_is_linear_follows_nothing(expression: str) -> None:
    found = estimator(expression)
    assert found is not None and found.is_flat and found.slope is None


@pytest.mark.parametrize(("expression", "is_distance"), [
    ("k2(actor, ref, y)", True), ("k3_straight_through(actor, ref, y)", True), ("sampled_js(actor, ref, y, 0.5)", True),
    ("exp(d) - 1 - d", True), ("k1(actor, ref, y)", False), ("-k3(actor, ref, y)", False), ("exp(d)", False),
    ("sampled_forward_kl(actor, ref, y)", True), ("-d * exp(-d)", False)])
def test_a_distance_is_0_where_the_policies_agree_and_above_elsewhere(expression: str, is_distance: bool) -> None:
    found = estimator(expression)
    assert found is not None and found.is_distance is is_distance


@pytest.mark.parametrize("expression", [
    "logp(actor, y)", "logp(actor, y) ^ 2", "entropy(actor, y)", "(logp(actor, y) - y.logp) ^ 2",
    "k3(actor, ref, y) + k3(actor, far, y)", "sum(d, per: sample) ^ 2", "d * position(y)"])
def test_what_depends_on_anything_else_is_none(expression: str) -> None:
    assert estimator(expression) is None


@pytest.mark.parametrize("expression", ["d * logp(actor, y)", "exp(logp(actor, y)) * d ^ 2"])
def test_what_depends_on_more_than_the_difference_has_no_name(expression: str) -> None:
    found = estimator(expression)
    assert found is not None and found.value is None and found.slope is None
