"""Calls that ask a judge about two texts, or about the steps of an answer: `prefer`, `prm` (of a scorer: `calls_step_scores`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rldsl.data.signatures import Parameter
from rldsl.diagnostics import error
from rldsl.elaborate.calls_host import take
from rldsl.elaborate.calls_judged import READABLE, named_texts
from rldsl.elaborate.calls_step_scores import are_whole, report_no_steps, score_steps
from rldsl.elaborate.constants import constant_number
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import axes_agree, elaborate, graph_value, host
from rldsl.elaborate.values import FailedValue, GraphValue, ModelValue, RubricValue, Value, describe
from rldsl.graph.model import Function
from rldsl.graph.spec import Role
from rldsl.infer.levels import common_axis
from rldsl.rewards.rubrics.asked import Asked, preferred_interval
from rldsl.rewards.rubrics.scale import BINARY_SCALE, as_words
from rldsl.source import Span
from rldsl.syntax import tree
from rldsl.types import Axis, Element, Level, Type

MOST_MATCHES = 1000
RIGHT_OR_WRONG = as_words({"wrong": 0, "right": 1})
PREFER = "`prefer(clear, first, second, question: problems.question)`"
PRM = "`prm(grader, s, question: problems.question)`, `s` being `split(y.text, …)`"


# ------------------------------------------------------------------ which of two texts
def call_prefer(ctx: Context, env: Environment, call: tree.Call) -> Value:
    """`prefer(clear, first, second, question: …, orders: both, matches: 4)`: how much `first` is preferred, in [0, 1]."""
    named = {argument.name: argument.value for argument in call.arguments if argument.name is not None}
    given = [argument for argument in call.arguments if argument.name is None]
    subject = _subject(ctx, env, call, given, 3, "prefer", PREFER)
    orders = _orders(ctx, env, named["orders"]) if "orders" in named else True
    if subject is None or orders is None:
        return FailedValue()
    asked = _asked(ctx, subject, compares=True)
    inputs: list[tuple[str, int]] = []
    parts: list[tree.Expr] = []
    for word, argument in zip(("first", "second"), given[1:], strict=True):
        if not take(ctx, env, "prefer", Parameter(word, READABLE), argument.value, inputs, {}, parts):
            return FailedValue()
    if not _add_texts(ctx, env, call, ("orders", "matches"), inputs, parts, ("first", "second", "match")):
        return FailedValue()
    if "matches" in named and not _add_match(ctx, env, call, named["matches"], inputs, parts):
        return FailedValue()
    asked = replace(asked, both_orders=orders)
    return GraphValue(host(ctx, env, f"prefer:{subject}", inputs, asked.constants, call,
                           Type(Element.REAL, preferred_interval(asked)), parts))


def _orders(ctx: Context, env: Environment, expr: tree.Expr) -> bool | None:
    word = expr.text if isinstance(expr, tree.Name) else ""
    if word in ("both", "one"):
        return word == "both"
    ctx.report(error("RL028", "`orders` of `prefer` does not fit", env.span(expr), "this argument",
                     others=env.labels(expr, "in here"), why="a judge is shown two texts in both orders, or in the one that is"
                     " written.", fix="`orders: both`"))
    return None


def _add_match(ctx: Context, env: Environment, call: tree.Call, expr: tree.Expr, inputs: list[tuple[str, int]],
               parts: list[tree.Expr]) -> bool:
    """An input that is absent for pairs that are not matched, so that nobody is asked about them."""
    key = graph_value(ctx, env, expr, "a number")
    number = constant_number(ctx, key)
    axis = common_axis([ctx.type_of(found) for _, found in inputs])
    if number is None or number != int(number) or not 1 <= number <= MOST_MATCHES:
        ctx.report(error("RL028", "`matches` of `prefer` does not fit", env.span(expr), "this argument",
                         others=env.labels(expr, "in here"), why="it is a whole number that is known when the spec is compiled: how"
                         " many of the others each is compared with.", fix="`matches: 4`"))
        return False
    if axis is None or axis.level is not Level.PAIR:
        if axis is not None:
            ctx.report(error("RL104", "`matches` chooses among pairs", env.span(expr), "here are no pairs"[:40],
                             others=env.labels(expr, "in here"), why=f"these texts meet @ {axis}.",
                             fix="`prefer(clear, y.text, others(y.text, per: prompt), matches: 4)`"))
        return False
    inputs.append(("match", _match(ctx, axis, int(number), env.span(call))))
    parts.append(expr)
    return True


def _match(ctx: Context, pairs: Axis, number: int, span: Span) -> int:
    """1 where the second of a pair is one of the `number` members that follow the first in its group, round and round; else absent.

    So each is the first of `number` pairs and the second of as many, and two groups of one size play the same matches.
    """
    assert pairs.among is not None
    builder = ctx.builder
    own = builder.position(pairs.members, pairs.among, span)
    other = builder.others(own, pairs.among, span)
    size = builder.spread(builder.size(pairs.members, pairs.among, span), pairs, span)
    ahead = builder.elementwise(Function.SUBTRACT, other, own, span=span)
    wraps = builder.elementwise(Function.LESS, ahead, builder.constant(0), span=span)
    around = builder.elementwise(Function.ADD, ahead, size, span=span)
    distance = builder.elementwise(Function.SELECT, wraps, around, ahead, span=span)
    near = builder.elementwise(Function.LESS_EQUAL, distance, builder.constant(number), span=span)
    return builder.elementwise(Function.SELECT, near, builder.constant(1.0), builder.constant(float("nan")), span=span)


# ------------------------------------------------------------------ steps
def call_prm(ctx: Context, env: Environment, call: tree.Call) -> Value:
    """`prm(grader, s, question: …)`: a verdict in [0, 1] on each step by a judge or a rubric; of a scorer, a number at its end."""
    given = [argument for argument in call.arguments if argument.name is None]
    who = elaborate(ctx, env, given[0].value) if len(given) == 2 else None
    if isinstance(who, ModelValue) and ctx.tables.models[who.name].role is Role.SCORER:
        return score_steps(ctx, env, call, who.name, given[1].value)
    subject = _subject(ctx, env, call, given, 2, "prm", PRM)
    if subject is None:
        return FailedValue()
    inputs: list[tuple[str, int]] = []
    parts: list[tree.Expr] = []
    if not take(ctx, env, "prm", Parameter("step", (Element.TEXT,)), given[1].value, inputs, {}, parts):
        return FailedValue()
    steps = ctx.type_of(inputs[0][1]).axis
    if steps.level is not Level.STEP:
        report_no_steps(ctx, env, given[1].value, steps, "grader")
        return FailedValue()
    if not _add_texts(ctx, env, call, (), inputs, parts, ("step", "place")) or not are_whole(ctx, env, inputs, parts, steps):
        return FailedValue()
    assert steps.parent is not None
    inputs.append(("place", ctx.builder.position(steps, steps.parent, env.span(call))))
    parts.append(given[1].value)
    asked = _asked(ctx, subject, compares=False)
    return GraphValue(host(ctx, env, f"prm:{subject}", inputs, asked.constants, call, Type(Element.REAL, asked.interval), parts))


# ------------------------------------------------------------------ both
def _subject(ctx: Context, env: Environment, call: tree.Call, given: Sequence[tree.Argument], count: int, word: str,
             form: str) -> str | None:
    """Who is asked, by name: a rubric or a judge. None after a report."""
    if len(given) != count:
        ctx.report(error("RL021", f"`{word}` takes {count} arguments without a name", env.span(call), f"here are {len(given)}",
                         others=env.labels(call, "in here"), why="who judges comes first, then what is judged; the rest is named.",
                         fix=form))
        return None
    value = elaborate(ctx, env, given[0].value)
    match value:
        case FailedValue():
            return None
        case RubricValue(name=name) if ctx.tables.rubrics[name].criteria:
            return name
        case ModelValue(name=name) if ctx.tables.models[name].role is Role.JUDGE:
            return name
        case _:
            found = f"this is a {ctx.tables.models[value.name].role.value}" if isinstance(value, ModelValue) else \
                "a rubric without criteria" if isinstance(value, RubricValue) else f"this is {describe(value)}"
            asked, why = ("a judge or a rubric", "a language model says which is better.") if word == "prefer" else \
                ("a judge, a rubric or a scorer", "a language model or a scorer says how good a step is.")
            ctx.report(error("RL032", f"`{word}` asks {asked}", env.span(given[0]), found[:40],
                             others=env.labels(given[0], "in here"), why=why, fix=form))
            return None


def _asked(ctx: Context, subject: str, compares: bool) -> Asked:
    """How a rubric or judge is asked."""
    rubric = ctx.tables.rubrics.get(subject)
    if rubric is None:
        return Asked(subject, scales=(BINARY_SCALE if compares else RIGHT_OR_WRONG,))
    ctx.called_rubrics.add(subject)
    marks = {mark: tuple(entry.text for entry in rubric.criteria if entry.mark in mark)
             for mark in (("weight", "gate"), ("penalty", "veto"))}
    asked = Asked.read(rubric.asks)
    return replace(asked, criteria=marks["weight", "gate"], against=marks["penalty", "veto"], together=True, shuffle=False,
                   quote=False, reason=asked.reason and compares, scales=(BINARY_SCALE,) if compares else asked.scales)


def _add_texts(ctx: Context, env: Environment, call: tree.Call, options: Sequence[str], inputs: list[tuple[str, int]],
               parts: list[tree.Expr], reserved: Sequence[str]) -> bool:
    """Add the texts with names of their own."""
    named = [argument for argument in call.arguments if argument.name is not None and argument.name not in options]
    if not named:
        return axes_agree(ctx, env, [key for _, key in inputs], call, parts)
    texts = named_texts(ctx, env, call, "prefer", named, (*reserved, "A", "B"))
    if texts is None:
        return False
    inputs += texts.texts
    parts += texts.parts
    return axes_agree(ctx, env, [key for _, key in inputs], call, parts)
