"""`LiveScores`: the rewards of a spec on completions that a caller holds. The same plan, names of columns, engine and states as
`rldsl score`; reads and writes no files of completions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rldsl.graph.model import Foreign
from rldsl.graph.spec import NamedValue, Spec
from rldsl.resolve.names import did_you_mean, listed
from rldsl.rewards.engine.asked import Asked, Mask
from rldsl.rewards.outcome import Cost
from rldsl.scores.asking import last_rewards
from rldsl.scores.columns import check_maps
from rldsl.scores.faults import ScoreError
from rldsl.scores.groups import Batch, Indices, Survey, survey
from rldsl.scores.host import Evaluated, Evaluator
from rldsl.scores.names import name_nodes
from rldsl.scores.plan import Plan, is_number, meets_others, narrow, plan_scores
from rldsl.scores.reach import unreachable
from rldsl.scores.reading import Given, Reader
from rldsl.scores.states import State, call_states, unanswered, value_states
from rldsl.types import Axis

ORIGIN = "what was handed over"
INFINITE = "infinite"


@dataclass(frozen=True, slots=True)
class Scored:
    """One completion. `values` are numbers, texts, or lists of them where a value is finer than the completion (per step); None
    where there is none: then `states` says why (`absent`, `failed`, `not asked`). `evidence` is what calls said of it, and the
    messages of those that failed."""

    values: Mapping[str, Any]
    states: Mapping[str, str]
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scoring:
    """Completions in the order in which they were handed over, and what the calls took. `unanswered` are the places of those for
    which a call failed and the spec does not say what that means, `stopped` how many values an `else stop` did not find."""

    completions: tuple[Scored, ...]
    cost: Cost = field(default_factory=Cost)
    seconds: float = 0.0
    unanswered: tuple[int, ...] = ()
    stopped: int = 0

    def document(self) -> dict[str, Any]:
        """As plain JSON, which has no infinity: there the value is null and its state `infinite`."""
        return {"completions": [_document(entry) for entry in self.completions], "cost": asdict(self.cost), "seconds": self.seconds}


class LiveScores:
    """Rewards over completions in memory. Keeps child processes between calls: close it, or use it in `with`.

    `reward` names the one that matters to the caller: it and what it is made of are asked, and nothing else. Several threads
    may score at the same time.
    """

    def __init__(self, spec: Spec, project: Path, reward: str | None = None, *, rollout: str | None = None,
                 maps: Mapping[str, str] | None = None) -> None:
        whole = plan_scores(spec, rollout)
        self.reward = _chosen(whole, reward)
        self.plan = narrow(whole, self.reward.key)
        self.maps = dict(maps or {})
        check_maps(self.plan, self.maps)
        self._names = name_nodes(self.plan)
        self._evaluator = Evaluator(self.plan, project)

    def __enter__(self) -> LiveScores:
        return self

    def __exit__(self, *leaving: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child processes."""
        self._evaluator.__exit__()

    def check(self) -> LiveScores:
        """Itself, for whoever begins to serve. Raises `ScoreError`, closed, where a function cannot be loaded, a judge cannot be
        asked at all, or its server does not answer. Sends no question."""
        try:
            self._evaluator.check_calls()
            for name, trouble in unreachable(self.plan).items():
                raise ScoreError(f"judge `{name}` cannot be reached", f"{trouble}.", "start it, or mend its `base_url`")
        except ScoreError:
            self.close()
            raise
        return self

    @property
    def meets_others(self) -> bool:
        """Whether the reward of a completion depends on other completions, of its prompt or of the batch."""
        return meets_others(self.plan, self.reward.key)

    def score(self, rows: Sequence[Mapping[str, Any]], group: str | None = None) -> Scoring:
        """Rows have the names of a file of completions (TRL's, verl's, or those of `maps`), one completion or more each; those
        of equal prompt and data are a group, or those of an equal column `group`. Raises `ScoreError` and `DataErrors`."""
        reader = Reader(self.plan, Given(Path(ORIGIN), self.maps, group, rows=tuple(rows)))
        found = survey(reader)
        order = np.argsort(found.groups, kind="stable")
        batch = _batch(reader, found, order)
        evaluated = self._evaluator.run(batch)
        scored = _Told(self.plan, evaluated, self._names.labels).completions(found.count)
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        asked = evaluated.calls.values()
        return Scoring(tuple(scored[place] for place in places.tolist()),
                       sum((record.cost for record in asked), Cost()), sum(record.seconds for record in asked),
                       tuple(np.flatnonzero(self._unanswered(evaluated)[places]).tolist()), sum(evaluated.stopped.values()))

    def _unanswered(self, found: Evaluated) -> Mask:
        """The completions of a batch, in its order, for which a call of the reward failed and no `else` says what that means."""
        calls = {key: call_states(record) for key, record in found.calls.items()}
        sample, axis = self.plan.response.sample_axis, self.plan.spec.graph[self.reward.key].type.axis
        marks = unanswered(self.plan.spec, found.layout, self.reward.key, calls)
        return marks[found.layout.owners(sample.name, axis.name)]

    def values(self, rows: Sequence[Mapping[str, Any]], group: str | None = None) -> list[float | None]:
        """The reward alone, None where it is absent or the spec says `else skip`. Raises `ScoreError` where a call that it needs
        has failed and the spec does not say what that means (a failure is no number, and no absence), and for an `else stop`."""
        return self.values_of(self.score(rows, group))

    def values_of(self, scoring: Scoring) -> list[float | None]:
        """The reward out of a scoring; raises as `values` does."""
        name = self.reward.name
        for place in scoring.unanswered[:1]:
            said = next(_failures(scoring.completions[place].evidence), "a call failed")
            raise ScoreError(f"`{name}` failed for completion {place + 1} of {len(scoring.completions)}", said + ".",
                             "mend the call, or say in the spec what a failure means: `else 0`, `else skip`")
        if scoring.stopped:
            raise ScoreError(f"`{name}` has no value {scoring.stopped} times", "the spec says `else stop`.",
                             "mend what is not found, or write `else 0` or `else skip`")
        return [entry.values[name] for entry in scoring.completions]


def _document(entry: Scored) -> dict[str, Any]:
    infinite = [name for name, value in entry.values.items() if _finite(value) != value]
    return {"values": _finite(dict(entry.values)), "states": {**entry.states, **dict.fromkeys(infinite, INFINITE)},
            "evidence": _finite(dict(entry.evidence))}


def _finite(value: Any) -> Any:
    """JSON without numbers that it cannot hold."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {name: _finite(part) for name, part in value.items()}
        case list() | tuple():
            return [_finite(part) for part in value]
        case _:
            return value


def load_scores(path: Path | str, reward: str | None = None, *, rollout: str | None = None,
                maps: Mapping[str, str] | None = None, overrides: Mapping[str, str] | None = None,
                drawn: bool = False) -> LiveScores:
    """A reward of a spec in a file, by default the one that no other is made of; its folder is the project. `drawn`: a trainer
    draws what is scored. Raises `SpecError` where the spec has errors, `ScoreError` where the reward needs more than there is."""
    from rldsl.checking import compiled_spec
    file = Path(path)
    scores = LiveScores(compiled_spec(file, overrides=overrides), file.parent, reward, rollout=rollout, maps=maps)
    if drawn and scores.plan.own:
        scores.close()
        field = scores.plan.own[0].name
        raise ScoreError(f"`{scores.reward.name}` reads `{scores.plan.response.name}.{field}`",
                         f"`{field}` is declared `@ sample`: it belongs to the completions of a file, and a trainer draws its own.",
                         "take a reward that reads fields of the row alone; `rldsl score` has those of completions")
    return scores


@dataclass(frozen=True, slots=True)
class _Told:
    """What was found of a batch, completion by completion, in the order of the batch."""

    plan: Plan
    found: Evaluated
    labels: Mapping[int, str]

    def completions(self, count: int) -> list[Scored]:
        values: list[dict[str, Any]] = [{} for _ in range(count)]
        states: list[dict[str, str]] = [{} for _ in range(count)]
        calls = {key: call_states(record) for key, record in self.found.calls.items()}
        for entry in self.plan.values:
            column = self.found.values[entry.key]
            marks = value_states(self.plan.spec, self.found.layout, entry.key, column, calls, self.found.open.get(entry.key))
            axis = self.plan.spec.graph[entry.key].type.axis
            plain = [_plain(item, mark) for item, mark in zip(_listed(column), marks.tolist(), strict=True)]
            words = [State(mark).word for mark in marks.tolist()]
            for place, (value, word) in enumerate(zip(self._each(axis, plain), self._each(axis, words), strict=True)):
                values[place][entry.name] = value
                states[place][entry.name] = _joined(word)
        evidence = self._evidence(count)
        return [Scored(*parts) for parts in zip(values, states, evidence, strict=True)]

    def _each(self, axis: Axis, items: list[Any]) -> list[Any]:
        """Of each completion: its value, its prompt's, or a list of those of its parts."""
        sample, layout = self.plan.response.sample_axis, self.found.layout
        if sample.is_within(axis):
            return [items[place] for place in layout.owners(sample.name, axis.name).tolist()]
        bounds = layout.bounds(axis.name, sample.name).tolist()
        return [items[start:stop] for start, stop in zip(bounds[:-1], bounds[1:], strict=True)]

    def _evidence(self, count: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [{} for _ in range(count)]
        for key, record in self.found.calls.items():
            said = _said(record)
            axis, label = self.plan.spec.graph[key].type.axis, self.labels.get(key, _called(self.plan, key))
            if said:
                items = [said.get(place) for place in range(self.found.layout.size(axis.name))]
                for place, item in enumerate(self._each(axis, items)):
                    kept = [part for part in item if part is not None] if isinstance(item, list) else item
                    if kept:
                        found[place][label] = kept
        return found


def _said(record: Asked) -> dict[int, Any]:
    failed = {place: {"failed": str(failure), **_beside(record.evidence.get(place))} for place, failure in record.failed.items()}
    return {**record.evidence, **failed}


def _beside(evidence: Any) -> dict[str, Any]:
    return {} if evidence is None else {"evidence": evidence}


def _failures(evidence: Mapping[str, Any]) -> Iterator[str]:
    """What failed of a completion, or of its parts: its criteria, its pairs."""
    for said in evidence.values():
        for part in said if isinstance(said, list) else [said]:
            if isinstance(part, Mapping) and "failed" in part:
                yield str(part["failed"])


def _called(plan: Plan, key: int) -> str:
    operation = plan.spec.graph[key].operation
    return operation.name if isinstance(operation, Foreign) else str(key)


def _listed(column: Any) -> list[Any]:
    return column.tolist() if isinstance(column, np.ndarray) else list(column)


def _plain(item: Any, mark: int) -> Any:
    return item if mark == State.VALUE else None


def _joined(word: Any) -> str:
    """The state of a list of parts: the gravest of them."""
    if not isinstance(word, list):
        return str(word)
    order = [State.FAILED.word, State.NOT_ASKED.word, State.ABSENT.word]
    return next((state for state in order if state in word), State.VALUE.word)


def _batch(reader: Reader, found: Survey, order: Indices) -> Batch:
    held = list(reader)
    return Batch([held[place] for place in order.tolist()], found.groups[order], 0)


def _chosen(plan: Plan, name: str | None) -> NamedValue:
    rewards = {entry.name: entry for entry in plan.values if entry.name in plan.rewards}
    if name is None:
        last = last_rewards(plan)
        if len(last) != 1:
            named, said = [entry.name for entry in last] or list(rewards), "several rewards" if last else "no reward"
            raise ScoreError(f"`{plan.spec.source.name}` has {said} that nothing is made of", f"there are {listed(named)}.",
                             f"name one: `--reward {named[-1]}` (from Python the argument `reward`)", exit_status=2)
        return last[0]
    if name not in rewards:
        refused = next((entry.reason for entry in plan.refused if entry.name == name), None)
        why = f"it {refused}." if refused else f"there are {listed(rewards)}."
        raise ScoreError(f"there is no reward `{name}` to score" if refused is None else f"`{name}` cannot be scored on texts", why,
                         did_you_mean(name, rewards) or f"name one of them: `{next(reversed(rewards))}`", exit_status=2)
    entry = rewards[name]
    axis = plan.spec.graph[entry.key].type.axis
    if not is_number(plan.spec.graph[entry.key].type.element) or not plan.response.sample_axis.is_within(axis):
        raise ScoreError(f"`{name}` is not one number for each completion", f"it is {plan.spec.graph[entry.key].type}.",
                         "reduce it: `mean(x, per: sample)`")
    return entry

