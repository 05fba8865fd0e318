"""Calls of verifiers and text functions as a spec writes them: what they give, and the words of those that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.compiler import CheckResult, check_source
from rldsl.loading import project_loader
from rldsl.source import Source

HEAD = """
data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }
"""


def checked(expression: str) -> CheckResult:
    """What is found of a top-level value."""
    return check_source(Source("test.rl", f"{HEAD}let found = {expression}\n"), project_loader(Path(__file__).parent))


@pytest.mark.parametrize(("expression", "wanted"), [
    ("verify.equal(y.text, problems.answer, ignore_articles: true, nfkc: true)", "Real in {0, 1} @ y.sample"),
    ("verify.number(y.text, problems.answer, units: required, relative: 0.01)", "Real in {0, 1} @ y.sample"),
    ('verify.number(y.text, 5, units: optional, unit: "km/h")', "Real in {0, 1} @ y.sample"),
    ('verify.choice(y.text, problems.answer, of: "ABCD")', "Real in {0, 1} @ y.sample"),
    ("text.choice(y.text)", "Text or absent @ y.sample"), ("text.normalize(y.text, ignore_case: true)", "Text @ y.sample"),
    ("text.repetition(y.text)", "Real in [0, 1] @ y.sample"),
    ("text.repetition(y.text, n: 2, of: characters)", "Real in [0, 1] @ y.sample"),
    ('verify.tags(y.text, "think answer", outside: nothing)', "Real in {0, 1} @ y.sample"),
    ('text.tags(y.text, "think answer")', "Real in [0, 1] @ y.sample"), ("verify.xml(y.text)", "Real in {0, 1} @ y.sample"),
    ("text.overlap(y.text, problems.answer)", "Real in [0, 1] @ y.sample"),
])
def test_what_is_said_of_a_text_has_a_type(expression: str, wanted: str) -> None:
    result = checked(expression)
    assert result.spec is not None and not result.errors, [(entry.title, entry.why) for entry in result.errors]
    spec = result.spec
    assert str(spec.graph[next(entry.key for entry in spec.lets if entry.name == "found")].type) == wanted


@pytest.mark.parametrize(("expression", "code", "said"), [
    ('verify.number(y.text, 5, unit: "m")', "RL021", "no units are read: write `units: optional` or `units: required`"),
    ('verify.number(y.text, 5, units: optional, unit: "furlong")', "RL028", "and not `furlong`"),
    ("verify.equal(y.text, problems.answer, ignore_case: 3)", "RL028", "it is Bool"),
    ('text.repetition(y.text, n: "three")', "RL028", "it is how many words a run has: a whole number from 1 on"),
    ("text.repetition(y.text, n: mean(y.length))", "RL028", "it must be known when the spec is compiled"),
    ('text.repetition(y.text, of: lines)', "RL028", "it is one of words, characters"),
    ('verify.choice(y.text, problems.answer, of: "A")', "RL028", "it is the upper-case letters to choose from"),
    ('verify.tags(y.text, "")', "RL028", "it names tags, separated by spaces"),
    ("verify.choice(y.text)", "RL021", "`answer` is missing"),
])
def test_what_does_not_fit_is_refused_in_words(expression: str, code: str, said: str) -> None:
    errors = checked(expression).errors
    assert [entry.code for entry in errors] == [code]
    assert said in errors[0].why
