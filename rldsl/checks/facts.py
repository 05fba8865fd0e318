"""What several checks ask about a spec: ancestors, polarity, which update uses an objective, how far it is off-policy.

Nothing is reported here. Everything is computed once for a spec, when it is first asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias, TypeGuard

from rldsl.checks.estimators import Curve, Estimator, curves_of, estimator_of
from rldsl.checks.log_scale import LogScale, log_scales
from rldsl.checks.ranges_of_run import ranges_of_run
from rldsl.graph.model import (
    Constant,
    Elementwise,
    Foreign,
    Freeze,
    Function,
    Graph,
    Leaf,
    Node,
    Read,
    ReadKind,
    Reduce,
    Reduction,
    SourceKind,
    Spread,
)
from rldsl.graph.spec import Amount, ModelSpec, ObjectiveSpec, ParamSpec, ResponseSpec, Spec, TermSpec
from rldsl.graph.steps import Draw, Every, Repeat, StageStep, Step, Update, When
from rldsl.infer.scalar import evaluate
from rldsl.source import Span
from rldsl.types import Axis, Interval, Level, LogRatio, Ratio, Version

MOST_ADDENDS = 1_000
MOST_KEPT = 500_000
MOST_QUOTED = 80
Question: TypeAlias = Callable[[Node], bool]


@dataclass(frozen=True, slots=True)
class UpdateUse:
    """An update and the draw before it: how many update batches one draw feeds."""

    update: Update
    draw: Draw | None

    @property
    def batches(self) -> int:
        """Optimiser steps for each draw; 1 means that the samples are from the current policy."""
        settings = dict(self.update.settings)
        epochs = settings.get("epochs", 1)
        minibatch = settings.get("minibatch")
        parts = 1
        if isinstance(minibatch, Amount) and self.draw is not None:
            parts = max(1, -(-self.draw.count // int(minibatch.number)))
        return parts * (epochs if isinstance(epochs, int) else 1)


@dataclass
class Facts:
    """A spec and what follows from it."""

    spec: Spec
    _ancestors: dict[int, frozenset[int]] = field(default_factory=dict)
    _below: dict[Question, frozenset[int]] = field(default_factory=dict)
    _estimators: dict[int, Estimator | None] = field(default_factory=dict)
    _live: dict[int, list[Node]] = field(default_factory=dict)
    known: dict[tuple[str, int], object] = field(default_factory=dict)
    kept: int = 0

    @property
    def graph(self) -> Graph:
        """The spec's graph."""
        return self.spec.graph

    @cached_property
    def params(self) -> dict[str, ParamSpec]:
        """Parameters by name."""
        return {param.name: param for param in self.spec.params}

    @cached_property
    def models(self) -> dict[str, ModelSpec]:
        """Models by name."""
        return {model.name: model for model in self.spec.models}

    @cached_property
    def responses(self) -> dict[str, ResponseSpec]:
        """Rollouts and responses by name."""
        return {response.name: response for response in self.spec.responses}

    @cached_property
    def updates(self) -> tuple[UpdateUse, ...]:
        """Every update of the training with the draw that feeds it."""
        return tuple(_updates(self.spec.train, [None]))

    def root_model(self, name: str) -> str:
        """The model whose weights `name` uses."""
        while name in self.models and self.models[name].shares_weights and self.models[name].base:
            name = self.models[name].base or name
        return name

    def terms(self) -> Iterator[tuple[ObjectiveSpec, TermSpec]]:
        """Every term of every objective."""
        for objective in self.spec.objectives:
            for term in objective.terms:
                yield objective, term

    def batches_of(self, objective: ObjectiveSpec) -> int | None:
        """The most optimiser steps for one draw with this objective; None if no update uses it."""
        found = [use.batches for use in self.updates if use.update.objective == objective.name]
        return max(found, default=None)

    # ------------------------------------------------------------ the graph
    def ancestors(self, key: int) -> frozenset[int]:
        """The node and everything that it is computed from."""
        if key not in self._ancestors:
            found: set[int] = set()
            waiting = [key]
            while waiting:
                current = waiting.pop()
                if current not in found:
                    found.add(current)
                    waiting.extend(self.graph[current].inputs)
            if not self.may_keep(len(found)):
                return frozenset(found)
            self._ancestors[key] = frozenset(found)
        return self._ancestors[key]

    def may_keep(self, entries: int) -> bool:
        """Whether so many more entries may be kept for the next question; memory stays bounded whatever the spec."""
        self.kept += entries
        return self.kept <= MOST_KEPT

    def have_below(self, question: Question, *, live: bool = False) -> frozenset[int]:
        """The nodes that are computed from one, themselves included, of which the question holds; found in one walk over
        the graph. With `live`, along paths that a gradient takes."""
        if question not in self._below:
            found: set[int] = set()
            for node in self.graph.nodes:
                passes = not live or node.type.is_live
                if passes and (question(node) or any(key in found for key in node.inputs)):
                    found.add(node.key)
            self._below[question] = frozenset(found)
        return self._below[question]

    def nodes_of(self, key: int) -> list[Node]:
        """The ancestors of a node, itself included, in the order of the graph."""
        return [self.graph[entry] for entry in sorted(self.ancestors(key))]

    def reads_of(self, key: int) -> list[tuple[Node, Read]]:
        """The model reads that a value depends on."""
        return [(node, node.operation) for node in self.nodes_of(key) if isinstance(node.operation, Read)]

    def live_nodes_of(self, key: int) -> list[Node]:
        """The ancestors that a gradient can reach from here: paths end at what is frozen."""
        if key in self._live:
            return self._live[key]
        found: set[int] = set()
        waiting = [key]
        while waiting:
            current = waiting.pop()
            if current not in found and self.graph[current].type.is_live:
                found.add(current)
                waiting.extend(self.graph[current].inputs)
        nodes = [self.graph[entry] for entry in sorted(found)]
        if self.may_keep(len(nodes)):
            self._live[key] = nodes
        return nodes

    def live_reads_of(self, key: int) -> list[tuple[Node, Read]]:
        """The model reads that a gradient reaches from here."""
        return [(node, node.operation) for node in self.live_nodes_of(key) if isinstance(node.operation, Read)]

    def objective_nodes(self) -> list[Node]:
        """Every node that some objective depends on."""
        keys: set[int] = set().union(*(self.ancestors(term.key) for _, term in self.terms()))
        return [self.graph[key] for key in sorted(keys)]

    def reduces(self, node: Node, source: Axis, to: Axis) -> bool:
        """Whether a reduction takes values of `source` to `to`."""
        return (isinstance(node.operation, Reduce) and node.operation.to == to
                and self.graph[node.inputs[0]].type.axis == source)

    def unused_params(self) -> list[str]:
        """Parameters that neither a value nor a setting uses."""
        return [name for name in self.params if name not in self.spec.used_params]

    def through(self, key: int) -> Node:
        """The node behind spreads and freezes."""
        node = self.graph[key]
        while isinstance(node.operation, (Spread, Freeze)):
            node = self.graph[node.inputs[0]]
        return node

    def constant(self, key: int) -> float | None:
        """The number of a constant, of a parameter without a schedule, or of a function of those, spread or not."""
        return self._constants.get(key)

    @cached_property
    def _constants(self) -> dict[int, float]:
        found: dict[int, float] = {}
        for node in self.graph.nodes:
            value = self._constant(node, found)
            if value is not None and not math.isnan(value):
                found[node.key] = value
        return found

    def _constant(self, node: Node, known: Mapping[int, float]) -> float | None:
        match node.operation:
            case Constant(value=bool() | int() | float() as value):
                return float(value)
            case Leaf(kind=SourceKind.PARAM, owner=owner):
                start = self.params[owner].value
                return float(start) if isinstance(start, (bool, int, float)) else None
            case Spread() | Freeze():
                return known.get(node.inputs[0])
            case Elementwise(function=function) if all(key in known for key in node.inputs):
                return evaluate(function, *(known[key] for key in node.inputs))
            case _:
                return None

    def interval(self, key: int) -> Interval:
        """The range of a value in training."""
        return self._narrower.get(key, self.graph[key].type.interval)

    def widest(self, key: int) -> Interval:
        """The range of a value in training, whatever the parameters are set to."""
        return self._narrower_by_draws.get(key, self.graph[key].type.interval)

    @cached_property
    def _narrower(self) -> dict[int, Interval]:
        return ranges_of_run(self.spec)

    @cached_property
    def _narrower_by_draws(self) -> dict[int, Interval]:
        return ranges_of_run(self.spec, of_any_parameters=True)

    @cached_property
    def log_scales(self) -> dict[int, LogScale]:
        """The values that are sums of log-probabilities."""
        return log_scales(self.graph)

    def text_at(self, key: int) -> str:
        """How a value is written, where it is short and on one line; else nothing."""
        span = self.graph[key].span
        source = self.spec.sources.get(span.file) if span is not None else None
        text = source.text[span.start:span.end] if source is not None and span is not None else ""
        return text if len(text) <= MOST_QUOTED and "\n" not in text else ""

    def span(self, key: int, otherwise: Span) -> Span:
        """Where a value is written."""
        return self.graph[key].span or otherwise

    def span_of_use(self, root: int, key: int, within: Span) -> Span:
        """Where `key` is used on the way to `root`: equal nodes are shared, and so is the span of their first place."""
        for user in self.nodes_of(root):
            if key in user.inputs and user.span is not None and _holds(within, user.span):
                return user.span
        return self.span(key, within) if _holds(within, self.span(key, within)) else within

    def is_divergence(self, node: Node) -> bool:
        """Whether a value measures the distance of the trained policy from another: an exact read, or an estimate from a
        log-ratio that is never negative or stands for a divergence."""
        match node.operation:
            case Read(other=other):
                return other is not None
            case _:
                return self.is_reference_ratio(node) and (node.type.interval.low >= 0 or self._is_estimate(node))

    def _is_estimate(self, node: Node) -> bool:
        found = self.estimator(node)
        return found is not None and (found.is_distance or (found.value is not None and not found.is_flat))

    def estimator(self, node: Node) -> Estimator | None:
        """What a function of one log-ratio measures and follows, if it is one."""
        if node.key not in self._estimators:
            curve = self._curves.get(node.key)
            self._estimators[node.key] = None if curve is None else estimator_of(curve)
        return self._estimators[node.key]

    @cached_property
    def _curves(self) -> dict[int, Curve]:
        return curves_of(self.graph, self.constant)

    def addends(self, key: int, most: int = MOST_ADDENDS) -> list[int]:
        """The parts of a sum or difference, at most so many, through spreads; the value itself if it is none. A log-ratio
        is one part."""
        found: list[int] = []
        waiting = [key]
        while waiting and len(found) + len(waiting) <= most:
            node = self.through(waiting.pop())
            if is_function(node, Function.ADD, Function.SUBTRACT) and not isinstance(node.type.provenance, LogRatio):
                waiting.extend(reversed(node.inputs))
            else:
                found.append(node.key)
        return [*found, *waiting]

    def is_reference_ratio(self, node: Node) -> bool:
        """A function of `log p - log q` alone, p being trained and q a model that does not move."""
        return (node.type.axis.level is Level.TOKEN and node.key in self.have_below(_is_current_read)
                and node.key in self.have_below(_is_frozen_read) and node.key not in self.have_below(_is_given))


def is_sampled_text(node: Node) -> bool:
    """Whether a node is what a sampler recorded."""
    return isinstance(node.operation, Leaf) and node.operation.kind is SourceKind.RECORDED


def is_reward(node: Node) -> bool:
    """Whether a node is what rewards are made of: what a call on the host or a scorer gives."""
    return isinstance(node.operation, Foreign) or (isinstance(node.operation, Read) and node.operation.kind is ReadKind.SCORE)


def is_ratio(node: Node) -> bool:
    """Whether a node is an importance ratio."""
    return isinstance(node.type.provenance, Ratio)


def _is_given(node: Node) -> bool:
    return isinstance(node.operation, Leaf) and node.operation.kind in (SourceKind.RECORDED, SourceKind.DATA)


def _is_current_read(node: Node) -> bool:
    return isinstance(node.operation, Read) and node.operation.version is Version.CURRENT


def _is_frozen_read(node: Node) -> bool:
    return isinstance(node.operation, Read) and node.operation.version.is_reference


def _holds(outer: Span, inner: Span) -> bool:
    return outer.file == inner.file and outer.start <= inner.start and inner.end <= outer.end


def _updates(steps: Iterable[Step], draw: list[Draw | None]) -> Iterator[UpdateUse]:
    for step in steps:
        match step:
            case Draw():
                draw[0] = step
            case Update():
                yield UpdateUse(step, draw[0])
            case Repeat(body=body) | StageStep(body=body) | Every(body=body) | When(body=body):
                yield from _updates(body, draw)
            case _:
                pass


def is_function(node: Node, *functions: Function) -> bool:
    """Whether a node is one of these elementwise functions."""
    return isinstance(node.operation, Elementwise) and node.operation.function in functions


def is_reduction(node: Node, *reductions: Reduction) -> TypeGuard[Node]:
    """Whether a node is one of these reductions."""
    return isinstance(node.operation, Reduce) and node.operation.reduction in reductions
