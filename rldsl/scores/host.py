"""Evaluates one batch of completions: calls on the host, reads of scorers, and the numbers made of them. Writes nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rldsl.emit.evaluate import evaluate
from rldsl.graph.model import Foreign, Leaf, Node, SourceKind
from rldsl.graph.spec import ParamSpec, Schedule
from rldsl.kernels.layout import Layout
from rldsl.rewards.engine.inline import most_frequent
from rldsl.rewards.outcome import Cost, Failure, is_absent
from rldsl.rewards.run import HostCalls
from rldsl.scores.groups import Batch, Indices
from rldsl.scores.lengths import Lengths
from rldsl.scores.plan import Plan, is_policy
from rldsl.types import BATCH

Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Called:
    """What one call gave for a batch. `asked` is None where every place was asked."""

    values: Any
    failed: Mapping[int, Failure] = field(default_factory=dict)
    evidence: Mapping[int, Any] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    seconds: float = 0.0
    computed: int = 0
    asked: Truths | None = None


@dataclass(frozen=True, slots=True)
class Evaluated:
    """`values` of the scored nodes, float64 or lists; `calls` by node; `stopped` counts where `else stop` found nothing."""

    layout: Layout
    values: Mapping[int, Any]
    calls: Mapping[int, Called]
    stopped: Mapping[int, int]


class Evaluator:
    """Runs batches one after the other; keeps child processes between them. Close it, or use it in `with`."""

    def __init__(self, plan: Plan, project: Path) -> None:
        self.plan = plan
        self.lengths = Lengths(plan, project) if plan.needs_length else None
        self.host = HostCalls(plan.spec.externs, project)

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, *leaving: object) -> None:
        self.host.close()

    def run(self, batch: Batch) -> Evaluated:
        """Everything that is scored, of one batch."""
        lengths = self.lengths.of(batch.completions) if self.lengths is not None else None
        run = _Run(self.plan, self.host, batch, lengths)
        keys = [entry.key for entry in self.plan.values]
        found = evaluate(self.plan.spec.graph, keys, run.layout, run.leaves(), foreign=run.call)
        return Evaluated(run.layout, {key: plain(value) for key, value in found.items()}, run.calls, run.stopped)


class _Run:
    def __init__(self, plan: Plan, host: HostCalls, batch: Batch, lengths: Indices | None) -> None:
        self.plan, self.host, self.batch = plan, host, batch
        self.layout = batch_layout(plan, batch.counts, lengths)
        self.calls: dict[int, Called] = {}
        self.stopped: dict[int, int] = {}

    def leaves(self) -> dict[int, Any]:
        """What the file and the spec give."""
        heads = self.batch.heads
        nodes = (self.plan.spec.graph[key] for key in sorted(self.plan.keys))
        found = {node.key: self._leaf(node.operation, heads) for node in nodes if isinstance(node.operation, Leaf)}
        return {key: value for key, value in found.items() if value is not None}

    def _leaf(self, leaf: Leaf, heads: Sequence[Any]) -> Any:
        match leaf.kind:
            case SourceKind.RECORDED if leaf.field == "text":
                return [completion.text for completion in self.batch.completions]
            case SourceKind.RECORDED:
                return [float(bool(completion.finished)) for completion in self.batch.completions]
            case SourceKind.DATA:
                return field_values(self.plan, leaf.field, heads)
            case _:
                return scalar_leaf(self.plan, leaf)

    def call(self, node: Node, inputs: Sequence[Any]) -> Any:
        """The value of a call; its failures and its evidence are kept beside it."""
        operation = node.operation
        assert isinstance(operation, Foreign)
        if is_policy(node):
            if operation.name == "policy.stop":
                self.stopped[node.key] = sum(is_absent(value) for value in plain(inputs[0]))
            return inputs[0]
        if node.key not in self.calls:
            self.calls[node.key] = self._called(operation, [_listed(value) for value in inputs])
        return self.calls[node.key].values

    def _called(self, operation: Foreign, inputs: Sequence[Any]) -> Called:
        if operation.name == "majority":
            settings, started = dict(operation.settings), time.perf_counter()
            bounds = self.layout.bounds(str(settings["from"]), str(settings["per"]))
            texts = most_frequent(list(inputs[0]), bounds)
            return Called(texts, seconds=time.perf_counter() - started, computed=len(texts))
        outcome = self.host.call(operation, inputs)
        return Called(outcome.values, outcome.failed, outcome.evidence, outcome.cost, outcome.seconds, outcome.computed)


def batch_layout(plan: Plan, counts: Indices, lengths: Indices | None) -> Layout:
    """Prompts below the batch, completions below prompts (of a response from the data they are the same), their tokens
    below those where their number is known."""
    rows, sample = plan.response.prompt_axis, plan.response.sample_axis
    parents, sizes = {rows.name: BATCH.name}, {rows.name: np.array([len(counts)])}
    if sample != rows:
        parents[sample.name], sizes[sample.name] = rows.name, counts
    if lengths is not None:
        parents[plan.response.token_axis.name], sizes[plan.response.token_axis.name] = sample.name, lengths
    return Layout.of(parents, sizes)


def field_values(plan: Plan, name: str, heads: Sequence[Any]) -> list[Any]:
    """A field of the data, one value for each prompt."""
    place = next(index for index, entry in enumerate(plan.fields) if entry.name == name)
    column = [head.values[place] for head in heads]
    return [json.loads(value) for value in column] if plan.fields[place].element == "Json" else column


def scalar_leaf(plan: Plan, leaf: Leaf) -> list[float] | None:
    """Parameters and states as they are at the start; progress is 0."""
    match leaf.kind:
        case SourceKind.PARAM:
            return [_number(next(entry for entry in plan.spec.params if entry.name == leaf.owner))]
        case SourceKind.STATE:
            return [next(entry.initial for entry in plan.spec.states if entry.name == leaf.owner)]
        case SourceKind.PROGRESS:
            return [0.0]
        case _:
            return None


def plain(value: Any) -> Any:
    """Without torch: an array of float64, or a list."""
    if hasattr(value, "detach"):
        return value.detach().numpy()
    return value


def _listed(value: Any) -> Any:
    found = plain(value)
    return found.tolist() if hasattr(found, "tolist") else found


def _number(param: ParamSpec) -> float:
    return param.value.start if isinstance(param.value, Schedule) else float(param.value)
