"""Declarations to specs and values, each once. Models, data and responses go into the tables; lets into the graph."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from rldsl.diagnostics import error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.declare_models import declare_data, declare_extern, declare_model, declare_response, declare_rollout
from rldsl.elaborate.declare_params import declare_param, declare_state
from rldsl.elaborate.expressions import elaborate
from rldsl.elaborate.values import (
    DataValue,
    ExternValue,
    FailedValue,
    FunctionValue,
    GraphValue,
    ModelValue,
    OtherValue,
    ResponseValue,
    RubricValue,
    Value,
)
from rldsl.resolve.modules import Scope
from rldsl.resolve.names import did_you_mean, word_for
from rldsl.syntax import tree
from rldsl.types import Stage


def value_of_declaration(ctx: Context, env: Environment, scope: Scope, item: tree.Item, word: str,
                         at: tree.Node) -> Value:
    """The value that the name `word` stands for; elaborated at its first use, then kept."""
    if isinstance(item, tree.Function):
        return FunctionValue(item, scope)
    key = (scope.name, word)
    if isinstance(item, tree.Param) and at is not item:
        ctx.used_params.add(item.name)
    if key not in ctx.values:
        if ctx.in_test and not isinstance(item, (tree.Param, tree.Model, tree.Data)):
            ctx.report(error("RL027", "a test stands alone", env.span(at), f"this is a {word_for(item)} of the spec",
                             why="a test uses functions, parameters and values that are written in it.",
                             fix="`let x = [0.5, 1] @ sample`"))
            return FailedValue()
        ctx.values[key] = FailedValue()  # what a circle finds; circles were reported by name resolution
        ctx.values[key] = declare(ctx, scope, item)
    return ctx.values[key]


def declare(ctx: Context, scope: Scope, item: tree.Item) -> Value:
    """Elaborate one declaration at the top level."""
    env = Environment(scope)
    kept, ctx.builder.stage = ctx.builder.stage, Stage.DATA
    try:
        return _declare(ctx, env, scope, item)
    finally:
        ctx.builder.stage = kept


def _declare(ctx: Context, env: Environment, scope: Scope, item: tree.Item) -> Value:
    match item:
        case tree.Param():
            return declare_param(ctx, env, item)
        case tree.State():
            return declare_state(ctx, env, item)
        case tree.Data():
            declare_data(ctx, env, item)
            return DataValue(item.name)
        case tree.Model():
            declare_model(ctx, env, item)
            return ModelValue(item.name)
        case tree.Rollout():
            return ResponseValue(item.name) if declare_rollout(ctx, env, item) else FailedValue()
        case tree.Response():
            return ResponseValue(item.name) if declare_response(ctx, env, item) else FailedValue()
        case tree.Let() | tree.Reward():
            value = elaborate(ctx, env, item.value)
            if isinstance(value, GraphValue):
                ctx.builder.rename(value.key, item.name)
            return value
        case tree.Function():
            return FunctionValue(item, scope)
        case tree.Extern():
            return ExternValue(item.name) if declare_extern(ctx, env, item) else FailedValue()
        case tree.Rubric():
            return _rubric(ctx, env, item)
        case tree.Sampler():
            return _sampler(ctx, env, item)
        case tree.Buffer():
            ctx.tables.buffers[item.name] = item
            ctx.defer("buffer", f"the buffer `{item.name}` type-checks, but buffers are not built yet", item.span)
            elaborate(ctx, env, item.data)
            if item.condition is not None:
                elaborate(ctx, env, item.condition)
            return OtherValue("buffer", item.name)
        case tree.Objective() | tree.Eval():
            return OtherValue(word_for(item), item.name)
        case tree.Import() | tree.Assign() | tree.Guard() | tree.Test() | tree.Train() | tree.Plan():
            return FailedValue()
        case _:
            assert_never(item)


def _rubric(ctx: Context, env: Environment, item: tree.Rubric) -> Value:
    judge = env.scope.bindings.get(item.judge)
    if judge is None or not isinstance(judge[1], tree.Model):
        judges = [name for name, (_, found) in env.scope.bindings.items() if isinstance(found, tree.Model)]
        ctx.report(error("RL011", f"there is no judge `{item.judge[:30]}`", item.span, "judged by an unknown model",
                         why="a rubric is read by a judge.", fix=did_you_mean(item.judge, judges)
                         or f"`judge {item.judge} from openai(model: \"…\", base_url: env(\"JUDGE_URL\"))`"))
        return FailedValue()
    ctx.tables.rubrics[item.name] = item
    return RubricValue(item.name)


def _sampler(ctx: Context, env: Environment, item: tree.Sampler) -> Value:
    ctx.tables.samplers[item.name] = item
    ctx.defer("sampler", f"the sampler `{item.name}` type-checks, but samplers are not built yet", item.span)
    bound = env.scope.bindings.get(item.data)
    if bound is None or not isinstance(bound[1], tree.Data):
        ctx.report(error("RL011", f"there is no data `{item.data[:30]}`", item.span, "over an unknown data set",
                         why="a sampler chooses rows of a data set.", fix="name a `data` declaration"))
    return OtherValue("sampler", item.name)


def inside_objective(env: Environment, model: str) -> Environment:
    """The environment of an objective's body."""
    return replace(env, trained=model)
