"""The values of one set of rows: an iteration's, or an evaluation's. Computed when they are needed, and kept.

Rollouts are drawn, given texts tokenised, models read and the host called with the weights as they are at the time of
asking: whoever changes weights asks first for everything that belongs before the change.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rldsl.data.rows import Rows
from rldsl.emit.evaluate import Expanded, extended
from rldsl.graph.expanding import made_below
from rldsl.graph.model import Leaf, Node, Read, ReadKind, SourceKind
from rldsl.graph.spec import NamedValue, ResponseSpec, Role
from rldsl.kernels.layout import Layout
from rldsl.rewards.engine.asked import Column, Mask
from rldsl.rewards.engine.order import bare_nodes
from rldsl.rewards.engine.roots import watched_rewards
from rldsl.rewards.engine.run import HostRun
from rldsl.rewards.outcome import Outcome
from rldsl.rollouts.reads import Scored, score_plain, score_reads
from rldsl.rollouts.sampler import sample
from rldsl.rollouts.signatures import ModelError, Sampling
from rldsl.rollouts.spans import tokens_inside
from rldsl.rollouts.tokens import ResponseTokens, given_prompts, retokenized, tokenize_given
from rldsl.train.host import Calls
from rldsl.train.outcome import RunError, place_of
from rldsl.train.parts import Indices
from rldsl.train.seeds import seed_for
from rldsl.train.world import World
from rldsl.types import Axis

Numbers: TypeAlias = npt.NDArray[np.float64]
Overrides: TypeAlias = Callable[[Sampling], Sampling]
Group: TypeAlias = tuple[str, str, float, int | None, bool]  # model, response, temperature, context, within its support


@dataclass(frozen=True, slots=True)
class Scalars:
    """Parameters, states and progress at the time."""

    parameters: Mapping[str, float]
    states: Mapping[str, float]
    iteration: int


@dataclass(slots=True)
class Values:
    """`rows` by data set, with `row_numbers` their places in it. `purpose` names what the draws are for: with the
    run's seed it decides them. `calls` are those on the host, with what was asked and what came of it."""

    world: World
    rows: dict[str, Rows]
    row_numbers: dict[str, Indices]
    scalars: Scalars
    purpose: tuple[str | int, ...]
    adjust: Overrides = field(default=lambda settings: settings)
    known: dict[int, Any] = field(default_factory=dict)
    tokens: dict[str, ResponseTokens] = field(default_factory=dict)
    calls: HostRun = field(init=False)
    demanded: set[int] = field(default_factory=set)
    _seen: dict[tuple[str, str, int | None], ResponseTokens] = field(default_factory=dict)
    _found: dict[str, tuple[Axis, Expanded]] = field(default_factory=dict)
    _layout: Layout | None = None

    def __post_init__(self) -> None:
        self.calls = HostRun(self.world.spec.graph, self.world.host, Calls(self), lambda: self.layout, self.known,
                             self._grow)

    # ------------------------------------------------------------------ asking
    def column(self, key: int) -> Column:
        """One value: float64 with NaN for what is absent, or a list with None."""
        return self.columns((key,))[key]

    def numbers(self, key: int) -> Numbers:
        """One value that is a number."""
        found = self.column(key)
        assert isinstance(found, np.ndarray)
        return found

    def number(self, key: int) -> float:
        """One value of the batch."""
        return float(self.numbers(key)[0])

    def columns(self, keys: Iterable[int]) -> dict[int, Column]:
        """Several values at once; what they need is computed first."""
        wanted = tuple(keys)
        self.compute(wanted)
        return {key: self.known[key] for key in wanted}

    def compute(self, demanded: Iterable[int], observed: Iterable[int] = ()) -> None:
        """Several values at once, so that nothing is asked that none of them needs. What is observed has values where they
        are known then; `seen` gives those."""
        demanded, observed = tuple(demanded), tuple(observed)
        missing = [key for key in (*demanded, *observed) if key not in self.known]
        if missing:
            self._realise(missing)
        self.calls.run(demanded, observed)

    def compute_with(self, acting: Iterable[int], rewards: Sequence[NamedValue]) -> None:
        """What something acts on, and all of some rewards that can be said then (see `watched_rewards`)."""
        roots = dict.fromkeys(acting)
        roots |= dict.fromkeys(watched_rewards(self.world.spec.graph, roots, rewards))
        self.demanded.update(roots)
        self.compute(roots, [reward.key for reward in rewards])

    def seen(self, key: int) -> Column:
        """A value as far as it is known without asking anybody; absent elsewhere."""
        if key not in self.known:
            self.compute((), (key,))
        found: Column = self.known[key]
        return found

    def seen_numbers(self, key: int) -> Numbers:
        """`seen`, of a number."""
        found = self.seen(key)
        assert isinstance(found, np.ndarray)
        return found

    def unasked(self, key: int) -> Mask | None:
        """The places at which a value is not known, since a call that it needs was not asked there; None where all are."""
        return self.calls.open.get(key)

    def response(self, name: str) -> ResponseTokens:
        """The tokens of a rollout or a given response."""
        if name not in self.tokens:
            spec = self.world.responses[name]
            try:
                self.tokens[name] = self._draw(spec) if spec.is_sampled else self._tokenize(spec)
            except ModelError as fault:
                raise RunError(f"{place_of(self.world.spec, spec.span)}: `{name}`: {fault.message}") from fault
            self._layout = None
        return self.tokens[name]

    def as_seen_by(self, model: str, response: str, context: int | None = None) -> ResponseTokens:
        """The tokens of a response after the prompts that a model sees: its role's, or those of another context. A scorer
        with another tokenizer sees its own tokens of the same texts."""
        tokens, spec = self.response(response), self.world.responses[response]
        own, reader = self.world.models[spec.model], self.world.models[model]
        is_foreign = reader.role is Role.SCORER and reader.codec.digest != tokens.vocabulary
        if context is None and (own.system, own.chat) == (reader.system, reader.chat) and not is_foreign:
            return tokens
        if (model, response, context) not in self._seen:
            placed, prompts = self._contexts(spec, tokens, context)
            found = retokenized(reader, own, placed, prompts) if is_foreign else given_prompts(reader, placed, prompts)
            self._seen[model, response, context] = found
        return self._seen[model, response, context]

    def may_be_unasked(self, key: int) -> bool:
        """Whether a value comes from a call that is asked only where it is needed, and need not be needed everywhere."""
        return self.calls.is_costly(key) and key not in bare_nodes(self.world.spec.graph, self.demanded)

    @property
    def layout(self) -> Layout:
        """How many places every axis has so far."""
        if self._layout is None:
            self._layout = self._measured()
        return self._layout

    def add_rows(self, data: str, rows: Rows, numbers: Indices) -> None:
        """Rows of a further data set."""
        self.rows[data], self.row_numbers[data] = rows, numbers
        self._layout = None

    def assign(self, state: str, value: float) -> None:
        """A new value of a state, from now on; what was computed from the old one is forgotten."""
        self.scalars = replace(self.scalars, states={**self.scalars.states, state: value})
        stale = {entry.key for entry in self.world.spec.states if entry.name == state}
        for node in self.world.spec.graph.nodes:
            if stale.intersection(node.inputs):
                stale.add(node.key)
        self.calls.forget(stale)

    # ------------------------------------------------------------------ responses
    def _draw(self, spec: ResponseSpec) -> ResponseTokens:
        prompts = self._texts(spec, spec.prompt, "prompt")
        settings = self.adjust(Sampling.of(spec.settings))
        mask = None if settings.within is None else self.world.models[settings.within.model]
        return sample(self.world.models[spec.model], prompts, settings, mask=mask, supports=spec.name in self.world.finder.within,
                      seed=seed_for(self.world.seed, "sample", spec.name, *self.purpose))

    def _tokenize(self, spec: ResponseSpec) -> ResponseTokens:
        assert spec.text is not None
        prompts, texts = self._texts(spec, spec.prompt, "prompt"), self._texts(spec, spec.text, "text")
        return tokenize_given(self.world.models[spec.model], prompts, texts)

    def _texts(self, spec: ResponseSpec, key: int, what: str) -> list[str]:
        column = self.column(key)
        for place, text in enumerate(column):
            if not isinstance(text, str):
                said = "is absent" if text is None else f"is a {type(text).__name__}, not a text"
                raise RunError(f"{place_of(self.world.spec, spec.span)}: the {what} of `{spec.name}` {said} at place "
                               f"{place + 1} of {len(column)}; give it another value with `else`, or leave such rows out "
                               "of the data")
        return list(column)

    def _contexts(self, spec: ResponseSpec, tokens: ResponseTokens,
                  context: int | None) -> tuple[ResponseTokens, list[str]]:
        """The tokens and one prompt for each of their prompt places. A context belongs to each sample."""
        if context is None:
            return tokens, self._texts(spec, spec.prompt, "prompt")
        texts = self._texts(spec, context, "context")
        ids = tuple(tokens.prompt_ids[place] for place in tokens.prompt_of_sample)
        return replace(tokens, prompt_ids=ids, counts=np.ones(tokens.samples, np.int64)), texts

    def _measured(self) -> Layout:
        parents, counts = {}, {}
        for name, rows in self.rows.items():
            parents[name], counts[name] = "batch", np.array([len(rows)], np.int64)
        for name, tokens in self.tokens.items():
            spec = self.world.responses[name]
            if spec.is_sampled:
                parents[spec.sample_axis.name], counts[spec.sample_axis.name] = spec.prompt_axis.name, tokens.counts
            parents[spec.token_axis.name], counts[spec.token_axis.name] = spec.sample_axis.name, tokens.lengths
        layout = Layout.of(parents, counts)
        for axis, made in self._found.values():
            layout = extended(layout, axis, made)
        return layout

    def _grow(self, node: Node, outcome: Outcome) -> None:
        """The places of an axis that a call has found, and the tokens that each covers."""
        axis, made = node.type.axis, Expanded.of(outcome)
        if axis.over is not None and outcome.starts is not None:
            spec = self.world.responses[axis.over.owner]
            try:
                inside = tokens_inside(self.world.models[spec.model], self.response(spec.name), made.counts, outcome.starts)
            except ModelError as fault:
                where = f"{place_of(self.world.spec, node.span)}: " if node.span is not None else ""
                raise RunError(f"{where}{fault.message}") from fault
            made = replace(made, inside=inside)
        self._found[axis.name] = axis, made
        self._layout = None

    # ------------------------------------------------------------------ what values need
    def _realise(self, keys: Sequence[int]) -> None:
        """Leaves, responses and reads below some nodes."""
        nodes = self._below(keys)
        for node in nodes:
            for name in self.world.finder.node_responses(node):
                self.response(name)
        for node in nodes:
            if isinstance(node.operation, Leaf) and node.key not in self.known:
                self.known[node.key] = self._leaf(node, node.operation)
        self._read([node for node in nodes if isinstance(node.operation, Read)])

    def _below(self, keys: Sequence[int]) -> list[Node]:
        """The nodes that are not known, in the order of the graph."""
        waiting, found = [*keys, *made_below(self.world.spec.graph, keys, self.known)], dict[int, Node]()
        while waiting:
            key = waiting.pop()
            if key not in found and key not in self.known:
                found[key] = self.world.spec.graph[key]
                waiting.extend(found[key].inputs)
        return [found[key] for key in sorted(found)]

    def _leaf(self, node: Node, leaf: Leaf) -> Any:
        match leaf.kind:
            case SourceKind.DATA:
                return self.rows[leaf.owner][leaf.field]
            case SourceKind.RECORDED:
                return self._recorded(leaf)
            case SourceKind.PARAM:
                return np.array([self.scalars.parameters[leaf.owner]])
            case SourceKind.STATE:
                return np.array([self.scalars.states[leaf.owner]])
            case SourceKind.PROGRESS:
                return np.array([float(self.scalars.iteration)])
            case _:
                raise RunError(f"`{node.name or leaf.owner}` belongs to a test and has no value here")

    def _recorded(self, leaf: Leaf) -> Any:
        tokens = self.response(leaf.owner)
        match leaf.field:
            case "text":
                return list(tokens.texts)
            case "uniform":
                seed = seed_for(self.world.seed, "uniform", leaf.owner, *self.purpose)
                return np.random.Generator(np.random.Philox(key=seed)).random(int(tokens.lengths.sum()))
            case "ids":
                return [tokens.ids[start:stop].tolist() for start, stop in itertools.pairwise(tokens.offsets.tolist())]
            case "prompt_ids":
                return [tokens.prompt_ids[place].tolist() for place in tokens.prompt_of_sample.tolist()]
            case "finished":
                return tokens.finished.astype(np.float64)
            case "logp":
                return tokens.logp
            case _:
                raise RunError(f"`{leaf.owner}.{leaf.field}` belongs to the completions of a file, and these were drawn")

    # ------------------------------------------------------------------ reads
    def _read(self, nodes: Sequence[Node]) -> None:
        groups: dict[Group, list[Node]] = {}
        for node in nodes:
            read = node.operation
            assert isinstance(read, Read)
            context = node.inputs[0] if node.inputs else None
            if read.kind in (ReadKind.VALUE, ReadKind.SCORE, ReadKind.HIDDEN):
                self.known[node.key] = score_plain(self._scored(read.model, read.response, context), read)
            else:
                groups.setdefault((read.model, read.response, read.temperature, context, read.within), []).append(node)
        for (model, response, _, context, _), members in groups.items():
            reads = [node.operation for node in members if isinstance(node.operation, Read)]
            others = sorted({read.other for read in reads if read.other is not None})
            beside = {name: self._scored(name, response, context) for name in others}
            found = score_reads(self._scored(model, response, context), beside, reads)
            self.known.update((node.key, numbers) for node, numbers in zip(members, found, strict=True))

    def _scored(self, model: str, response: str, context: int | None) -> Scored:
        return Scored(self.world.models[model], self.as_seen_by(model, response, context))
