"""Settings blocks and constructors to plain values, held against tables of what exists. Nothing unknown gets through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from rldsl.diagnostics import error
from rldsl.elaborate.context import Context, Environment
from rldsl.graph.spec import Amount, Invocation, Schedule, Settings, SettingValue
from rldsl.resolve.names import did_you_mean, listed
from rldsl.syntax import tree
from rldsl.types import EVERYTHING, Interval, format_number


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a setting may be. `kind`: number, whole, word, text, truth, texts, amount, call, any. `later`: known, parsed
    and kept, but it cannot run yet."""

    kind: str
    interval: Interval = EVERYTHING
    words: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    scheduled: bool = False
    later: bool = False
    example: str = ""


SCHEDULES = ("linear", "cosine", "warmup", "piecewise", "adaptive")
_MESSAGES = {"number": "a number", "whole": "a whole number", "word": "a word", "text": "a text", "truth": "true or false",
             "texts": "a list of texts", "amount": "an amount such as `16 prompts`", "call": "a constructor"}


def settings_of(ctx: Context, env: Environment, written: Sequence[tree.Setting], allowed: dict[str, Allowed],
                where: str) -> Settings:
    """The settings of a block; every unknown, doubled or misfitting one is reported."""
    found: dict[str, SettingValue] = {}
    for setting in written:
        rule = allowed.get(setting.name)
        if rule is None:
            near = did_you_mean(setting.name, allowed)
            ctx.report(error("RL017", f"{where} has no setting `{setting.name[:20]}`"[:60], env.span(setting),
                             "nothing reads this setting", why=f"it has {listed(sorted(allowed))}.",
                             fix=near or "delete it"))
        elif setting.name in found:
            ctx.report(error("RL017", f"`{setting.name[:30]}` is set twice", env.span(setting), "the second time",
                             why="one setting, one value.", fix="delete one of them"))
        else:
            value = setting_value(ctx, env, setting.value)
            if check_setting(ctx, env, setting, value, rule):
                found[setting.name] = value
                if rule.later:
                    ctx.defer(setting.name, f"`{setting.name}` type-checks, but running it is not built yet",
                              setting.span)
    return tuple(found.items())


def check_setting(ctx: Context, env: Environment, setting: tree.Setting, value: SettingValue, rule: Allowed) -> bool:
    """Whether a value fits its rule; reports where not."""
    trouble = _trouble(value, rule)
    if trouble is None:
        return True
    ctx.report(error("RL018", f"`{setting.name}` does not fit"[:60], env.span(setting), "this value",
                     why=trouble, fix=f"`{setting.name}: {rule.example or _example(rule)}`"))
    return False


def _trouble(value: SettingValue, rule: Allowed) -> str | None:
    match rule.kind, value:
        case _, None:
            return "it could not be read."
        case "number", bool():
            return "a number is needed."
        case "number", int() | float():
            return None if rule.interval.contains(float(value)) else f"it must lie in {rule.interval}."
        case "number", Schedule() if rule.scheduled:
            return None
        case "whole", int() if not isinstance(value, bool):
            return None if rule.interval.contains(float(value)) else f"it must lie in {rule.interval}."
        case "word", str():
            return None if value in rule.words else f"it is one of {listed(rule.words)}."
        case "text", str():
            return None
        case "truth", bool():
            return None
        case "texts", tuple() if all(isinstance(entry, str) for entry in value):
            return None
        case "amount", Amount(unit=unit, number=number):
            if unit not in rule.units:
                return f"it is counted in {listed(rule.units)}."
            return None if number >= 1 and number == int(number) else "it is at least 1."
        case "call", Invocation(name=name):
            return None if name in rule.words else f"it is one of {listed(rule.words)}."
        case "any", _:
            return None
        case _:
            return f"{_MESSAGES.get(rule.kind, rule.kind)} is needed here."


def _example(rule: Allowed) -> str:
    match rule.kind:
        case "number":
            low = rule.interval.low
            return "1.0" if rule.interval.contains(1.0) else format_number(low)
        case "whole":
            return "8"
        case "word" | "call":
            return rule.words[0]
        case "amount":
            return f"16 {rule.units[0]}"
        case "truth":
            return "true"
        case "texts":
            return '["…"]'
        case _:
            return '"…"'


def setting_value(ctx: Context, env: Environment, expr: tree.Expr) -> SettingValue:
    """A plain value; None after a report."""
    match expr:
        case tree.Number(value=value, text=text):
            return int(value) if value == int(value) and not any(mark in text for mark in ".eE") else value
        case tree.Duration(seconds=seconds):
            return float(seconds)
        case tree.String(value=value):
            return value
        case tree.Bool(value=truth):
            return truth
        case tree.Name():
            return _word(ctx, env, expr)
        case tree.Quantity(amount=amount, unit=unit):
            number = setting_value(ctx, env, amount)
            return Amount(number, unit) if isinstance(number, (int, float)) else _unreadable(ctx, env, expr)
        case tree.ListOf(items=items):
            return tuple(setting_value(ctx, env, item) for item in items)
        case tree.Call():
            return _constructed(ctx, env, expr)
        case tree.Unary() | tree.Binary():
            return _arithmetic(ctx, env, expr)
        case tree.Bounds(low=low, high=high):
            return (setting_value(ctx, env, low), setting_value(ctx, env, high))
        case tree.Field() | tree.Else() | tree.Arrow() | tree.Given():
            return _unreadable(ctx, env, expr)
        case _:
            assert_never(expr)


def _unreadable(ctx: Context, env: Environment, expr: tree.Expr) -> SettingValue:
    ctx.report(error("RL018", "a setting is known before anything runs", env.span(expr), "this is not",
                     why="numbers, words, texts, lists and constructors can be settings.", fix="a number or a `param`"))
    return None


def _word(ctx: Context, env: Environment, name: tree.Name) -> SettingValue:
    bound = env.scope.bindings.get(name.text)
    if bound is not None and isinstance(bound[1], tree.Param):
        from rldsl.elaborate.declare import value_of_declaration
        value_of_declaration(ctx, env, bound[0], bound[1], name.text, name)
        param = ctx.tables.params.get(name.text)
        return param.value if param is not None else None
    return name.text


def _arithmetic(ctx: Context, env: Environment, expr: tree.Unary | tree.Binary) -> SettingValue:
    if isinstance(expr, tree.Unary):
        inner = setting_value(ctx, env, expr.operand)
        return -inner if expr.operator == "-" and isinstance(inner, (int, float)) else _unreadable(ctx, env, expr)
    left, right = setting_value(ctx, env, expr.left), setting_value(ctx, env, expr.right)
    if not isinstance(left, (int, float)) or not isinstance(right, (int, float)):
        return _unreadable(ctx, env, expr)
    match expr.operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/" if right != 0:
            return left / right
        case _:
            return _unreadable(ctx, env, expr)


def _constructed(ctx: Context, env: Environment, call: tree.Call) -> SettingValue:
    if not isinstance(call.callee, tree.Name):
        return _unreadable(ctx, env, call)
    name = call.callee.text
    if name in SCHEDULES:
        return _schedule(ctx, env, call, name)
    positional = tuple(setting_value(ctx, env, entry.value) for entry in call.arguments if entry.name is None)
    named = tuple((entry.name, setting_value(ctx, env, entry.value)) for entry in call.arguments if entry.name is not None)
    return Invocation(name, positional, named)


def _schedule(ctx: Context, env: Environment, call: tree.Call, name: str) -> SettingValue:
    positional = [entry.value for entry in call.arguments if entry.name is None]
    named = {entry.name: setting_value(ctx, env, entry.value) for entry in call.arguments if entry.name is not None}
    steps = named.get("steps", 0)
    if name == "piecewise":
        return _piecewise(ctx, env, call, positional)
    arrow = positional[0] if positional else None
    if name == "adaptive" or not isinstance(arrow, tree.Arrow) or not isinstance(steps, int) or steps < 1 or len(named) != 1:
        example = "warmup(0 -> 0.001, steps: 20)" if name == "warmup" else f"{name}(0.1 -> 0, steps: 500)"
        why = "`adaptive` is not built yet." if name == "adaptive" else "a schedule says from where to where, and in how" \
            " many iterations."
        ctx.report(error("RL018", f"`{name}` is written another way", env.span(call), "this schedule", why=why,
                         fix=f"`{example}`"))
        return None
    start, end = setting_value(ctx, env, arrow.start), setting_value(ctx, env, arrow.end)
    if not isinstance(start, (int, float)) or not isinstance(end, (int, float)):
        return _unreadable(ctx, env, call)
    return Schedule(name, float(start), float(end), steps)


def _piecewise(ctx: Context, env: Environment, call: tree.Call, positional: list[tree.Expr]) -> SettingValue:
    points = []
    for entry in positional:
        if not isinstance(entry, tree.Arrow):
            return _unreadable(ctx, env, entry)
        at, value = setting_value(ctx, env, entry.start), setting_value(ctx, env, entry.end)
        if not isinstance(at, int) or not isinstance(value, (int, float)):
            return _unreadable(ctx, env, entry)
        points.append((at, float(value)))
    if not points or points != sorted(points):
        ctx.report(error("RL018", "`piecewise` is written another way", env.span(call), "this schedule",
                         why="its points are `iteration -> value`, in rising order.",
                         fix="`piecewise(0 -> 0.1, 100 -> 0.05, 200 -> 0)`"))
        return None
    return Schedule("piecewise", points[0][1], points[-1][1], points[-1][0], tuple(points))
