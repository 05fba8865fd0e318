"""Calls: functions of the language, of the host, and functions written in `.rl`, which are inlined where they are called."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rldsl.diagnostics import Label, error
from rldsl.elaborate import calls_builtin as own
from rldsl.elaborate.arguments import Slot, bind
from rldsl.elaborate.builtins import READS, REDUCTIONS, SIGNATURES, UNARY
from rldsl.elaborate.calls_host import call_extern, call_host, call_rubric
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import combine, elaborate, numeric
from rldsl.elaborate.parameters import check_argument
from rldsl.elaborate.values import (
    BuiltinValue,
    ExternValue,
    FailedValue,
    FunctionValue,
    GraphValue,
    HostValue,
    LevelValue,
    OtherValue,
    RubricValue,
    Value,
    describe,
)
from rldsl.graph.model import Function
from rldsl.resolve.names import did_you_mean
from rldsl.syntax import tree
from rldsl.types import Level

MOST_DEPTH = 64
Handler = Callable[[Context, Environment, tree.Call, dict[str, tree.Expr]], Value]

HANDLERS: dict[str, Handler] = {
    "clip": own.call_clip, "where": own.call_where, "is_missing": own.call_is_missing, "spread": own.call_spread,
    "frozen": own.call_frozen, "scan": own.call_scan, "next": own.call_next, "prev": own.call_prev,
    "rank": own.call_rank, "top": own.call_top, "position": own.call_position, "pass_at": own.call_pass_at,
    "majority": own.call_majority, "gradient": own.call_gradient, "live": own.call_live,
    "iteration": own.call_iteration,
}


def elaborate_call(ctx: Context, env: Environment, call: tree.Call) -> Value:
    """The value of a call."""
    callee = elaborate(ctx, env, call.callee)
    match callee:
        case FailedValue():
            for argument in call.arguments:
                elaborate(ctx, env, argument.value)
            return callee
        case FunctionValue():
            return inline(ctx, env, call, callee)
        case BuiltinValue(name=name):
            return call_builtin(ctx, env, call, name)
        case LevelValue() if isinstance(call.callee, tree.Name) and call.callee.text in SIGNATURES:
            return call_builtin(ctx, env, call, call.callee.text)
        case HostValue(name=name):
            return call_host(ctx, env, call, name)
        case ExternValue(name=name):
            return call_extern(ctx, env, call, name)
        case RubricValue(name=name):
            return call_rubric(ctx, env, call, name)
        case _:
            _report_not_callable(ctx, env, call, callee)
            return FailedValue()


def _report_not_callable(ctx: Context, env: Environment, call: tree.Call, callee: Value) -> None:
    name = callee.name if isinstance(callee, OtherValue) else ""
    near = did_you_mean(name, SIGNATURES) if name else ""
    ctx.report(error("RL025", "this cannot be called", env.span(call), f"it is {describe(callee)}",
                     why="only functions, rubrics and externs take arguments in brackets.",
                     fix=near or "drop the brackets, or name a function"))


def call_builtin(ctx: Context, env: Environment, call: tree.Call, name: str) -> Value:
    """A function of the language."""
    positional = sum(argument.name is None for argument in call.arguments)
    if name in ("min", "max") and positional >= 2:
        return _extreme(ctx, env, call, name)
    bound = bind(ctx, env, call, SIGNATURES[name], name)
    if bound is None:
        return FailedValue()
    if name in UNARY:
        key = numeric(ctx, env, bound["x"])
        return GraphValue(combine(ctx, env, UNARY[name], [key], call, [bound["x"]]))
    if name in REDUCTIONS:
        return own.call_reduction(ctx, env, call, bound, REDUCTIONS[name])
    if name in READS:
        return own.call_read(ctx, env, call, bound, READS[name])
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


def inline(ctx: Context, env: Environment, call: tree.Call, callee: FunctionValue) -> Value:
    """The body of a `.rl` function with its arguments in place of its parameters."""
    function = callee.function
    if env.depth >= MOST_DEPTH:
        ctx.report(error("RL016", "these functions call each other too deeply", env.span(call), "this call",
                         others=[Label(function.span, "this function")],
                         why=f"calls are expanded in place, at most {MOST_DEPTH} deep.", fix="write it without recursion"))
        return FailedValue()
    parameters = [Slot(parameter.name, parameter.default is None) for parameter in function.parameters]
    bound = bind(ctx, env, call, parameters, function.name)
    if bound is None:
        return FailedValue()
    inner = Environment(callee.scope, {}, env.call_site or (call.span if callee.scope is not env.scope else None),
                        env.trained, env.depth + 1)
    for parameter in function.parameters:
        value = _argument(ctx, env, inner, parameter, bound)
        if isinstance(value, FailedValue) or not check_argument(ctx, env, call, parameter, value):
            return FailedValue()
        inner = inner.with_local(parameter.name, value)
    return _body(ctx, inner, function)


def _argument(ctx: Context, env: Environment, inner: Environment, parameter: tree.Parameter,
              bound: dict[str, tree.Expr]) -> Value:
    if parameter.name in bound:
        return elaborate(ctx, env, bound[parameter.name])
    if parameter.default is None:
        return FailedValue()
    return elaborate(ctx, replace(inner, local={}), parameter.default)


def _body(ctx: Context, inner: Environment, function: tree.Function) -> Value:
    for let in function.lets:
        inner = inner.with_local(let.name, elaborate(ctx, inner, let.value))
    return elaborate(ctx, inner, function.body)


def level_of(value: Value) -> Level | None:
    """The level that a value names."""
    return value.level if isinstance(value, LevelValue) else None
