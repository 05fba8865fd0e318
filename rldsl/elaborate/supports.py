"""What a draw is restricted to: `within: top_p(mask, 0.9)` of a rollout, `within: y.support` of a read."""

from __future__ import annotations

from rldsl.diagnostics import error
from rldsl.elaborate.constructors import check_arguments, written_argument
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import elaborate
from rldsl.elaborate.setting_values import is_rejected, setting_value, settled
from rldsl.elaborate.settings_tables import RULES
from rldsl.elaborate.values import FailedValue, ModelValue, ResponseValue, SupportValue, describe
from rldsl.graph.spec import Invocation, Role, Settings
from rldsl.syntax import tree


def checked_rule(ctx: Context, env: Environment, item: tree.Rollout, settings: Settings) -> Settings:
    """The settings of a rollout with its `within` held against what there is. After a report some rule stands there, so that
    nothing more is said of what is read within it."""
    call = dict(settings).get("within")
    if not isinstance(call, Invocation):
        return settings
    at = next(setting.value for setting in item.settings if setting.name == "within")
    rest = tuple((name, value) for name, value in settings if name != "within")
    amount = "share" if call.name == "top_p" else "count"
    table = RULES[call.name]
    as_written = setting_value(ctx, env, at)  # durations are numbers in what is kept
    assert isinstance(as_written, Invocation)
    given = check_arguments(ctx, env, at, as_written, table, ("model", amount), unnamed=2)
    model = _mask(ctx, env, _written_model(at)) if {"model", amount} <= given.keys() else None
    if model is None or any(name not in given or is_rejected(given[name]) for name in ("model", amount)):
        return (*rest, ("within", Invocation("top_p", ("", 1.0))))
    more = tuple((name, settled(value)) for name, value in given.items() if name not in ("model", amount))
    return (*rest, ("within", Invocation(call.name, (model, settled(given[amount])), more)))


def _written_model(at: tree.Expr) -> tree.Expr:
    named = written_argument(at, "model", 0)
    return written_argument(at, "", 0) if named is at else named


def _mask(ctx: Context, env: Environment, expr: tree.Expr) -> str | None:
    value = elaborate(ctx, env, expr)
    model = ctx.tables.models.get(value.name) if isinstance(value, ModelValue) else None
    if model is not None and model.role is Role.POLICY:
        return model.name
    if not isinstance(value, FailedValue):
        shown = f"this is a {model.role.value}" if model is not None else f"this is {describe(value)}"
        ctx.report(error("RL032", "a draw is restricted by a policy", env.span(expr), shown[:40],
                         why="its likeliest tokens are those that may be drawn.",
                         fix="`policy mask = frozen(actor)`, then `within: top_p(mask, 0.9)`"))
    return None


def read_within(ctx: Context, env: Environment, expr: tree.Expr | None, response: ResponseValue | None) -> bool | None:
    """Whether a read keeps to what its response's sampler could draw; None after a report."""
    if expr is None:
        return False
    value = elaborate(ctx, env, expr)
    if isinstance(value, SupportValue) and response is not None and value.name == response.name:
        return True
    if isinstance(value, SupportValue) and response is not None:
        ctx.report(error("RL103", "a support belongs to its own tokens", env.span(expr), f"of `{value.name}`"[:40],
                         others=env.labels(expr, "in here"),
                         why=f"the read stands at the tokens of `{response.name}`, where nothing of `{value.name}` was drawn.",
                         fix=f"`within: {response.name}.support`"))
    elif not isinstance(value, FailedValue) and response is not None:
        ctx.report(error("RL020", "a read keeps to the support of a rollout", env.span(expr), f"this is {describe(value)}"[:40],
                         others=env.labels(expr, "in here"),
                         why="the tokens that could be drawn are recorded with each token that was.",
                         fix=f"`within: {response.name}.support`; `top_p(mask, 0.9)` stands in the rollout"))
    return None
