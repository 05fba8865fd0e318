"""The host side of a spec for an estimate: judges are counted, functions of the project, tests of code and models are not run
(what they are known to give is taken from the disk), all other verifiers are. Sends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rldsl.graph.model import Foreign
from rldsl.graph.spec import Spec
from rldsl.rewards.calls import HostCall
from rldsl.rewards.hosting import READING
from rldsl.rewards.judging.forecast import NOT_KNOWN, Tally
from rldsl.rewards.kept_calls import Kept
from rldsl.rewards.outcome import Outcome
from rldsl.rewards.pool import Item, Job, Reply
from rldsl.rewards.rubrics.cutting import CutService, parts_of
from rldsl.rewards.rubrics.parts import CriterionService
from rldsl.rewards.rubrics.services import PreferService, RubricService, StepService
from rldsl.rewards.run import Answers, HostCalls, Service
from rldsl.rewards.signatures import Result
from rldsl.rewards.steps import cut_at
from rldsl.rewards.tiers import Tier
from rldsl.types import Element, Interval

NOT_RUN: Final = frozenset({"python", "tests", "program", "sql"})
"""Jobs that run what others wrote: not for an estimate."""


class ForeseenCalls(HostCalls):
    """Calls of a spec as far as they cost next to nothing. What is not run has failed with `NOT_KNOWN`."""

    def __init__(self, spec: Spec, project: Path, tally: Tally, keep: Kept | None) -> None:
        self.tally = tally
        services: dict[str, Service] = {
            "rubric": RubricService(tally), "prefer": PreferService(tally), "prm": StepService(tally), "steps": FinestCut(tally),
            "criterion": CriterionService(), **{name: Unread(name) for name in READING}}
        super().__init__(spec.externs, project, services=services, keep=keep)

    def _run(self, plan: HostCall, job: Job, items: Sequence[Item]) -> list[Reply]:
        return [Reply(NOT_KNOWN)] * len(items) if job.kind in NOT_RUN else super()._run(plan, job, items)


def is_unknown(outcome: Outcome, place: int) -> bool:
    """Whether a result stands for what an estimate did not ask."""
    return outcome.failed.get(place) == NOT_KNOWN


class FinestCut(CutService):
    """A text whose steps a judge would find is taken as cut at every place where a step may begin."""

    def answer(self, operation: Foreign, columns: Sequence[list[Any]]) -> Answers:
        """As the service does, with the finest cut in place of what is not known."""
        found = CutService.answer(self, operation, columns)
        guessed = [value == NOT_KNOWN for value in found.values]
        if isinstance(self.judges, Tally):
            self.judges.has_guessed |= any(guessed)
        values = [cut_at(text, parts_of(text)[1:]) if is_guessed else value
                  for text, value, is_guessed in zip(columns[0], found.values, guessed, strict=True)]
        return Answers(values, {}, found.cost, found.computed)


class Unread:
    """In place of a model that reads texts: says nothing."""

    tier = Tier.MODEL

    def __init__(self, name: str) -> None:
        self._interval = Interval(-1.0, 1.0) if name == "similarity" else Interval()

    def result(self, operation: Foreign) -> Result:
        """A number in the range of the model's."""
        return Result(Element.REAL, self._interval)

    def together(self, operation: Foreign) -> bool:
        """As the scorer of steps."""
        return operation.name.startswith("step_scores")

    def answer(self, operation: Foreign, columns: Sequence[list[Any]]) -> Answers:
        """Nothing of any item."""
        return Answers([NOT_KNOWN] * len(columns[0]))
