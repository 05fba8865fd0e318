"""Calls of models that read texts as they are, without the tokens of a response: `similarity(enc, a, b)`."""

from __future__ import annotations

from rldsl.diagnostics import Label, error
from rldsl.elaborate.arguments import Bound
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import as_key, elaborate, host
from rldsl.elaborate.values import FailedValue, GraphValue, ModelValue, ResponseValue, Value, describe
from rldsl.graph.spec import Role
from rldsl.syntax import tree
from rldsl.types import Element, Interval, Type

COSINE = Interval(-1.0, 1.0)


def call_similarity(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """The cosine of two texts' vectors, at the finer of their levels. Frozen: it is asked for on the host."""
    if ctx.in_test:
        ctx.report(error("RL027", "a test reads no models", env.span(call), "`similarity` asks an embedder",
                         others=env.labels(call, "in here"), why="a test runs without the models of its spec.",
                         fix="a number in its place: `let alike = 0.5`"))
        return FailedValue()
    encoder = _encoder(ctx, env, bound["encoder"])
    keys = [_text(ctx, env, bound[name]) for name in ("a", "b")]
    if encoder is None or any(ctx.type_of(key).is_error for key in keys):
        return FailedValue()
    inputs = [("first", keys[0]), ("second", keys[1])]
    kind = Type(Element.REAL, COSINE)
    return GraphValue(host(ctx, env, f"similarity:{encoder}", inputs, (), call, kind, [bound["a"], bound["b"]]))


def _encoder(ctx: Context, env: Environment, expr: tree.Expr) -> str | None:
    value = elaborate(ctx, env, expr)
    if isinstance(value, ModelValue) and ctx.tables.models[value.name].role is Role.EMBEDDER:
        return value.name
    if not isinstance(value, FailedValue):
        others = [Label(ctx.tables.models[value.name].span, "declared here")] if isinstance(value, ModelValue) else \
            list(env.labels(expr, "in here"))
        said = f"this is a {ctx.tables.models[value.name].role.value}" if isinstance(value, ModelValue) else \
            f"this is {describe(value)}"
        ctx.report(error("RL020", "`similarity` is by an embedder", env.span(expr), said[:40], others=others,
                         why="texts are compared as the vectors that an embedder makes of them.",
                         fix='`embedder enc from hf("…")`, then `similarity(enc, y.text, problems.answer)`'))
    return None


def _text(ctx: Context, env: Environment, expr: tree.Expr) -> int:
    value = elaborate(ctx, env, expr)
    if isinstance(value, ResponseValue):
        value = elaborate(ctx, env, tree.Field(expr, "text", span=expr.span))
    key = as_key(ctx, env, value, expr, "a text")
    found = ctx.type_of(key)
    if found.is_error or found.element is Element.TEXT:
        return key
    vector = found.element is Element.VECTOR
    ctx.report(error("RL020", "a text is needed here", env.span(expr), f"this is {found}"[:40], others=env.labels(expr, "in here"),
                     why="`similarity` makes vectors of texts by itself.",
                     fix="`cosine(u, v)` of vectors" if vector else "`similarity(enc, y.text, problems.answer)`"))
    return ctx.failed()
