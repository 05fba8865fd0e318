"""Evaluates one batch of completions: what is asked, where, and the numbers made of it. Writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rldsl.emit.evaluate import Expanded, extended
from rldsl.graph.model import Foreign, Leaf, Node, Read, SourceKind
from rldsl.kernels.layout import Layout
from rldsl.rewards.engine.asked import Asked, Mask
from rldsl.rewards.engine.roots import watched_rewards
from rldsl.rewards.engine.run import HostRun
from rldsl.rewards.hosting import judges_of, open_host
from rldsl.rewards.judging.keep import Keep
from rldsl.rewards.kept_calls import Kept
from rldsl.rewards.outcome import Outcome
from rldsl.scores.faults import ScoreError
from rldsl.scores.groups import Batch, Indices
from rldsl.scores.lengths import Lengths
from rldsl.scores.models import Models, read_all
from rldsl.scores.plan import Plan, scalar_leaf
from rldsl.train.outcome import place_of
from rldsl.types import BATCH, Element

if TYPE_CHECKING:
    from rldsl.rollouts.placement import Placement


@dataclass(frozen=True, slots=True)
class Evaluated:
    """`values` of the scored nodes, float64 or lists; `open` where nobody was asked what they need; `calls` by node; `stopped`
    counts where `else stop` found nothing."""

    layout: Layout
    values: Mapping[int, Any]
    open: Mapping[int, Mask]
    calls: Mapping[int, Asked]
    stopped: Mapping[int, int]


class Evaluator:
    """Runs batches one after the other; keeps child processes and models between them. Close it, or use it in `with`.

    Rewards that nothing else is made of are demanded, held out ones too, and with `ask_all` every reward: what merely is a
    part is known where something needed it. Costly calls are looked up in `keep` before they are made, those of judges in
    `judged`, by default the user's cache. Models are on `device`, by default the CPU, in fp32 unless the spec says otherwise.
    """

    def __init__(self, plan: Plan, project: Path, *, ask_all: bool = False, keep: Kept | None = None,
                 judged: Keep | None = None, device: str | None = None) -> None:
        self.plan, self.project, self.keep = plan, project, keep
        placement = None if device is None else _placed(device)
        self.models = Models(plan, project, placement) if any(isinstance(node.operation, Read) for node in plan.nodes) else None
        has_tokens = self.models is not None and self.models.tokens_of is not None
        self.lengths = Lengths(plan, project) if plan.needs_length and not has_tokens else None
        self.judges = judges_of(plan.spec, project, keep=judged, placement=placement)
        self.host = open_host(plan.spec, project, keep=keep, judges=self.judges, placement=placement)
        self.demanded = demanded_of(plan, ask_all=ask_all)

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(self, *leaving: object) -> None:
        self.host.close()

    def check_calls(self) -> None:
        """Raises `ScoreError` where a function cannot be loaded, or a judge cannot be asked at all: before anything is asked."""
        for node in self.plan.calls:
            for prepared in self.host.prepare([node.operation]) if isinstance(node.operation, Foreign) else ():
                if prepared.problem is not None:
                    where = "" if node.span is None else f"{place_of(self.plan.spec, node.span)}: "
                    raise ScoreError(f"{where}`{prepared.function}` cannot be used: {' '.join(prepared.problem.message.split())}")

    def run(self, batch: Batch) -> Evaluated:
        """Everything that is scored, of one batch."""
        layouts = [batch_layout(self.plan, batch.counts)]
        heard = Heard({})

        def grow(node: Node, outcome: Outcome) -> None:
            layouts.append(extended(layouts[-1], node.type.axis, Expanded.of(outcome)))

        run = HostRun(self.plan.spec.graph, self.host, heard, lambda: layouts[-1], dict(leaves_of(self.plan, batch)), grow)
        take_given(self.plan, run, batch)
        lengths = self.lengths.of(batch.completions) if self.lengths is not None else None
        if self.models is not None:
            read = self._read(self.models, run, batch)
            lengths = lengths if read is None else read
        if lengths is not None:
            layouts.append(extended(layouts[-1], self.plan.response.token_axis, Expanded([], lengths)))
        keys = [entry.key for entry in self.plan.values]
        made = [node.key for node in self.plan.calls if not isinstance(node.operation, Foreign)]
        run.run(self.demanded, observed_of(self.plan))
        calls = {**run.asked, **{key: _asked(run, key) for key in made}}
        return Evaluated(run.layout(), {key: run.known[key] for key in keys}, run.open, calls, heard.stops)

    def _read(self, models: Models, run: HostRun, batch: Batch) -> Indices | None:
        """The reads of models into what the run knows; the lengths of the texts, where anything stands at tokens."""
        response = self.plan.response
        contexts = [node.inputs[0] for node in models.reads if node.inputs]
        run.run([response.prompt, *([] if response.text is None else [response.text]), *contexts])
        owners = run.layout().owners(response.sample_axis.name, response.prompt_axis.name)
        prompts = [run.known[response.prompt][place] for place in owners]
        texts = [entry.text for entry in batch.completions] if response.text is None else list(run.known[response.text])
        found, lengths = read_all(models, prompts, texts, {key: list(run.known[key]) for key in contexts})
        run.known.update(found)
        return lengths


def demanded_of(plan: Plan, *, ask_all: bool) -> tuple[int, ...]:
    """The nodes of the rewards that are demanded."""
    rewards = [entry for entry in plan.values if entry.name in plan.rewards]
    return tuple(entry.key for entry in rewards) if ask_all else watched_rewards(plan.spec.graph, (), rewards)


def observed_of(plan: Plan) -> tuple[int, ...]:
    """The nodes that are written as far as they are known."""
    made = [node.key for node in plan.calls if not isinstance(node.operation, Foreign)]
    return (*(entry.key for entry in plan.values), *made)


def take_given(plan: Plan, run: HostRun, batch: Batch) -> None:
    """The texts of a response from the data are its completions."""
    text = plan.response.text
    if text is not None:
        run.run([text])
        for completion, given in zip(batch.completions, run.known[text], strict=True):
            completion.text = given or ""


def _asked(run: HostRun, key: int) -> Asked:
    """What is made of models' reads, as if it had been asked."""
    values = run.known[key]
    return Asked(values, run.open.get(key, np.zeros(len(values), np.bool_)))


@dataclass(frozen=True, slots=True)
class Heard:
    """Lets the engine go on whatever happens: failures and absences are counted, and stop nothing."""

    stops: dict[int, int]

    def answered(self, node: Node, outcome: Outcome, places: Sequence[int]) -> None:
        """Of the engine: a call was asked."""

    def stopped(self, node: Node, count: int, places: Sequence[int]) -> None:
        """Of the engine: `else stop` met what is absent; the last word counts, when everything is known."""
        self.stops[node.key] = len(places)


def leaves_of(plan: Plan, batch: Batch) -> Iterable[tuple[int, Any]]:
    """What the file and the spec give."""
    heads = batch.heads
    for node in (plan.spec.graph[key] for key in sorted(plan.keys)):
        if isinstance(node.operation, Leaf):
            yield node.key, _leaf(plan, batch, node.operation, heads)


def _leaf(plan: Plan, batch: Batch, leaf: Leaf, heads: Sequence[Any]) -> Any:
    own = [field.name for field in plan.own]
    match leaf.kind:
        case SourceKind.RECORDED if leaf.field == "text":
            return [completion.text for completion in batch.completions]
        case SourceKind.RECORDED if leaf.field in own:
            place = own.index(leaf.field)
            return _plain([completion.own[place] for completion in batch.completions], plan.own[place].element)
        case SourceKind.RECORDED:
            return np.array([float(bool(completion.finished)) for completion in batch.completions])
        case SourceKind.DATA:
            return field_values(plan, leaf.field, heads)
        case _:
            return np.array(scalar_leaf(plan, leaf))


def batch_layout(plan: Plan, counts: Indices) -> Layout:
    """Prompts below the batch, completions below prompts (of a response from the data they are the same)."""
    rows, sample = plan.response.prompt_axis, plan.response.sample_axis
    parents, sizes = {rows.name: BATCH.name}, {rows.name: np.array([len(counts)])}
    if sample != rows:
        parents[sample.name], sizes[sample.name] = rows.name, counts
    return Layout.of(parents, sizes)


def field_values(plan: Plan, name: str, heads: Sequence[Any]) -> list[Any]:
    """A field of the data, one value for each prompt."""
    place = next(index for index, entry in enumerate(plan.fields) if entry.name == name)
    return _plain([head.values[place] for head in heads], plan.fields[place].element)


def _plain(column: list[Any], element: Element) -> list[Any]:
    return [json.loads(value) for value in column] if element is Element.JSON else column


def _placed(device: str) -> Placement:
    from rldsl.rollouts.placement import choose
    from rldsl.rollouts.signatures import ModelError
    try:
        return choose(device, "fp32")
    except ModelError as fault:
        raise ScoreError(fault.message) from fault
