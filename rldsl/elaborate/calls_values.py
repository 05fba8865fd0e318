"""Calls of one place at a time, and those of tests and of constructs that run later. Arguments are bound already."""

from __future__ import annotations

import itertools
import math

from rldsl.diagnostics import error
from rldsl.elaborate.arguments import Bound
from rldsl.elaborate.constants import constant_number
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import as_key, axes_agree, combine, condition, elaborate, graph_value, host, numeric
from rldsl.elaborate.typing import literal_number
from rldsl.elaborate.values import BoundsValue, FailedValue, GraphValue, OtherValue, Value, describe
from rldsl.graph.model import Function, SourceKind
from rldsl.syntax import tree
from rldsl.types import Element, Interval, Stage, Type


def call_clip(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`clip(x, low .. high)`."""
    x = numeric(ctx, env, bound["x"])
    bounds = elaborate(ctx, env, bound["bounds"])
    if not isinstance(bounds, BoundsValue):
        if not isinstance(bounds, FailedValue):
            ctx.report(error("RL404", "a clip needs two bounds", env.span(bound["bounds"]), f"this is {describe(bounds)}",
                             others=env.labels(call, "in here"),
                             why="a clip is said by the bounds themselves, never by an epsilon.",
                             fix="`clip(ratio, 0.8 .. 1.2)`"))
        return FailedValue()
    low, high = constant_number(ctx, bounds.low), constant_number(ctx, bounds.high)
    if low is not None and high is not None and low > high:
        ctx.report(error("RL404", "a clip goes from low to high", env.span(bound["bounds"]), "these are the wrong way round",
                         others=env.labels(call, "in here"), why="nothing lies between them.", fix="`clip(ratio, 0.8 .. 1.2)`"))
        return FailedValue()
    parts: list[tree.Expr] = [bound["x"], bound["bounds"], bound["bounds"]]
    return GraphValue(combine(ctx, env, Function.CLIP, [x, bounds.low, bounds.high], call, parts))


def call_where(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`where(condition, then, otherwise)`."""
    parts = [bound["condition"], bound["then"], bound["otherwise"]]
    keys = [condition(ctx, env, parts[0]), *(numeric(ctx, env, part) for part in parts[1:])]
    return GraphValue(combine(ctx, env, Function.SELECT, keys, call, parts))


def call_is_missing(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`is_missing(x)`."""
    key = as_key(ctx, env, elaborate(ctx, env, bound["x"]), bound["x"])
    return GraphValue(combine(ctx, env, Function.IS_MISSING, [key], call, [bound["x"]]))


def call_frozen(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`frozen(x)` of a value."""
    key = numeric(ctx, env, bound["x"], vectors=True)
    return FailedValue() if ctx.type_of(key).is_error else GraphValue(ctx.builder.freeze(key, env.span(call)))


def call_iteration(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`iteration()`: how many iterations of training are done."""
    if ctx.in_test:
        ctx.report(error("RL027", "`iteration` belongs to training", env.span(call), "in a test",
                         others=env.labels(call, "in here"), why="a test has no iterations.",
                         fix="a number: `let iterations = 3`, given to the function"))
        return FailedValue()
    kind = Type(Element.INT, Interval(0.0, math.inf), stage=Stage.DATA)
    return GraphValue(ctx.builder.leaf(SourceKind.PROGRESS, "iteration", "", kind, env.span(call)))


def call_curve(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`curve(x, [0, 100, 200], [1, 1, 0])`: straight from point to point, and flat outside of them."""
    x = numeric(ctx, env, bound["x"])
    places = _places(ctx, env, bound["at"])
    values = _list_of_numbers(ctx, env, bound["values"])
    if places is None or values is None or ctx.type_of(x).is_error:
        return FailedValue()
    if len(places) != len(values):
        ctx.report(error("RL020", "a curve has one value for each place", env.span(bound["values"]),
                         f"{len(values)} for {len(places)} places", others=env.labels(call, "in here"),
                         why="it goes straight from one point to the next.", fix="`curve(x, [0, 100, 200], [1, 1, 0])`"))
        return FailedValue()
    items = bound["values"].items if isinstance(bound["values"], tree.ListOf) else ()
    if not all(axes_agree(ctx, env, [x, key], call, [bound["x"], part]) for key, part in zip(values, items, strict=True)):
        return FailedValue()
    found = _piece(ctx, x, places[-2:], values[-2:])
    for index in range(len(places) - 3, -1, -1):
        before = ctx.builder.elementwise(Function.LESS, x, ctx.builder.constant(places[index + 1]))
        found = ctx.builder.elementwise(Function.SELECT, before, _piece(ctx, x, places[index:index + 2], values[index:index + 2]),
                                        found, span=env.span(call))
    return GraphValue(found)


def _piece(ctx: Context, x: int, places: list[float], values: list[int]) -> int:
    """From one point to the next; flat before the first and after the second."""
    build, (low, high) = ctx.builder, places
    far = build.elementwise(Function.SUBTRACT, x, build.constant(low))
    share = build.elementwise(Function.DIVIDE, far, build.constant(high - low))
    rise = build.elementwise(Function.SUBTRACT, values[1], values[0])
    inside = build.elementwise(Function.CLIP, share, build.constant(0.0), build.constant(1.0))
    return build.elementwise(Function.ADD, values[0], build.elementwise(Function.MULTIPLY, rise, inside))


def _places(ctx: Context, env: Environment, expr: tree.Expr) -> list[float] | None:
    """The places of a curve: at least two numbers that are known when the spec is compiled, each above the one before."""
    keys = _list_of_numbers(ctx, env, expr)
    if keys is None:
        return None
    numbers = [constant_number(ctx, key) for key in keys]
    known = [number for number in numbers if number is not None]
    if len(known) == len(numbers) >= 2 and all(low < high for low, high in itertools.pairwise(known)):
        return known
    ctx.report(error("RL020", "the places of a curve go up", env.span(expr),
                     "fewer than two" if len(numbers) < 2 else "not known when the spec is compiled" if len(known) < len(numbers)
                     else "not in order", others=env.labels(expr, "in here"),
                     why="a curve goes straight from one place to the next: at least two numbers, each above the one before.",
                     fix="`curve(x, [0, 100, 200], [1, 1, 0])`"))
    return None


def _list_of_numbers(ctx: Context, env: Environment, expr: tree.Expr) -> list[int] | None:
    if not isinstance(expr, tree.ListOf) or expr.level is not None:
        ctx.report(error("RL020", "a list of numbers is needed here", env.span(expr), "not a list",
                         others=env.labels(expr, "in here"), why="a curve is given by the points that it goes through.",
                         fix="`curve(x, [0, 100, 200], [1, 1, 0])`"))
        return None
    keys = [numeric(ctx, env, item) for item in expr.items]
    return None if any(ctx.type_of(key).is_error for key in keys) else keys


# ------------------------------------------------------------------ tests alone
def call_live(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`live([…] @ token)` in a test: a value through which a gradient flows."""
    from rldsl.elaborate.tests import written_value
    values = bound["values"]
    if not ctx.in_test and isinstance(values, tree.ListOf) and values.level is not None:
        return FailedValue()  # the parser has said that a level is written in tests alone
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


# ------------------------------------------------------------------ what runs later
def call_size(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`size(hard)`: how many rows a buffer holds."""
    value = elaborate(ctx, env, bound["buffer"])
    if isinstance(value, OtherValue) and value.word == "buffer":
        kind = Type(Element.INT, Interval(0.0, math.inf), stage=Stage.DATA)
        return GraphValue(ctx.builder.leaf(SourceKind.STATE, value.name, "size", kind, env.span(call)))
    if not isinstance(value, FailedValue):
        ctx.report(error("RL020", "`size` is of a buffer", env.span(bound["buffer"]), f"this is {describe(value)}",
                         why="it says how many rows a buffer holds; `count(x, per: prompt)` counts values.",
                         fix="`when size(hard) >= 128 { … }`"))
    return FailedValue()


def call_prefix(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`prefix(text, 0.5)`, the beginning of a text; with a list, one share for each retry."""
    text, shares = graph_value(ctx, env, bound["text"], "a text"), bound["share"]
    if isinstance(shares, tree.ListOf):
        numbers = [literal_number(item) for item in shares.items]
        if not numbers or any(number is None or not 0 <= number <= 1 for number in numbers):
            ctx.report(error("RL020", "shares of a text lie between 0 and 1", env.span(shares), "this list",
                             why="each retry is shown a longer beginning.", fix="`prefix(problems.solution, [0.25, 0.5])`"))
            return FailedValue()
        ctx.defer("prefix", "`prefix` with a list gives a share to each retry, and retries are not built yet", call.span)
        share = ctx.builder.constant(numbers[0] or 0.0, env.span(shares))
    else:
        share = numeric(ctx, env, shares)
    if ctx.type_of(text).is_error or ctx.type_of(share).is_error:
        return FailedValue()
    if ctx.type_of(text).element is not Element.TEXT:
        ctx.report(error("RL020", "a text is needed here", env.span(bound["text"]), f"this is {ctx.type_of(text)}"[:40],
                         why="`prefix` cuts a text.", fix="`prefix(problems.solution, 0.5)`"))
        return FailedValue()
    return GraphValue(host(ctx, env, "text.prefix", [("text", text), ("share", share)], (), call, Type(Element.TEXT),
                           [bound["text"], shares]))
