"""Calls: functions of the language, of the host, and functions written in `.rl`, which are inlined where they are called."""

from __future__ import annotations

from collections.abc import Callable

from rldsl.diagnostics import error
from rldsl.elaborate import calls_series as series
from rldsl.elaborate import calls_values as values
from rldsl.elaborate.arguments import Bound, bind
from rldsl.elaborate.builtins import READS, REDUCTIONS, SIGNATURES, UNARY
from rldsl.elaborate.calls_compared import call_prefer, call_prm
from rldsl.elaborate.calls_host import call_extern, call_host
from rldsl.elaborate.calls_judged import call_rubric, call_verdicts, call_weights
from rldsl.elaborate.calls_levels import call_others, call_reduction, call_spread
from rldsl.elaborate.calls_parts import call_each, call_split
from rldsl.elaborate.calls_reads import call_embed, call_product, call_read
from rldsl.elaborate.calls_texts import call_similarity
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import combine, elaborate, numeric
from rldsl.elaborate.inlining import inline
from rldsl.elaborate.values import (
    BuiltinValue,
    ExternValue,
    FailedValue,
    FunctionValue,
    GraphValue,
    HostValue,
    ModelValue,
    RubricValue,
    Value,
    describe,
)
from rldsl.graph.model import Function
from rldsl.resolve.names import did_you_mean
from rldsl.syntax import tree

MOST_NODES = 30_000  # and one more for each two characters of the spec
Handler = Callable[[Context, Environment, tree.Call, Bound], Value]

WHOLE = {"each": call_each, "verdicts": call_verdicts, "weights": call_weights, "prefer": call_prefer, "prm": call_prm}
PRODUCTS = {function.value: function for function in (Function.DOT, Function.COSINE)}
HANDLERS: dict[str, Handler] = {
    "clip": values.call_clip, "where": values.call_where, "is_missing": values.call_is_missing, "curve": values.call_curve,
    "spread": call_spread, "frozen": values.call_frozen, "scan": series.call_scan, "next": series.call_next,
    "similarity": call_similarity, "prev": series.call_prev, "embed": call_embed, "others": call_others, "split": call_split,
    "rank": series.call_rank, "top": series.call_top, "position": series.call_position, "pass_at": series.call_pass_at,
    "majority": series.call_majority, "bradley_terry": series.call_bradley_terry,
    "gradient": values.call_gradient, "live": values.call_live,
    "iteration": values.call_iteration, "size": values.call_size, "prefix": values.call_prefix,
}


def elaborate_call(ctx: Context, env: Environment, call: tree.Call) -> Value:
    """The value of a call."""
    callee = elaborate(ctx, env, call.callee)
    if len(ctx.builder) > MOST_NODES + len(ctx.root.source.text) // 2:
        return _too_large(ctx, env, call)
    match callee:
        case FailedValue():
            for argument in call.arguments:
                if not isinstance(argument.value, (tree.Arrow, tree.ListOf)):
                    elaborate(ctx, env, argument.value)
            return callee
        case FunctionValue():
            return inline(ctx, env, call, callee)
        case BuiltinValue(name=name):
            return call_builtin(ctx, env, call, name)
        case HostValue(name=name):
            return call_host(ctx, env, call, name)
        case ExternValue(name=name):
            return call_extern(ctx, env, call, name)
        case RubricValue(name=name):
            return call_rubric(ctx, env, call, name)
        case _:
            _report_not_callable(ctx, env, call, callee)
            return FailedValue()


def _too_large(ctx: Context, env: Environment, call: tree.Call) -> Value:
    if not ctx.calls.is_too_large:
        ctx.calls.is_too_large = True
        ctx.report(error("RL016", "these calls expand too far", env.span(call), "the call at which it stops",
                         why=f"calls are expanded in place, and have made {len(ctx.builder):,} values out of"
                         f" {len(ctx.root.source.text):,} characters.", fix="a smaller `k`, or fewer functions of functions"))
    return FailedValue()


def _report_not_callable(ctx: Context, env: Environment, call: tree.Call, callee: Value) -> None:
    word = call.callee.text if isinstance(call.callee, tree.Name) else ""
    hidden = word in SIGNATURES and word not in env.local
    ctx.report(error("RL025", "this cannot be called", env.span(call.callee), f"it is {describe(callee)}",
                     others=env.labels(call, "in here"),
                     why=f"here `{word}` is what this file declares, not the function of the language." if hidden
                     else "only functions, rubrics and externs take arguments in brackets.",
                     fix=f"rename your `{word}`" if hidden else _instead_of_calling(callee, word)))


def _instead_of_calling(callee: Value, word: str) -> str:
    match callee:
        case ModelValue(name=name):
            return f"`rollout y ~ {name}(…)` draws from it, `logp({name}, y)` reads it"
        case _:
            return did_you_mean(word, SIGNATURES) or "drop the brackets, or name a function"


def call_builtin(ctx: Context, env: Environment, call: tree.Call, name: str) -> Value:
    """A function of the language."""
    positional = sum(argument.name is None for argument in call.arguments)
    if name in ("min", "max") and positional >= 2:
        return _extreme(ctx, env, call, name)
    if name in WHOLE:
        return WHOLE[name](ctx, env, call)
    bound = bind(ctx, env, call, SIGNATURES[name], name)
    if bound is None:
        return FailedValue()
    if name in UNARY:
        key = numeric(ctx, env, bound["x"])
        return GraphValue(combine(ctx, env, UNARY[name], [key], call, [bound["x"]]))
    if name in REDUCTIONS:
        return call_reduction(ctx, env, call, bound, REDUCTIONS[name])
    if name in PRODUCTS:
        return call_product(ctx, env, call, bound, PRODUCTS[name])
    if name in READS:
        return call_read(ctx, env, call, bound, READS[name])
    return HANDLERS[name](ctx, env, call, bound)


def _extreme(ctx: Context, env: Environment, call: tree.Call, name: str) -> Value:
    named = [argument for argument in call.arguments if argument.name is not None]
    if named:
        ctx.report(error("RL021", f"`{name}` of several values has no `{named[0].name}`"[:60], env.span(named[0]),
                         "this goes with one value alone", why=f"`{name}(a, b)` compares two values place by place;"
                         f" `{name}(x, per: prompt)` reduces one.", fix=f"`{name}(x, {named[0].name}: …)`"))
        return FailedValue()
    function = Function.MINIMUM if name == "min" else Function.MAXIMUM
    parts = [argument.value for argument in call.arguments]
    key = numeric(ctx, env, parts[0])
    for part in parts[1:]:
        key = combine(ctx, env, function, [key, numeric(ctx, env, part)], call, [parts[0], part])
    return GraphValue(key)
