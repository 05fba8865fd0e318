"""Calls of functions written in `.rl`: the body stands where the call is, with the arguments for the parameters.

A call with the same arguments is expanded once. How much may be expanded grows with the length of the spec, so that no
spec takes longer than its length lets expect.
"""

from __future__ import annotations

from dataclasses import replace

from rldsl.diagnostics import Label, error
from rldsl.elaborate.arguments import Slot, bind
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import elaborate
from rldsl.elaborate.parameters import check_argument, check_result
from rldsl.elaborate.values import FailedValue, FunctionValue, Value, identity_of
from rldsl.syntax import tree

MOST_DEPTH = 64
MOST_CALLS = 8_000  # and one more for each four characters of the spec


def inline(ctx: Context, env: Environment, call: tree.Call, callee: FunctionValue) -> Value:
    """The value of a call."""
    function = callee.function
    ctx.calls.called.add(id(function))
    if not _may_go_on(ctx, env, call, callee):
        return FailedValue()
    bound = bind(ctx, env, call, [Slot(parameter.name, parameter.default is None) for parameter in function.parameters],
                 function.name)
    if bound is None:
        return FailedValue()
    site = env.call_site or (call.span if callee.scope is not env.scope else None)
    inner = Environment(callee.scope, {}, site, env.trained, env.depth + 1)
    given: dict[str, Value] = {}
    fine = True
    for parameter in function.parameters:
        value = _argument(ctx, env, inner, parameter, bound)
        given[parameter.name] = value
        fine = not isinstance(value, FailedValue) and check_argument(ctx, env, call, parameter, value) and fine
    return _expanded(ctx, replace(inner, local=given), call, callee) if fine else FailedValue()


def _expanded(ctx: Context, inner: Environment, call: tree.Call, callee: FunctionValue) -> Value:
    """The body, unless the same call was expanded before. What failed is said again only for another call."""
    arguments = tuple(identity_of(value) for value in inner.local.values())
    same = (id(callee.function), callee.scope.name, arguments, inner.trained, ctx.builder.stage)
    found = ctx.calls.results.get(same) or ctx.calls.results.get((same, inner.call_site))
    if found is None:
        ctx.calls.made += 1
        found = _body(ctx, inner, callee.function)
        if not isinstance(found, FailedValue):
            found = check_result(ctx, inner, call, callee.function, found)
        ctx.calls.results[(same, inner.call_site) if isinstance(found, FailedValue) else same] = found
    return found


def _argument(ctx: Context, env: Environment, inner: Environment, parameter: tree.Parameter,
              bound: dict[str, tree.Expr]) -> Value:
    if parameter.name in bound:
        return elaborate(ctx, env, bound[parameter.name])
    if parameter.default is None:
        return FailedValue()
    return elaborate(ctx, inner, parameter.default)


def _body(ctx: Context, inner: Environment, function: tree.Function) -> Value:
    local = dict(inner.local)  # grows with the lets; nothing else sees it
    env = replace(inner, local=local)
    for let in function.lets:
        local[let.name] = elaborate(ctx, env, let.value)
    return elaborate(ctx, env, function.body)


# ------------------------------------------------------------------ how much
def _may_go_on(ctx: Context, env: Environment, call: tree.Call, callee: FunctionValue) -> bool:
    if env.depth < MOST_DEPTH and ctx.calls.made <= MOST_CALLS + len(ctx.root.source.text) // 4:
        return not (ctx.calls.is_too_deep and env.depth > 0)
    if not ctx.calls.is_too_deep:
        ctx.calls.is_too_deep = True
        deep = env.depth >= MOST_DEPTH
        ctx.report(error("RL016", "these functions call each other too deeply" if deep else "these calls expand too far",
                         env.span(call), "this call", others=[Label(callee.function.span, "this function")],
                         why=f"calls are expanded in place, at most {MOST_DEPTH} deep." if deep else
                         f"calls are expanded in place, and {ctx.calls.made:,} were expanded so far.",
                         fix="name what is used twice with `let`, in fewer functions"))
    return False
