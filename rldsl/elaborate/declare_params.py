"""Parameters and states: scalars with a range, a start, and an override from outside."""

from __future__ import annotations

import math
from dataclasses import replace

from rldsl.diagnostics import error
from rldsl.elaborate.constants import constant_number
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import numeric
from rldsl.elaborate.setting_values import Bare, Rejected, is_rejected, setting_value
from rldsl.elaborate.typing import plain_type
from rldsl.elaborate.values import FailedValue, GraphValue, Value
from rldsl.graph.model import SourceKind
from rldsl.graph.spec import ParamSpec, Schedule, SettingValue, StateSpec
from rldsl.source import Source
from rldsl.syntax import tree
from rldsl.syntax.parse import parse
from rldsl.types import Element, Stage, Type, format_number

LONGEST_OVERRIDE = 10_000


def declare_param(ctx: Context, env: Environment, item: tree.Param) -> Value:
    """`param beta: Real in [0, 1] = 0.001`, or what `--set beta=…` says."""
    name = ctx.own_name(env, item.name)
    kind = plain_type(ctx, env, item.type, "a parameter", ("Real", "Int", "Bool", "Text"))
    if kind is None:
        return FailedValue()
    given = ctx.overrides.get(item.name) if name == item.name else None
    value = _written(ctx, env, item) if given is None else _from_outside(ctx, env, item, given)
    if is_rejected(value) or not _fits(ctx, item, kind, value, given):
        return FailedValue()
    value = _converted(value, kind)
    key = ctx.builder.leaf(SourceKind.PARAM, name, "", kind, item.span)
    ctx.builder.rename(key, name)
    ctx.tables.params[name] = ParamSpec(name, kind, value, key, item.span)
    if isinstance(value, str):
        return GraphValue(ctx.builder.constant(value, item.span))
    return GraphValue(key)


def _written(ctx: Context, env: Environment, item: tree.Param) -> SettingValue | Rejected:
    return setting_value(ctx, env, item.value)


def _from_outside(ctx: Context, env: Environment, item: tree.Param, given: str) -> SettingValue | Rejected:
    """The value of `--set`; whatever is wrong with it is blamed on the parameter, since it stands in no file."""
    if item.type.element == "Text":
        return given
    parsed, faults = parse(Source("--set", f"param {item.name}: Real = {given[:LONGEST_OVERRIDE]}\n"))
    items = parsed.items if parsed is not None else ()
    if faults or len(items) != 1 or not isinstance(items[0], tree.Param) or len(given) > LONGEST_OVERRIDE:
        ctx.report(error("RL019", f"`--set {item.name[:30]}` cannot be read", item.span, "the parameter it is for",
                         why=f"`{given[:60]}` is no value.", fix=f"`--set {item.name}={_plain_default(item)}`"))
        return setting_value(ctx, env, item.value)
    return setting_value(ctx, replace(env, call_site=item.span), items[0].value)


def _plain_default(item: tree.Param) -> str:
    return {"Int": "8", "Bool": "true"}.get(item.type.element, "0.01")


def _fits(ctx: Context, item: tree.Param, kind: Type, value: SettingValue | Rejected, given: str | None) -> bool:
    wanted = _wanted(kind, value)
    if wanted is None:
        return True
    outside = f", and --set gives `{given[:40]}`" if given is not None else ""
    ctx.report(error("RL019", f"`{item.name[:24]}` must be {wanted}"[:60], item.span if given is not None else item.value.span,
                     "set from outside" if given is not None else "this value", why=f"its type is {kind}{outside}.",
                     fix=f"`--set {item.name}={_default(kind)}`" if given is not None
                     else f"`param {item.name}: {kind} = {_default(kind)}`"))
    return False


def _wanted(kind: Type, value: SettingValue | Rejected) -> str | None:
    """What a parameter of this type must be, if `value` is not that."""
    match kind.element, value:
        case Element.TEXT, str() if not isinstance(value, Bare):
            return None
        case Element.TEXT, _:
            return "a text in quotes"
        case Element.BOOL, bool():
            return None
        case Element.BOOL, _:
            return "true or false"
        case Element.INT, int() | float() if not isinstance(value, bool) and value == int(value):
            return _outside(kind, [float(value)])
        case Element.INT, _:
            return "a whole number"
        case _, int() | float() if not isinstance(value, bool):
            return _outside(kind, [float(value)])
        case _, Schedule(start=start, end=end, points=points):
            return _outside(kind, [start, end, *(number for _, number in points)])
        case _:
            return "a number or a schedule"


def _outside(kind: Type, numbers: list[float]) -> str | None:
    return None if all(kind.interval.contains(number) for number in numbers) else f"in {kind.interval}"


def _converted(value: SettingValue | Rejected, kind: Type) -> float | bool | str | Schedule:
    """The number in the form of its element. An Int beyond what a float holds exactly stays as it is written."""
    match value:
        case int() | float() if kind.element is Element.REAL and not isinstance(value, bool):
            return float(value)
        case float() if kind.element is Element.INT:
            return int(value)
        case _:
            assert isinstance(value, (bool, int, float, str, Schedule))
            return value


def _default(kind: Type) -> str:
    match kind.element:
        case Element.TEXT:
            return '"…"'
        case Element.BOOL:
            return "true"
        case _:
            return next(format_number(number) for number in (0.01, 1.0, 0.0, 8.0, kind.interval.low, kind.interval.high)
                        if (kind.interval.contains(number) and (kind.element is Element.REAL or number == int(number)))
                        or number == kind.interval.high)


# ------------------------------------------------------------------ states
def declare_state(ctx: Context, env: Environment, item: tree.State) -> Value:
    """`state multiplier: Real in [0, inf) = 1.0`."""
    name = ctx.own_name(env, item.name)
    kind = plain_type(ctx, env, item.type, "a state", ("Real", "Int", "Bool"))
    start = numeric(ctx, env, item.value)
    if kind is None or ctx.type_of(start).is_error:
        return FailedValue()
    initial = constant_number(ctx, start)
    fits = initial is not None and math.isfinite(initial) and kind.interval.contains(initial)
    if initial is None or not fits or (kind.element is Element.INT and not initial.is_integer()):
        why = f"its type is {kind}." if initial is not None else "it has its start before anything runs."
        ctx.report(error("RL019", f"`{item.name[:24]}` needs a start in its range", item.value.span, "this value", why=why,
                         fix=f"`state {item.name}: {kind} = {_default(kind)}`"))
        return FailedValue()
    kind = Type(kind.element, kind.interval, stage=Stage.DATA)
    key = ctx.builder.leaf(SourceKind.STATE, name, "", kind, item.span)
    ctx.builder.rename(key, name)
    ctx.tables.states[name] = StateSpec(name, kind, initial, key, None, item.span)
    return GraphValue(key)
