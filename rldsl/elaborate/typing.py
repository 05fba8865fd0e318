"""Written types to types: elements, intervals. Levels in function types are checked in `parameters`."""

from __future__ import annotations

import math

from rldsl.diagnostics import error
from rldsl.elaborate.context import Context, Environment
from rldsl.resolve.names import did_you_mean, listed
from rldsl.syntax import tree
from rldsl.types import BINARY, EVERYTHING, Element, Interval, Type

WRITTEN = {"Real": Element.REAL, "Int": Element.INT, "Bool": Element.BOOL, "Text": Element.TEXT, "Json": Element.JSON}


def type_of_expr(ctx: Context, env: Environment, written: tree.TypeExpr) -> Type | None:
    """The type of a declared value; None after a report."""
    element = WRITTEN.get(written.element)
    if element is None:
        ctx.report(error("RL029", f"there is no type `{written.element[:30]}`", env.span(written), "this type",
                         why=f"values are {listed(WRITTEN)}.", fix=did_you_mean(written.element, WRITTEN) or "`Real`"))
        return None
    interval = BINARY if element is Element.BOOL else EVERYTHING
    if written.interval is not None:
        declared = interval_of(ctx, env, written.interval)
        if declared is None:
            return None
        interval = declared
    return Type(element, interval, extra=written.extra)


def interval_of(ctx: Context, env: Environment, written: tree.IntervalOf) -> Interval | None:
    """`[0, 1]`, `(0, inf)`, `{0, 1}`; None after a report."""
    numbers = [literal_number(bound) for bound in written.bounds]
    if any(number is None for number in numbers):
        ctx.report(error("RL029", "the bounds of a range are numbers", env.span(written), "this range",
                         why="ranges are known before anything runs.", fix="`in [0, 1]`"))
        return None
    values = [number for number in numbers if number is not None]
    if written.opening == "{":
        ordered = tuple(sorted(set(values)))
        return Interval(ordered[0], ordered[-1], values=ordered)
    if len(values) != 2 or values[0] > values[1]:
        ctx.report(error("RL029", "a range goes from low to high", env.span(written), "this range",
                         why="it has two ends, the lower one first.", fix="`in [0, 1]`"))
        return None
    low_open = written.opening == "(" or values[0] == -math.inf
    high_open = written.closing == ")" or values[1] == math.inf
    return Interval(values[0], values[1], low_open and values[0] != -math.inf, high_open and values[1] != math.inf)


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
