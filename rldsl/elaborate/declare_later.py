"""Samplers, buffers and retries: their execution comes later, what is wrong with them is said now."""

from __future__ import annotations

from rldsl.diagnostics import error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import elaborate, numeric
from rldsl.elaborate.setting_values import setting_value
from rldsl.elaborate.settings import settings_of
from rldsl.elaborate.settings_tables import RETRY
from rldsl.elaborate.values import DataValue, FailedValue, OtherValue, Value, describe
from rldsl.resolve.names import did_you_mean
from rldsl.syntax import tree
from rldsl.types import Element, Level


def declare_sampler(ctx: Context, env: Environment, item: tree.Sampler) -> Value:
    """`sampler s over data { … }`."""
    name = ctx.own_name(env, item.name)
    ctx.tables.samplers[name] = item
    ctx.defer("sampler", f"the sampler `{name}` type-checks, but samplers are not built yet", item.span)
    bound = env.scope.bindings.get(item.data)
    seen: set[str] = set()
    for setting in item.settings:
        if setting.name in seen:
            ctx.report(error("RL017", f"`{setting.name[:30]}` is set twice", setting.span, "the second time",
                             why="one setting, one value.", fix="delete one of them"))
        seen.add(setting.name)
        setting_value(ctx, env, setting.value)
    if (bound is None or not isinstance(bound[1], tree.Data)) and item.data not in env.scope.missing:
        known = [word for word, (_, found) in env.scope.bindings.items() if isinstance(found, tree.Data)]
        ctx.report(error("RL011", f"there is no data `{item.data[:30]}`", item.span, "over an unknown data set",
                         why="a sampler chooses rows of a data set.",
                         fix=did_you_mean(item.data, known) or "name a `data` declaration"))
    return OtherValue("sampler", name)


def declare_buffer(ctx: Context, env: Environment, item: tree.Buffer) -> Value:
    """`buffer hard <- problems where all(correct == 0, per: prompt)`."""
    name = ctx.own_name(env, item.name)
    ctx.tables.buffers[name] = item
    ctx.defer("buffer", f"the buffer `{name}` type-checks, but buffers are not built yet", item.span)
    rows = elaborate(ctx, env, item.data)
    if not isinstance(rows, (DataValue, FailedValue)):
        ctx.report(error("RL020", "a buffer keeps rows of a data set", item.data.span, f"this is {describe(rows)}",
                         why="what it keeps is drawn again later.", fix=f"`buffer {item.name} <- problems where …`"))
    if item.condition is not None:
        axis = ctx.tables.data[rows.name].axis if isinstance(rows, DataValue) else None
        _check_condition(ctx, env, item.condition, None if axis is None else axis.name, "a buffer")
    return OtherValue("buffer", name)


def note_retry(ctx: Context, env: Environment, item: tree.Rollout) -> None:
    """`retry` is looked at when its rollout and the rewards in its condition are there."""
    assert item.retry is not None
    ctx.defer("retry", f"`retry` of `{item.name}` type-checks, but retries are not built yet", item.retry.span)
    ctx.retries.append((env, item))


def check_retries(ctx: Context) -> None:
    """`retry while all(correct == 0, per: prompt) { prompt: … }`."""
    from rldsl.elaborate.declare_models import row_text
    for env, item in ctx.retries:
        response = ctx.tables.responses.get(ctx.own_name(env, item.name))
        if item.retry is None or response is None:
            continue
        _check_condition(ctx, env, item.retry.condition, response.prompt_axis.name, "a retry")
        plain = tuple(setting for setting in item.retry.settings if setting.name != "prompt")
        settings_of(ctx, env, plain, RETRY, "a retry")
        for setting in item.retry.settings:
            if setting.name == "prompt":
                row_text(ctx, env, setting.value, "prompt")


def _check_condition(ctx: Context, env: Environment, expr: tree.Expr, rows: str | None, what: str) -> None:
    key = numeric(ctx, env, expr)
    found = ctx.type_of(key)
    if found.is_error:
        return
    if found.element is not Element.BOOL or (found.axis.level > Level.PROMPT and found.axis.name != rows):
        ctx.report(error("RL036", f"{what} asks one condition for each row", expr.span, f"this is {found}"[:40],
                         why="a row is taken or left as a whole.", fix="`all(correct == 0, per: prompt)`"))
