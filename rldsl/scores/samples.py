"""Completions beside their scores, for a person to read: which groups are shown, and everything that was said of each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from rldsl.scores.report import ScoreReport
from rldsl.scores.states import State, States
from rldsl.scores.statistics import Indices, Numbers
from rldsl.scores.writing import EVIDENCE

GROUPS: Final = 8        # under each heading
COMPLETIONS: Final = 8   # of each group


@dataclass(frozen=True, slots=True)
class Shown:
    """A value of a completion: `state` is `value`, `absent`, `failed` or `not asked`."""

    name: str
    state: str
    shown: str


@dataclass(frozen=True, slots=True)
class ReadCompletion:
    """A completion, its values, and by node what calls said of it."""

    text: str
    values: tuple[Shown, ...]
    evidence: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ReadGroup:
    """Completions of one prompt, the best first; `left` of them are not shown."""

    prompt: str
    fields: tuple[tuple[str, str], ...]
    completions: tuple[ReadCompletion, ...]
    left: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Groups under a heading that says why they are there."""

    title: str
    why: str
    groups: tuple[ReadGroup, ...]


def choose_readings(report: ScoreReport, reward: str, column: Numbers, states: States, groups: Indices) -> tuple[Reading, ...]:
    """Groups in which the reward sees the largest difference, some without any, some where a call failed, and some spread evenly
    over the file, each under one heading. `column`, `states` and `groups` are of the completions."""
    count = int(groups.max()) + 1 if len(groups) else 0
    sizes, spread = np.bincount(groups, minlength=count), _spread(column, groups, count)
    failed = np.bincount(groups[states == State.FAILED], minlength=count)
    wide = [place for place in np.argsort(-np.nan_to_num(spread, nan=-1.0), kind="stable").tolist() if spread[place] > 0]
    flat = _evenly(np.flatnonzero((spread == 0) & (sizes > 1)))
    chosen = (
        ("Largest differences within a group", f"`{reward}` tells these completions apart the most.", wide[:GROUPS]),
        ("Failed calls", f"`{reward}` has no value where a call failed.", _evenly(np.flatnonzero(failed))),
        ("No signal", f"`{reward}` is the same for every completion: nothing is learned here.", flat),
        ("Spread over the file", "Taken at even distances, not chosen by what came of them.", _evenly(np.arange(count))))
    seen: set[int] = set()
    order = np.argsort(groups, kind="stable")
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    evidence = _Evidence(Path(report.folder) / EVIDENCE)
    wanted: list[tuple[str, str, list[tuple[list[int], int]]]] = []
    for title, why, numbers in chosen:
        new = [number for number in numbers if number not in seen]
        seen.update(new)
        wanted.append((title, why, [_best_first(order[starts[number]:starts[number + 1]], column) for number in new]))
    said = evidence.of({place for _, _, found in wanted for places, _ in found for place in places})
    reader = _Reader(report, said)
    return tuple(Reading(title, why, tuple(reader.group(places, left) for places, left in found))
                 for title, why, found in wanted if found)


def _spread(column: Numbers, groups: Indices, count: int) -> Numbers:
    """Largest minus smallest value of each group; NaN for one without values."""
    low, high, there = np.full(count, np.inf), np.full(count, -np.inf), ~np.isnan(column)
    np.minimum.at(low, groups[there], column[there])
    np.maximum.at(high, groups[there], column[there])
    found: Numbers = np.where(high >= low, high - np.where(np.isinf(low), 0.0, low), np.nan)
    return found


def _evenly(places: Indices) -> list[int]:
    if len(places) <= GROUPS:
        return [int(place) for place in places]
    return [int(places[round(index * (len(places) - 1) / (GROUPS - 1))]) for index in range(GROUPS)]


def _best_first(places: Indices, column: Numbers) -> tuple[list[int], int]:
    """The completions of a group that are shown: from the best to the worst, at even distances; and how many are left out."""
    ranked = places[np.argsort(-np.nan_to_num(column[places], nan=-np.inf), kind="stable")]
    if len(ranked) <= COMPLETIONS:
        return ranked.tolist(), 0
    kept = [int(ranked[round(index * (len(ranked) - 1) / (COMPLETIONS - 1))]) for index in range(COMPLETIONS)]
    return kept, len(ranked) - COMPLETIONS


@dataclass(frozen=True, slots=True)
class _Evidence:
    path: Path

    def of(self, places: set[int]) -> dict[int, list[tuple[str, str]]]:
        """What was said of some completions, by node."""
        found: dict[int, list[tuple[str, str]]] = {}
        with self.path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                entry = json.loads(line)
                if (place := entry.get("completion")) in places:
                    found.setdefault(place, []).append((_labelled(entry), _said(entry)))
        return found


def _labelled(entry: Mapping[str, Any]) -> str:
    return f"{entry['node']} [{entry['place'] + 1}]" if "place" in entry else str(entry["node"])


def _said(entry: Mapping[str, Any]) -> str:
    parts = [f"{entry['failed']}: {entry['message']}"] if "failed" in entry else []
    if "evidence" in entry:
        evidence = entry["evidence"]
        parts.append(evidence if isinstance(evidence, str) else json.dumps(evidence, ensure_ascii=False, indent=1))
    return "\n".join(parts)


@dataclass(frozen=True, slots=True)
class _Reader:
    report: ScoreReport
    said: Mapping[int, Sequence[tuple[str, str]]]

    def group(self, places: Sequence[int], left: int) -> ReadGroup:
        kept, names = self.report.kept, self.report.names
        prompt, = kept.take("prompt", places[:1])
        own = [field.name for field in self.report.plan.own]
        fields = tuple((name, _plain(kept.take(column, places[:1])[0])) for name, column in names.fields.items() if name not in own)
        given = {name: kept.take(names.fields[name], places) for name in own}
        texts = kept.take("completion", places)
        columns = {name: (kept.take(column, places), kept.take(f"{column}.state", places)) for name, column in names.values.items()}
        completions = (ReadCompletion(text, (*(_shown(name, values[index], "value") for name, values in given.items()),
                                             *(_shown(name, values[index], states[index])
                                               for name, (values, states) in columns.items())), tuple(self.said.get(place, ())))
                       for index, (place, text) in enumerate(zip(places, texts, strict=True)))
        return ReadGroup(prompt, fields, tuple(completions), left)


def _shown(name: str, value: Any, state: str) -> Shown:
    return Shown(name, state, _plain(value))


def _plain(value: Any) -> str:
    match value:
        case bool() | None:
            return str(value)
        case float() | int():
            return f"{value:.4g}"
        case list():
            return _listed(value)
        case _:
            return str(value)


def _listed(values: Iterable[Any]) -> str:
    return "[" + ", ".join("–" if value is None else _plain(value) for value in values) + "]"
