"""Ranges in training: lengths, counts and sums over tokens are bounded by what a rollout draws. Types promise less."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.checks.facts import Facts
from rldsl.compiler import check_source
from rldsl.loading import project_loader
from rldsl.source import Source

SPEC = """
data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
policy ref = frozen(actor)
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 16SETTINGS }
response w = problems.answer given problems.question for actor
reward correct = verify.math(y.text, problems.answer)
param half: Real in [0, 1] = 0.5
param rising: Real in [0, 1] = linear(0.25 -> 0.75, steps: 10)
param stepped: Real in [-5, 5] = piecewise(0 -> 1, 10 -> 3, 20 -> -2)
let it = EXPRESSION
objective pg for actor {
  maximize surrogate: mean(exp(logp(actor, y) - y.logp) * (correct + 0 * mean(it)))
}
"""
RANGES = (
    ("y.length", "[1, 16]", "[0, inf)"),
    ("0.5 * y.length - 1", "[-0.5, 7]", "[-1, inf)"),
    ("16 - y.length", "[0, 15]", "(-inf, 16]"),
    ("sum(tv(actor, ref, y), per: sample)", "[0, 16]", "[0, inf)"),           # each token in [0, 1]
    ("sum(tv(actor, ref, y), per: prompt)", "[0, 128]", "[0, inf)"),          # 8 answers of 16 tokens
    ("sum(correct, per: prompt)", "[0, 8]", "[0, inf)"),
    ("sum(correct - 2, per: prompt)", "[-16, -1]", "(-inf, -1]"),              # from 1 answer at -1 to 8 at -2
    ("count(correct > 0, per: prompt)", "[0, 8]", "[0, inf)"),
    ("position(y)", "[0, 15]", "[0, inf)"),
    ("rank(correct, per: prompt)", "[0, 7]", "[0, inf)"),
    ("sum(y.length, per: prompt)", "[1, 128]", "[0, inf)"),
    ("w.length", "[0, inf)", "[0, inf)"),                                    # nobody drew it
    ("sum(correct)", "[0, inf)", "[0, inf)"),                                # a batch has as many prompts as are drawn
)


def facts_of(expression: str, settings: str = "") -> tuple[Facts, int]:
    """Of a spec, and the node of a value in it."""
    text = SPEC.replace("EXPRESSION", expression).replace("SETTINGS", settings)
    spec = check_source(Source("test.rl", text), project_loader(Path())).spec
    assert spec is not None
    return Facts(spec), next(value.key for value in spec.lets if value.name == "it")


def ranges(expression: str, settings: str = "") -> tuple[str, str]:
    """In training, and by its type."""
    facts, it = facts_of(expression, settings)
    return str(facts.interval(it)), str(facts.graph[it].type.interval)


@pytest.mark.parametrize(("expression", "in_training", "of_type"), RANGES, ids=[entry[0] for entry in RANGES])
def test_a_range_in_training_follows_from_what_is_drawn(expression: str, in_training: str, of_type: str) -> None:
    assert ranges(expression) == (in_training, of_type)


def test_a_parameter_is_its_value_and_one_with_a_schedule_what_lies_between_its_ends() -> None:
    assert ranges("half * y.length") == ("[0.5, 8]", "[0, inf)")
    assert ranges("rising * y.length") == ("[0.25, 12]", "[0, inf)")
    assert ranges("stepped") == ("[-2, 3]", "[-5, 5]")


def test_the_widest_range_takes_a_parameter_as_it_may_be_set() -> None:
    facts, it = facts_of("half * y.length")
    assert str(facts.widest(it)) == "[0, 16]"


def test_an_answer_that_may_not_end_early_is_no_shorter_than_that() -> None:
    assert ranges("y.length", ", min_tokens: 5")[0] == "[5, 16]"
    assert ranges("y.length", ", min_tokens: 16")[0] == "[16, 16]"
