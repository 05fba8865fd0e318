"""A reward of a spec over texts that somebody else sampled: the reward graph alone, for any trainer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from rldsl.emit.evaluate import Expanded, extended
from rldsl.graph.model import Foreign, Leaf, Node, Read, ReadKind, Size, SourceKind
from rldsl.graph.spec import NamedValue, ParamSpec, ResponseSpec, Schedule, Spec
from rldsl.kernels.layout import Layout
from rldsl.resolve.names import did_you_mean, listed
from rldsl.rewards.engine.run import HostRun
from rldsl.rewards.handled import unhandled_below
from rldsl.rewards.hosting import open_host
from rldsl.rewards.outcome import Outcome
from rldsl.types import BATCH, Level

if TYPE_CHECKING:
    from rldsl.rewards.reading import TextReads

RECORDED: Final = ("finished", "length", "ids", "prompt_ids")
"""What may be said of texts beside the fields of the data."""
Numbers = npt.NDArray[np.float64]


class RewardError(ValueError):
    """What was handed over is not what the reward needs, or a verifier failed and the spec says nothing about that."""


@dataclass(slots=True)
class _Batch:
    layout: Layout
    leaves: dict[int, Any]


class CompiledReward:
    """One reward of a spec, as a function of texts::

        reward = program.reward("correct")
        reward(["4", "5"], answer=["4", "4"])              # array([1., 0.])
        reward(texts, samples=8, answer=answers)           # 8 texts for each answer, in order

    Returns float64 values, one for each text in their order; an absent reward is NaN. `nodes` gives every reward that it
    is made of: NaN, too, where a part was not needed, so that nobody was asked. Verifiers that fail raise `RewardError`,
    unless the spec says what happens (`else 0`). Where a scorer reads the texts, they count as ended, unless `finished=[…]`
    says otherwise of each; a reward that reads `y.length` takes the tokens of each as `length=[…]`.
    """

    def __init__(self, spec: Spec, reward: NamedValue, project: Path) -> None:
        self.spec, self.reward = spec, reward
        self.needed = _needed(spec, [reward.key])
        self.response = _response(spec, reward, self.needed)
        if not self._is_of_texts(reward):
            raise RewardError(f"`{reward.name}` has a value for each {spec.graph[reward.key].type.axis.level.word}: reduce it, for "
                              "example `mean(…, per: sample)`")
        if _reads(spec, self.needed):
            self.needed |= _needed(spec, [self.response.prompt])
        self.host = open_host(spec, project)
        self.reads = _text_reads(spec, self.needed, project)

    def __call__(self, texts: Sequence[str], *, samples: int | Sequence[int] = 1, **columns: Sequence[Any]) -> Numbers:
        """The reward of each text. `samples`: how many texts belong to each row of the columns, in order."""
        return self.nodes(texts, samples=samples, **columns)[self.reward.name]

    def nodes(self, texts: Sequence[str], *, samples: int | Sequence[int] = 1, **columns: Sequence[Any]) -> dict[str, Numbers]:
        """Every reward that this one is made of, itself included, by name, one value for each text."""
        batch = self._batch(texts, samples, columns)
        inner = [entry for entry in self.spec.rewards if entry.key in self.needed and self._is_of_texts(entry)]

        def grow(node: Node, outcome: Outcome) -> None:
            batch.layout = extended(batch.layout, node.type.axis, Expanded.of(outcome))

        run = HostRun(self.spec.graph, self.host, self, lambda: batch.layout, batch.leaves, grow)
        if self.reads is not None:
            self._read(self.reads, run, texts, batch.layout, columns)
        run.run([self.reward.key], [entry.key for entry in inner])
        axis = self.response.sample_axis.name
        return {entry.name: _numbers(run.known[entry.key])[batch.layout.owners(axis, self.spec.graph[entry.key].type.axis.name)]
                for entry in inner}

    def close(self) -> None:
        """End the child processes that verifiers run in."""
        self.host.close()

    # ------------------------------------------------------------ inside
    def _is_of_texts(self, reward: NamedValue) -> bool:
        """Whether a reward has one value for each text, and not one for each step, or criterion, or member."""
        return self.response.sample_axis.is_within(self.spec.graph[reward.key].type.axis)

    def _batch(self, texts: Sequence[str], samples: int | Sequence[int], columns: Mapping[str, Sequence[Any]]) -> _Batch:
        if isinstance(texts, str):
            raise RewardError("texts are a list of answers, not one text")
        self._check_columns(columns)
        counts = _counts(len(texts), samples)
        rows, sample = self.response.prompt_axis.name, self.response.sample_axis.name
        layout = Layout.of({rows: BATCH.name, sample: rows}, {rows: [len(counts)], sample: counts})
        if any(_counts_tokens(self.spec.graph.by_key[key], self.response) for key in self.needed):
            layout = layout.with_places(self.response.token_axis.name, sample, self._lengths(texts, columns))
        leaves: dict[int, Any] = {}
        for node in (self.spec.graph[key] for key in sorted(self.needed)):
            if isinstance(node.operation, Leaf):
                leaves[node.key] = self._leaf(node, node.operation, texts, len(counts), columns)
        return _Batch(layout, leaves)

    def _check_columns(self, columns: Iterable[str]) -> None:
        """Raises where a column is neither a field of the spec's data nor what a rollout records of a text."""
        fields = [field.name for entry in self.spec.data for field in entry.fields]
        known = [*dict.fromkeys(fields), *RECORDED]
        for name in columns:
            if name not in known:
                near = did_you_mean(name, known)
                raise RewardError(f"`{self.reward.name}` knows no column `{name}`" + (f": {near}" if near else "")
                                  + f"; there are {listed(known)}")

    def _read(self, reads: TextReads, run: HostRun, texts: Sequence[str], layout: Layout,
              columns: Mapping[str, Sequence[Any]]) -> None:
        from rldsl.rewards.reading import Texts
        from rldsl.rollouts.signatures import ModelError
        counts = np.diff(layout.bounds(self.response.sample_axis.name, self.response.prompt_axis.name))
        try:
            reads.fill(run, Texts(list(texts), counts, _finished(texts, columns)))
        except ModelError as fault:
            raise RewardError(f"`{self.reward.name}`: {fault.message}") from fault

    def _leaf(self, node: Node, leaf: Leaf, texts: Sequence[str], rows: int, columns: Mapping[str, Sequence[Any]]) -> Any:
        match leaf.kind:
            case SourceKind.RECORDED if leaf.field == "text":
                return list(texts)
            case SourceKind.RECORDED if leaf.field in ("ids", "prompt_ids"):
                return self._token_ids(leaf.field, texts, columns)
            case SourceKind.RECORDED if leaf.field == "finished":
                return _finished(texts, columns).astype(np.float64)
            case SourceKind.PARAM:
                return [_number(next(entry for entry in self.spec.params if entry.name == leaf.owner))]
            case SourceKind.STATE:
                return [next(entry.initial for entry in self.spec.states if entry.name == leaf.owner)]
            case SourceKind.RECORDED:
                return self._of_texts(leaf, texts, columns)
            case _:
                if leaf.field not in columns:
                    raise RewardError(f"`{self.reward.name}` reads `{leaf.owner}.{leaf.field}`: give `{leaf.field}=[…]`, one "
                                      "value for each row")
                if len(columns[leaf.field]) != rows:
                    raise RewardError(f"`{leaf.field}` has {len(columns[leaf.field])} values for {rows} rows")
                return list(columns[leaf.field])

    def _of_texts(self, leaf: Leaf, texts: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> list[Any]:
        """A field of the data that belongs to each completion."""
        if len(columns.get(leaf.field, ())) != len(texts):
            raise RewardError(f"`{self.reward.name}` reads `{leaf.owner}.{leaf.field}`, which belongs to each text: give "
                              f"`{leaf.field}=[…]`, {len(texts)} values")
        return list(columns[leaf.field])

    def _lengths(self, texts: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> list[int]:
        if len(columns.get("length", ())) != len(texts):
            raise RewardError(f"`{self.reward.name}` reads `{self.response.name}.length`, the number of tokens, which texts alone "
                              f"do not have: give `length=[…]`, {len(texts)} values")
        return [int(length) for length in columns["length"]]

    def _token_ids(self, name: str, texts: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> list[Any]:
        if len(columns.get(name, ())) != len(texts):
            raise RewardError(f"`{self.reward.name}` reads token ids (`{self.response.name}.{name}`), which texts alone do not "
                              f"have: give `{name}=[[…], …]`, one list for each text")
        return list(columns[name])

    def answered(self, node: Node, outcome: Outcome, places: Sequence[int]) -> None:
        """Of the engine: a call was asked. Raises where it failed and the spec says nothing about that."""
        if outcome.failed and node.key in unhandled_below(self.spec.graph, self.reward.key, skipping=True):
            index, failure = next(iter(outcome.failed.items()))
            assert isinstance(node.operation, Foreign)
            word = "text" if node.type.axis == self.response.sample_axis else node.type.axis.level.word
            raise RewardError(f"`{node.operation.name}` failed at {word} {places[index] + 1}: {failure.message}")

    def stopped(self, node: Node, count: int, places: Sequence[int]) -> None:
        """Of the engine: `else stop` met what is absent."""
        raise RewardError(f"`{self.reward.name}` has no value for a text, and the spec says `else stop`")


def _text_reads(spec: Spec, needed: frozenset[int], project: Path) -> TextReads | None:
    """The models that a reward reads, loaded; None where it reads none."""
    if not _reads(spec, needed):
        return None
    from rldsl.rewards.reading import TextReads
    from rldsl.rollouts.signatures import ModelError
    try:
        return TextReads(spec, needed, project)
    except ModelError as fault:
        raise RewardError(fault.message) from fault


def _reads(spec: Spec, keys: Iterable[int]) -> list[Node]:
    return [node for node in map(spec.graph.by_key.__getitem__, keys) if isinstance(node.operation, Read)]


def _finished(texts: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> npt.NDArray[np.bool_]:
    given = columns.get("finished")
    if given is not None and len(given) != len(texts):
        raise RewardError(f"`finished` has {len(given)} values for {len(texts)} texts")
    return np.ones(len(texts), np.bool_) if given is None else np.asarray(given, np.bool_)


def _needed(spec: Spec, keys: Iterable[int]) -> frozenset[int]:
    found: set[int] = set()
    waiting = list(keys)
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting.extend(spec.graph[current].inputs)
    return frozenset(found)


def _response(spec: Spec, reward: NamedValue, needed: frozenset[int]) -> ResponseSpec:
    """The one rollout whose texts the reward reads."""
    nodes = [spec.graph[key] for key in needed]
    if any(_needs_tokens(node) for node in nodes):
        raise RewardError(f"`{reward.name}` reads a model or values per token: it needs more than texts")
    owners = {node.operation.owner for node in nodes
              if isinstance(node.operation, Leaf) and node.operation.kind is SourceKind.RECORDED}
    owners |= {node.operation.response for node in nodes if isinstance(node.operation, Read)}
    found = [entry for entry in spec.responses
             if entry.name in owners or any(_counts_tokens(node, entry) for node in nodes)]
    if len(found) != 1:
        raise RewardError(f"`{reward.name}` reads the texts of {len(found)} rollouts; a function of one list needs one")
    return found[0]


def _needs_tokens(node: Node) -> bool:
    """Whether a value stands on tokens, or is read of a model at them. The score of a whole answer is not."""
    read = node.operation
    if isinstance(read, Read):
        return read.kind is not ReadKind.SCORE or read.tokens is None
    return node.type.axis.base.level in (Level.TURN, Level.TOKEN)


def _counts_tokens(node: Node, response: ResponseSpec) -> bool:
    """Whether a value is the number of tokens of each answer."""
    return isinstance(node.operation, Size) and node.operation.axis == response.token_axis


def _counts(texts: int, samples: int | Sequence[int]) -> list[int]:
    if not isinstance(samples, int):
        counts = [int(count) for count in samples]
    elif samples < 1 or texts % samples:
        raise RewardError(f"{texts} texts do not divide into groups of {samples}")
    else:
        counts = [samples] * (texts // samples)
    if sum(counts) != texts:
        raise RewardError(f"`samples` adds up to {sum(counts)}, and there are {texts} texts")
    return counts


def _number(param: ParamSpec) -> float:
    return param.value.start if isinstance(param.value, Schedule) else float(param.value)


def _numbers(value: Any) -> Numbers:
    return np.asarray(value.detach() if hasattr(value, "detach") else value, dtype=np.float64)
