"""Checks arguments and results against the declared types of `.rl` functions."""

from __future__ import annotations

from rldsl.diagnostics import Label, error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.typing import interval_of, level_of_type
from rldsl.elaborate.values import (
    BoundsValue,
    BuiltinValue,
    ExternValue,
    FailedValue,
    FunctionValue,
    GraphValue,
    HostValue,
    LevelValue,
    ModelValue,
    ResponseValue,
    Value,
    describe,
)
from rldsl.graph.model import Constant
from rldsl.graph.spec import Role
from rldsl.syntax import tree
from rldsl.types import NUMERIC, Level, format_number

FUNCTIONS = (FunctionValue, BuiltinValue, HostValue, ExternValue)
KINDS: dict[str, type | tuple[type, ...]] = {
    "Policy": ModelValue, "Model": ModelValue, "Critic": ModelValue, "Scorer": ModelValue, "Embedder": ModelValue,
    "Response": ResponseValue, "Level": LevelValue, "Bounds": BoundsValue, "Function": FUNCTIONS}
ROLES = {"Policy": (Role.POLICY, Role.JUDGE), "Critic": (Role.CRITIC,), "Scorer": (Role.SCORER,), "Embedder": (Role.EMBEDDER,)}
NUMBERS = frozenset({"Real", "Int", "Bool"})
ELEMENTS = frozenset({"Real", "Int", "Bool", "Text", "Json"})
TYPE_WORDS = tuple(sorted({*ELEMENTS, *KINDS}))
EXAMPLES = {
    "Policy": "the name of a policy, as in `policy actor from …`", "Model": "the name of a model, as in `policy actor from …`",
    "Critic": "the name of a critic, as in `critic value from …`", "Scorer": "the name of a scorer, as in `scorer rm from …`",
    "Embedder": "the name of an embedder, as in `embedder e from …`",
    "Response": "the name of a rollout or a response, as in `rollout y ~ …`", "Level": "a level, such as `prompt`",
    "Bounds": "both ends, such as `0.8 .. 1.2`", "Function": "the name of a function, such as `exp`",
    "Real": "a number, such as `0.5`", "Int": "a whole number, such as `8`", "Bool": "a condition, such as `x > 0`",
    "Text": "a text, such as `y.text`", "Json": "a field of the data of type `Json`"}


def check_argument(ctx: Context, env: Environment, call: tree.Call, parameter: tree.Parameter, value: Value) -> bool:
    """Whether `value` may stand for `parameter`; reports where not."""
    wanted = parameter.type
    if wanted is None:
        return True
    if wanted.element not in TYPE_WORDS:
        return False  # said where the function is declared
    if not _kind_fits(ctx, wanted.element, value):
        return _mismatch(ctx, env, call, parameter, _with_article(wanted.element), _found(ctx, value),
                         _example(ctx, wanted.element, value))
    if isinstance(value, GraphValue):
        return _level_fits(ctx, env, call, parameter, wanted, value.key) and \
            _range_fits(ctx, env, call, parameter, wanted, value.key)
    return True


def _kind_fits(ctx: Context, wanted: str, value: Value) -> bool:
    if wanted not in KINDS:
        return isinstance(value, GraphValue) and _element_fits(ctx, value.key, wanted)
    if isinstance(value, ModelValue) and wanted in ROLES:
        return ctx.tables.models[value.name].role in ROLES[wanted]
    return isinstance(value, KINDS[wanted])


def _element_fits(ctx: Context, key: int, wanted: str) -> bool:
    found = ctx.type_of(key)
    return found.is_error or (found.element in NUMERIC if wanted in NUMBERS else found.element.value == wanted)


def _found(ctx: Context, value: Value) -> str:
    match value:
        case GraphValue(key=key):
            return f"{ctx.type_of(key)}"
        case ModelValue(name=name):
            return f"a {ctx.tables.models[name].role.value}"
        case _:
            return describe(value)


def _with_article(word: str) -> str:
    return f"an {word}" if word[0] in "AEIOU" else f"a {word}"


def _example(ctx: Context, wanted: str, value: Value) -> str:
    """What to write for a parameter. A width given for bounds, as methods that clip by an epsilon have it, becomes both ends
    around 1."""
    operation = ctx.node(value.key).operation if isinstance(value, GraphValue) else None
    if wanted == "Bounds" and isinstance(operation, Constant) and isinstance(operation.value, (int, float)) \
            and 0 < operation.value < 1:
        low, high = (format_number(float(f"{1 + sign * operation.value:.12g}")) for sign in (-1, 1))
        return f"`{low} .. {high}`: both ends themselves, not their distance from 1"
    return EXAMPLES[wanted]


def _mismatch(ctx: Context, env: Environment, call: tree.Call, parameter: tree.Parameter, wanted: str, found: str,
              example: str) -> bool:
    ctx.report(error("RL026", f"`{parameter.name[:24]}` must be {wanted}"[:60], env.span(_written_for(call, parameter)),
                     f"here it is {found}"[:40], others=[Label(parameter.span, "declared here")],
                     why=f"the function's `{parameter.name}` is declared as {wanted}.", fix=example))
    return False


def _written_for(call: tree.Call, parameter: tree.Parameter) -> tree.Node:
    """The argument that was written for a parameter by its name; the call where it was given by place."""
    named = [argument.value for argument in call.arguments if argument.name == parameter.name]
    return named[0] if named else call


def _level_fits(ctx: Context, env: Environment, call: tree.Call, parameter: tree.Parameter, wanted: tree.TypeExpr,
                key: int) -> bool:
    word = (wanted.level or "").rsplit(".", 1)[-1]
    level = {entry.word: entry for entry in Level}.get(word)
    found = ctx.type_of(key)
    if level is None or found.is_error or found.axis.level <= level:
        return True
    return _mismatch(ctx, env, call, parameter, f"a value per {word} or coarser", f"@ {found.axis}",
                     f"reduce it first, as in `mean(x, per: {word})`")


def _range_fits(ctx: Context, env: Environment, call: tree.Call, parameter: tree.Parameter, wanted: tree.TypeExpr,
                key: int) -> bool:
    operation = ctx.node(key).operation
    if wanted.interval is None or not isinstance(operation, Constant) or isinstance(operation.value, str):
        return True
    interval = interval_of(ctx, env, wanted.interval)
    if interval is None or interval.contains(float(operation.value)):
        return True
    return _mismatch(ctx, env, call, parameter, f"in {interval}", str(operation.value), f"a number in {interval}")


# ------------------------------------------------------------------ results
def check_result(ctx: Context, inner: Environment, call: tree.Call, function: tree.Function, value: Value) -> Value:
    """The value itself, or a failed one with a message where it is not what the function promises."""
    wanted = function.result
    if wanted is None or wanted.element not in TYPE_WORDS:
        return value
    if not _kind_fits(ctx, wanted.element, value):
        return _broken(ctx, inner, call, function, wanted, _with_article(wanted.element), _found(ctx, value))
    if not isinstance(value, GraphValue) or ctx.type_of(value.key).is_error:
        return value
    level, found = level_of_type(ctx, inner, wanted), ctx.type_of(value.key).axis
    if level is not None and found.level > level:
        return _broken(ctx, inner, call, function, wanted, f"a value per {level.word}", f"@ {found}")
    return value


def _broken(ctx: Context, inner: Environment, call: tree.Call, function: tree.Function, wanted: tree.TypeExpr,
            promised: str, found: str) -> Value:
    ctx.report(error("RL026", f"`{function.name[:24]}` promises {promised}"[:60], inner.call_site or function.body.span,
                     f"it is {found}"[:40], others=[Label(wanted.span, "promised here")],
                     why="what a function gives is written after `->`.", fix="change the promise, or what is given"))
    return FailedValue()
