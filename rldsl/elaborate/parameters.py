"""Checks an argument against the declared type of a parameter of a `.rl` function."""

from __future__ import annotations

from rldsl.diagnostics import Label, error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.values import (
    BoundsValue,
    FunctionValue,
    GraphValue,
    LevelValue,
    ModelValue,
    ResponseValue,
    Value,
    describe,
)
from rldsl.graph.model import Constant
from rldsl.syntax import tree
from rldsl.types import NUMERIC, Element, Level

KINDS: dict[str, type] = {"Policy": ModelValue, "Model": ModelValue, "Critic": ModelValue, "Response": ResponseValue,
                          "Level": LevelValue, "Bounds": BoundsValue, "Function": FunctionValue}
NUMBERS = frozenset({"Real", "Int", "Bool"})
ELEMENTS = frozenset({"Real", "Int", "Bool", "Text", "Json"})
TYPE_WORDS = tuple(sorted({*ELEMENTS, *KINDS}))


def check_argument(ctx: Context, env: Environment, call: tree.Call, parameter: tree.Parameter, value: Value) -> bool:
    """Whether `value` may stand for `parameter`; reports where not."""
    wanted = parameter.type
    if wanted is None or wanted.element not in (*ELEMENTS, *KINDS):
        return True
    if wanted.element in KINDS:
        fits = isinstance(value, KINDS[wanted.element])
    else:
        fits = isinstance(value, GraphValue) and _element_fits(ctx, value.key, wanted.element)
    if not fits:
        return _mismatch(ctx, env, call, parameter, f"a {wanted.element}", _found(ctx, value))
    if isinstance(value, GraphValue):
        return _level_fits(ctx, env, call, parameter, wanted, value.key) and \
            _range_fits(ctx, env, call, parameter, wanted, value.key)
    return True


def _element_fits(ctx: Context, key: int, wanted: str) -> bool:
    found = ctx.type_of(key)
    return found.is_error or (found.element in NUMERIC if wanted in NUMBERS else found.element.value == wanted)


def _found(ctx: Context, value: Value) -> str:
    return f"{ctx.type_of(value.key)}" if isinstance(value, GraphValue) else describe(value)


def _mismatch(ctx: Context, env: Environment, call: tree.Call, parameter: tree.Parameter, wanted: str,
              found: str) -> bool:
    ctx.report(error("RL026", f"`{parameter.name}` must be {wanted}"[:60], env.span(call), f"here it is {found}"[:40],
                     others=[Label(parameter.span, "declared here")],
                     why=f"the function's `{parameter.name}` is declared as {wanted}.", fix=f"give {wanted}"))
    return False


def _level_fits(ctx: Context, env: Environment, call: tree.Call, parameter: tree.Parameter, wanted: tree.TypeExpr,
                key: int) -> bool:
    if wanted.level is None or ctx.type_of(key).is_error:
        return True
    word = wanted.level.rsplit(".", 1)[-1]
    level = {entry.word: entry for entry in Level}.get(word)
    found = ctx.type_of(key).axis
    if level is None or found.level <= level:
        return True
    return _mismatch(ctx, env, call, parameter, f"a value per {word} or coarser", f"@ {found}")


def _range_fits(ctx: Context, env: Environment, call: tree.Call, parameter: tree.Parameter, wanted: tree.TypeExpr,
                key: int) -> bool:
    from rldsl.elaborate.typing import interval_of
    operation = ctx.node(key).operation
    if wanted.interval is None or not isinstance(operation, Constant) or isinstance(operation.value, str):
        return True
    interval = interval_of(ctx, env, wanted.interval)
    if interval is None or interval.contains(float(operation.value)):
        return True
    return _mismatch(ctx, env, call, parameter, f"in {interval}", str(operation.value))


def is_text(ctx: Context, key: int) -> bool:
    """Whether a value is text."""
    return ctx.type_of(key).element is Element.TEXT
