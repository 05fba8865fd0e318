"""Parameters and states: scalars with a range, a start, and an override from outside."""

from __future__ import annotations

from rldsl.diagnostics import error
from rldsl.elaborate.constants import constant_number
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import numeric
from rldsl.elaborate.settings import setting_value
from rldsl.elaborate.typing import type_of_expr
from rldsl.elaborate.values import FailedValue, GraphValue, Value
from rldsl.graph.model import SourceKind
from rldsl.graph.spec import ParamSpec, Schedule, SettingValue, StateSpec
from rldsl.source import Source
from rldsl.syntax import tree
from rldsl.syntax.parse import parse
from rldsl.types import NUMERIC, Element, Stage, Type, format_number


def declare_param(ctx: Context, env: Environment, item: tree.Param) -> Value:
    """`param beta: Real in [0, 1] = 0.001`, or what `--set beta=…` says."""
    kind = type_of_expr(ctx, env, item.type)
    written, from_outside = _written(ctx, item)
    if kind is None or written is None:
        return FailedValue()
    value = setting_value(ctx, env, written)
    if value is None or not _fits(ctx, item, kind, value, from_outside):
        return FailedValue()
    if isinstance(value, int) and not isinstance(value, bool) and kind.element is Element.REAL:
        value = float(value)
    assert isinstance(value, (bool, int, float, str, Schedule))
    key = ctx.builder.leaf(SourceKind.PARAM, item.name, "", kind, item.span)
    ctx.builder.rename(key, item.name)
    ctx.tables.params[item.name] = ParamSpec(item.name, kind, value, key, item.span)
    if kind.element is Element.TEXT and isinstance(value, str):
        return GraphValue(ctx.builder.constant(value, item.span))
    return GraphValue(key)


def _written(ctx: Context, item: tree.Param) -> tuple[tree.Expr | None, bool]:
    given = ctx.overrides.get(item.name) if ctx.root.bindings.get(item.name, (None, None))[1] is item else None
    if given is None:
        return item.value, False
    if item.type.element == "Text":
        return tree.String(given, span=item.span), True
    source = Source("--set", f"param {item.name}: Real = {given}\n")
    parsed, faults = parse(source)
    first = parsed.items[0] if parsed is not None and parsed.items else None
    if faults or not isinstance(first, tree.Param) or parsed is None or len(parsed.items) != 1:
        ctx.report(error("RL019", f"`--set {item.name}` cannot be read"[:60], item.span, "the parameter it is for",
                         why=f"`{given[:60]}` is no value.", fix=f"`--set {item.name}=0.01`"))
        return None, True
    return first.value, True


def _fits(ctx: Context, item: tree.Param, kind: Type, value: SettingValue, from_outside: bool) -> bool:
    numbers = _numbers(value)
    if kind.element is Element.TEXT:
        fine, wanted = isinstance(value, str), "a text"
    elif kind.element is Element.BOOL:
        fine, wanted = isinstance(value, bool), "true or false"
    elif kind.element is Element.INT:
        fine, wanted = numbers is not None and all(number == int(number) for number in numbers), "a whole number"
    else:
        fine, wanted = numbers is not None, "a number or a schedule"
    if fine and numbers is not None and kind.element in NUMERIC:
        outside = [number for number in numbers if not kind.interval.contains(float(number))]
        fine, wanted = not outside, f"in {kind.interval}"
    if not fine:
        span = item.span if from_outside else item.value.span
        given = f", and --set gives {ctx.overrides[item.name][:40]}" if from_outside else ""
        ctx.report(error("RL019", f"`{item.name}` must be {wanted}"[:60], span,
                         "set from outside" if from_outside else "this value",
                         why=f"its type is {kind}{given}.",
                         fix=f"`param {item.name}: {kind} = {_default(kind)}`"))
    return fine


def _numbers(value: SettingValue) -> list[float] | None:
    match value:
        case bool():
            return [float(value)]
        case int() | float():
            return [value]
        case Schedule(start=start, end=end, points=points):
            return [start, end, *(number for _, number in points)]
        case _:
            return None


def _default(kind: Type) -> str:
    if kind.element is Element.TEXT:
        return '"…"'
    if kind.element is Element.BOOL:
        return "true"
    low = kind.interval.low
    return format_number(low) if low > -1e300 else "0"


def declare_state(ctx: Context, env: Environment, item: tree.State) -> Value:
    """`state multiplier: Real in [0, inf) = 1.0`."""
    kind = type_of_expr(ctx, env, item.type)
    if kind is None:
        return FailedValue()
    initial = constant_number(ctx, numeric(ctx, env, item.value))
    if kind.element not in NUMERIC or initial is None or not kind.interval.contains(initial):
        ctx.report(error("RL019", f"`{item.name}` needs a start in its range"[:60], item.value.span, "this value",
                         why=f"its type is {kind}.", fix=f"`state {item.name}: {kind} = {_default(kind)}`"))
        return FailedValue()
    kind = Type(kind.element, kind.interval, stage=Stage.DATA)
    key = ctx.builder.leaf(SourceKind.STATE, item.name, "", kind, item.span)
    ctx.builder.rename(key, item.name)
    ctx.tables.states[item.name] = StateSpec(item.name, kind, initial, key, None, item.span)
    return GraphValue(key)
