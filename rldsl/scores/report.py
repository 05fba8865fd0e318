"""`ScoreReport`: everything that is said of a scoring, as plain data for tables, `summary.json` and a page. Draws nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, combinations
from typing import Any

import numpy as np

from rldsl.graph.spec import NamedValue
from rldsl.scores.comparing import Comparison
from rldsl.scores.kept import Kept, Numbers, Recomputed
from rldsl.scores.names import Names
from rldsl.scores.parts import part_names
from rldsl.scores.plan import Plan, Refused, below, is_number
from rldsl.scores.shares import Share, shares_of
from rldsl.scores.states import State, States
from rldsl.scores.statistics import Distribution, distribution_of, pearson, ranks, spearman

LENGTH = "completion length"  # in characters, among the values that are correlated; no name of a spec has a space
MOST_MESSAGES = 3  # of failures of one kind that are told apart


@dataclass(frozen=True, slots=True)
class NodeReport:
    """One node. `kind` is `reward`, `held out`, `let` or `call`; `level` where its values stand (`y.sample`). `places` is how
    many there are, of which `absent`, `failed` and `not_asked` have no value. `seconds` is wall time of its own calls and of
    those below it, `calls`, tokens and money what went out to judges. A node
    of fixed parts is followed by each of them, as `NAME: PART`, without what it took."""

    name: str
    kind: str
    level: str
    places: int
    absent: int
    failed: int
    not_asked: int
    distribution: Distribution | None
    computed: int = 0
    seconds: float = 0.0
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    money: float = 0.0


@dataclass(frozen=True, slots=True)
class Correlation:
    """Of two values at the completions; None where one does not vary. `second` may be `completion length`: in characters."""

    first: str
    second: str
    pearson: float | None
    spearman: float | None


@dataclass(frozen=True, slots=True)
class Failed:
    """Calls of one node that failed in one way: `kind` as in `rewards.outcome.FailureKind`. `row` of the file, from 0, is that of
    the first. Of the messages of a kind the most frequent have an entry each, the others one together, without a message."""

    name: str
    kind: str
    count: int
    message: str
    row: int


@dataclass(frozen=True, slots=True)
class Signal:
    """Of the groups of at least two completions with values, how many have equal ones: they teach nothing."""

    name: str
    groups: int
    flat: int

    @property
    def share(self) -> float | None:
        """Of groups without signal."""
        return self.flat / self.groups if self.groups else None


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """What a scoring found. `spec` and `completions` name the files, `folder` where everything was written. `stopped` counts
    completions without a value that the spec's `else stop` would have stopped a run for. `notes` are sentences about how the
    file was read. `kept` and `names` reach every text and value, for a page that shows samples beside their scores. `is_kept`: all
    of it was there before."""

    spec: str
    completions: str
    folder: str
    count: int
    groups: int
    nodes: tuple[NodeReport, ...]
    correlations: tuple[Correlation, ...]
    shares: tuple[Share, ...]
    signals: tuple[Signal, ...]
    refused: tuple[Refused, ...]
    notes: tuple[str, ...]
    stopped: int
    seconds: float
    kept: Kept
    names: Names
    plan: Plan
    comparisons: tuple[Comparison, ...] = ()
    failures: tuple[Failed, ...] = ()
    is_kept: bool = False

    @property
    def exit_status(self) -> int:
        """1 where the spec says `else stop` and a value was missing."""
        return 1 if self.stopped else 0

    def document(self) -> dict[str, Any]:
        """As plain JSON: what `summary.json` and `--json` hold."""
        found: dict[str, Any] = {
            "spec": self.spec, "completions": self.completions, "count": self.count, "groups": self.groups, "stopped": self.stopped,
            "seconds": self.seconds, "notes": list(self.notes), "nodes": [asdict(entry) for entry in self.nodes],
            "correlations": [asdict(entry) for entry in self.correlations], "shares": [asdict(entry) for entry in self.shares],
            "signals": [{**asdict(entry), "share": entry.share} for entry in self.signals],
            "failures": [asdict(entry) for entry in self.failures], "not_scored": [asdict(entry) for entry in self.refused]}
        return found | ({"comparisons": [entry.document() for entry in self.comparisons]} if self.comparisons else {})


@dataclass(frozen=True, slots=True)
class Told:
    """What a report takes from the command: names, notes, what calls took by digest, seconds in all, and by digest what failed:
    kind, message, how many, row of the first."""

    completions: str
    notes: tuple[str, ...]
    took: Mapping[str, Mapping[str, float]]
    seconds: float
    failed: Mapping[str, Sequence[Sequence[Any]]] = field(default_factory=dict)


def make_report(found: Recomputed, told: Told) -> ScoreReport:
    """From the kept values."""
    plan, names, kept = found.plan, found.names, found.kept
    values = found.values([entry.key for entry in plan.values])
    numeric = [entry for entry in plan.values if is_number(plan.spec.graph[entry.key].type.element)]
    nodes = (*chain.from_iterable(_value_nodes(found, entry, values[entry.key], told) for entry in plan.values),
             *_call_nodes(found, told))
    return ScoreReport(
        plan.spec.source.name, told.completions, str(kept.path), kept.count, kept.layout.size(plan.response.prompt_axis.name),
        nodes, _correlations(found, numeric, values), _shares(found, numeric, values), _signals(found, numeric, values),
        plan.refused, (*told.notes, *_undefined(found, numeric, values)),
        int(sum(entry.get("stopped", 0) for entry in told.took.values())), told.seconds, kept, names, plan,
        failures=tuple(_failures(found, told)))


def _failures(found: Recomputed, told: Told) -> Iterator[Failed]:
    for node in found.plan.calls:
        name, entries = found.names.labels[node.key], told.failed.get(found.names.digests[node.key], ())
        for own in sorted({str(kind) for kind, *_ in entries}):
            said = [(str(message), int(count), int(row)) for kind, message, count, row in entries if kind == own]
            for message, count, row in said[:MOST_MESSAGES]:
                yield Failed(name, own, count, message, row)
            if others := said[MOST_MESSAGES:]:
                yield Failed(name, own, sum(count for _, count, _ in others), "", min(row for _, _, row in others))


def _undefined(found: Recomputed, numeric: list[NamedValue], values: Mapping[int, Any]) -> Iterator[str]:
    """Values that are infinite, or none although their type promises one and no call below them failed or was not asked."""
    for entry in numeric:
        column = np.asarray(values[entry.key], np.float64)
        if infinite := int(np.isinf(column).sum()):
            yield f"`{entry.name}` is infinite at {infinite} of {len(column)} places"
        nodes = (found.plan.spec.graph[key] for key in below(found.plan.spec, [entry.key]))
        may_be_absent = any(node.type.optional for node in nodes)
        absent = 0 if may_be_absent else int((found.states(entry.key, values[entry.key]) == State.ABSENT).sum())
        if absent:
            yield (f"`{entry.name}` is not defined at {absent} of {len(column)} places, where its type promises a number: "
                   "a division by 0, or a logarithm of what is below 0")


def _value_nodes(found: Recomputed, entry: NamedValue, values: Any, told: Told) -> Iterator[NodeReport]:
    kind = "held out" if entry.held_out else "reward" if entry.name in found.plan.rewards else "let"
    took = [told.took.get(found.names.digests[key], {}) for key in found.names.calls_of[entry.key]]
    return _nodes(found, entry.key, entry.name, kind, values, found.states(entry.key, values), took)


def _call_nodes(found: Recomputed, told: Told) -> tuple[NodeReport, ...]:
    """The calls that are no named values themselves."""
    named = {entry.key for entry in found.plan.values}
    nodes: list[NodeReport] = []
    for node in found.plan.calls:
        digest = found.names.digests[node.key]
        if node.key not in named and digest in found.kept:
            values = found.kept.numbers.get(digest)
            took = [told.took.get(digest, {})]
            nodes += _nodes(found, node.key, found.names.labels[node.key], "call", values, found.kept.states[digest], took)
    return tuple(nodes)


def _nodes(found: Recomputed, key: int, name: str, kind: str, values: Any, states: States,
           took: list[Mapping[str, float]]) -> Iterator[NodeReport]:
    """A node, and of one of fixed parts each of them: a rubric's verdicts by criterion."""
    yield _node(found, key, name, kind, values, states, took)
    parts = part_names(found.plan.spec, found.plan.spec.graph[key].type.axis) if isinstance(values, np.ndarray) else ()
    for place, part in enumerate(parts):
        yield _node(found, key, f"{name}: {part}", kind, values[place::len(parts)], states[place::len(parts)], [])


def _node(found: Recomputed, key: int, name: str, kind: str, values: Any, states: States,
          took: list[Mapping[str, float]]) -> NodeReport:
    node = found.plan.spec.graph[key]
    numbers = distribution_of(np.asarray(values, np.float64)) if is_number(node.type.element) else None
    sums = {word: sum(entry.get(word, 0) for entry in took)
            for word in ("computed", "seconds", "calls", "tokens_in", "tokens_out", "money")}
    return NodeReport(name, kind, str(node.type.axis), len(states), int((states == State.ABSENT).sum()),
                      int((states == State.FAILED).sum()), int((states == State.NOT_ASKED).sum()), numbers, int(sums["computed"]),
                      float(sums["seconds"]), int(sums["calls"]), int(sums["tokens_in"]), int(sums["tokens_out"]),
                      float(sums["money"]))


def per_completion(found: Recomputed, key: int, values: Any) -> Numbers | None:
    """A value at each completion: a coarser one at all of its own; None for a finer one, or one of the batch."""
    axis, sample = found.plan.spec.graph[key].type.axis, found.plan.response.sample_axis
    if not sample.is_within(axis) or axis.parent is None:
        return None
    spread: Numbers = np.asarray(values, np.float64)[found.kept.layout.owners(sample.name, axis.name)]
    return spread


def _correlations(found: Recomputed, numeric: list[NamedValue], values: Mapping[int, Any]) -> tuple[Correlation, ...]:
    every = {entry.name: per_completion(found, entry.key, values[entry.key]) for entry in numeric}
    named = {entry.key for entry in numeric}
    every |= {found.names.labels[node.key]: per_completion(found, node.key, kept) for node in found.plan.calls
              if node.key not in named and (kept := found.kept.numbers.get(found.names.digests[node.key])) is not None
              and is_number(node.type.element)}
    columns = {name: column for name, column in every.items() if column is not None}
    pairs = [*((first, second) for first, second in combinations(columns, 2)), *((name, LENGTH) for name in columns)]
    columns[LENGTH] = found.kept.lengths()
    whole = {name: ranks(column) for name, column in columns.items() if np.isfinite(column).all()}  # each is sorted once

    def of_ranks(first: str, second: str) -> float | None:
        is_whole = first in whole and second in whole
        return pearson(whole[first], whole[second]) if is_whole else spearman(columns[first], columns[second])

    return tuple(Correlation(first, second, pearson(columns[first], columns[second]), of_ranks(first, second))
                 for first, second in pairs)


def _shares(found: Recomputed, numeric: list[NamedValue], values: Mapping[int, Any]) -> tuple[Share, ...]:
    rewards = [entry for entry in numeric if entry.name in found.plan.rewards]
    return tuple(share for entry in rewards for share in shares_of(found, entry, np.asarray(values[entry.key], np.float64)))


def _signals(found: Recomputed, numeric: list[NamedValue], values: Mapping[int, Any]) -> tuple[Signal, ...]:
    sample, rows = found.plan.response.sample_axis, found.plan.response.prompt_axis
    if sample == rows:
        return ()
    groups = found.kept.layout.owners(sample.name, rows.name)
    rewards = [entry for entry in numeric if entry.name in found.plan.rewards
               and found.plan.spec.graph[entry.key].type.axis == sample]
    return tuple(signal_of(entry.name, np.asarray(values[entry.key], np.float64), groups) for entry in rewards)


def signal_of(name: str, values: Numbers, groups: Any) -> Signal:
    """Of one reward."""
    present = ~np.isnan(values)
    count = int(groups.max()) + 1 if len(groups) else 0
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, groups[present], values[present])
    np.maximum.at(high, groups[present], values[present])
    several = np.bincount(groups[present], minlength=count) >= 2
    return Signal(name, int(several.sum()), int((low[several] == high[several]).sum()))
