"""Written types to types: elements, intervals, levels. Whether a value fits a type is decided in `parameters`."""

from __future__ import annotations

import math
from dataclasses import replace

from rldsl.diagnostics import error
from rldsl.elaborate.context import Context, Environment
from rldsl.resolve.names import did_you_mean, listed
from rldsl.syntax import tree
from rldsl.types import BINARY, EVERYTHING, NUMERIC, Element, Interval, Level, Type

WRITTEN = {"Real": Element.REAL, "Int": Element.INT, "Bool": Element.BOOL, "Text": Element.TEXT, "Json": Element.JSON}
MOST_VALUES = 64


def plain_type(ctx: Context, env: Environment, written: tree.TypeExpr, what: str, elements: tuple[str, ...], *,
               ranged: bool = True, absent: bool = False, levelled: bool = False) -> Type | None:
    """The type of a declared value, `what`, that may be one of `elements` and stands on no level of its own, unless it may be
    `levelled`; `absent` where it may be missing by declaration. None after a report."""
    kind = type_of_expr(ctx, env, written)
    if kind is None:
        return None
    title = why = ""
    if written.level is not None and not levelled:
        title, why = f"no level is written for {what}", "it follows from what the value belongs to."
    elif written.element not in elements:
        title, why = f"{what} cannot be {written.element}", f"it is {listed(elements)}."
    elif not ranged and written.interval is not None:
        title, why = f"no range is written for {what}", "what the values are is seen when they arrive."
    elif written.optional and not absent:
        title, why = f"{what} is not declared as absent", "`or absent` is said of what foreign code gives."
    if title:
        ctx.report(error("RL029", title[:60], env.span(written), "this type", why=why, fix=f"`{elements[0]}`"
                         if written.element not in elements else f"`{written.element}`"))
        return None
    return replace(kind, optional=written.optional)


def type_of_expr(ctx: Context, env: Environment, written: tree.TypeExpr) -> Type | None:
    """The type of a value, without its level; None after a report."""
    element = WRITTEN.get(written.element)
    if element is None:
        ctx.report(error("RL029", f"there is no type `{written.element[:30]}`", env.span(written), "this type",
                         why=f"values are {listed(WRITTEN)}.", fix=did_you_mean(written.element, WRITTEN) or "`Real`"))
        return None
    if written.extra:
        report_extra(ctx, env, written)
        return None
    interval = BINARY if element is Element.BOOL else EVERYTHING
    if written.interval is not None:
        declared = interval_of(ctx, env, written.interval) if element in NUMERIC else _no_range(ctx, env, written)
        if declared is None:
            return None
        interval = declared
    return Type(element, interval)


def report_extra(ctx: Context, env: Environment, written: tree.TypeExpr) -> None:
    """RL029 of `Real[criterion]`."""
    word = written.extra[0]
    level = word if word in {level.word for level in Level} else "criterion"
    ctx.report(error("RL029", "parts are a level, not an axis beside it", env.span(written), f"[{word[:30]}]",
                     why="what stands at each criterion, or at each member of an ensemble, stands on a level below.",
                     fix=f"`{written.element} @ {level}`"))


def _no_range(ctx: Context, env: Environment, written: tree.TypeExpr) -> Interval | None:
    ctx.report(error("RL029", f"{written.element} has no range", env.span(written), "this type",
                     why="ranges are of numbers.", fix=f"`{written.element}`"))
    return None


def interval_of(ctx: Context, env: Environment, written: tree.IntervalOf) -> Interval | None:
    """`[0, 1]`, `(0, inf)`, `{0, 1}`; None after a report."""
    numbers = [literal_number(bound) for bound in written.bounds]
    if any(number is None for number in numbers):
        return _bad_range(ctx, env, written, "the bounds of a range are numbers", "ranges are known before anything runs.")
    values = [number for number in numbers if number is not None]
    if written.opening == "{":
        ordered = tuple(sorted(set(values)))
        if not all(math.isfinite(value) for value in ordered) or len(ordered) > MOST_VALUES:
            return _bad_range(ctx, env, written, "these values cannot all be listed",
                              f"a list holds up to {MOST_VALUES} finite numbers.")
        return Interval(ordered[0], ordered[-1], values=ordered)
    low, high = values
    low_open, high_open = written.opening == "(", written.closing == ")"
    if low > high or (math.isinf(low) and low > 0) or (math.isinf(high) and high < 0):
        return _bad_range(ctx, env, written, "a range goes from low to high", "it has two ends, the lower one first.")
    if low == high and (low_open or high_open):
        return _bad_range(ctx, env, written, "this range is empty", "an end in a round bracket is left out of it.")
    return Interval(low, high, low_open and math.isfinite(low), high_open and math.isfinite(high))


def _bad_range(ctx: Context, env: Environment, written: tree.IntervalOf, title: str, why: str) -> Interval | None:
    ctx.report(error("RL029", title, env.span(written), "this range", why=why, fix="`in [0, 1]`"))
    return None


def literal_number(expr: tree.Expr) -> float | None:
    """A number that is written out, with a sign or as `inf`."""
    match expr:
        case tree.Number(value=value):
            return value
        case tree.Name(text="inf"):
            return math.inf
        case tree.Unary(operator="-", operand=operand):
            inner = literal_number(operand)
            return None if inner is None else -inner
        case _:
            return None


def level_of_type(ctx: Context, env: Environment, written: tree.TypeExpr) -> Level | None:
    """The level that a type names, as in `@ token` or `@ y.token`; None where there is none, or after a report."""
    if written.level is None:
        return None
    word = written.level.rsplit(".", 1)[-1]
    levels = {level.word: level for level in Level}
    if word not in levels:
        ctx.report(error("RL029", f"there is no level `{word[:30]}`", env.span(written), "this type",
                         why=f"levels are {listed(levels)}.", fix=did_you_mean(word, levels) or "`@ token`"))
    return levels.get(word)
