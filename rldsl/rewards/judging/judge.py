"""`Judge`: asks a judge, remote or local, so that nothing is asked twice; `Judges`: those of a run, each opened once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from rldsl.graph.spec import ModelSpec
from rldsl.rewards.judging.keep import Keep, note
from rldsl.rewards.judging.limits import Budget, Most
from rldsl.rewards.judging.question import Answered, Question, question_key
from rldsl.rewards.judging.settings import JudgeError, JudgeSettings, endpoint_of
from rldsl.rewards.judging.signatures import is_remote
from rldsl.rewards.outcome import Cost, Failure, FailureKind

if TYPE_CHECKING:
    from rldsl.rollouts.models import LoadedModel

Load: TypeAlias = "Callable[[ModelSpec], LoadedModel]"
_Pending: TypeAlias = "Future[Answered | Failure]"


class Source(Protocol):
    """Where answers come from. Used by several threads."""

    @property
    def identity(self) -> Mapping[str, Any] | None:
        """What answers depend on beside the question; None where that changes, so that nothing may be kept."""

    def bound(self, question: Question) -> Cost:
        """The most that one call for it can cost."""

    def answer(self, questions: Sequence[Question]) -> Iterator[tuple[int, Answered | Failure]]:
        """Places and results, as they come: one for each question."""

    def close(self) -> None:
        """Let go of what it holds."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A question before it is asked: its key, the answer that is kept, or without one the most that a call costs."""

    key: str
    answer: Answered | None
    cost: Cost


class Judge:
    """One judge of a run. Safe to be used by several threads: what it spends is counted together."""

    def __init__(self, name: str, source: Source, budget: Budget, keep: Keep | None, say: Callable[[str], None] = note) -> None:
        """`say` tells the user, once and before anything is sent, that the budget may not last."""
        self.name, self.budget = name, budget
        self._source, self._keep, self._say = source, keep, say
        self._has_said = False
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Answered | Failure]] = {}

    @property
    def spent(self) -> Cost:
        """What all calls took so far, those that failed too."""
        return self.budget.spent

    def ask(self, questions: Sequence[Question]) -> list[Answered | Failure]:
        """An answer or a named failure for each, in order. Blocks; asks at the same time inside; equal questions once."""
        keys = self._keys(questions)
        kept = self._kept(keys)
        asked = dict(zip(keys, questions, strict=True))
        mine, pending = self._claim({key: question for key, question in asked.items() if key not in kept})
        try:
            self._foretell(mine)
        finally:
            self._run(mine, pending)
        found: list[Answered | Failure] = []
        charged = set(mine)  # one of several equal questions bears the cost
        for key in keys:
            result = kept[key] if key in kept else pending[key].result()
            is_charged = key in charged
            charged.discard(key)
            found.append(result if is_charged else replace(result, cost=Cost()))
        return found

    def estimate(self, questions: Sequence[Question]) -> Cost:
        """The most that asking these would cost now without retries; kept answers are free. Sends nothing."""
        new = {entry.key: entry.cost for entry in self.expect(questions) if entry.answer is None}
        return sum(new.values(), Cost())

    def expect(self, questions: Sequence[Question]) -> list[Expected]:
        """What asking each of these now would meet, in order. Sends nothing."""
        keys = self._keys(questions)
        kept = self._kept(keys)
        return [Expected(key, kept[key], Cost()) if key in kept else Expected(key, None, self._source.bound(question))
                for key, question in zip(keys, questions, strict=True)]

    @property
    def is_kept(self) -> bool:
        """Whether what it answers is kept, so that an equal question is not paid again."""
        return self._keep is not None and self._keep.problem is None and self._source.identity is not None

    def shortfall(self, questions: Sequence[Question]) -> str | None:
        """Why the budget may not last for these, as a sentence; None if it lasts at all events, retries aside."""
        return self.budget.shortfall(self.estimate(questions))

    def close(self) -> None:
        """Let go of connections or of the model."""
        self._source.close()

    def _keys(self, questions: Sequence[Question]) -> list[str]:
        identity = self._source.identity or {"judge": self.name}
        return [question_key(identity, question) for question in questions]

    def _kept(self, keys: Sequence[str]) -> dict[str, Answered]:
        if self._keep is None or self._source.identity is None:
            return {}
        found = self._keep.get(keys)
        return {key: Answered(value, reply, kept=True) for key, entry in found.items() for value, reply in _entry(entry)}

    def _claim(self, wanted: Mapping[str, Question]) -> tuple[dict[str, Question], dict[str, _Pending]]:
        """Which of them this call is to ask, and where the results of all of them will be."""
        with self._lock:
            mine = {key: question for key, question in wanted.items() if key not in self._under_way}
            self._under_way |= {key: Future() for key in mine}
            return mine, {key: self._under_way[key] for key in wanted}

    def _foretell(self, mine: Mapping[str, Question]) -> None:
        if self._has_said or not self.budget.most.is_limited:
            return
        found = self.budget.shortfall(sum((self._source.bound(question) for question in mine.values()), Cost()))
        if found is not None:
            self._has_said = True
            self._say(f"judge `{self.name}`: {found}")

    def _run(self, mine: Mapping[str, Question], pending: Mapping[str, _Pending]) -> None:
        """Ask them. Whatever happens, every future of theirs has a result afterwards: other threads may wait for it."""
        keys = list(mine)
        fresh = _Fresh(self._keep if self._source.identity is not None else None)
        try:
            for place, result in self._source.answer(list(mine.values())) if mine else ():
                if isinstance(result, Answered):
                    fresh.add(keys[place], result)
                pending[keys[place]].set_result(result)
        finally:
            fresh.write()
            with self._lock:
                for key in keys:
                    del self._under_way[key]
            for key in keys:
                if not pending[key].done():
                    pending[key].set_result(Failure(FailureKind.GIVEN_UP, "the asking was broken off"))

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _entry(kept: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Value and reply of what is kept; nothing where it is something else."""
    match kept:
        case {"value": dict(value), "reply": str(reply)}:
            yield value, reply
        case _:
            return


@dataclass(slots=True)
class _Fresh:
    """Answers that are to be kept, several in one transaction where they come fast."""

    keep: Keep | None
    answers: dict[str, Any] = field(default_factory=dict)
    written: float = 0.0

    def add(self, key: str, answer: Answered) -> None:
        """Take one up; it is on disk a quarter of a second later if others follow, else when the next one or the end comes."""
        self.answers[key] = {"value": answer.value, "reply": answer.reply}
        if time.monotonic() - self.written > 0.25:
            self.write()

    def write(self) -> None:
        """Put all that were taken up on disk."""
        if self.keep is not None and self.answers:
            self.keep.put("judge", self.answers)
        self.answers, self.written = {}, time.monotonic()


class Judges:
    """The judges of a run: each is opened when it is first asked for, and shared by all that ask it."""

    def __init__(self, models: Iterable[ModelSpec], *, keep: Keep | None, load: Load | None = None, seed: int = 0,
                 root: Path = Path(".")) -> None:
        """`models` are those of the spec, of any role. `load`, `seed`: see `judge_of`; without `load`, local judges and what
        they are made from are loaded afresh, from folders below `root`."""
        self._models = {model.name: model for model in models}
        self._keep, self._load, self._seed, self._root = keep, load, seed, root
        self._lock, self._judges = threading.Lock(), dict[str, Judge]()

    def of(self, name: str) -> Judge:
        """The judge of that name. Raises `JudgeError` where it cannot be asked at all."""
        with self._lock:
            if name not in self._judges:
                spec = self._models[name]
                load = self._load
                if load is None and not is_remote(spec.origin):
                    from rldsl.rewards.judging.local import loader
                    load = loader(self._models, seed=self._seed, root=self._root)
                self._judges[name] = judge_of(spec, keep=self._keep, load=load, seed=self._seed)
            return self._judges[name]

    @property
    def spent(self) -> Mapping[str, Cost]:
        """What each judge that was asked has taken."""
        return {name: judge.spent for name, judge in self._judges.items()}

    def close(self) -> None:
        """Close those that were opened."""
        while self._judges:
            self._judges.popitem()[1].close()

    def __enter__(self) -> Judges:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def judge_of(spec: ModelSpec, *, keep: Keep | None, load: Load | None = None, seed: int = 0) -> Judge:
    """A judge from its declaration: its settings, its origin, its environment. Raises `JudgeError` or `ModelError`.

    `load` gives the model of a local judge, a policy, and is called once; a remote one needs none. `seed` is the run's, for a
    local judge without its own.
    """
    settings = JudgeSettings.of(spec)
    budget = Budget(Most.of(settings))
    if is_remote(spec.origin):
        from rldsl.rewards.judging.remote import Remote
        return Judge(spec.name, Remote(endpoint_of(spec), settings, budget), budget, keep)
    if load is None:
        raise JudgeError(f"judge `{spec.name}` is a model of this process, and nothing is given that loads it")
    from rldsl.rewards.judging.local import Local
    return Judge(spec.name, Local(spec, load(spec), settings, budget, seed=seed), budget, keep)
