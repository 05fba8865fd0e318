"""Calls along a level and within a group: `scan`, `next`, `rank`, `pass_at`, `majority`. Arguments are bound already."""

from __future__ import annotations

import math

from rldsl.diagnostics import error
from rldsl.elaborate.arguments import Bound
from rldsl.elaborate.calls_levels import target_axis
from rldsl.elaborate.constants import constant_number
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import as_key, axes_agree, combine, elaborate, numeric
from rldsl.elaborate.values import FailedValue, GraphValue, ResponseValue, Value, WordValue, describe
from rldsl.graph.model import Constant, Foreign, Function, Reduction
from rldsl.infer.levels import common_axis
from rldsl.syntax import tree
from rldsl.types import BATCH, Axis, Element, Level, Stage, Type

MOST_TRIES = 1024


def _within(ctx: Context, env: Environment, call: tree.Call, bound: Bound, key: int) -> Axis | None:
    axis = ctx.type_of(key).axis
    if axis == BATCH or axis.parent is None:
        ctx.report(error("RL104", "a scalar has no neighbours", env.span(call), "this value is one number",
                         why="`scan`, `next` and `prev` walk along tokens, steps or samples.",
                         fix="use it on a value per token"))
        return None
    sample = ctx.axis_at(axis, Level.SAMPLE)
    default = sample if sample is not None and sample != axis else axis.parent
    return target_axis(ctx, env, bound.get("per"), axis, default=default, below=True)


def call_scan(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`scan(x, decay: g, from: end)`."""
    x, decay = numeric(ctx, env, bound["x"]), numeric(ctx, env, bound["decay"])
    start = _direction(ctx, env, bound["from"])
    if ctx.type_of(x).is_error or ctx.type_of(decay).is_error or start is None:
        return FailedValue()
    if ctx.type_of(decay).is_live:
        ctx.report(error("RL201", "the decay of a scan must be frozen", env.span(bound["decay"]), "a gradient flows here",
                         why="the decay is a discount, not something to be trained.", fix="`frozen(…)`"))
        return FailedValue()
    if not axes_agree(ctx, env, [x, decay], call, [bound["x"], bound["decay"]]):
        return FailedValue()
    x = _beside(ctx, env, call, x, decay)
    per = _within(ctx, env, call, bound, x)
    return FailedValue() if per is None else GraphValue(ctx.builder.scan(x, decay, per, start == "end", env.span(call)))


def _beside(ctx: Context, env: Environment, call: tree.Call, x: int, other: int) -> int:
    """The value on the axis on which it meets another one."""
    met = common_axis([ctx.type_of(x), ctx.type_of(other)])
    assert met is not None, "the axes were said to agree"
    return ctx.builder.spread(x, met, env.span(call))


def _direction(ctx: Context, env: Environment, expr: tree.Expr) -> str | None:
    value = elaborate(ctx, env, expr)
    if isinstance(value, WordValue):
        return value.word
    if not isinstance(value, FailedValue):
        ctx.report(error("RL020", "`from:` is `start` or `end`", env.span(expr), f"this is {describe(value)}",
                         why="a scan has a direction.", fix="`from: end` for returns, `from: start` for running sums"))
    return None


def _shifted(ctx: Context, env: Environment, call: tree.Call, bound: Bound, offset: int) -> Value:
    x = numeric(ctx, env, bound["x"])
    fill = numeric(ctx, env, bound["fill"]) if "fill" in bound else ctx.builder.constant(0)
    if ctx.type_of(x).is_error or ctx.type_of(fill).is_error:
        return FailedValue()
    if not axes_agree(ctx, env, [x, fill], call, [bound["x"], bound.get("fill", bound["x"])]):
        return FailedValue()
    x = _beside(ctx, env, call, x, fill)
    per = _within(ctx, env, call, bound, x)
    return FailedValue() if per is None else GraphValue(ctx.builder.shift(x, fill, per, offset, env.span(call)))


def call_next(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`next(x, fill: 0)`: the value one place later in the same sample."""
    return _shifted(ctx, env, call, bound, 1)


def call_prev(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`prev(x, fill: 0)`: the value one place earlier."""
    return _shifted(ctx, env, call, bound, -1)


# ------------------------------------------------------------------ order within a group
def call_rank(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`rank(x, per: prompt)`."""
    x = numeric(ctx, env, bound["x"])
    if ctx.type_of(x).is_error:
        return FailedValue()
    per = target_axis(ctx, env, bound["per"], ctx.type_of(x).axis)
    descending = _truth(ctx, env, bound.get("descending"))
    if per is None or descending is None:
        return FailedValue()
    return GraphValue(ctx.builder.rank(x, per, descending, env.span(call)))


def _truth(ctx: Context, env: Environment, expr: tree.Expr | None) -> bool | None:
    if expr is None:
        return False
    key = numeric(ctx, env, expr)
    if ctx.type_of(key).is_error:
        return None
    operation = ctx.node(key).operation
    if isinstance(operation, Constant) and isinstance(operation.value, bool):
        return operation.value
    ctx.report(error("RL020", "`true` or `false` is needed here", env.span(expr), f"this is {ctx.type_of(key)}"[:40],
                     why="the order is known before anything runs.", fix="`descending: true`"))
    return None


def call_top(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`top(x, k, per: prompt)`: whether a value is among the k largest of its group."""
    x, count = numeric(ctx, env, bound["x"]), numeric(ctx, env, bound["k"])
    if ctx.type_of(x).is_error or ctx.type_of(count).is_error:
        return FailedValue()
    per = target_axis(ctx, env, bound["per"], ctx.type_of(x).axis)
    if per is None:
        return FailedValue()
    place = ctx.builder.rank(x, per, True, env.span(call))
    return GraphValue(combine(ctx, env, Function.LESS, [place, count], call, [bound["x"], bound["k"]]))


def call_position(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`position(y)`: 0-based index of each token in its sample."""
    value = elaborate(ctx, env, bound["response"])
    if isinstance(value, ResponseValue):
        spec = ctx.tables.responses[value.name]
        return GraphValue(ctx.builder.position(spec.token_axis, spec.sample_axis, env.span(call)))
    key = as_key(ctx, env, value, bound["response"], "a response")
    axis = ctx.type_of(key).axis
    if ctx.type_of(key).is_error:
        return FailedValue()
    if axis.parent is None:
        ctx.report(error("RL104", "a scalar has no position", env.span(bound["response"]), "this value is one number",
                         why="positions count the places of a level.", fix="`position(y)` of a response"))
        return FailedValue()
    per = ctx.axis_at(axis, Level.SAMPLE) if axis.level > Level.SAMPLE else axis.parent
    return GraphValue(ctx.builder.position(axis, per or BATCH, env.span(call)))


# ------------------------------------------------------------------ groups
def call_pass_at(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`pass_at(k, x, per: prompt)`: expected best of k of the samples, without replacement (Chen et al. 2021 for 0/1).

    With values in descending order, the value of rank r is the best of a random k-subset of n with probability
    `k/n * prod_{j=1}^{k-1} (n-r-j)/(n-j)`. Absent for groups of fewer than k.
    """
    tries, x = numeric(ctx, env, bound["k"]), numeric(ctx, env, bound["x"])
    if ctx.type_of(tries).is_error or ctx.type_of(x).is_error:
        return FailedValue()
    k = constant_number(ctx, tries)
    if k is None or not 1 <= k <= MOST_TRIES or k != int(k):
        ctx.report(error("RL020", f"`k` must be a whole number from 1 to {MOST_TRIES}", env.span(bound["k"]), "the k of pass@k",
                         why="k is known when the spec is compiled.", fix="`pass_at(8, correct)`"))
        return FailedValue()
    axis = ctx.type_of(x).axis
    per = target_axis(ctx, env, bound.get("per"), axis, default=ctx.axis_at(axis, Level.PROMPT))
    if per is None or per == axis:
        if "per" not in bound:
            ctx.report(error("RL104", "`pass_at` is of answers to a prompt", env.span(bound["x"]), f"this is @ {axis}"[:40],
                             why="it asks for the best of k answers in a group.", fix="`pass_at(8, correct)`"))
        elif per is not None:
            ctx.report(error("RL104", f"a group of one {axis.level.word} has no best of k"[:60], env.span(bound["per"]),
                             f"the value is @ {axis}"[:40], why="it asks for the best of k answers in a group.",
                             fix="`per: prompt`"))
        return FailedValue()
    return GraphValue(_best_of_k(ctx, env, x, per, int(k)))


def _best_of_k(ctx: Context, env: Environment, x: int, per: Axis, k: int) -> int:
    build = ctx.builder
    count = build.size(ctx.type_of(x).axis, per)
    weight = build.elementwise(Function.MULTIPLY, _product(ctx, count, build.rank(x, per, True), k), build.constant(float(k)))
    total = build.reduce(Reduction.SUM, build.elementwise(Function.MULTIPLY, x, weight), per, span=env.call_site)
    enough = build.elementwise(Function.GREATER_EQUAL, count, build.constant(k))
    nothing = build.add(Constant(math.nan), type=Type(Element.REAL, optional=True))
    return build.elementwise(Function.SELECT, enough, total, nothing)


def _product(ctx: Context, count: int, place: int, k: int) -> int:
    """`1/n * prod_{j=1}^{k-1} (n-r-j)/(n-j)`; all k share its beginning."""
    build = ctx.builder
    known = ctx.calls.products.setdefault((count, place), [build.elementwise(Function.DIVIDE, build.constant(1.0), count)])
    zero, rest = build.constant(0.0), build.elementwise(Function.SUBTRACT, count, place)
    for step in range(len(known), k):
        left = build.elementwise(Function.SUBTRACT, rest, build.constant(step))
        factor = build.elementwise(Function.DIVIDE, build.elementwise(Function.MAXIMUM, left, zero),
                                   build.elementwise(Function.SUBTRACT, count, build.constant(step)))
        known.append(build.elementwise(Function.MULTIPLY, known[-1], factor))
    return known[k - 1]


def call_majority(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`majority(answer(y), per: prompt)`: the most frequent text of each group, the first of ties."""
    x = as_key(ctx, env, elaborate(ctx, env, bound["x"]), bound["x"], "a text")
    found = ctx.type_of(x)
    if found.is_error:
        return FailedValue()
    per = target_axis(ctx, env, bound["per"], found.axis)
    if per is None:
        return FailedValue()
    if found.element is not Element.TEXT:
        ctx.report(error("RL020", "a majority is of texts", env.span(bound["x"]), f"this is {found}"[:40],
                         why="it is the text that most of a group agree on.", fix="`majority(answer(y), per: prompt)`"))
        return FailedValue()
    if per == found.axis:
        ctx.report(error("RL104", f"one {found.axis.level.word} has no majority"[:60], env.span(bound["per"]),
                         f"the text is @ {found.axis}"[:40], why="a majority is of several texts.", fix="`per: prompt`"))
        return FailedValue()
    kind = Type(found.element, axis=per, stage=max(Stage.REWARD, found.stage), optional=True)
    operation = Foreign("majority", ("x",), (("from", found.axis.name), ("per", per.name)))
    return GraphValue(ctx.builder.add(operation, (x,), type=kind, span=env.span(call)))


def call_bradley_terry(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`bradley_terry(wins, per: prompt)`: the log-strength of each member of a group, from a value on its pairs."""
    wins = numeric(ctx, env, bound["wins"])
    found = ctx.type_of(wins)
    if found.is_error:
        return FailedValue()
    axis = found.axis
    per = target_axis(ctx, env, bound["per"], axis)
    if per is None:
        return FailedValue()
    if axis.among != per or found.is_live or not (found.interval.low >= 0 and found.interval.high <= 1):
        ctx.report(error("RL104", "`bradley_terry` is of pairs", env.span(bound["wins"]), f"this is {found}"[:40],
                         others=env.labels(bound["wins"], "in here"), why="it takes how often the first of each pair of a group"
                         " wins over the second: a frozen number in [0, 1] on the pairs of that group.",
                         fix="`bradley_terry(prefer(clear, y.text, others(y.text, per: prompt)), per: prompt)`"))
        return FailedValue()
    kind = Type(Element.REAL, axis=axis.members, stage=max(Stage.REWARD, found.stage), optional=True)
    settings = (("from", axis.name), ("members", axis.members.name), ("per", per.name))
    return GraphValue(ctx.builder.add(Foreign("bradley_terry", ("wins",), settings), (wins,), type=kind, span=env.span(call)))
