"""What counts as a log-ratio, as a logarithm of probabilities, as nothing: found along the graph, not by names."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.checks.facts import Facts
from rldsl.checks.log_scale import LogScale
from rldsl.compiler import check_source
from rldsl.loading import project_loader
from rldsl.source import Source

SPEC = """
data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
policy ref = frozen(actor)
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16 }
reward correct = verify.math(y.text, problems.answer)
param half: Real in [0, 1] = 0.5
objective pg for actor {
  let d = logp(actor, y) - y.logp
  let p = logp(actor, y)
  let it = EXPRESSION
  maximize surrogate: mean(spread(it, to: token)) + 0 * mean(d + p)
}
"""
RATIOS = ("d", "-d", "3 * d - d / 2", "mean(d, per: sample)", "sum(p, per: sample) - sum(y.logp, per: sample)", "half * d",
          "correct * d", "sum(d, per: sample) / y.length", "frozen(d)", "p - 0.5 * y.logp - 0.5 * logp(ref, y)", "p - frozen(p)",
          "where(y.finished, d, 0)", "clip(d, -5 .. 5)", "max(d, per: sample)", "cumsum(d)",
          "mean(p, per: sample, where: correct > 0) - mean(y.logp, per: sample, where: correct > 0)")
LOGARITHMS = ("p", "mean(p, per: sample)", "p + y.logp", "2 * p - y.logp", "p - half * y.logp", "y.logp - half * logp(ref, y)",
              "mean(p, per: sample) - sum(y.logp, per: sample)", "max(p, per: sample) - max(y.logp, per: sample)",
              "correct * p - y.logp")
ZEROS = ("p - p", "2 * p - p - p", "mean(d, per: sample) - mean(d, per: sample)", "(p - y.logp) - d", "d + (y.logp - p)",
         "mean(p, per: sample) - mean(2 * p, per: sample) / 2")
OTHERS = ("1 + d", "exp(d)", "d * d", "abs(d)", "p * d", "d / (1 + exp(d))", "entropy(actor, y)", "clip(d, 0.5 .. 2)", "0 * d",
          "where(y.finished, d, 1)", "std(p, per: sample)")


def scale_of(expression: str) -> LogScale | None:
    """Of a value in an objective."""
    source = Source("test.rl", SPEC.replace("EXPRESSION", expression))
    spec = check_source(source, project_loader(Path())).spec
    assert spec is not None
    it = next(value.key for value in spec.objectives[0].lets if value.name == "it")
    return Facts(spec).log_scales.get(it)


@pytest.mark.parametrize("expression", RATIOS)
def test_a_sum_of_log_probabilities_that_is_zero_where_policies_agree_is_a_log_ratio(expression: str) -> None:
    found = scale_of(expression)
    assert found is not None and found.is_ratio and not found.cancels


@pytest.mark.parametrize("expression", LOGARITHMS)
def test_a_sum_of_log_probabilities_whose_weights_do_not_cancel_is_none(expression: str) -> None:
    found = scale_of(expression)
    assert found is not None and not found.is_ratio and not found.cancels


@pytest.mark.parametrize("expression", ZEROS)
def test_where_every_part_cancels_nothing_is_left(expression: str) -> None:
    found = scale_of(expression)
    assert found is not None and found.cancels


@pytest.mark.parametrize("expression", OTHERS)
def test_what_is_no_sum_of_log_probabilities_has_no_log_scale(expression: str) -> None:
    assert scale_of(expression) is None


def test_weights_are_those_that_are_worked_out_by_hand() -> None:
    found = scale_of("(3 * p - y.logp) / 2 - logp(ref, y)")
    assert found is not None
    assert {(part.of.version.value, part.weight) for part in found.parts} == {("current", 1.5), ("sampler", -0.5), ("frozen", -1.0)}
