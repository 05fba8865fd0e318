"""Expressions to values: names, operators, fields. Calls are in `calls`. Mistakes are reported and yield a failed value."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import assert_never

from rldsl.diagnostics import InternalError, Label, error
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.faults import foreign_origin, mixed_levels
from rldsl.elaborate.lookup import lookup_field, lookup_name
from rldsl.elaborate.stable import stable
from rldsl.elaborate.values import (
    BoundsValue,
    BuiltinValue,
    DataValue,
    ExternValue,
    FailedValue,
    FunctionValue,
    GraphValue,
    HostValue,
    ModelValue,
    ResponseValue,
    RubricValue,
    Value,
    WordValue,
    describe,
)
from rldsl.graph.model import Constant, Foreign, Function
from rldsl.infer.levels import common_axis
from rldsl.source import Span
from rldsl.syntax import tree
from rldsl.types import BATCH, NUMERIC, Element, Stage, Type

OPERATORS = {
    "+": Function.ADD, "-": Function.SUBTRACT, "*": Function.MULTIPLY, "/": Function.DIVIDE, "^": Function.POWER,
    "<": Function.LESS, "<=": Function.LESS_EQUAL, ">": Function.GREATER, ">=": Function.GREATER_EQUAL,
    "==": Function.EQUAL, "!=": Function.NOT_EQUAL, "and": Function.AND, "or": Function.OR,
}


MOST_NESTING = 1_000  # of expressions within expressions, calls of `.rl` functions expanded


def elaborate(ctx: Context, env: Environment, expr: tree.Expr) -> Value:
    """The value of an expression."""
    if ctx.calls.nesting >= MOST_NESTING:
        return _too_deep(ctx, env, expr)
    ctx.calls.nesting += 1
    value = _elaborated(ctx, env, expr)
    ctx.calls.nesting -= 1
    is_failed = isinstance(value, GraphValue) and ctx.type_of(value.key).is_error
    return FailedValue() if is_failed else value


def _too_deep(ctx: Context, env: Environment, expr: tree.Expr) -> Value:
    if not ctx.calls.is_too_deep:
        ctx.calls.is_too_deep = True
        ctx.report(error("RL002", "this is nested too deeply", env.span(expr), "here, calls expanded",
                         why=f"expressions within expressions go {MOST_NESTING} deep at most.",
                         fix="name the parts with `let`"))
    return FailedValue()


def _elaborated(ctx: Context, env: Environment, expr: tree.Expr) -> Value:
    match expr:
        case tree.Number(value=value, text=text):
            whole = value == math.floor(value) and abs(value) < 2**53 and not any(mark in text for mark in ".eE")
            return GraphValue(ctx.builder.constant(int(value) if whole else value, env.span(expr)))
        case tree.Bool(value=truth):
            return GraphValue(ctx.builder.constant(truth, env.span(expr)))
        case tree.String(value=words):
            return GraphValue(ctx.builder.constant(words, env.span(expr)))
        case tree.Name():
            return lookup_name(ctx, env, expr)
        case tree.Field():
            return lookup_field(ctx, env, expr, elaborate(ctx, env, expr.base))
        case tree.Call():
            from rldsl.elaborate.calls import elaborate_call  # the two need each other
            return elaborate_call(ctx, env, expr)
        case tree.Unary():
            return GraphValue(_unary(ctx, env, expr))
        case tree.Binary():
            return GraphValue(_binary_chain(ctx, env, expr))
        case tree.Else():
            return _otherwise(ctx, env, expr)
        case tree.Bounds(low=low, high=high):
            return _bounds(ctx, env, low, high)
        case tree.Given():
            return _given(ctx, env, expr)
        case tree.ListOf():
            return _list(ctx, env, expr)
        case tree.Duration(seconds=seconds):
            return GraphValue(ctx.builder.constant(float(seconds), env.span(expr)))
        case tree.Arrow() | tree.Quantity():
            ctx.report(error("RL020", "this form belongs into a setting", env.span(expr), "not a value",
                             why="`a -> b` describes a schedule, `16 prompts` an amount.",
                             fix="a number, or a `param` with a schedule"))
            return FailedValue()
        case _:
            assert_never(expr)


def _bounds(ctx: Context, env: Environment, low: tree.Expr, high: tree.Expr) -> Value:
    keys = numeric(ctx, env, low), numeric(ctx, env, high)
    return FailedValue() if any(ctx.type_of(key).is_error for key in keys) else BoundsValue(*keys)


def graph_value(ctx: Context, env: Environment, expr: tree.Expr, wanted: str = "a value") -> int:
    """The key of an expression that must be a graph value (number, truth value or text)."""
    return as_key(ctx, env, elaborate(ctx, env, expr), expr, wanted)


def as_key(ctx: Context, env: Environment, value: Value, node: tree.Node, wanted: str = "a value") -> int:
    """The key behind a value; reports what is none."""
    match value:
        case GraphValue(key=key):
            return key
        case FailedValue():
            return ctx.failed()
        case _:
            ctx.report(error("RL020", f"{wanted} is needed here", env.span(node), f"this is {describe(value)}",
                             others=env.labels(node, "in here"), why=f"{describe(value)} cannot be computed with.",
                             fix=_instead(value)))
            return ctx.failed()


def _instead(value: Value) -> str:
    match value:
        case ResponseValue(name=name):
            return f"one of its fields, such as `{name}.text` or `{name}.logp`"
        case WordValue(word=word):
            return f"declare `{word}`, or write it as a text: \"{word}\""
        case FunctionValue() | BuiltinValue() | HostValue() | ExternValue() | RubricValue():
            return "call it, with its arguments in brackets"
        case ModelValue(name=name):
            return f"a read of it, such as `logp({name}, y)`"
        case DataValue(name=name):
            return f"one of its fields: `{name}.…`"
        case _:
            return "a number, a field, or a call that gives one"


def numeric(ctx: Context, env: Environment, expr: tree.Expr, *, vectors: bool = False) -> int:
    """The key of an expression that must be a number or truth value; or a vector, where `vectors` may be."""
    key = graph_value(ctx, env, expr, "a number")
    if vectors and ctx.type_of(key).element is Element.VECTOR:
        return key
    return check_numeric(ctx, key, env.span(expr), env.labels(expr, "in here"))


def check_numeric(ctx: Context, key: int, span: Span, others: tuple[Label, ...] = ()) -> int:
    """`key` itself, or a failed value with a message where it is text."""
    found = ctx.type_of(key)
    if found.is_error or found.element in NUMERIC:
        return key
    ctx.report(error("RL020", "a number is needed here", span, f"this is {found.element.value}", others=others,
                     why=f"{found.element.value} cannot be computed with.",
                     fix="`dot` or `cosine` of two vectors is a number" if found.element is Element.VECTOR else
                     "turn it into a number first, for example `verify.number(y.text) else 0`"))
    return ctx.failed()


def condition(ctx: Context, env: Environment, expr: tree.Expr) -> int:
    """The key of an expression that must be true or false; 1 and 0 are."""
    return check_condition(ctx, env, numeric(ctx, env, expr), expr)


def check_condition(ctx: Context, env: Environment, key: int, node: tree.Node) -> int:
    """`key` itself, or a failed value with a message where it can be anything but true and false, or 1 and 0."""
    found = ctx.type_of(key)
    known = found.interval.values
    if found.is_error or found.element is Element.BOOL or (known is not None and set(known) <= {0.0, 1.0}):
        return key
    ctx.report(error("RL020", "a condition is needed here", env.span(node), f"this is {found}"[:40],
                     others=env.labels(node, "in here"), why="it is neither true nor false.",
                     fix="compare it: `x > 0`, `x == 1`"))
    return ctx.failed()


def _unary(ctx: Context, env: Environment, expr: tree.Unary) -> int:
    if expr.operator == "not":
        return combine(ctx, env, Function.NOT, [condition(ctx, env, expr.operand)], expr, [expr.operand])
    key = numeric(ctx, env, expr.operand)
    operation = ctx.node(key).operation
    if isinstance(operation, Constant) and not isinstance(operation.value, (str, bool)):
        return ctx.builder.constant(-operation.value, env.span(expr))
    return combine(ctx, env, Function.NEGATE, [key], expr, [expr.operand])


def _binary_chain(ctx: Context, env: Environment, expr: tree.Binary) -> int:
    """Left-nested operators without recursion, so that long sums are no matter."""
    spine = [expr]
    while isinstance(spine[-1].left, tree.Binary):
        spine.append(spine[-1].left)
    left = graph_value(ctx, env, spine[-1].left)
    for part in reversed(spine):
        right = graph_value(ctx, env, part.right)
        left = _binary(ctx, env, part, left, right)
    return left


def _binary(ctx: Context, env: Environment, expr: tree.Binary, left: int, right: int) -> int:
    if ctx.type_of(left).is_error or ctx.type_of(right).is_error:
        return ctx.failed()
    texts = [ctx.type_of(key).element is Element.TEXT for key in (left, right)]
    if any(texts):
        return _of_texts(ctx, env, expr, left, right, texts)
    sides = ((left, expr.left), (right, expr.right))
    left, right = (check_numeric(ctx, key, env.span(side), env.labels(side, "in here")) for key, side in sides)
    if expr.operator in ("and", "or"):
        left, right = check_condition(ctx, env, left, expr.left), check_condition(ctx, env, right, expr.right)
    return combine(ctx, env, OPERATORS[expr.operator], [left, right], expr, [expr.left, expr.right])


def _of_texts(ctx: Context, env: Environment, expr: tree.Binary, left: int, right: int, texts: list[bool]) -> int:
    if not all(texts) or expr.operator not in ("+", "==", "!="):
        other = expr.left if texts[1] else expr.right
        ctx.report(error("RL020", f"`{expr.operator}` does not work on these", env.span(expr), "a text is involved here",
                         others=[Label(env.span(other), f"this is {ctx.type_of(left if texts[1] else right)}"[:40])],
                         why="texts can be joined with `+` and compared with `==` and `!=`, nothing else.",
                         fix="`verify.number(…)` reads a number out of a text"))
        return ctx.failed()
    if expr.operator == "+":
        return host(ctx, env, "text.concat", [("a", left), ("b", right)], (), expr,
                    Type(Element.TEXT), [expr.left, expr.right])
    return combine(ctx, env, OPERATORS[expr.operator], [left, right], expr, [expr.left, expr.right])


def combine(ctx: Context, env: Environment, function: Function, keys: list[int], node: tree.Node,
            parts: list[tree.Expr]) -> int:
    """An elementwise function of values whose axes must nest."""
    types = [ctx.type_of(key) for key in keys]
    if any(found.is_error for found in types):
        return ctx.failed()
    if not axes_agree(ctx, env, keys, node, parts):
        return ctx.failed()
    if function in (Function.ADD, Function.SUBTRACT):
        _check_live_spread(ctx, env, types, node, parts)
    better = stable(ctx.builder, function, tuple(keys), env.span(node))
    return ctx.builder.elementwise(function, *keys, span=env.span(node)) if better is None else better


def axes_agree(ctx: Context, env: Environment, keys: list[int], node: tree.Node, parts: list[tree.Expr]) -> bool:
    """Whether the axes nest; reports RL103 where they do not."""
    types = [ctx.type_of(key) for key in keys]
    if common_axis(types) is not None:
        return True
    finest = max(range(len(types)), key=lambda index: types[index].axis.level)
    other = next(index for index, found in enumerate(types) if not types[finest].axis.is_within(found.axis)
                 and not found.axis.is_within(types[finest].axis))
    first, second = sorted((finest, other))
    ctx.report(foreign_origin(env.span(node), (env.span(parts[first]), types[first].axis),
                              (env.span(parts[second]), types[second].axis)))
    return False


def _check_live_spread(ctx: Context, env: Environment, types: list[Type], node: tree.Node,
                       parts: list[tree.Expr]) -> None:
    fine, coarse = (0, 1) if types[0].axis.level > types[1].axis.level else (1, 0)
    small = types[coarse]
    if small.is_live and small.axis != BATCH and small.axis != types[fine].axis:
        ctx.report(mixed_levels(env.span(node), env.span(parts[coarse]), small, types[fine],
                                types[fine].axis.level.word))


def host(ctx: Context, env: Environment, name: str, inputs: list[tuple[str, int]],
         settings: tuple[tuple[str, object], ...], node: tree.Node, result: Type, parts: list[tree.Expr]) -> int:
    """A call on the host (text, verifier, extern), on the finest axis of its inputs."""
    keys = [key for _, key in inputs]
    if any(ctx.type_of(key).is_error for key in keys) or not axes_agree(ctx, env, keys, node, parts):
        return ctx.failed()
    axis = common_axis([ctx.type_of(key) for key in keys])
    if axis is None:
        raise InternalError("axes were said to agree")
    spread = [ctx.builder.spread(key, axis, env.span(node)) for key in keys]
    from rldsl.elaborate.staging import host_type
    operation = Foreign(name, tuple(argument for argument, _ in inputs), tuple(sorted(settings)))  # type: ignore[arg-type]
    return ctx.builder.add(operation, spread, type=host_type(ctx, result, axis, spread), span=env.span(node))


def _otherwise(ctx: Context, env: Environment, expr: tree.Else) -> Value:
    key = graph_value(ctx, env, expr.value)
    if ctx.type_of(key).is_error:
        return FailedValue()
    if isinstance(expr.alternative, tree.Action):
        return GraphValue(_policy(ctx, env, expr, expr.alternative, key))
    alternative = graph_value(ctx, env, expr.alternative)
    if not ctx.type_of(alternative).is_error and not _are_alike(ctx.type_of(key), ctx.type_of(alternative)):
        ctx.report(error("RL020", "both sides of `else` are of one kind", env.span(expr.alternative),
                         f"this is {ctx.type_of(alternative).element.value}",
                         others=[Label(env.span(expr.value), f"this is {ctx.type_of(key).element.value}")],
                         why="what stands in for an absent value is used as that value would be.",
                         fix='`else ""` for a text, `else 0` for a number'))
        return FailedValue()
    return GraphValue(combine(ctx, env, Function.OTHERWISE, [key, alternative], expr, [expr.value, expr.alternative]))


def _are_alike(first: Type, second: Type) -> bool:
    return first.element is second.element or (first.element in NUMERIC and second.element in NUMERIC)


def _policy(ctx: Context, env: Environment, expr: tree.Else, action: tree.Action, key: int) -> int:
    if action.word == "warn":
        ctx.report(error("RL022", "`else warn` belongs to a guard", env.span(action), "a value must follow",
                         why="an absent value needs something in its place.", fix="`else 0`, `else skip`, `else stop`"))
        return ctx.failed()
    found = ctx.type_of(key)
    if found.is_live:
        ctx.report(error("RL022", f"`else {action.word}` is of frozen values"[:60], env.span(action), "a gradient flows here",
                         why="which answers count is decided before an update, by rewards.", fix="`else 0`, or `frozen(…)`"))
        return ctx.failed()
    operation = Foreign(f"policy.{action.word}", ("value",))
    kind = replace(found, stage=max(found.stage, Stage.REWARD), live=frozenset(), optional=action.word == "skip")
    return ctx.builder.add(operation, (key,), type=kind, span=env.span(expr))


def _given(ctx: Context, env: Environment, expr: tree.Given) -> Value:
    base = elaborate(ctx, env, expr.response)
    context = _context(ctx, env, expr.context)
    if not isinstance(base, ResponseValue):
        if not isinstance(base, FailedValue):
            ctx.report(error("RL020", "`given` needs a response before it", env.span(expr.response),
                             f"this is {describe(base)}", why="`y given text` scores the tokens of `y` after another text.",
                             fix="`logp(actor, y given problems.question)`"))
        return FailedValue()
    rows = ctx.tables.responses[base.name].sample_axis
    if ctx.type_of(context).is_error:
        return FailedValue()
    if not rows.is_within(ctx.type_of(context).axis):
        ctx.report(foreign_origin(env.span(expr), (env.span(expr.response), rows),
                                  (env.span(expr.context), ctx.type_of(context).axis)))
        return FailedValue()
    return ResponseValue(base.name, context)


def _context(ctx: Context, env: Environment, expr: tree.Expr) -> int:
    """The text after which tokens are scored."""
    value = elaborate(ctx, env, expr)
    if isinstance(value, ResponseValue):
        value = elaborate(ctx, env, tree.Field(expr, "text", span=expr.span))
    key = as_key(ctx, env, value, expr, "a text")
    found = ctx.type_of(key)
    if found.is_error or found.element in (Element.TEXT, Element.JSON):
        return key
    ctx.report(error("RL020", "a text is needed here", env.span(expr), f"this is {found}"[:40],
                     why="`y given text` scores the tokens of `y` after another prompt.",
                     fix="`logp(actor, y given problems.question)`"))
    return ctx.failed()


def _list(ctx: Context, env: Environment, expr: tree.ListOf) -> Value:
    if ctx.in_test:
        from rldsl.elaborate.tests import written_value
        return written_value(ctx, env, expr, live=False)
    if expr.level is not None:
        return FailedValue()  # the parser has said that a level is written in tests alone
    ctx.report(error("RL020", "a list is no value outside a test", env.span(expr), "this list",
                     why="values live at levels; a spec never writes them out.", fix="use a list in a setting or a `test`"))
    return FailedValue()
