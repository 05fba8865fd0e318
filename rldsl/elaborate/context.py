"""The state of one elaboration: the builder, the findings, and what has been declared so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from rldsl.diagnostics import Diagnostic, Label
from rldsl.elaborate.naming import Naming
from rldsl.elaborate.values import Value
from rldsl.graph.model import Constant, Node
from rldsl.graph.spec import (
    DataSpec,
    Deferred,
    EvalSpec,
    ExternSpec,
    FieldSpec,
    ModelSpec,
    ParamSpec,
    ResponseSpec,
    RubricSpec,
    StateSpec,
)
from rldsl.infer.builder import Builder
from rldsl.resolve.modules import ModuleTable, Scope
from rldsl.source import Source, Span
from rldsl.syntax import tree
from rldsl.types import BATCH, ERROR_TYPE, Axis, Level, Type


@dataclass(slots=True)
class Tables:
    """Declarations by name."""

    params: dict[str, ParamSpec] = field(default_factory=dict)
    data: dict[str, DataSpec] = field(default_factory=dict)
    models: dict[str, ModelSpec] = field(default_factory=dict)
    responses: dict[str, ResponseSpec] = field(default_factory=dict)
    states: dict[str, StateSpec] = field(default_factory=dict)
    externs: dict[str, ExternSpec] = field(default_factory=dict)
    rubrics: dict[str, RubricSpec] = field(default_factory=dict)
    evals: dict[str, EvalSpec] = field(default_factory=dict)
    buffers: dict[str, tree.Buffer] = field(default_factory=dict)
    samplers: dict[str, tree.Sampler] = field(default_factory=dict)
    objectives: dict[str, str] = field(default_factory=dict)
    columns: dict[str, dict[str, FieldSpec]] = field(default_factory=dict)


@dataclass(slots=True)
class Calls:
    """Calls of `.rl` functions: what each gave, which functions were called (by identity), the partial products of
    each `pass_at`, how many calls were expanded,
    how deep the present one lies, and what was said of it already."""

    results: dict[object, Value] = field(default_factory=dict)
    called: set[int] = field(default_factory=set)
    products: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    made: int = 0
    nesting: int = 0
    is_too_deep: bool = False
    is_too_large: bool = False


@dataclass(slots=True)
class Context:
    """Everything that elaboration collects. `trained` are the models that some objective trains, `circular` the
    declarations that need themselves: each is a failed value, and its circle has been reported."""

    modules: ModuleTable
    root: Scope
    builder: Builder
    overrides: Mapping[str, str]
    naming: Naming
    trained: frozenset[str] = frozenset()
    tables: Tables = field(default_factory=Tables)
    values: dict[tuple[str, str], Value] = field(default_factory=dict)
    circular: set[tuple[str, str]] = field(default_factory=set)
    calls: Calls = field(default_factory=Calls)
    found: list[Diagnostic] = field(default_factory=list)
    said: set[tuple[str, str, Label]] = field(default_factory=set)
    unknown: int = 0
    deferred: list[Deferred] = field(default_factory=list)
    called_rubrics: set[str] = field(default_factory=set)
    retries: list[tuple[Environment, tree.Rollout]] = field(default_factory=list)
    used_params: set[str] = field(default_factory=set)
    in_test: bool = False
    test_axes: dict[Level, Axis] = field(default_factory=dict)
    test: object = None
    found_axes: dict[str, object] = field(default_factory=dict)  # by name, what makes each
    written_steps: list[Axis] = field(default_factory=list)  # steps of tokens that no call makes: of a test, of a symbol

    def report(self, diagnostic: Diagnostic) -> None:
        """Keep a finding; of findings that say the same of the same text, the first."""
        same = (diagnostic.code, diagnostic.title, diagnostic.primary)
        if same not in self.said:
            self.said.add(same)
            self.found.append(diagnostic)

    def type_of(self, key: int) -> Type:
        """Type of a node."""
        return self.builder[key].type

    def node(self, key: int) -> Node:
        """The node of a key."""
        return self.builder[key]

    def failed(self) -> int:
        """The node that stands for a mistake that was already reported."""
        return self.builder.add(Constant(math.nan), (), type=ERROR_TYPE)

    def own_name(self, env: Environment, word: str) -> str:
        """By which name the tables know what the module of `env` declares as `word`."""
        return self.naming.of(env.scope, word)

    def sources_of(self, env: Environment) -> Source:
        """The text in which an expression stands."""
        return env.scope.source

    def defer(self, what: str, sentence: str, span: Span) -> None:
        """Note a construct that type-checks but cannot run yet."""
        self.deferred.append(Deferred(what, sentence, span))

    def root_model(self, name: str) -> str:
        """The model whose weights `name` uses."""
        seen = set()
        while name in self.tables.models and self.tables.models[name].shares_weights and name not in seen:
            seen.add(name)
            name = self.tables.models[name].base or name
        return name

    def axis_at(self, axis: Axis, level: Level) -> Axis | None:
        """The axis of `level` above (or at) `axis`; None where `axis` is coarser than `level`, or has no such parts."""
        if level is Level.BATCH:
            return BATCH
        if level.is_of_parts:
            return next((above for above in axis.chain() if above.level is level), None)
        if level is Level.STEP:
            steps = self.steps_of(axis)
            return steps[0] if len(steps) == 1 else None
        parts, axis = axis, axis.base
        if parts != axis and level is Level.SAMPLE and any(spec.sample_axis == axis for spec in self.tables.responses.values()):
            return axis  # the rows of a given response are its samples
        response = self.tables.responses.get(axis.owner)
        if response is not None:
            return _axis_of_response(response, axis, level)
        if axis.level < level:
            return None
        return next((above for above in axis.chain() if above.level <= level), None)


    def steps_of(self, axis: Axis) -> list[Axis]:
        """The steps in which the places of an axis lie: those it stands on or below, else those that cover it."""
        above = [step for step in axis.chain() if step.level is Level.STEP]
        if above:
            return above[:1]
        every = dict.fromkeys([*self.builder.axes_of(Level.STEP, BATCH), *self.written_steps])
        return [step for step in every if axis.is_within(step)]

    def found_axis(self, name: str, maker: object) -> str:
        """The name of an axis that a call makes: `name`, with a number behind it where another call has that."""
        number, found = 1, name
        while self.found_axes.setdefault(found, maker) != maker:
            number += 1
            found = f"{name}{number}"
        return found


def _axis_of_response(response: ResponseSpec, axis: Axis, level: Level) -> Axis | None:
    if level is Level.PROMPT:
        return response.prompt_axis
    if level is Level.SAMPLE:
        return response.sample_axis
    if axis.level < level and axis is not response.sample_axis:
        return None
    own = [above for above in axis.chain() if above.owner == axis.owner]
    return next((above for above in own if above.level <= level), None)


@dataclass(frozen=True, slots=True)
class Environment:
    """Where an expression stands: its module, local names, the model being trained, and the call it was inlined from."""

    scope: Scope
    local: Mapping[str, Value] = field(default_factory=dict)
    call_site: Span | None = None
    trained: str | None = None
    depth: int = 0

    def span(self, node: tree.Node) -> Span:
        """The place to blame: the user's call where `node` is in an inlined function."""
        return self.call_site or node.span

    def labels(self, node: tree.Node, text: str) -> tuple[Label, ...]:
        """A further label at `node` itself where the blame lies on a call."""
        return (Label(node.span, text),) if self.call_site is not None else ()
