"""Small worlds for tests: axes, a ragged layout, values for leaves and reads, and objectives over them.

A `Case` is an objective with numbers: it knows its loss by the interpreter alone, so that derivatives can be compared
with finite differences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rldsl.graph.model import Freeze, Function, Graph, Leaf, Read, ReadKind, Reduction, SourceKind
from rldsl.graph.spec import ObjectiveSpec, Spec, TermSpec
from rldsl.graph.staged import StagedObjective
from rldsl.infer import Builder
from rldsl.kernels.layout import Layout
from rldsl.passes import compile_objective
from rldsl.source import Source, Span
from rldsl.types import BATCH, EVERYTHING, Axis, Element, Interval, Level, LogProbability, Stage, Type, Version
from tests.passes.interpreter import Array, evaluate, live_reads

NOWHERE = Span("test", 0, 0)
PROBLEM = Axis("problems", Level.PROMPT, "problems", BATCH)
SAMPLE = Axis("y.sample", Level.SAMPLE, "y", PROBLEM)
TOKEN = Axis("y.token", Level.TOKEN, "y", SAMPLE)
PAIR = Axis("pairs", Level.PROMPT, "pairs", BATCH)
WIN = Axis("win.token", Level.TOKEN, "win", PAIR)
LOSE = Axis("lose.token", Level.TOKEN, "lose", PAIR)
AXES = (BATCH, PROBLEM, SAMPLE, TOKEN, PAIR, WIN, LOSE)
RESPONSE = {"y": TOKEN, "win": WIN, "lose": LOSE}
# two prompts of several samples, one of a single one; an empty sample and one of a single token
LAYOUT = Layout.of(
    {axis.name: axis.parent.name for axis in AXES if axis.parent is not None},
    {"problems": [3], "y.sample": [3, 1, 2], "y.token": [4, 0, 1, 3, 2, 5], "pairs": [3], "win.token": [2, 1, 4],
     "lose.token": [3, 2, 1]})


@dataclass
class Case:
    """A graph in the making, with values for what comes from outside. `given` is by key."""

    layout: Layout = LAYOUT
    seed: int = 0
    builder: Builder = field(default_factory=lambda: Builder(stage=Stage.STATISTICS))
    given: dict[int, Array] = field(default_factory=dict)
    terms: list[TermSpec] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    # ------------------------------------------------------------ what comes from outside
    def leaf(self, name: str, axis: Axis, values: Sequence[float] | Array | None = None, *,
             element: Element = Element.REAL, interval: Interval = EVERYTHING, optional: bool = False,
             kind: SourceKind = SourceKind.GIVEN) -> int:
        """A value that is known before the update; random if no values are given."""
        stage = Stage.CONSTANT if kind is SourceKind.PARAM else Stage.REWARD
        type_ = Type(element, interval, axis, stage=stage, optional=optional)
        key = self.builder.leaf(kind, name, "", type_)
        size = self.layout.size(axis.name)
        self.given[key] = self.random.normal(size=size) if values is None else np.asarray(values, np.float64)
        return key

    def logp(self, response: str = "y", model: str = "actor", version: Version = Version.CURRENT) -> int:
        """A log-probability; current ones are live."""
        return self.read(Read(ReadKind.LOGP, model, response, version), lambda n: -self.random.exponential(1.0, n))

    def entropy(self, response: str = "y") -> int:
        """The current entropy."""
        return self.read(Read(ReadKind.ENTROPY, "actor", response, Version.CURRENT),
                         lambda n: self.random.uniform(0.5, 2.0, n))

    def probe(self, name: str, axis: Axis = TOKEN) -> int:
        """A live value of any sign on any axis."""
        read = Read(ReadKind.PROBE, "actor", axis.owner, Version.CURRENT, probe=name)
        key = self.builder.read(read, axis)
        self.given[key] = self.random.normal(size=self.layout.size(axis.name))
        return key

    def read(self, read: Read, values: Callable[[int], Array]) -> int:
        """A model read with values."""
        axis = RESPONSE[read.response]
        key = self.builder.read(read, axis)
        if key not in self.given:
            self.given[key] = values(self.layout.size(axis.name))
        return key

    def recorded_logp(self, response: str = "y") -> int:
        """What the sampler said."""
        axis = RESPONSE[response]
        type_ = Type(Element.REAL, Interval(-np.inf, 0.0), axis, stage=Stage.ROLLOUT,
                     provenance=LogProbability("actor", response, Version.SAMPLER))
        key = self.builder.leaf(SourceKind.RECORDED, response, "logp", type_)
        self.given[key] = -self.random.exponential(1.0, self.layout.size(axis.name))
        return key

    # ------------------------------------------------------------ short words
    def at_update(self) -> Case:
        """From here on: the body of the objective."""
        self.builder.stage = Stage.UPDATE
        return self

    def make(self, function: Function, *keys: int | float) -> int:
        """A function; numbers are constants."""
        made = [self.builder.constant(float(k)) if isinstance(k, float) else k for k in keys]
        return self.builder.elementwise(function, *made)

    def mean(self, x: int, to: Axis = BATCH, mask: int | None = None) -> int:
        """The mean."""
        return self.builder.reduce(Reduction.MEAN, x, to, mask)

    def sum(self, x: int, to: Axis = BATCH, mask: int | None = None) -> int:
        """The sum."""
        return self.builder.reduce(Reduction.SUM, x, to, mask)

    def minimize(self, key: int, label: str = "") -> Case:
        """One more term."""
        self.terms.append(TermSpec(label or f"term{len(self.terms)}", False, key, NOWHERE))
        return self

    def maximize(self, key: int, label: str = "") -> Case:
        """One more term."""
        self.terms.append(TermSpec(label or f"term{len(self.terms)}", True, key, NOWHERE))
        return self

    # ------------------------------------------------------------ compiled and evaluated
    @property
    def graph(self) -> Graph:
        """The graph as built."""
        return self.builder.graph()

    @property
    def objective(self) -> ObjectiveSpec:
        """The terms as an objective for `actor`."""
        return ObjectiveSpec("test", "actor", tuple(self.terms), (), NOWHERE)

    def compile(self, optimise: bool = True) -> StagedObjective:
        """Staged."""
        spec = Spec(Source("test", ""), {}, self.graph)
        return compile_objective(spec, self.objective, optimise=optimise)

    def loss(self, given: Mapping[int, Array] | None = None) -> float:
        """By the interpreter, from the graph as built: minimised less maximised terms, absent ones left out."""
        values = evaluate(self.graph, self.layout, self.given if given is None else given,
                          [term.key for term in self.terms])
        signed = [(-1 if term.maximize else 1) * float(values[term.key][0]) for term in self.terms]
        return float(np.nansum(signed))

    def staged_given(self, staged: StagedObjective) -> dict[int, Array]:
        """Values of the staged objective's inputs and reads, by its keys."""
        graph = self.graph
        sources = {given.key: given.source if given.source is not None else self._parameter(given.name)
                   for given in staged.inputs}
        values = evaluate(graph, self.layout, self.given, sources.values())
        by_read = {node.operation: node.key for node in graph.nodes if isinstance(node.operation, Read)}
        reads = {live.key: self.given[by_read[live.read]] for live in live_reads(staged)}
        return {**{key: values[source] for key, source in sources.items()}, **reads}

    def _parameter(self, name: str) -> int:
        return next(node.key for node in self.graph.nodes
                    if node.operation == Leaf(SourceKind.PARAM, name))


def finite_differences(case: Case, key: int, step: float = 1e-5) -> Array:
    """Central differences of the loss by each place of a read, what is frozen held still; NaN at a kink, where the
    slopes on both sides disagree."""
    frozen = _frozen_values(case)
    here = case.loss()
    slopes = np.array([_slopes(case, frozen, key, place, step, here) for place in range(len(case.given[key]))])
    before, after = slopes.reshape(-1, 2).T
    return np.where(np.isclose(before, after, rtol=1e-2, atol=1e-4), (before + after) / 2, np.nan)


def _frozen_values(case: Case) -> dict[int, Array]:
    """The values of all `Freeze` nodes that the terms need."""
    values = evaluate(case.graph, case.layout, case.given, [term.key for term in case.terms])
    return {key: value for key, value in values.items() if isinstance(case.builder[key].operation, Freeze)}


def _slopes(case: Case, frozen: Mapping[int, Array], key: int, place: int, step: float,
            here: float) -> tuple[float, float]:
    """Below and above the value."""
    def moved(by: float) -> float:
        values = case.given[key].copy()
        values[place] += by
        return case.loss({**case.given, **frozen, key: values})

    return (here - moved(-step)) / step, (moved(step) - here) / step
