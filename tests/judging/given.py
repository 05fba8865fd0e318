"""What the tests of judges begin with: questions, settings, a judge at a server. No waits of a real run."""

from __future__ import annotations

import random
from typing import Any

from rldsl.rewards.judging.judge import Judge
from rldsl.rewards.judging.keep import Keep
from rldsl.rewards.judging.limits import Budget, Most
from rldsl.rewards.judging.question import Question
from rldsl.rewards.judging.remote import Remote
from rldsl.rewards.judging.retries import Backoff
from rldsl.rewards.judging.settings import Endpoint, JudgeSettings

KEY = "sk-secret-0123456789"
SCHEMA: dict[str, Any] = {
    "type": "object", "additionalProperties": False, "required": ["verdict", "quote"],
    "properties": {"verdict": {"enum": ["yes", "no"]}, "quote": {"type": "string"}},
}
YES = '{"verdict": "yes", "quote": "4"}'


def question(text: str = "2 + 2 = 4", draw: int = 0) -> Question:
    """A question about a text."""
    return Question("You judge answers.", text, SCHEMA, draw)


def questions(count: int) -> list[Question]:
    """Different ones."""
    return [question(f"{number} + {number} = {2 * number}") for number in range(count)]


def judge_at(url: str, keep: Keep | None = None, **settings: Any) -> Judge:
    """A judge whose waits between tries are hundredths of a second."""
    chosen = JudgeSettings(**{"timeout": 5.0, "retries": 2, **settings})
    budget = Budget(Most.of(chosen))
    remote = Remote(Endpoint("grader", "judge-1", url, KEY), chosen, budget, backoff=Backoff(0.01, 0.05), share=random.Random(0))
    return Judge("grader", remote, budget, keep)
