"""What a sampler recorded beside the tokens of a response: fields that a rollout alone has."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from rldsl.diagnostics import Label, error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.values import FailedValue, GraphValue, SupportValue, Value
from rldsl.graph.model import SourceKind
from rldsl.graph.spec import ResponseSpec
from rldsl.resolve.names import did_you_mean, listed
from rldsl.rollouts.signatures import ModelError, Sampling
from rldsl.syntax import tree
from rldsl.types import BINARY, EVERYTHING, Element, Interval, LogProbability, Stage, Type, Version

RESPONSE_FIELDS: Final = ("text", "logp", "prompt", "length", "finished", "support", "uniform", "ids", "prompt_ids")


def support_field(ctx: Context, env: Environment, field: tree.Field, response: ResponseSpec) -> Value:
    """`y.support` of a rollout that draws from less than the vocabulary."""
    if is_restricted(response):
        return SupportValue(response.name)
    ctx.report(error("RL024", f"`{response.name}` is drawn from all tokens"[:60], env.span(field), "nothing is left out",
                     others=[Label(response.span, "drawn here")],
                     why="a support is what `within`, `top_p`, `top_k` or `min_tokens` leave of the vocabulary.",
                     fix="leave it out: the whole vocabulary is what is read"))
    return FailedValue()


def is_restricted(response: ResponseSpec, by_rule: bool = False) -> bool:
    """Whether the sampler leaves out anything; or anything but early ends."""
    try:
        settings = Sampling.of(response.settings)
    except ModelError:
        return True  # its settings are at fault, which was said of them
    return settings.truncates or (settings.min_tokens > 0 and not by_rule)


def not_sampled(ctx: Context, env: Environment, field: tree.Field, response: ResponseSpec) -> Value:
    """A field that only a sampler writes, of a text that none drew."""
    ctx.report(error("RL024", f"`{response.name}` was not sampled"[:60], env.span(field), "no sampler recorded this",
                     why="a `response` is text from the data; only a `rollout` has what its sampler recorded.",
                     fix=f"`logp({response.model}, {response.name})` scores it"))
    return FailedValue()


def recorded(ctx: Context, env: Environment, field: tree.Field, response: ResponseSpec) -> int:
    """The leaf of what a sampler wrote down: texts, ends, log-probabilities."""
    settings = dict(response.settings)
    match field.name:
        case "text":
            kind = Type(Element.TEXT, axis=response.sample_axis, stage=Stage.ROLLOUT)
        case "finished":
            kind = Type(Element.BOOL, BINARY, response.sample_axis, stage=Stage.ROLLOUT)
        case _:
            origin = LogProbability(response.model, response.name, Version.SAMPLER, _number(settings, "temperature", 1.0),
                                    is_restricted(response), truncates=is_restricted(response, by_rule=True))
            kind = Type(Element.REAL, Interval(-math.inf, 0.0), response.token_axis, stage=Stage.ROLLOUT,
                        provenance=origin)
    return ctx.builder.leaf(SourceKind.RECORDED, response.name, field.name, kind, env.span(field))


def field_of_completion(ctx: Context, env: Environment, field: tree.Field, response: ResponseSpec) -> Value:
    """`y.label`, a field `@ sample` of the data that the prompts are rows of. A response of the data has one completion a row."""
    data = ctx.tables.data.get(response.prompt_axis.owner)
    columns = {column.name: column for column in data.fields} if data is not None else {}
    found = columns.get(field.name)
    if data is None or found is None or not found.each:
        known = [*(column.name for column in columns.values() if column.each), *RESPONSE_FIELDS]
        of_row = f"`{response.prompt_axis.owner}.{field.name}`, or declare it `@ sample`" if found is not None else ""
        ctx.report(error("RL023", f"a response has no field `{field.name[:30]}`", env.span(field), "this field does not exist",
                         others=[Label(found.span, "of each row, not of each completion")] if found is not None else [],
                         why=f"it has {listed(known)}.",
                         fix=of_row or did_you_mean(field.name, known) or f"`{response.name}.text`"))
        return FailedValue()
    if found.element is Element.NONE:
        return FailedValue()
    interval = BINARY if found.element is Element.BOOL else EVERYTHING
    if response.is_sampled:
        kind = Type(found.element, interval, response.sample_axis, stage=Stage.ROLLOUT)
        return GraphValue(ctx.builder.leaf(SourceKind.RECORDED, response.name, field.name, kind, env.span(field)))
    kind = Type(found.element, interval, data.axis, stage=Stage.DATA)
    return GraphValue(ctx.builder.leaf(SourceKind.DATA, data.name, field.name, kind, env.span(field)))


def _number(settings: Mapping[str, object], name: str, default: float) -> float:
    value = settings.get(name, default)
    return float(value) if isinstance(value, (int, float)) else default
