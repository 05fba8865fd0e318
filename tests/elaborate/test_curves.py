"""`curve(x, places, values)`: its type, its range, and the words of what is refused."""

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
param top: Real in [0, 1] = linear(0 -> 1, steps: 10)
"""


def checked(expression: str) -> CheckResult:
    """What is found of a top-level value."""
    return check_source(Source("test.rl", f"{HEAD}let found = {expression}\n"), project_loader(Path(__file__).parent))


@pytest.mark.parametrize(("expression", "wanted"), [
    ("curve(y.length, [0, 100, 200], [1, 1, 0])", "Real in [0, 1] @ y.sample"),
    ("curve(y.length, [0, 100, 200], [0, 3, -1])", "Real in [-1, 3] @ y.sample"),
    ("curve(text.number(y.text), [-1, 1], [0, 1])", "Real in [0, 1] or absent @ y.sample"),
    ("curve(y.length, [0, 4 / 2], [0, top])", "Real in [0, 1] @ y.sample"),
    ("curve(y.length, [0, 1], [0, mean(y.length, per: prompt)])", "Real in [0, inf) @ y.sample"),
])
def test_the_range_of_a_curve_is_that_of_its_values(expression: str, wanted: str) -> None:
    result = checked(expression)
    assert result.spec is not None and not result.errors, [(entry.title, entry.why) for entry in result.errors]
    assert str(result.spec.graph[next(entry.key for entry in result.spec.lets if entry.name == "found")].type) == wanted


@pytest.mark.parametrize(("expression", "title", "label"), [
    ("curve(y.length, [0, 100], [1, 1, 0])", "a curve has one value for each place", "3 for 2 places"),
    ("curve(y.length, [0, 0], [1, 0])", "the places of a curve go up", "not in order"),
    ("curve(y.length, [5], [1])", "the places of a curve go up", "fewer than two"),
    ("curve(y.length, [0, mean(y.length)], [1, 0])", "the places of a curve go up", "not known when the spec is compiled"),
    ("curve(y.length, 5, [1, 0])", "a list of numbers is needed here", "not a list"),
    ("curve(y.text, [0, 1], [1, 0])", "a number is needed here", "this is Text"),
])
def test_what_is_no_curve_is_said(expression: str, title: str, label: str) -> None:
    errors = checked(expression).errors
    assert [(entry.title, entry.primary.text) for entry in errors] == [(title, label)]
