"""The syntax tree of `.rl`: frozen dataclasses, closed unions, a span on each node. No meaning here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from rldsl.source import Span

NOWHERE = Span("", 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Base of every node; the span takes no part in equality, so that `parse(format(x)) == x` can be asked."""

    span: Span = field(default=NOWHERE, compare=False, repr=False)


# ------------------------------------------------------------------ expressions
@dataclass(frozen=True, slots=True)
class Number(Node):
    """`0.001`, `1e-6`, `8`; `text` as it was written."""

    value: float
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Duration(Node):
    """`30s`, `5ms`, `2m`, `1h`: seconds."""

    seconds: float
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class String(Node):
    """A text literal; `value` with the escapes undone."""

    value: str


@dataclass(frozen=True, slots=True)
class Bool(Node):
    """`true` or `false`."""

    value: bool


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A bare word: a declaration, a parameter, a level, an option word."""

    text: str


@dataclass(frozen=True, slots=True)
class Field(Node):
    """`y.text`, `verify.math`, `problems.question`."""

    base: Expr
    name: str
    name_span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """An argument of a call; `name` is None where it is positional."""

    value: Expr
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`mean(x, per: prompt)`."""

    callee: Expr
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`-x`, `not x`."""

    operator: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """`+ - * / ^`, `== != < <= > >=`, `and or`. Comparisons do not chain."""

    operator: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Else(Node):
    """`value else alternative`: what stands where the value is absent; an action for one that must not be."""

    value: Expr
    alternative: Expr | Action


@dataclass(frozen=True, slots=True)
class Action(Node):
    """`stop`, `skip`, `warn`."""

    word: str


@dataclass(frozen=True, slots=True)
class Bounds(Node):
    """`0.8 .. 1.28`."""

    low: Expr
    high: Expr


@dataclass(frozen=True, slots=True)
class Arrow(Node):
    """`0.1 -> 0` inside a schedule."""

    start: Expr
    end: Expr


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    """`[0.25, 0.5]`; in tests nested and, with `@ level`, a value of that level."""

    items: tuple[Expr, ...]
    level: str | None = None


@dataclass(frozen=True, slots=True)
class Given(Node):
    """`y given problems.question`: the tokens of `y` in another context."""

    response: Expr
    context: Expr


@dataclass(frozen=True, slots=True)
class Quantity(Node):
    """`16 prompts`, `4 samples`, `1024 tokens`: a number with a word, in settings alone."""

    amount: Expr
    unit: str


Expr: TypeAlias = (Number | Duration | String | Bool | Name | Field | Call | Unary | Binary | Else | Bounds | Arrow
                   | ListOf | Given | Quantity)


# ------------------------------------------------------------------ types, settings
@dataclass(frozen=True, slots=True)
class IntervalOf(Node):
    """`in [0, 1]`, `in (0, inf)`, `in {0, 1}`; `opening`/`closing` are the brackets."""

    opening: str
    bounds: tuple[Expr, ...]
    closing: str


@dataclass(frozen=True, slots=True)
class TypeExpr(Node):
    """`Real[criterion] in [0, 1] or absent @ y.sample`; `level` is the dotted text after `@`."""

    element: str
    extra: tuple[str, ...] = ()
    interval: IntervalOf | None = None
    level: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Setting(Node):
    """`samples: 8` in a block."""

    name: str
    value: Expr


# ------------------------------------------------------------------ declarations
@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration(Node):
    """Base of what stands at the top of a file; `doc` is the `##` comment above it, without the marks."""

    doc: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Import(Declaration):
    """`import std.surrogate (clipped)`, `import "path.rl" as name`. `module` is dotted, or a path if `is_path`.

    `names` are the imported names with their spans; `alias` the `as` word.
    """

    module: str
    is_path: bool = False
    names: tuple[Name, ...] = ()
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Param(Declaration):
    """`param beta: Real in [0, 1] = 0.001`."""

    name: str
    type: TypeExpr
    value: Expr


@dataclass(frozen=True, slots=True)
class DataField(Node):
    """`answer: Text target`."""

    name: str
    type: TypeExpr
    target: bool = False


@dataclass(frozen=True, slots=True)
class Data(Declaration):
    """`data problems from jsonl("…") { … }`."""

    name: str
    source: Expr
    fields: tuple[DataField, ...] = ()


@dataclass(frozen=True, slots=True)
class Model(Declaration):
    """`policy|critic|scorer|embedder|judge name from SOURCE { settings }`, `= frozen(actor)`, `= actor with { … }`.

    `role` is the first word. `origin` is the expression after `from` or `=`; `derived` says it was `=`.
    `overrides` are the settings after `with`; `settings` those after the source.
    """

    role: str
    name: str
    origin: Expr
    derived: bool = False
    overrides: tuple[Setting, ...] = ()
    settings: tuple[Setting, ...] = ()


@dataclass(frozen=True, slots=True)
class Retry(Node):
    """`retry while CONDITION { prompt: … }`."""

    condition: Expr
    settings: tuple[Setting, ...] = ()


@dataclass(frozen=True, slots=True)
class Rollout(Declaration):
    """`rollout y ~ actor(problems.question) { samples: 8 } retry while … { … }`."""

    name: str
    policy: Expr
    arguments: tuple[Argument, ...]
    settings: tuple[Setting, ...] = ()
    retry: Retry | None = None


@dataclass(frozen=True, slots=True)
class Response(Declaration):
    """`response win = pairs.chosen given pairs.prompt`; optional `for actor` names whose tokenizer cuts it."""

    name: str
    text: Expr
    prompt: Expr
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Criterion(Node):
    """`"Every step follows" weight 3 { scale: 1 .. 10 }`; `mark` is `weight`, `penalty`, `veto` or `gate`."""

    text: str
    mark: str
    amount: Expr | None = None
    settings: tuple[Setting, ...] = ()


@dataclass(frozen=True, slots=True)
class Rubric(Declaration):
    """`rubric clear judged by grader { … }`."""

    name: str
    judge: str
    criteria: tuple[Criterion, ...]
    settings: tuple[Setting, ...] = ()
    judge_span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Reward(Declaration):
    """`reward name = expr`; `held_out` for `reward name held out = expr`."""

    name: str
    value: Expr
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class Let(Declaration):
    """`let name = expr`."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """A parameter of a function; `type` None means any numeric value."""

    name: str
    type: TypeExpr | None = None
    default: Expr | None = None


@dataclass(frozen=True, slots=True)
class Function(Declaration):
    """`fn name(a: Real, b: Real = 1) -> Real = expr`; the body is `let`s and one expression: `{ let … in… expr }`."""

    name: str
    parameters: tuple[Parameter, ...]
    result: TypeExpr | None
    lets: tuple[Let, ...]
    body: Expr


@dataclass(frozen=True, slots=True)
class Extern(Declaration):
    """`extern fn score(text: Text) -> Real in [0, 1] = python("module:function") { timeout: 5s }`."""

    name: str
    parameters: tuple[Parameter, ...]
    result: TypeExpr
    source: Expr
    settings: tuple[Setting, ...] = ()


@dataclass(frozen=True, slots=True)
class State(Declaration):
    """`state name: Type = init`."""

    name: str
    type: TypeExpr
    value: Expr


@dataclass(frozen=True, slots=True)
class Assign(Declaration):
    """`name <- expr`: a new value for a state, once an iteration (top level) or where it stands (train)."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Sampler(Declaration):
    """`sampler s over data { … }`."""

    name: str
    data: str
    settings: tuple[Setting, ...] = ()


@dataclass(frozen=True, slots=True)
class Buffer(Declaration):
    """`buffer hard <- problems where all(correct == 0, per: prompt)`."""

    name: str
    data: Expr
    condition: Expr | None = None


@dataclass(frozen=True, slots=True)
class Term(Node):
    """`maximize surrogate: mean(…)`; `direction` is `maximize` or `minimize`."""

    direction: str
    label: str | None
    value: Expr


@dataclass(frozen=True, slots=True)
class Objective(Declaration):
    """`objective grpo for actor { let … maximize … }`; `items` keeps the order."""

    name: str
    model: str
    items: tuple[Let | Term, ...]


@dataclass(frozen=True, slots=True)
class Guard(Declaration):
    """`guard condition else stop`."""

    condition: Expr
    action: Action


@dataclass(frozen=True, slots=True)
class Report(Node):
    """One reported value of an `eval`; `label` from `label: expr`, else its text is the label."""

    value: Expr
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Eval(Declaration):
    """`eval heldout on data { samples: 16 report mean(correct), pass_at(8, correct) }`."""

    name: str
    data: str
    settings: tuple[Setting, ...]
    reports: tuple[Report, ...]


@dataclass(frozen=True, slots=True)
class Expect(Node):
    """`expect expr == value within 1e-6`; `tolerance` None means exact. `condition` is a comparison."""

    condition: Expr
    tolerance: Expr | None = None


@dataclass(frozen=True, slots=True)
class Test(Declaration):
    """`test "name" { let … expect … }`."""

    name: str
    items: tuple[Let | Expect, ...]


# ------------------------------------------------------------------ train, plan
@dataclass(frozen=True, slots=True)
class Repeat(Node):
    """`repeat 200 { … }`."""

    count: Expr
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class StageOf(Node):
    """`stage warmup { … }`."""

    name: str
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Every(Node):
    """`every 20 { … }`: at each 20th pass of the enclosing `repeat`."""

    count: Expr
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class When(Node):
    """`when size(hard) >= 128 { … }`."""

    condition: Expr
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Draw(Node):
    """`draw 64 prompts`, `draw 64 prompts from problems`, `… using sampler`."""

    count: Expr
    unit: str
    data: str | None = None
    sampler: str | None = None


@dataclass(frozen=True, slots=True)
class Update(Node):
    """`update actor with grpo { minibatch: 16 prompts, … }`, `… on hard`."""

    model: str
    objective: str
    on: str | None = None
    settings: tuple[Setting, ...] = ()


@dataclass(frozen=True, slots=True)
class Reset(Node):
    """`reset ref to actor`."""

    model: str
    to: str


@dataclass(frozen=True, slots=True)
class Evaluate(Node):
    """`evaluate heldout`."""

    name: str


@dataclass(frozen=True, slots=True)
class Save(Node):
    """`save`."""


@dataclass(frozen=True, slots=True)
class AssignStatement(Node):
    """`name <- expr` inside `train`."""

    name: str
    value: Expr


Statement: TypeAlias = (Repeat | StageOf | Every | When | Draw | Update | Reset | Evaluate | Save | AssignStatement)


@dataclass(frozen=True, slots=True)
class Train(Declaration):
    """`train { … }`."""

    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Cluster(Node):
    """`1 node of 8 x "H100-80GB"`."""

    nodes: Expr
    devices: Expr
    kind: str


@dataclass(frozen=True, slots=True)
class PlanSetting(Node):
    """`cluster: 1 node of 8 x "H100-80GB"`, `staleness: 2`, `place actor on …` is a setting as well."""

    name: str
    value: Expr | Cluster


@dataclass(frozen=True, slots=True)
class Plan(Declaration):
    """`plan { … }`."""

    settings: tuple[PlanSetting, ...]


Item: TypeAlias = (Import | Param | Data | Model | Rollout | Response | Rubric | Reward | Let | Function | Extern | State
                   | Assign | Sampler | Buffer | Objective | Guard | Eval | Test | Train | Plan)


@dataclass(frozen=True, slots=True)
class Module(Node):
    """A whole file. `doc` is the `##` comment that opens it."""

    items: tuple[Item, ...]
    doc: str = field(default="", compare=False)
