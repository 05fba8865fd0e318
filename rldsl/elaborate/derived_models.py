"""Models made from models: snapshots, averages and stored versions of trained weights, other roles of the same weights."""

from __future__ import annotations

from dataclasses import dataclass

from rldsl.diagnostics import error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import elaborate
from rldsl.elaborate.setting_values import setting_value
from rldsl.elaborate.settings import Allowed, fits
from rldsl.elaborate.values import FailedValue, ModelValue, describe
from rldsl.graph.spec import Average, Stored
from rldsl.resolve.names import did_you_mean
from rldsl.syntax import tree
from rldsl.types import Interval

FORMS: dict[str, dict[str, Allowed]] = {
    "frozen": {},
    "ema": {"rate": Allowed("number", Interval(0.0, 1.0, low_open=True, high_open=True), example="0.01")},
    "stored": {"lag": Allowed("whole", Interval(1.0, 1e6), example="1")},
}


@dataclass(frozen=True, slots=True)
class Derived:
    """The model that one is made from, None after a report; whether its weights are its own; how they follow the base's."""

    base: str | None
    frozen: bool
    follows: Average | Stored | None = None


def derived_from(ctx: Context, env: Environment, item: tree.Model) -> Derived:
    """What stands after `=`: `frozen(actor)`, `ema(actor, rate: 0.01)`, `stored(actor, lag: 2)`, or a model itself."""
    match item.origin:
        case tree.Call(callee=tree.Name(text=form), arguments=arguments) if form in FORMS:
            base = _base(ctx, env, item, item.origin, _first(arguments))
            given = _arguments(ctx, env, item.origin, form, arguments)
            follows = _follows(form, given)
            if base is not None and follows is not None:
                _require_trained(ctx, item, follows, base)
            return Derived(base, True, follows)
        case _:
            base = _base(ctx, env, item, item.origin, item.origin)
            return Derived(base, base is None)


def _first(arguments: tuple[tree.Argument, ...]) -> tree.Expr | None:
    return next((argument.value for argument in arguments if argument.name is None), None)


def _base(ctx: Context, env: Environment, item: tree.Model, origin: tree.Expr, inner: tree.Expr | None) -> str | None:
    value = elaborate(ctx, env, inner) if inner is not None else None
    if isinstance(value, ModelValue):
        return value.name
    if not isinstance(value, FailedValue):
        shown = f"this is {describe(value)}" if value is not None else "no model is named here"
        ctx.report(error("RL032", "a model is derived from a model", origin.span, shown,
                         why="`=` names another model: a snapshot of it, weights that follow it, another role of the same weights.",
                         fix=f"`{item.role} {item.name} = frozen(actor)`"))
    return None


def _arguments(ctx: Context, env: Environment, call: tree.Expr, form: str,
               arguments: tuple[tree.Argument, ...]) -> dict[str, float]:
    """The numbers of a form by name, those that fit; everything else is reported."""
    allowed = FORMS[form]
    shown = f"{form}(actor{''.join(f', {name}: {rule.example}' for name, rule in allowed.items())})"
    found: dict[str, float] = {}
    for argument in [*[entry for entry in arguments if entry.name is None][1:], *(e for e in arguments if e.name is not None)]:
        rule = allowed.get(argument.name or "")
        if rule is None or argument.name in found:
            title = f"`{form}` does not take `{argument.name[:20]}`" if argument.name is not None \
                else f"`{form}` takes one model, and all else by name"
            ctx.report(error("RL021", title, env.span(argument.value), "this argument", why=f"its form is `{shown}`.",
                             fix=did_you_mean(argument.name or "", allowed) or "delete it"))
            continue
        value = setting_value(ctx, env, argument.value)
        if fits(ctx, env, value, rule, argument.name or "", argument.value.span, form) and isinstance(value, int | float):
            found[argument.name or ""] = value
    written = {argument.name for argument in arguments}
    for name in (name for name in allowed if name not in written):
        ctx.report(error("RL021", f"`{form}` needs `{name}`", call.span, "it is missing here", why=f"its form is `{shown}`.",
                         fix=f"`{shown}`"))
    return found


def _follows(form: str, given: dict[str, float]) -> Average | Stored | None:
    match form:
        case "ema" if "rate" in given:
            return Average(float(given["rate"]))
        case "stored" if "lag" in given:
            return Stored(int(given["lag"]))
        case _:
            return None


def kind_of(follows: Average | Stored | None) -> str:
    """What a model with weights that nobody trains is."""
    match follows:
        case Average():
            return "an average"
        case Stored():
            return "a stored version"
        case None:
            return "a snapshot"


def _require_trained(ctx: Context, item: tree.Model, follows: Average | Stored, base: str) -> None:
    if ctx.root_model(base) in ctx.trained:
        return
    ctx.report(error("RL032", f"`{base[:24]}` never moves, so nothing follows it"[:60], item.origin.span,
                     f"{kind_of(follows)} that never changes", why=f"no objective is for `{base}`.",
                     fix=f"`objective … for {base}`, or `{item.role} {item.name} = frozen({base})`"))
