"""Values of several parts: `each` puts values of one level side by side, as the members of each of its places."""

from __future__ import annotations

from rldsl.diagnostics import error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import axes_agree, numeric
from rldsl.elaborate.values import FailedValue, GraphValue, Value
from rldsl.infer.levels import common_axis
from rldsl.syntax import tree
from rldsl.types import Element, Level, parts_axis

MOST_MEMBERS = 256


def call_each(ctx: Context, env: Environment, call: tree.Call) -> Value:
    """`each(a, b, c)`: the values as one value of three members, at level `member` below theirs. Gradients pass."""
    named = [argument for argument in call.arguments if argument.name is not None]
    values = [argument.value for argument in call.arguments if argument.name is None]
    if named or not 2 <= len(values) <= MOST_MEMBERS:
        at, said = (named[0], "this has a name") if named else (call, f"{len(values)} values")
        ctx.report(error("RL021", "`each` takes several values, by place", env.span(at), said, others=env.labels(at, "in here"),
                         why=f"the values become members of each place, in their order; {MOST_MEMBERS} at most.",
                         fix="`each(score(a, y), score(b, y))`"))
        return FailedValue()
    keys = [_member(ctx, env, value) for value in values]
    if any(ctx.type_of(key).is_error for key in keys) or not axes_agree(ctx, env, keys, call, values):
        return FailedValue()
    parent = common_axis([ctx.type_of(key) for key in keys])
    assert parent is not None, "the axes were said to agree"
    if any(above.level is Level.MEMBER for above in parent.chain()):
        ctx.report(error("RL104", "these have members already", env.span(call), f"the values are @ {parent}"[:40],
                         others=env.labels(call, "in here"), why="a member has no members of its own.",
                         fix="one `each` of all values: `each(a, b, c)`"))
        return FailedValue()
    return GraphValue(ctx.builder.parts(keys, parts_axis(parent, Level.MEMBER, len(keys)), env.span(call)))


def _member(ctx: Context, env: Environment, expr: tree.Expr) -> int:
    key = numeric(ctx, env, expr, vectors=True)
    if ctx.type_of(key).element is not Element.VECTOR:
        return key
    ctx.report(error("RL020", "members are numbers", env.span(expr), "this is a vector", others=env.labels(expr, "in here"),
                     why="vectors are as wide as their model, and two models need not agree.",
                     fix="`each(cosine(u, v), cosine(u, w))`: numbers made of them"))
    return ctx.failed()
