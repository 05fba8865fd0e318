"""What asking judges would take: stand-ins for them that count what they are asked and answer with what is kept. Send nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from rldsl.graph.model import Node
from rldsl.graph.spec import ModelSpec
from rldsl.rewards.judging.judge import Judge, Judges
from rldsl.rewards.judging.question import Answered, Question
from rldsl.rewards.judging.settings import JudgeSettings
from rldsl.rewards.judging.signatures import is_remote
from rldsl.rewards.outcome import Cost, Failure, FailureKind

NOT_KNOWN: Final = Failure(FailureKind.GIVEN_UP, "not run for an estimate")
"""What stands for a value that an estimate does not ask for."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one judge would be asked, retries aside. `most` is the most that it can take, whatever gates say that are not known yet;
    `least` what of it is asked at all events, by the same bounds of each call. `kept` questions are answered from disk. `untold`
    values are asked about texts that only another call gives: they are in no number. `shortfall` says why the budget may not
    last, `is_limited` whether there is one. `connections`: at once, None for a model of this process. `seconds` is what its rates
    alone make `most` last; the time of the answers comes to it."""

    judge: str
    most: Cost
    least: Cost
    kept: int = 0
    untold: int = 0
    shortfall: str | None = None
    is_limited: bool = False
    connections: int | None = None
    seconds: float = 0.0

    @property
    def rounds(self) -> int | None:
        """How many answers one connection waits for, one after the other; None for a model of this process."""
        return None if self.connections is None else math.ceil(self.most.calls / self.connections)

    @property
    def is_bound(self) -> bool:
        """Whether gates that are not known yet may spare some of the calls."""
        return self.least.calls < self.most.calls

    @property
    def asks(self) -> bool:
        """Whether it may be asked anything."""
        return bool(self.most.calls or self.untold)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What all judges would take. `not_run` are other calls of which something is not known, so that what they may spare counts
    as asked."""

    judges: tuple[Forecast, ...]
    not_run: tuple[str, ...] = ()

    @property
    def asks(self) -> bool:
        """Whether anybody may be asked anything."""
        return any(entry.asks for entry in self.judges)

    @property
    def lasts(self) -> bool:
        """Whether every budget lasts at all events, retries aside."""
        return all(entry.shortfall is None for entry in self.judges)

    def document(self) -> dict[str, Any]:
        """As plain JSON."""
        judges = [{**asdict(entry), "rounds": entry.rounds} for entry in self.judges]
        return {"judges": judges, "not_run": list(self.not_run), "lasts": self.lasts}


@dataclass(slots=True)
class _Counted:
    """Of one judge so far. `seen` are the keys of questions that would have been asked before, kept from there on."""

    most: Cost = field(default_factory=Cost)
    least: Cost = field(default_factory=Cost)
    seen: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    untold: int = 0


class Tally:
    """What all judges would be asked; stands where `Judges` do (`rubrics.asking.Judges`). Whoever runs the calls says `before`
    each whether it is made whatever is not known yet."""

    def __init__(self, judges: Judges, models: Sequence[ModelSpec]) -> None:
        self._judges, self._counted = judges, dict[str, _Counted]()
        self._models = {model.name: model for model in models}
        self.is_sure = True
        self.has_guessed = False  # an axis, since somebody last looked

    def of(self, name: str) -> StandIn:
        """The stand-in for a judge. Raises `JudgeError` or `ModelError` where the judge cannot be asked at all."""
        return StandIn(self, self._judges.of(name), self.counted(name))

    def counted(self, name: str) -> _Counted:
        """What a judge was counted for."""
        return self._counted.setdefault(name, _Counted())

    def close(self) -> None:
        """The judges themselves are their owner's to close."""

    def before(self, node: Node, is_sure: bool) -> None:
        """Of whoever runs the calls: the next one."""
        self.is_sure = is_sure

    def take_guess(self) -> bool:
        """Whether an axis was guessed since this was asked last."""
        found, self.has_guessed = self.has_guessed, False
        return found

    @property
    def forecasts(self) -> tuple[Forecast, ...]:
        """Of each judge that came up, in the order in which they did."""
        return tuple(self._forecast(name, counted) for name, counted in self._counted.items())

    def _forecast(self, name: str, counted: _Counted) -> Forecast:
        model = self._models[name]
        settings, budget = JudgeSettings.of(model), self._judges.of(name).budget
        return Forecast(name, counted.most, counted.least, len(counted.kept), counted.untold,
                        budget.shortfall(counted.most), budget.most.is_limited,
                        settings.connections if is_remote(model.origin) else None, seconds_of(settings, counted.most))


@dataclass(frozen=True, slots=True)
class StandIn:
    """Counts what a judge is asked."""

    tally: Tally
    judge: Judge
    counted: _Counted

    def ask(self, questions: Sequence[Question]) -> list[Answered | Failure]:
        """The answers that are kept, and `NOT_KNOWN` for the others, each different one of which is counted once."""
        expected = self.judge.expect(questions)
        paid = self.counted.seen if self.judge.is_kept else set()
        for entry in expected:
            if entry.answer is not None:
                self.counted.kept.add(entry.key)
            elif entry.key not in paid:
                paid.add(entry.key)
                self.counted.most += entry.cost
                if self.tally.is_sure:
                    self.counted.least += entry.cost
        return [NOT_KNOWN if entry.answer is None else entry.answer for entry in expected]


def seconds_of(settings: JudgeSettings, cost: Cost) -> float:
    """What the rates alone make calls last: a minute's allowance goes at once, the rest evenly."""
    rates: Mapping[float | None, int] = {settings.requests_per_minute: cost.calls,
                                         settings.tokens_per_minute: cost.tokens_in + cost.tokens_out}
    return max(0.0, *((amount / rate - 1) * 60 for rate, amount in rates.items() if rate is not None), 0.0)
