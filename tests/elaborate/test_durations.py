"""Durations are settings of time alone: no number of something else is written with a unit of time."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.compiler import check_source
from rldsl.loading import project_loader
from rldsl.source import Source

TEXT = """data problems from jsonl("problems.jsonl") { question: Text }
policy actor from tiny(layers: LAYERS, tokenizer: characters("ab>"))
extern fn share(text: Text) -> Real = python("checks:shares") { timeout: TIMEOUT }
rollout y ~ actor(problems.question) { max_tokens: 8, temperature: 1 }
objective pg for actor { maximize s: mean(logp(actor, y) * share(y.text)) }
train { repeat 2 { draw 4 prompts  update actor with pg { optimizer: adamw(lr: RATE, betas: [0.9, BETA]) } } }
"""
FINE = {"LAYERS": "2", "TIMEOUT": "2 * 5s", "RATE": "1e-3", "BETA": "0.95"}


def errors(**changed: str) -> list[tuple[str, str]]:
    text = TEXT
    for word, value in {**FINE, **changed}.items():
        text = text.replace(word, value)
    found = check_source(Source("test.rl", text), project_loader(Path(__file__).parent)).errors
    return [(entry.code, entry.why) for entry in found]


def test_a_timeout_is_a_duration() -> None:
    assert errors() == []


@pytest.mark.parametrize(("changed", "why"), [
    ({"RATE": "5s"}, "a number is needed here, and a unit of time is written."),
    ({"RATE": "2 * 5ms"}, "a number is needed here, and a unit of time is written."),
    ({"RATE": "linear(5s -> 0, steps: 5)"}, "both ends of a schedule are numbers."),
    ({"LAYERS": "2s"}, "a whole number is needed here, and a unit of time is written."),
    ({"BETA": "1ms"}, "a list of two numbers is needed here."),
])
def test_an_argument_of_a_constructor_is_no_duration(changed: dict[str, str], why: str) -> None:
    assert errors(**changed) == [("RL018", why)]
