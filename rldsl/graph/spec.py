"""A whole spec after elaboration: declarations with their settings resolved, and one graph that holds every value."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from rldsl.graph.model import Graph, Setting
from rldsl.graph.steps import Step
from rldsl.source import Source, Span
from rldsl.types import Axis, Element, Type


# ------------------------------------------------------------------ settings
@dataclass(frozen=True, slots=True)
class Schedule:
    """A number that changes over training. `kind`: `linear`, `cosine` (start -> end over `steps`), `piecewise`
    (points of (step, value)), `warmup` (0 -> end over steps). Steps are iterations of the enclosing `repeat`."""

    kind: str
    start: float
    end: float
    steps: int
    points: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Amount:
    """`16 prompts`."""

    number: float
    unit: str


@dataclass(frozen=True, slots=True)
class Invocation:
    """A named constructor in a setting or source: `adamw(lr: 1e-6)`, `jsonl("…")`, `tiny(layers: 2, …)`."""

    name: str
    positional: tuple[SettingValue, ...] = ()
    named: tuple[tuple[str, SettingValue], ...] = ()

    def get(self, name: str, default: SettingValue = None) -> SettingValue:
        """The named argument, or `default`."""
        return dict(self.named).get(name, default)


RULES = ("top_p", "top_k")  # constructors of which tokens may be drawn; their first argument is a model
SettingValue: TypeAlias = ("float | int | bool | str | None | Schedule | Amount | Invocation"
                           " | tuple[SettingValue, ...]")
Settings: TypeAlias = tuple[tuple[str, SettingValue], ...]


# ------------------------------------------------------------------ declarations
@dataclass(frozen=True, slots=True)
class ParamSpec:
    """`value` after `--set`. `key` is its Leaf node."""

    name: str
    type: Type
    value: float | bool | str | Schedule
    key: int
    span: Span


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A column of a data set. `each`: it belongs to each completion of a row (`@ sample`), and is read through a response."""

    name: str
    element: Element
    target: bool
    span: Span
    each: bool = False


@dataclass(frozen=True, slots=True)
class DataSpec:
    """A data set; `axis` are its rows (level prompt). `source`: jsonl, csv, parquet, hf, python, reasoning_gym."""

    name: str
    source: Invocation
    fields: tuple[FieldSpec, ...]
    axis: Axis
    span: Span


class Role(StrEnum):
    """What a model is for."""

    POLICY = "policy"
    CRITIC = "critic"
    SCORER = "scorer"
    EMBEDDER = "embedder"
    JUDGE = "judge"


@dataclass(frozen=True, slots=True)
class Average:
    """Weights that follow those of a trained model: `w <- (1 - rate) w + rate base`, after each optimizer step of it."""

    rate: float


@dataclass(frozen=True, slots=True)
class Stored:
    """The weights of a trained model at the start of the iteration `lag` iterations ago; at first, its first ones."""

    lag: int


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model. `origin` is `tiny`, `hf`, `openai`, `local`, ... (`Invocation`), or None where `base` names the model
    that it is derived from: a snapshot (`frozen`), which `follows` the base if that says how, or another role of the same
    weights (`shares_weights`)."""

    name: str
    role: Role
    origin: Invocation | None
    base: str | None
    frozen: bool
    shares_weights: bool
    settings: Settings
    span: Span
    follows: Average | Stored | None = None


@dataclass(frozen=True, slots=True)
class ResponseSpec:
    """Tokens of a policy: sampled (`rollout`) or given (`response`).

    `prompt` is the key of a Text node on `prompt_axis`. For a rollout `text` is None, `samples` are drawn for each
    place of `prompt_axis` and `sample_axis` is a new axis below it. For a given response `text` is the key of a Text
    node and `sample_axis is prompt_axis`. `token_axis` lies below `sample_axis`. `deferred` names the constructs that
    type-check but cannot run yet (`turns`, `tools`, `tree`, `retry`, ...).
    """

    name: str
    model: str
    prompt: int
    text: int | None
    prompt_axis: Axis
    sample_axis: Axis
    token_axis: Axis
    settings: Settings
    deferred: tuple[str, ...]
    span: Span

    @property
    def is_sampled(self) -> bool:
        """Whether a policy draws it."""
        return self.text is None


@dataclass(frozen=True, slots=True)
class CriterionSpec:
    """One criterion of a rubric. `mark`: `weight`, `penalty` (`amount` is the node of its number), `veto`, `gate` (`amount` is that
    of the verdict from which it holds or is open). `scale`: as a constant of the rubric's calls."""

    text: str
    mark: str
    amount: int
    scale: Setting
    span: Span


@dataclass(frozen=True, slots=True)
class RubricSpec:
    """A rubric: who judges, by what, how it asks (`asks`: constants of its calls). Without criteria they come with each call."""

    name: str
    judge: str
    criteria: tuple[CriterionSpec, ...]
    asks: tuple[tuple[str, Setting], ...]
    span: Span
    doc: str = ""

    @property
    def weighed(self) -> tuple[CriterionSpec, ...]:
        """What one call asks: all but the gates."""
        return tuple(criterion for criterion in self.criteria if criterion.mark != "gate")

    @property
    def gates(self) -> tuple[CriterionSpec, ...]:
        """What is asked before: where one is closed, nothing else counts."""
        return tuple(criterion for criterion in self.criteria if criterion.mark == "gate")


@dataclass(frozen=True, slots=True)
class NamedValue:
    """A reward or a top-level let."""

    name: str
    key: int
    span: Span
    doc: str = ""
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class StateSpec:
    """A value kept over iterations: its start, and the node of its next value if a top-level `<-` gives one."""

    name: str
    type: Type
    initial: float
    key: int
    next: int | None
    span: Span


@dataclass(frozen=True, slots=True)
class TermSpec:
    """A term of an objective: `key` is a scalar node."""

    label: str
    maximize: bool
    key: int
    span: Span


@dataclass(frozen=True, slots=True)
class ObjectiveSpec:
    """An objective for one trained model. `lets` are its named values, for `explain` and for metrics."""

    name: str
    model: str
    terms: tuple[TermSpec, ...]
    lets: tuple[NamedValue, ...]
    span: Span
    doc: str = ""


@dataclass(frozen=True, slots=True)
class GuardSpec:
    """`key` is a Bool scalar; `text` is the condition as written. `measure` is the compared number, for the log."""

    key: int
    measure: int | None
    text: str
    action: str
    span: Span


@dataclass(frozen=True, slots=True)
class EvalSpec:
    """Measures on data set `data` in place of the data set `instead_of` that the reported values were written over."""

    name: str
    data: str
    instead_of: str
    settings: Settings
    reports: tuple[tuple[str, int], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class ExpectSpec:
    """`key` and `expected` are nodes of the test's graph; `tolerance` 0 asks for equality. `text` as written.
    `comparison` is `==`, `<`, ...; for others than `==` the tolerance is not used."""

    key: int
    expected: int
    comparison: str
    tolerance: float
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class GivenValue:
    """A value written in a test: nested lists flattened, packed. `key` is its leaf (GIVEN, or a PROBE read if live).
    Of texts `values` is empty and `texts` holds them, with None for what is absent."""

    key: int
    name: str
    axis: Axis
    values: tuple[float, ...]
    live: bool
    texts: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class TestSpec:
    """A test block over a small layout: `counts` gives, for each axis, the number of places in each place of its
    parent."""

    name: str
    graph: Graph
    expects: tuple[ExpectSpec, ...]
    given: tuple[GivenValue, ...]
    counts: tuple[tuple[Axis, tuple[int, ...]], ...]
    gradients: tuple[tuple[int, int, int], ...]  # (key of the result leaf, key of the differentiated scalar, key of the probe)
    span: Span
    inside: tuple[int, ...] | None = None  # how many tokens lie in each step


@dataclass(frozen=True, slots=True)
class Deferred:
    """A construct that is written and type-checked but cannot run yet: `run` refuses with this sentence."""

    what: str
    sentence: str
    span: Span


@dataclass(frozen=True, slots=True)
class ExternSpec:
    """A foreign function: where it is, its promise, its limits."""

    name: str
    source: Invocation
    parameters: tuple[tuple[str, Element], ...]
    result: Type
    settings: Settings
    span: Span


@dataclass(frozen=True, slots=True)
class Spec:
    """Everything that checks, passes, `explain` and training need, and nothing of the text but spans.

    `graph` holds each value of the spec once (keys are shared by rewards, lets, objectives, guards and evals); the
    tests have graphs of their own.
    """

    source: Source
    sources: dict[str, Source]
    graph: Graph
    params: tuple[ParamSpec, ...] = ()
    data: tuple[DataSpec, ...] = ()
    models: tuple[ModelSpec, ...] = ()
    responses: tuple[ResponseSpec, ...] = ()
    rewards: tuple[NamedValue, ...] = ()
    lets: tuple[NamedValue, ...] = ()
    states: tuple[StateSpec, ...] = ()
    externs: tuple[ExternSpec, ...] = ()
    rubrics: tuple[RubricSpec, ...] = ()
    objectives: tuple[ObjectiveSpec, ...] = ()
    guards: tuple[GuardSpec, ...] = ()
    evals: tuple[EvalSpec, ...] = ()
    tests: tuple[TestSpec, ...] = ()
    train: tuple[Step, ...] = ()
    plan: Settings = ()
    deferred: tuple[Deferred, ...] = ()
    axes: dict[str, Axis] = field(default_factory=dict)
    used_params: frozenset[str] = frozenset()
