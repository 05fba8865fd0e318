"""Who answers the calls of a graph by asking a judge: questions that are asked once, replies, what they took."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rldsl.graph.model import Foreign
from rldsl.rewards.judging.question import Answered, Question
from rldsl.rewards.judging.settings import JudgeError
from rldsl.rewards.outcome import Cost, Failure, FailureKind
from rldsl.rollouts.signatures import ModelError


class Asks(Protocol):
    """What a judge is to those who ask it."""

    def ask(self, questions: Sequence[Question]) -> list[Answered | Failure]:
        """One answer for each question."""


class Judges(Protocol):
    """The judges of a spec."""

    def of(self, name: str) -> Asks:
        """The judge of that name. Raises `JudgeError` or `ModelError` where it cannot be asked at all."""

    def close(self) -> None:
        """Let go of them."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who is asked."""

    judges: Judges

    def problem(self, operation: Foreign) -> Failure | None:
        """Why the judge of a call cannot be asked at all; None if it can."""
        try:
            self.judges.of(_judge(operation))
        except (JudgeError, ModelError) as fault:
            return Failure(FailureKind.SETUP, str(fault))
        return None

    def close(self) -> None:
        """Let go of the judges."""
        self.judges.close()

    def replies(self, operation: Foreign, questions: Sequence[Question]) -> list[Answered | Failure]:
        """A reply to each question; the same failure for all where the judge cannot be asked."""
        problem = self.problem(operation) if questions else None
        if problem is not None:
            return [problem] * len(questions)
        return self.judges.of(_judge(operation)).ask(questions) if questions else []


@dataclass(slots=True)
class Questions:
    """Questions of one batch, each different one once."""

    asked: list[Question] = field(default_factory=list)
    places: dict[tuple[Hashable, int], int] = field(default_factory=dict)

    def add(self, key: Hashable, votes: int, make: Callable[[int], Question]) -> list[int]:
        """The places of a question that is known by its key, one for each vote."""
        for draw in range(votes):
            if (key, draw) not in self.places:
                self.places[key, draw] = len(self.asked)
                self.asked.append(make(draw))
        return [self.places[key, draw] for draw in range(votes)]


def cost_of(replies: Sequence[Answered | Failure]) -> Cost:
    """What all replies took together."""
    return sum((reply.cost for reply in replies), Cost())


def _judge(operation: Foreign) -> str:
    """The name of the judge that a call asks, one of its constants."""
    return str(dict(operation.settings)["judge"])
