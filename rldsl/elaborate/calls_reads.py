"""Reads of models: `logp(actor, y)`, `kl(actor, ref, y)`, `value(critic, y)`, `score(rm, y)`, `hidden(enc, y)`, and what
is made of vectors. Arguments are bound already."""

from __future__ import annotations

from dataclasses import replace

from rldsl.diagnostics import Label, error
from rldsl.elaborate.arguments import Bound
from rldsl.elaborate.builtins import TWO_MODELS
from rldsl.elaborate.calls_levels import target_axis
from rldsl.elaborate.constants import constant_number
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import axes_agree, elaborate, graph_value, numeric
from rldsl.elaborate.staging import read_stage, version_of
from rldsl.elaborate.supports import read_within
from rldsl.elaborate.values import FailedValue, GraphValue, ModelValue, ResponseValue, Value, describe
from rldsl.graph.model import Function, Read, ReadKind, Reduction
from rldsl.graph.spec import Invocation, Role
from rldsl.syntax import tree
from rldsl.types import Axis, Element, Version, format_number

MOST_ALPHA = 100  # in size: beyond, not even a ratio of 2 can be raised to it in float32
ROLES = {ReadKind.VALUE: (Role.CRITIC,), ReadKind.SCORE: (Role.SCORER,),
         ReadKind.HIDDEN: (Role.EMBEDDER, Role.POLICY, Role.CRITIC, Role.SCORER)}
GIVES = {Role.POLICY: "probabilities of tokens", Role.JUDGE: "probabilities of tokens",
         Role.CRITIC: "values of states, and has no vocabulary", Role.SCORER: "scores of texts, and has no vocabulary",
         Role.EMBEDDER: "vectors of texts"}


def call_read(ctx: Context, env: Environment, call: tree.Call, bound: Bound, kind: ReadKind) -> Value:
    """A read of one or two models at every token of a response, or at every answer."""
    model = _model(ctx, env, bound["model"], kind)
    other = _model(ctx, env, bound["other"], kind) if kind in TWO_MODELS else ""
    response = _response(ctx, env, bound["response"], kind)
    temperature = _temperature(ctx, env, bound.get("temperature"))
    parameter = _parameter(ctx, env, bound, kind)
    within = read_within(ctx, env, bound.get("within"), response)
    if model is None or other is None or response is None or temperature is None or within is None \
            or isinstance(parameter, FailedValue):
        return FailedValue()
    axis = _axis(ctx, env, call, bound.get("per"), kind, response)
    if axis is None:
        return FailedValue()
    return GraphValue(_read(ctx, env, call, axis, Read(
        kind, model, response.name, version_of(ctx, env, model), temperature, other or None,
        version_of(ctx, env, other) if other else None, parameter=parameter, within=within), response))


def call_embed(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`embed(enc, y)`: the mean of the hidden states of each answer, a vector @ sample; the last of them for an embedder that
    pools so."""
    hidden = call_read(ctx, env, call, bound, ReadKind.HIDDEN)
    if not isinstance(hidden, GraphValue):
        return hidden
    operation = ctx.node(hidden.key).operation
    assert isinstance(operation, Read)
    to = ctx.tables.responses[operation.response].sample_axis
    pooled = Reduction.LAST if _pools_last(ctx, operation.model) else Reduction.MEAN
    return GraphValue(ctx.builder.reduce(pooled, hidden.key, to, span=env.span(call)))


def _pools_last(ctx: Context, name: str | None) -> bool:
    """Whether an embedder, or the one that it is made from, says `pooling: last`."""
    while name is not None:
        spec = ctx.tables.models[name]
        for word, value in spec.settings:
            if word == "pooling":
                return (value.name if isinstance(value, Invocation) else value) == "last"
        name = spec.base
    return False


def call_product(ctx: Context, env: Environment, call: tree.Call, bound: Bound, function: Function) -> Value:
    """`dot(u, v)`, `cosine(u, v)` of two vectors: a number at the finer of their levels."""
    keys = [_vector(ctx, env, bound[name], function) for name in ("x", "y")]
    if any(ctx.type_of(key).is_error for key in keys) or not axes_agree(ctx, env, keys, call, [bound["x"], bound["y"]]):
        return FailedValue()
    return GraphValue(ctx.builder.elementwise(function, *keys, span=env.span(call)))


def _vector(ctx: Context, env: Environment, expr: tree.Expr, function: Function) -> int:
    key = graph_value(ctx, env, expr, "a vector")
    found = ctx.type_of(key)
    if found.is_error or found.element is Element.VECTOR:
        return key
    ctx.report(error("RL020", f"`{function.value}` is of two vectors", env.span(expr), f"this is {found}"[:40],
                     others=env.labels(expr, "in here"), why="vectors are hidden states of models, and means of them.",
                     fix=f"`{function.value}(embed(enc, y), others(embed(enc, y), per: batch))`"))
    return ctx.failed()


def _model(ctx: Context, env: Environment, expr: tree.Expr, kind: ReadKind) -> str | None:
    value = elaborate(ctx, env, expr)
    if not isinstance(value, ModelValue):
        if not isinstance(value, FailedValue):
            ctx.report(error("RL020", "a model is needed here", env.span(expr), f"this is {describe(value)}",
                             others=env.labels(expr, "in here"), why="a model is read at the tokens of a response.",
                             fix=_example(kind)))
        return None
    spec = ctx.tables.models[value.name]
    wanted = ROLES.get(kind, (Role.POLICY, Role.JUDGE))
    if spec.role in wanted:
        return value.name
    ctx.report(error("RL020", f"`{kind.value}` reads a {wanted[0].value}"[:60], env.span(expr), f"this is a {spec.role.value}",
                     others=[Label(spec.span, "declared here")], why=f"a {spec.role.value} gives {GIVES[spec.role]}.",
                     fix=_other_read(kind, spec.role, value.name) or _example(kind)))
    return None


def _example(kind: ReadKind) -> str:
    match kind:
        case ReadKind.VALUE:
            return "`critic v from tiny(…)`, then `value(v, y)`"
        case ReadKind.HIDDEN:
            return "`embedder enc from hf(…)`, then `embed(enc, y)`"
        case ReadKind.SCORE:
            return "`scorer rm from hf(…)`, then `score(rm, y)`"
        case _:
            return f"name a policy: `{kind.value}({'actor, ref' if kind in TWO_MODELS else 'actor'}, y)`"


def _other_read(kind: ReadKind, role: Role, model: str) -> str:
    """The read that this model has, where the wrong one of two alike was written."""
    if kind is ReadKind.VALUE and role is Role.SCORER:
        return f"`score({model}, y, per: token)`, the score after each token; `score({model}, y)`, after the last"
    return f"`value({model}, y)`" if kind is ReadKind.SCORE and role is Role.CRITIC else ""


def _axis(ctx: Context, env: Environment, call: tree.Call, per: tree.Expr | None, kind: ReadKind,
          response: ResponseValue) -> Axis | None:
    """Where the read stands: at the tokens; a score at the samples, or at the level that `per:` names within them."""
    spec = ctx.tables.responses[response.name]
    if kind is not ReadKind.SCORE:
        return spec.token_axis
    axis = target_axis(ctx, env, per, spec.token_axis, default=spec.sample_axis)
    if axis is None or axis.is_within(spec.sample_axis):
        return axis
    ctx.report(error("RL104", "a score is of one answer", env.span(call), f"`{axis}` holds several"[:40],
                     why=f"a place of `{axis}` has no text of its own that could be scored.",
                     fix="`score(rm, y)`, then `mean(…, per: prompt)` of it"))
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


def _parameter(ctx: Context, env: Environment, bound: Bound, kind: ReadKind) -> float | None | FailedValue:
    """The weight of the first policy in `js`, 1/2 if none is written; `alpha`. Known when a spec is compiled."""
    expr = bound.get("weight" if kind is ReadKind.JS else "alpha")
    if expr is None:
        return 0.5 if kind is ReadKind.JS else None
    key = numeric(ctx, env, expr)
    if ctx.type_of(key).is_error:
        return FailedValue()
    number = constant_number(ctx, key)
    is_weight = kind is ReadKind.JS
    if number is not None and (0 < number < 1 if is_weight else abs(number) <= MOST_ALPHA and number not in (0, 1)):
        return number
    shown = "not known before anything runs" if number is None else f"here it is {format_number(number)}"[:40]
    if is_weight:
        ctx.report(error("RL020", "a weight in a mixture lies between 0 and 1", env.span(expr), shown,
                         others=env.labels(expr, "in here"),
                         why="`js` is 0 at both ends: the mixture is then one of the two policies.",
                         fix="`weight: 0.5`; near 0, `js / weight` is `kl(p, q, y)`"))
    else:
        ctx.report(error("RL020", "`alpha` is a number, and neither 0 nor 1", env.span(expr), shown,
                         others=env.labels(expr, "in here"),
                         why=f"it is an exponent, at most {MOST_ALPHA} in size; at 1 and 0 the divergence becomes a KL.",
                         fix="`kl(p, q, y)` is its limit at 1, `kl(q, p, y)` that at 0"))
    return FailedValue()


def _read(ctx: Context, env: Environment, call: tree.Call, axis: Axis, read: Read, response: ResponseValue) -> int:
    spec = ctx.tables.responses[response.name]
    latest = read_stage(Version.CURRENT if Version.CURRENT in (read.version, read.other_version) else read.version)
    inputs = () if response.context is None else (ctx.builder.spread(response.context, spec.sample_axis),)
    operation = replace(read, context=inputs[0] if inputs else None, tokens=None if axis == spec.token_axis else spec.token_axis)
    kept, ctx.builder.stage = ctx.builder.stage, latest
    key = ctx.builder.read(operation, axis, inputs, env.span(call))
    ctx.builder.stage = kept
    return key
