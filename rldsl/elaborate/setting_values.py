"""What is written in a setting, as a plain value: numbers, words, texts, lists, constructors, schedules.

What cannot be read is reported here and becomes `REJECTED`, of which nothing more is said.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Final, TypeAlias, TypeGuard, assert_never

from rldsl.diagnostics import error
from rldsl.elaborate.context import Context, Environment
from rldsl.graph.spec import Amount, Invocation, Schedule, SettingValue
from rldsl.syntax import tree


class Rejection(Enum):
    """The type of `REJECTED`."""

    REJECTED = "rejected"


REJECTED: Final = Rejection.REJECTED
Rejected: TypeAlias = Rejection
SCHEDULES = ("linear", "cosine", "warmup", "piecewise", "adaptive")
EXAMPLES = {"warmup": "warmup(0 -> 0.001, steps: 20)", "piecewise": "piecewise(0 -> 0.1, 100 -> 0.05, 200 -> 0)"}
MOST_STEPS = 10**9


class Bare(str):
    """A word without quotes that is no parameter: an option such as `bf16`."""

    __slots__ = ()


class Seconds(float):
    """A duration as it is written, with its unit: no plain number."""

    __slots__ = ()


def is_rejected(value: object) -> bool:
    """Whether something in a value was reported already."""
    match value:
        case Rejection():
            return True
        case tuple():
            return any(is_rejected(entry) for entry in value)
        case Invocation(positional=positional, named=named):
            return is_rejected(positional) or any(is_rejected(entry) for _, entry in named)
        case _:
            return False


def settled(value: SettingValue | Rejected) -> SettingValue:
    """The value as it is kept: bare words are texts from here on."""
    match value:
        case Rejection():
            return None
        case Bare():
            return str(value)
        case Seconds():
            return float(value)
        case tuple():
            return tuple(settled(entry) for entry in value)
        case Invocation(name=name, positional=positional, named=named):
            return Invocation(name, tuple(settled(entry) for entry in positional),
                              tuple((word, settled(entry)) for word, entry in named))
        case _:
            return value


def setting_value(ctx: Context, env: Environment, expr: tree.Expr) -> SettingValue | Rejected:
    """A plain value; `REJECTED` after a report."""
    match expr:
        case tree.Number(value=value, text=text):
            return whole_number(text, value)
        case tree.Duration(seconds=seconds):
            return Seconds(seconds)
        case tree.String(value=value):
            return value
        case tree.Bool(value=truth):
            return truth
        case tree.Name():
            return _word(ctx, env, expr)
        case tree.Quantity(amount=amount, unit=unit):
            number = setting_value(ctx, env, amount)
            return Amount(number, unit) if _is_number(number) else _unreadable(ctx, env, expr, number)
        case tree.ListOf(level=str()):
            return REJECTED  # the parser has said that a level is written in tests alone
        case tree.ListOf(items=items):
            return tuple(setting_value(ctx, env, item) for item in items)  # type: ignore[misc]
        case tree.Call():
            return _constructed(ctx, env, expr)
        case tree.Unary() | tree.Binary():
            return _arithmetic(ctx, env, expr)
        case tree.Bounds(low=low, high=high):
            return (setting_value(ctx, env, low), setting_value(ctx, env, high))  # type: ignore[return-value]
        case tree.Field() | tree.Else() | tree.Arrow() | tree.Given():
            return _unreadable(ctx, env, expr)
        case _:
            assert_never(expr)


def whole_number(text: str, value: float) -> int | float:
    """An int where a number is written as one, exactly whatever its size."""
    return int(text) if text.isdigit() and len(text) < 40 else value


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _unreadable(ctx: Context, env: Environment, expr: tree.Expr, *parts: object) -> Rejected:
    """One report for a value that cannot be read; none where one of its parts was reported."""
    if not any(is_rejected(part) for part in parts):
        ctx.report(error("RL018", "a setting is known before anything runs", env.span(expr), "this is not",
                         why="numbers, words, texts, lists and constructors can be settings.", fix="a number or a `param`"))
    return REJECTED


def _word(ctx: Context, env: Environment, name: tree.Name) -> SettingValue | Rejected:
    bound = env.scope.bindings.get(name.text)
    if bound is None or not isinstance(bound[1], tree.Param):
        return REJECTED if name.text in env.scope.missing else Bare(name.text)
    from rldsl.elaborate.declare import value_of_declaration
    value_of_declaration(ctx, env, bound[0], bound[1], name.text, name)
    param = ctx.tables.params.get(ctx.naming.of(bound[0], name.text))
    return param.value if param is not None else REJECTED


def _arithmetic(ctx: Context, env: Environment, expr: tree.Unary | tree.Binary) -> SettingValue | Rejected:
    if isinstance(expr, tree.Unary):
        inner = setting_value(ctx, env, expr.operand)
        return _timed(-inner, inner) if expr.operator == "-" and _is_number(inner) else _unreadable(ctx, env, expr, inner)
    left, right = setting_value(ctx, env, expr.left), setting_value(ctx, env, expr.right)
    found = _combined(expr.operator, left, right) if _is_number(left) and _is_number(right) else None
    return _timed(found, left, right) if found is not None else _unreadable(ctx, env, expr, left, right)


def _timed(found: float, *parts: object) -> float:
    """A duration again, where one of its parts is."""
    return Seconds(found) if any(isinstance(part, Seconds) for part in parts) else found


def _combined(operator: str, left: float, right: float) -> float | None:
    found: float | None = None
    try:
        match operator:
            case "+":
                found = left + right
            case "-":
                found = left - right
            case "*":
                found = left * right
            case "/" if right != 0:
                found = left / right
            case "^" if abs(right) <= 64:
                found = left**right
            case _:
                pass
    except (OverflowError, ZeroDivisionError):
        return None
    is_fine = isinstance(found, (int, float)) and abs(found) <= 1e308 and not math.isnan(found)
    return found if is_fine else None


def _constructed(ctx: Context, env: Environment, call: tree.Call) -> SettingValue | Rejected:
    if not isinstance(call.callee, tree.Name):
        return _unreadable(ctx, env, call)
    name = call.callee.text
    if name in SCHEDULES:
        return _schedule(ctx, env, call, name)
    words = [argument.name for argument in call.arguments if argument.name is not None]
    doubled = next((word for word in words if words.count(word) > 1), None) if len(words) < 100 else None
    if doubled is not None:
        ctx.report(error("RL021", f"`{doubled[:30]}` is given twice", env.span(call), "this constructor",
                         why="one argument, one value.", fix="drop one of them"))
        return REJECTED
    positional = tuple(setting_value(ctx, env, entry.value) for entry in call.arguments if entry.name is None)
    named = tuple((entry.name, setting_value(ctx, env, entry.value)) for entry in call.arguments if entry.name is not None)
    return Invocation(name, positional, named)  # type: ignore[arg-type]


# ------------------------------------------------------------------ schedules
def _schedule(ctx: Context, env: Environment, call: tree.Call, name: str) -> SettingValue | Rejected:
    if name == "piecewise":
        return _piecewise(ctx, env, call)
    values = [entry.value for entry in call.arguments if entry.name is None]
    named = {entry.name: entry.value for entry in call.arguments if entry.name is not None}
    if name == "adaptive" or len(values) != 1 or not isinstance(values[0], tree.Arrow) or list(named) != ["steps"]:
        why = "`adaptive` is not built yet; a schedule is fixed before training." if name == "adaptive" \
            else "a schedule says from where to where, and in how many iterations."
        return _misspelt(ctx, env, call, name, why)
    start, end = setting_value(ctx, env, values[0].start), setting_value(ctx, env, values[0].end)
    steps = setting_value(ctx, env, named["steps"])
    if is_rejected((start, end, steps)):
        return REJECTED
    if not _is_number(start) or not _is_number(end) or isinstance(start, Seconds) or isinstance(end, Seconds):
        return _misspelt(ctx, env, call, name, "both ends of a schedule are numbers.")
    if not isinstance(steps, int) or isinstance(steps, bool) or not 1 <= steps <= MOST_STEPS:
        return _misspelt(ctx, env, call, name, f"`steps` is a whole number from 1 to {MOST_STEPS:,}.")
    return Schedule(name, float(start), float(end), steps)


def _misspelt(ctx: Context, env: Environment, call: tree.Call, name: str, why: str) -> Rejected:
    example = EXAMPLES.get(name, f"{name}(0.1 -> 0, steps: 500)" if name != "adaptive" else "linear(0.1 -> 0, steps: 500)")
    ctx.report(error("RL018", f"`{name}` is written another way", env.span(call), "this schedule", why=why,
                     fix=f"`{example}`"))
    return REJECTED


def _piecewise(ctx: Context, env: Environment, call: tree.Call) -> SettingValue | Rejected:
    why = "its points are `iteration -> value`, iterations whole and rising."
    points: list[tuple[int, float]] = []
    for entry in call.arguments:
        if entry.name is not None or not isinstance(entry.value, tree.Arrow):
            return _misspelt(ctx, env, call, "piecewise", why)
        at, value = setting_value(ctx, env, entry.value.start), setting_value(ctx, env, entry.value.end)
        if is_rejected((at, value)):
            return REJECTED
        if not isinstance(at, int) or isinstance(at, bool) or not _is_number(value) or not 0 <= at <= MOST_STEPS:
            return _misspelt(ctx, env, call, "piecewise", why)
        points.append((at, float(value)))
    places = [at for at, _ in points]
    if not points or places != sorted(set(places)):
        return _misspelt(ctx, env, call, "piecewise", why)
    return Schedule("piecewise", points[0][1], points[-1][1], points[-1][0], tuple(points))
