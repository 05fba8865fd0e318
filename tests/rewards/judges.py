"""A stand-in for a judge: a function of the question, and what it was asked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rldsl.rewards.judging.question import Answered, Question
from rldsl.rewards.outcome import Cost, Failure


@dataclass
class Told:
    """Answers each question by a function that gives the reply: a text, or anything that JSON holds."""

    reply: Callable[[Question], Any]
    asked: list[Question] = field(default_factory=list)

    def ask(self, questions: Sequence[Question]) -> list[Answered | Failure]:
        """One call, ten tokens in and two out for each."""
        self.asked += questions
        return [self._one(question) for question in questions]

    def of(self, name: str) -> Told:
        """As the judge of every name."""
        return self

    def close(self) -> None:
        """There is nothing to let go of."""

    def _one(self, question: Question) -> Answered | Failure:
        said = self.reply(question)
        if isinstance(said, Failure):
            return said
        text = said if isinstance(said, str) else json.dumps(said)
        return Answered(json.loads(text), text, Cost(1, 10, 2, 0.5), 0.0, False)


def numbered(question: Question) -> list[str]:
    """What is asked about by number: criteria, or steps."""
    return numbered_in(question.user)


def numbered_in(user: str) -> list[str]:
    """The same of the user's text."""
    return [json.loads(found) for found in re.findall(r'^\d+\. ("(?:[^"\\]|\\.)*")', user, re.MULTILINE)]


def texts(question: Question) -> dict[str, Any]:
    """The texts that are shown."""
    return texts_in(question.user)


def texts_in(user: str) -> dict[str, Any]:
    """The same of the user's text."""
    found: dict[str, Any] = json.JSONDecoder().raw_decode(user[user.index("{"):])[0]
    return found


def by_words(verdict: Callable[[str, dict[str, Any]], Any]) -> Callable[[Question], Any]:
    """Verdicts on numbered things by what they are and what is shown."""
    def reply(question: Question) -> Any:
        return {str(number + 1): {"verdict": verdict(entry, texts(question))} for number, entry in enumerate(numbered(question))}
    return reply
