"""Binding times that the context of an expression does not decide: host calls and reads of models that do not move."""

from __future__ import annotations

from dataclasses import replace

from rldsl.elaborate.context import Context, Environment
from rldsl.graph.spec import Average, Stored
from rldsl.types import Axis, Stage, Type, Version


def host_type(ctx: Context, result: Type, axis: Axis, inputs: list[int]) -> Type:
    """A host call is made once for each iteration, even where it is written inside an objective. An absent argument gives
    an absent result."""
    stage = max([Stage.REWARD, *(ctx.type_of(key).stage for key in inputs)])
    absent_argument = any(ctx.type_of(key).optional for key in inputs)
    return replace(result, axis=axis, stage=stage, live=frozenset(), optional=result.optional or absent_argument)


def version_of(ctx: Context, env: Environment, model: str) -> Version:
    """Which weights a read of `model` sees where it is written."""
    root = ctx.root_model(model)
    if env.trained is not None and ctx.root_model(env.trained) == root:
        return Version.CURRENT
    spec = ctx.tables.models.get(root)
    match spec.follows if spec is not None else None:
        case Average():
            return Version.AVERAGE
        case Stored():
            return Version.STORED
        case None:
            return Version.ITERATION if root in ctx.trained and not (spec and spec.frozen) else Version.FROZEN


def read_stage(version: Version) -> Stage:
    """Reads of current weights happen at each update; all others once for each iteration."""
    return Stage.UPDATE if version is Version.CURRENT else Stage.STATISTICS
