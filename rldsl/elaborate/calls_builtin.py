"""What each function of the language builds. Arguments are bound already; each handler reports its own mistakes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rldsl.diagnostics import error
from rldsl.elaborate.builtins import TWO_MODELS
from rldsl.elaborate.constants import constant_number
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import as_key, axes_agree, combine, elaborate, numeric
from rldsl.elaborate.staging import read_stage, version_of
from rldsl.elaborate.values import (
    BoundsValue,
    FailedValue,
    GraphValue,
    LevelValue,
    ModelValue,
    ResponseValue,
    Value,
    WordValue,
    describe,
)
from rldsl.graph.model import Foreign, Function, Leaf, Read, ReadKind, Reduction, SourceKind
from rldsl.syntax import tree
from rldsl.types import BATCH, Axis, Element, Interval, Level, Stage, Type, Version

if TYPE_CHECKING:
    from rldsl.graph.spec import ResponseSpec

Bound = dict[str, tree.Expr]


# ------------------------------------------------------------------ levels
def target_axis(ctx: Context, env: Environment, expr: tree.Expr | None, axis: Axis, *,
                default: Axis | None = BATCH) -> Axis | None:
    """The axis that `per:` names, above `axis`; `default` where nothing was written; None after a report."""
    if expr is None:
        return default
    value = elaborate(ctx, env, expr)
    if isinstance(value, FailedValue):
        return None
    if not isinstance(value, LevelValue):
        ctx.report(error("RL020", "a level is needed here", env.span(expr), f"this is {describe(value)}",
                         why="`per:` says which values are put together.",
                         fix="`per: prompt`, `per: sample`, `per: step`, or leave it out for the batch"))
        return None
    found = ctx.axis_at(axis, value.level)
    if found is None:
        ctx.report(error("RL104", f"this is already coarser than a {value.level.word}"[:60], env.span(expr),
                         f"the value is @ {axis}"[:40], why=f"a value of `{axis}` has no {value.level.word}s below it.",
                         fix="reduce to a coarser level, or leave the reduction out"))
    return found


def _masked(ctx: Context, env: Environment, bound: Bound, key: int, call: tree.Call) -> tuple[int | None, int, bool]:
    if "where" not in bound:
        return None, key, True
    mask = numeric(ctx, env, bound["where"])
    if ctx.type_of(mask).is_error or not axes_agree(ctx, env, [key, mask], call, [bound["x"], bound["where"]]):
        return None, key, False
    if ctx.type_of(mask).element is not Element.BOOL:
        ctx.report(error("RL020", "a condition is needed here", env.span(bound["where"]), "this is a number",
                         why="`where:` keeps the values at which a condition holds.", fix="compare it: `where: x > 0`"))
        return None, key, False
    finest = max(ctx.type_of(key).axis, ctx.type_of(mask).axis, key=lambda axis: len(axis.chain()))
    return ctx.builder.spread(mask, finest), ctx.builder.spread(key, finest), True


def call_reduction(ctx: Context, env: Environment, call: tree.Call, bound: Bound, reduction: Reduction) -> Value:
    """`mean(x, per: prompt, where: mask)` and its kind."""
    x = numeric(ctx, env, bound["x"])
    if ctx.type_of(x).is_error:
        return FailedValue()
    mask, x, fine = _masked(ctx, env, bound, x, call)
    to = target_axis(ctx, env, bound.get("per"), ctx.type_of(x).axis)
    if not fine or to is None:
        return FailedValue()
    argument = numeric(ctx, env, bound["q"]) if "q" in bound else None
    if argument is not None and not _level_of_quantile(ctx, env, bound["q"], argument):
        return FailedValue()
    kept, ctx.builder.stage = ctx.builder.stage, max(ctx.builder.stage, Stage.STATISTICS)
    key = ctx.builder.reduce(reduction, x, to, mask, argument, env.span(call))
    ctx.builder.stage = kept
    return GraphValue(key)


def _level_of_quantile(ctx: Context, env: Environment, expr: tree.Expr, key: int) -> bool:
    found = ctx.type_of(key)
    value = constant_number(ctx, key)
    if found.axis == BATCH and not found.is_live and (value is None or 0 <= value <= 1):
        return True
    ctx.report(error("RL020", "a quantile lies between 0 and 1", env.span(expr), "the level of the quantile",
                     why="0.8 asks for the value that four fifths lie below.", fix="a number such as `0.8`"))
    return False


def call_spread(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`spread(x, to: token)` or `spread(x, to: y)`, a value or response on whose axis the copies stand."""
    x = numeric(ctx, env, bound["x"])
    axis = _finer_axis(ctx, env, bound["to"], ctx.type_of(x).axis)
    if axis is None or ctx.type_of(x).is_error:
        return FailedValue()
    if not axis.is_within(ctx.type_of(x).axis):
        ctx.report(error("RL104", "this does not spread there", env.span(call), f"the value is @ {ctx.type_of(x).axis}",
                         why=f"`{axis}` does not lie below `{ctx.type_of(x).axis}`.",
                         fix="a level below that of the value"))
        return FailedValue()
    return GraphValue(ctx.builder.spread(x, axis, env.span(call)))


def _finer_axis(ctx: Context, env: Environment, expr: tree.Expr, axis: Axis) -> Axis | None:
    value = elaborate(ctx, env, expr)
    match value:
        case GraphValue(key=key):
            return None if ctx.type_of(key).is_error else ctx.type_of(key).axis
        case ResponseValue(name=name):
            return ctx.tables.responses[name].token_axis
        case LevelValue(level=level):
            below = _axes_below(ctx, axis, level)
            if len(below) == 1:
                return below[0]
            ctx.report(error("RL104", f"which {level.word}s is not clear"[:60], env.span(expr),
                             f"{len(below)} responses lie below", why="the level has to be that of one response.",
                             fix="name a value or a response instead: `spread(x, to: y)`"))
            return None
        case FailedValue():
            return None
        case _:
            ctx.report(error("RL020", "a level is needed here", env.span(expr), f"this is {describe(value)}",
                             why="`to:` says where the copies stand.", fix="`to: token`, or a value that stands there"))
            return None


def _axes_below(ctx: Context, axis: Axis, level: Level) -> list[Axis]:
    if ctx.in_test:
        found = [entry for entry in ctx.test_axes.values() if entry.level is level and entry.is_within(axis)]
    else:
        every = {entry for spec in ctx.tables.responses.values() for entry in spec.token_axis.chain()}
        found = [entry for entry in every if entry.level is level and entry.is_within(axis)]
    return sorted(found, key=lambda entry: entry.name)


# ------------------------------------------------------------------ elementwise
def call_clip(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`clip(x, low .. high)`."""
    x = numeric(ctx, env, bound["x"])
    bounds = elaborate(ctx, env, bound["bounds"])
    if not isinstance(bounds, BoundsValue):
        if not isinstance(bounds, FailedValue):
            ctx.report(error("RL404", "a clip needs two bounds", env.span(bound["bounds"]), f"this is {describe(bounds)}",
                             why="a clip is said by the bounds themselves, never by an epsilon.",
                             fix="`clip(ratio, 0.8 .. 1.2)`"))
        return FailedValue()
    parts: list[tree.Expr] = [bound["x"], bound["bounds"], bound["bounds"]]
    return GraphValue(combine(ctx, env, Function.CLIP, [x, bounds.low, bounds.high], call, parts))


def call_where(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`where(condition, then, otherwise)`."""
    parts = [bound["condition"], bound["then"], bound["otherwise"]]
    return GraphValue(combine(ctx, env, Function.SELECT, [numeric(ctx, env, part) for part in parts], call, parts))


def call_is_missing(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`is_missing(x)`."""
    key = as_key(ctx, env, elaborate(ctx, env, bound["x"]), bound["x"])
    return GraphValue(combine(ctx, env, Function.IS_MISSING, [key], call, [bound["x"]]))


def call_frozen(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`frozen(x)` of a value."""
    key = numeric(ctx, env, bound["x"])
    return FailedValue() if ctx.type_of(key).is_error else GraphValue(ctx.builder.freeze(key, env.span(call)))


def call_iteration(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`iteration()`: how many iterations of training are done."""
    kind = Type(Element.INT, Interval(0.0, math.inf, high_open=True), stage=Stage.DATA)
    return GraphValue(ctx.builder.leaf(SourceKind.PROGRESS, "iteration", "", kind, env.span(call)))


# ------------------------------------------------------------------ along a level
def _within(ctx: Context, env: Environment, call: tree.Call, bound: Bound, key: int) -> Axis | None:
    axis = ctx.type_of(key).axis
    if axis == BATCH or axis.parent is None:
        ctx.report(error("RL104", "a scalar has no neighbours", env.span(call), "this value is one number",
                         why="`scan`, `next` and `prev` walk along tokens, steps or samples.",
                         fix="use it on a value per token"))
        return None
    sample = ctx.axis_at(axis, Level.SAMPLE)
    default = sample if sample is not None and sample != axis else axis.parent
    return target_axis(ctx, env, bound.get("per"), axis, default=default)


def call_scan(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`scan(x, decay: g, from: end)`."""
    x, decay = numeric(ctx, env, bound["x"]), numeric(ctx, env, bound["decay"])
    start = elaborate(ctx, env, bound["from"])
    if ctx.type_of(x).is_error or ctx.type_of(decay).is_error:
        return FailedValue()
    per = _within(ctx, env, call, bound, x)
    if not isinstance(start, WordValue):
        ctx.report(error("RL020", "`from:` is `start` or `end`", env.span(bound["from"]), f"this is {describe(start)}",
                         why="a scan has a direction.", fix="`from: end` for returns, `from: start` for running sums"))
        return FailedValue()
    if ctx.type_of(decay).is_live:
        ctx.report(error("RL201", "the decay of a scan must be frozen", env.span(bound["decay"]), "a gradient flows here",
                         why="the decay is a discount, not something to be trained.", fix="`frozen(…)`"))
        return FailedValue()
    if per is None or not axes_agree(ctx, env, [x, decay], call, [bound["x"], bound["decay"]]):
        return FailedValue()
    return GraphValue(ctx.builder.scan(x, decay, per, start.word == "end", env.span(call)))


def _shifted(ctx: Context, env: Environment, call: tree.Call, bound: Bound, offset: int) -> Value:
    x = numeric(ctx, env, bound["x"])
    fill = numeric(ctx, env, bound["fill"]) if "fill" in bound else ctx.builder.constant(0)
    if ctx.type_of(x).is_error or ctx.type_of(fill).is_error:
        return FailedValue()
    per = _within(ctx, env, call, bound, x)
    if per is None:
        return FailedValue()
    return GraphValue(ctx.builder.shift(x, fill, per, offset, env.span(call)))


def call_next(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`next(x, fill: 0)`: the value one place later in the same sample."""
    return _shifted(ctx, env, call, bound, 1)


def call_prev(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`prev(x, fill: 0)`: the value one place earlier."""
    return _shifted(ctx, env, call, bound, -1)


def call_rank(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`rank(x, per: prompt)`."""
    x = numeric(ctx, env, bound["x"])
    per = target_axis(ctx, env, bound["per"], ctx.type_of(x).axis)
    if per is None or ctx.type_of(x).is_error:
        return FailedValue()
    descending = "descending" in bound and constant_number(ctx, numeric(ctx, env, bound["descending"])) == 1
    return GraphValue(ctx.builder.rank(x, per, descending, env.span(call)))


def call_top(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`top(x, k, per: prompt)`: whether a value is among the k largest of its group."""
    x, count = numeric(ctx, env, bound["x"]), numeric(ctx, env, bound["k"])
    per = target_axis(ctx, env, bound["per"], ctx.type_of(x).axis)
    if per is None or ctx.type_of(x).is_error or ctx.type_of(count).is_error:
        return FailedValue()
    place = ctx.builder.rank(x, per, True, env.span(call))
    return GraphValue(combine(ctx, env, Function.LESS, [place, count], call, [bound["x"], bound["k"]]))


def call_position(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`position(y)`: 0-based index of each token in its sample."""
    value = elaborate(ctx, env, bound["response"])
    if isinstance(value, ResponseValue):
        spec = ctx.tables.responses[value.name]
        return GraphValue(ctx.builder.position(spec.token_axis, spec.sample_axis, env.span(call)))
    if isinstance(value, GraphValue) and (axis := ctx.type_of(value.key).axis).parent is not None:
        per = ctx.axis_at(axis, Level.SAMPLE) if axis.level > Level.SAMPLE else axis.parent
        return GraphValue(ctx.builder.position(axis, per or BATCH, env.span(call)))
    as_key(ctx, env, value, bound["response"], "a response")
    return FailedValue()


def call_pass_at(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`pass_at(k, x, per: prompt)`: expected best of k of the samples, without replacement (Chen et al. 2021 for 0/1).

    With values in descending order, the value of rank r is the best of a random k-subset of n with probability
    `k/n * prod_{j=1}^{k-1} (n-r-j)/(n-j)`. Absent for groups of fewer than k.
    """
    k = constant_number(ctx, numeric(ctx, env, bound["k"]))
    x = numeric(ctx, env, bound["x"])
    axis = ctx.type_of(x).axis
    group = ctx.axis_at(axis, Level.PROMPT)
    per = target_axis(ctx, env, bound.get("per"), axis, default=group)
    if k is None or k < 1 or k != int(k) or k > 1024:
        ctx.report(error("RL020", "`k` must be a whole number from 1 to 1024", env.span(bound["k"]), "the k of pass@k",
                         why="k is known when the spec is compiled.", fix="`pass_at(8, correct)`"))
        return FailedValue()
    if per is None or per == axis or ctx.type_of(x).is_error:
        return FailedValue()
    return GraphValue(_best_of_k(ctx, x, per, int(k), env))


def _best_of_k(ctx: Context, x: int, per: Axis, k: int, env: Environment) -> int:
    build = ctx.builder
    axis = ctx.type_of(x).axis
    count, place = build.size(axis, per), build.rank(x, per, True)
    weight = build.elementwise(Function.DIVIDE, build.constant(float(k)), count)
    zero = build.constant(0.0)
    for step in range(1, k):
        left = build.elementwise(Function.SUBTRACT, build.elementwise(Function.SUBTRACT, count, place),
                                 build.constant(step))
        factor = build.elementwise(Function.DIVIDE, build.elementwise(Function.MAXIMUM, left, zero),
                                   build.elementwise(Function.SUBTRACT, count, build.constant(step)))
        weight = build.elementwise(Function.MULTIPLY, weight, factor)
    total = build.reduce(Reduction.SUM, build.elementwise(Function.MULTIPLY, x, weight), per, span=env.call_site)
    enough = build.elementwise(Function.GREATER_EQUAL, count, build.constant(k))
    nothing = build.add(_absent().operation, type=_absent().type)
    return build.elementwise(Function.SELECT, enough, total, nothing)


class _Absent:
    """The constant that stands for no value."""

    def __init__(self) -> None:
        from rldsl.graph.model import Constant
        self.operation = Constant(math.nan)
        self.type = Type(Element.REAL, optional=True)


def _absent() -> _Absent:
    return _Absent()


def call_majority(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`majority(answer(y), per: prompt)`: the most frequent text of each group, the first of ties."""
    x = as_key(ctx, env, elaborate(ctx, env, bound["x"]), bound["x"], "a text")
    per = target_axis(ctx, env, bound["per"], ctx.type_of(x).axis)
    if per is None or ctx.type_of(x).is_error:
        return FailedValue()
    kind = Type(ctx.type_of(x).element, axis=per, stage=max(Stage.REWARD, ctx.type_of(x).stage), optional=True)
    operation = Foreign("majority", ("x",), (("from", ctx.type_of(x).axis.name), ("per", per.name)))
    return GraphValue(ctx.builder.add(operation, (x,), type=kind, span=env.span(call)))


# ------------------------------------------------------------------ model reads
def call_read(ctx: Context, env: Environment, call: tree.Call, bound: Bound, kind: ReadKind) -> Value:
    """`logp(actor, y)`, `kl(actor, ref, y)` and their kind."""
    model = _model(ctx, env, bound["model"])
    other = _model(ctx, env, bound["other"]) if kind in TWO_MODELS else ""
    response = elaborate(ctx, env, bound["response"])
    if model is None or other is None:
        return FailedValue()
    if not isinstance(response, ResponseValue):
        as_key(ctx, env, response, bound["response"], "a response") if not isinstance(response, GraphValue) else \
            _needs_response(ctx, env, bound["response"], kind)
        return FailedValue()
    temperature = constant_number(ctx, numeric(ctx, env, bound["temperature"])) if "temperature" in bound else 1.0
    if temperature is None or temperature <= 0:
        ctx.report(error("RL020", "a temperature is a number above 0", env.span(bound["temperature"]), "not above 0",
                         why="logits are divided by it.", fix="`temperature: 1.0`"))
        return FailedValue()
    return GraphValue(_read(ctx, env, call, kind, model, other, response, temperature))


def _needs_response(ctx: Context, env: Environment, expr: tree.Expr, kind: ReadKind) -> None:
    ctx.report(error("RL020", f"`{kind.value}` reads the tokens of a response", env.span(expr), "this is a value",
                     why="a model scores tokens, not texts.", fix=f"`{kind.value}(actor, y)` with the rollout `y` itself"))


def _model(ctx: Context, env: Environment, expr: tree.Expr) -> str | None:
    value = elaborate(ctx, env, expr)
    if isinstance(value, ModelValue):
        return value.name
    if not isinstance(value, FailedValue):
        ctx.report(error("RL020", "a model is needed here", env.span(expr), f"this is {describe(value)}",
                         why="the distribution of a model is read at each token.", fix="`logp(actor, y)`"))
    return None


def _read(ctx: Context, env: Environment, call: tree.Call, kind: ReadKind, model: str, other: str,
          response: ResponseValue, temperature: float) -> int:
    spec: ResponseSpec = ctx.tables.responses[response.name]
    version = version_of(ctx, env, model)
    other_version = version_of(ctx, env, other) if other else None
    latest = read_stage(Version.CURRENT if Version.CURRENT in (version, other_version) else version)
    inputs = () if response.context is None else (ctx.builder.spread(response.context, spec.sample_axis),)
    operation = Read(kind, model, response.name, version, temperature, other or None, other_version,
                     context=inputs[0] if inputs else None)
    kept, ctx.builder.stage = ctx.builder.stage, latest
    key = ctx.builder.read(operation, spec.token_axis, inputs, env.span(call))
    ctx.builder.stage = kept
    return key


# ------------------------------------------------------------------ tests alone
def call_live(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`live([…] @ token)` in a test: a value through which a gradient flows."""
    from rldsl.elaborate.tests import written_value
    values = bound["values"]
    if not ctx.in_test or not isinstance(values, tree.ListOf):
        ctx.report(error("RL027", "`live` belongs to tests", env.span(call), "not in a test, or not of a list",
                         why="outside tests live values come from models.", fix="`let x = live([[0.1]] @ token)`"))
        return FailedValue()
    return written_value(ctx, env, values, live=True)


def call_gradient(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`gradient(x, of: y)` in a test: the derivative of the scalar x by the live value y."""
    from rldsl.elaborate.tests import gradient_leaf
    if not ctx.in_test:
        ctx.report(error("RL027", "`gradient` belongs to tests", env.span(call), "not in a test",
                         why="an objective is differentiated by the compiler.", fix="move it into a `test` block"))
        return FailedValue()
    return gradient_leaf(ctx, env, call, numeric(ctx, env, bound["x"]), numeric(ctx, env, bound["of"]))


def param_name(ctx: Context, key: int) -> str | None:
    """The parameter that a node is, if it is one."""
    operation = ctx.node(key).operation
    return operation.owner if isinstance(operation, Leaf) and operation.kind is SourceKind.PARAM else None
