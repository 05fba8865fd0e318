"""Declarations to specs and values, each once. Models, data and responses go into the tables; lets into the graph."""

from __future__ import annotations

from typing import assert_never

from rldsl.diagnostics import error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.declare_data import declare_data, declare_extern
from rldsl.elaborate.declare_later import declare_buffer, declare_sampler
from rldsl.elaborate.declare_models import declare_model, declare_response, declare_rollout
from rldsl.elaborate.declare_params import declare_param, declare_state
from rldsl.elaborate.expressions import elaborate
from rldsl.elaborate.rubrics import declare_rubric
from rldsl.elaborate.values import (
    DataValue,
    FailedValue,
    FunctionValue,
    GraphValue,
    ModelValue,
    OtherValue,
    Value,
)
from rldsl.resolve.modules import Scope
from rldsl.resolve.names import word_for
from rldsl.syntax import tree
from rldsl.types import Stage


def value_of_declaration(ctx: Context, env: Environment, scope: Scope, item: tree.Item, word: str,
                         at: tree.Node) -> Value:
    """The value that the name `word` stands for; elaborated at its first use, then kept."""
    key = (scope.name, word)
    if isinstance(item, tree.Function):
        return FailedValue() if key in ctx.circular else FunctionValue(item, scope)
    if isinstance(item, tree.Param) and at is not item:
        ctx.used_params.add(ctx.naming.of(scope, item.name))
    if key in ctx.circular:
        return FailedValue()
    if key not in ctx.values:
        if ctx.in_test and not isinstance(item, (tree.Param, tree.Model, tree.Data, tree.Extern)):
            ctx.report(error("RL027", "a test stands alone", env.span(at), f"this is a {word_for(item)} of the spec",
                             why="a test uses functions, parameters and values that are written in it.",
                             fix="`let x = [0.5, 1] @ sample`"))
            return FailedValue()
        ctx.values[key] = FailedValue()  # never found: name resolution has reported every circle
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
            return DataValue(declare_data(ctx, env, item))
        case tree.Model():
            return ModelValue(declare_model(ctx, env, item))
        case tree.Rollout():
            return declare_rollout(ctx, env, item)
        case tree.Response():
            return declare_response(ctx, env, item)
        case tree.Let() | tree.Reward():
            value = elaborate(ctx, env, item.value)
            if isinstance(value, GraphValue):
                ctx.builder.rename(value.key, item.name)
            return value
        case tree.Function():
            return FunctionValue(item, scope)
        case tree.Extern():
            return declare_extern(ctx, env, item)
        case tree.Rubric():
            return declare_rubric(ctx, env, item)
        case tree.Sampler():
            return declare_sampler(ctx, env, item)
        case tree.Buffer():
            return declare_buffer(ctx, env, item)
        case tree.Objective() | tree.Eval():
            return OtherValue(word_for(item), item.name)
        case tree.Import() | tree.Assign() | tree.Guard() | tree.Test() | tree.Train() | tree.Plan():
            return FailedValue()
        case _:
            assert_never(item)
