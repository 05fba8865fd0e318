"""Reads of models: `logp(actor, y)`, `kl(actor, ref, y)`, `value(critic, y)`. Arguments are bound already."""

from __future__ import annotations

from rldsl.diagnostics import Label, error
from rldsl.elaborate.arguments import Bound
from rldsl.elaborate.builtins import TWO_MODELS
from rldsl.elaborate.constants import constant_number
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import elaborate, numeric
from rldsl.elaborate.staging import read_stage, version_of
from rldsl.elaborate.values import FailedValue, GraphValue, ModelValue, ResponseValue, Value, describe
from rldsl.graph.model import Read, ReadKind
from rldsl.graph.spec import Role
from rldsl.syntax import tree
from rldsl.types import Version


def call_read(ctx: Context, env: Environment, call: tree.Call, bound: Bound, kind: ReadKind) -> Value:
    """A read of one or two models at every token of a response."""
    model = _model(ctx, env, bound["model"], kind)
    other = _model(ctx, env, bound["other"], kind) if kind in TWO_MODELS else ""
    response = _response(ctx, env, bound["response"], kind)
    temperature = _temperature(ctx, env, bound.get("temperature"))
    if model is None or other is None or response is None or temperature is None:
        return FailedValue()
    return GraphValue(_read(ctx, env, call, kind, model, other, response, temperature))


def _model(ctx: Context, env: Environment, expr: tree.Expr, kind: ReadKind) -> str | None:
    value = elaborate(ctx, env, expr)
    if not isinstance(value, ModelValue):
        if not isinstance(value, FailedValue):
            ctx.report(error("RL020", "a model is needed here", env.span(expr), f"this is {describe(value)}",
                             others=env.labels(expr, "in here"), why="a model is read at each token.",
                             fix=f"`{kind.value}({'v' if kind is ReadKind.VALUE else 'actor'}, y)`"))
        return None
    spec = ctx.tables.models[value.name]
    wanted = (Role.CRITIC,) if kind is ReadKind.VALUE else (Role.POLICY, Role.JUDGE)
    if spec.role in wanted:
        return value.name
    has = "gives values, and has no vocabulary" if spec.role is Role.CRITIC else "gives probabilities of tokens, no values" \
        if spec.role in (Role.POLICY, Role.JUDGE) else "gives one number for a whole text"
    ctx.report(error("RL020", f"`{kind.value}` reads a {wanted[0].value}"[:60], env.span(expr), f"this is a {spec.role.value}",
                     others=[Label(spec.span, "declared here")], why=f"a {spec.role.value} {has}.",
                     fix="`critic v from tiny(…)`, then `value(v, y)`" if kind is ReadKind.VALUE
                     else f"name a policy: `{kind.value}(actor, y)`"))
    return None


def _response(ctx: Context, env: Environment, expr: tree.Expr, kind: ReadKind) -> ResponseValue | None:
    value = elaborate(ctx, env, expr)
    if isinstance(value, ResponseValue):
        return value
    if not isinstance(value, FailedValue):
        ctx.report(error("RL020", f"`{kind.value}` reads the tokens of a response", env.span(expr), f"this is {describe(value)}",
                         others=env.labels(expr, "in here"), why="a model scores tokens, not texts.",
                         fix=f"`{kind.value}(actor, y)` with the rollout `y` itself"))
    return None


def _temperature(ctx: Context, env: Environment, expr: tree.Expr | None) -> float | None:
    if expr is None:
        return 1.0
    key = numeric(ctx, env, expr)
    if ctx.type_of(key).is_error:
        return None
    number = constant_number(ctx, key)
    if number is not None and 0 < number <= 1e6:
        return number
    ctx.report(error("RL020", "a temperature is a number above 0", env.span(expr),
                     "not known before anything runs" if number is None else "out of range",
                     why="logits are divided by it.", fix="`temperature: 1.0`"))
    return None


def _read(ctx: Context, env: Environment, call: tree.Call, kind: ReadKind, model: str, other: str,
          response: ResponseValue, temperature: float) -> int:
    spec = ctx.tables.responses[response.name]
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
