"""Calls of rubrics: a rubric of texts, its verdicts and weights. Written out as nodes, so that what is done with verdicts is
nothing special: weights are numbers of the graph, and a changed one asks the judge nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from rldsl.data.signatures import Parameter
from rldsl.diagnostics import error
from rldsl.elaborate.calls_host import take
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import axes_agree, elaborate, host
from rldsl.elaborate.staging import host_type
from rldsl.elaborate.values import FailedValue, GraphValue, RubricValue, Value, describe
from rldsl.graph.model import Elementwise, Foreign, Function, Reduction
from rldsl.graph.spec import CriterionSpec, RubricSpec
from rldsl.infer.levels import common_axis
from rldsl.rewards.rubrics.asked import Asked
from rldsl.rewards.rubrics.scale import Scale
from rldsl.source import Span
from rldsl.syntax import tree
from rldsl.types import Axis, Element, Interval, Level, Type, parts_axis

JUDGED = "answer"  # under which name the first text is shown
OWN_NAMES = ("criterion", "criteria", "place")
READABLE = (Element.TEXT, Element.JSON)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a call shows: texts by name with the axis on which they meet, and the criteria that came with it."""

    texts: tuple[tuple[str, int], ...]
    parts: tuple[tree.Expr, ...]
    axis: Axis
    criteria: int | None = None


def call_rubric(ctx: Context, env: Environment, call: tree.Call, name: str) -> Value:
    """`clear(y.text, question: problems.question)`: `Real in [0, 1]` at the level of its texts."""
    rubric = ctx.tables.rubrics[name]
    judged = judged_texts(ctx, env, call, rubric, call.arguments)
    return FailedValue() if judged is None else GraphValue(_total(ctx, env, call, rubric, judged))


def call_verdicts(ctx: Context, env: Environment, call: tree.Call) -> Value:
    """`verdicts(clear, y.text, …)`: the verdict on each criterion but the gates, at level `criterion` below the texts."""
    found = _of_rubric(ctx, env, call, "verdicts")
    return FailedValue() if found is None else GraphValue(_verdicts(ctx, env, call, *found))


def call_weights(ctx: Context, env: Environment, call: tree.Call) -> Value:
    """`weights(clear, y.text, …)`: what each criterion counts, penalties below 0, vetoes 0, beside `verdicts`."""
    found = _of_rubric(ctx, env, call, "weights")
    return FailedValue() if found is None else GraphValue(_weights(ctx, env, call, *found))


def _of_rubric(ctx: Context, env: Environment, call: tree.Call, word: str) -> tuple[RubricSpec, Judged] | None:
    value = elaborate(ctx, env, call.arguments[0].value) if call.arguments and call.arguments[0].name is None else None
    if not isinstance(value, RubricValue):
        if not isinstance(value, FailedValue):
            at = call.arguments[0] if call.arguments else call
            ctx.report(error("RL021", f"`{word}` are those of a rubric", env.span(at),
                             "no rubric" if value is None else f"this is {describe(value)}"[:40], others=env.labels(at, "in here"),
                             why="a rubric says what is judged; then come the texts, as when it is called.",
                             fix=f"`{word}(clear, y.text, question: problems.question)`"))
        return None
    rubric = ctx.tables.rubrics[value.name]
    judged = judged_texts(ctx, env, call, rubric, call.arguments[1:])
    if judged is None or (judged.criteria is None and not rubric.weighed):
        if judged is not None:
            ctx.report(error("RL035", f"`{rubric.name[:30]}` has gates alone", env.span(call), f"`{word}` of nothing",
                             why="gates are asked before everything else, and weigh nothing.", fix=f"`{rubric.name}(…)`: 1 or 0"))
        return None
    return rubric, judged


# ------------------------------------------------------------------ texts
def judged_texts(ctx: Context, env: Environment, call: tree.Call, rubric: RubricSpec,
                 arguments: Sequence[tree.Argument]) -> Judged | None:
    """The texts of a rubric's call, and the criteria where it has none of its own; None after a report."""
    ctx.called_rubrics.add(rubric.name)
    own = [argument for argument in arguments if argument.name == "criteria"]
    texts = named_texts(ctx, env, call, rubric.name, [argument for argument in arguments if argument.name != "criteria"])
    if texts is None or not _criteria_fit(ctx, env, call, rubric, own):
        return None
    return _with_criteria(ctx, env, call, texts, own[0]) if own else texts


def _criteria_fit(ctx: Context, env: Environment, call: tree.Call, rubric: RubricSpec, own: Sequence[tree.Argument]) -> bool:
    if bool(own) != bool(rubric.criteria):
        return True
    at = own[0] if own else call
    ctx.report(error("RL035", f"`{rubric.name[:20]}` has criteria of its own" if own else f"`{rubric.name[:30]}` has no criterion",
                     env.span(at), "these come beside them" if own else "this call brings none", others=env.labels(at, "in here"),
                     why="a rubric is asked about the criteria that are written in it, or about those that a call brings.",
                     fix=f"a rubric without criteria: `rubric {rubric.name}_own judged by {rubric.judge} {{}}`" if own else
                     f"`{rubric.name}(y.text, criteria: problems.rubrics)`"))
    return False


def named_texts(ctx: Context, env: Environment, call: tree.Call, name: str, arguments: Sequence[tree.Argument],
                reserved: Iterable[str] = OWN_NAMES, first: str = JUDGED) -> Judged | None:
    """Texts by the names under which a judge is shown them: the first is `answer`, a field goes by its own name."""
    inputs: list[tuple[str, int]] = []
    parts: list[tree.Expr] = []
    for place, argument in enumerate(sorted(arguments, key=lambda argument: argument.name is not None)):
        word = argument.name or (first if place == 0 else _field_name(argument.value))
        if word is None or word in reserved or word in dict(inputs):
            _report_name(ctx, env, argument, word, list(dict(inputs)))
            return None
        if not take(ctx, env, name, Parameter(word, READABLE), argument.value, inputs, {}, parts):
            return None
    if not inputs:
        ctx.report(error("RL021", f"`{name}` is called with other arguments"[:60], env.span(call), "this call",
                         others=env.labels(call, "in here"), why="a judge reads at least one text.", fix=f"`{name}(y.text)`"))
        return None
    if not axes_agree(ctx, env, [key for _, key in inputs], call, parts):
        return None
    axis = common_axis([ctx.type_of(key) for _, key in inputs])
    assert axis is not None, "the axes were said to agree"
    return Judged(tuple(inputs), tuple(parts), axis)


def _field_name(expr: tree.Expr) -> str | None:
    return expr.name if isinstance(expr, tree.Field) and expr.name != "text" else None


def _report_name(ctx: Context, env: Environment, argument: tree.Argument, word: str | None, taken: list[str]) -> None:
    title = "under which name is this shown" if word is None else f"two texts are called `{word[:20]}`" if word in taken \
        else f"no text is called `{word[:20]}`"
    ctx.report(error("RL021", title, env.span(argument), "this text", others=env.labels(argument, "in here"),
                     why="a judge is shown each text under a name of its own, and told to judge the first.",
                     fix="`reference: …`, or whatever it is"))


def _with_criteria(ctx: Context, env: Environment, call: tree.Call, judged: Judged, written: tree.Argument) -> Judged | None:
    """The criteria that a call brings, each at a place of an axis of its own below the texts."""
    inputs: list[tuple[str, int]] = []
    parts: list[tree.Expr] = []
    if not take(ctx, env, "criteria", Parameter("criteria", READABLE), written.value, inputs, {}, parts):
        return None
    parts = [*judged.parts, *parts]
    if not axes_agree(ctx, env, [*(key for _, key in judged.texts), inputs[0][1]], call, parts):
        return None
    axis = common_axis([Type(Element.TEXT, axis=judged.axis), ctx.type_of(inputs[0][1])])
    assert axis is not None, "the axes were said to agree"
    listed = ctx.builder.spread(inputs[0][1], axis, env.span(written))
    operation = Foreign("criteria", ("criteria",))
    own = Axis(ctx.found_axis(f"{axis.name}.criterion", (operation, listed)), Level.CRITERION, axis.owner, axis)
    kind = host_type(ctx, Type(Element.JSON), own, [listed])
    found = ctx.builder.add(operation, (listed,), type=kind, span=env.span(written))
    return replace(judged, axis=axis, parts=tuple(parts), criteria=found)


# ------------------------------------------------------------------ nodes
def _verdicts(ctx: Context, env: Environment, call: tree.Call, rubric: RubricSpec, judged: Judged) -> int:
    if judged.criteria is not None:
        asked = Asked.read(rubric.asks)
        place = ctx.builder.position(ctx.type_of(judged.criteria).axis, judged.axis, env.span(call))
        inputs = [*judged.texts, ("criterion", judged.criteria), ("place", place)]
        found = host(ctx, env, f"rubric:{rubric.name}", inputs, asked.constants, call, Type(Element.REAL, asked.interval),
                     [*judged.parts, call])
        ctx.builder.rename(found, f"{rubric.name} verdicts")
        return found
    return _asked_about(ctx, env, call, rubric, judged, rubric.weighed, rubric.name)


def _asked_about(ctx: Context, env: Environment, call: tree.Call, rubric: RubricSpec, judged: Judged,
                 criteria: Sequence[CriterionSpec], maker: str) -> int:
    """The verdicts on some of a rubric's own criteria, which one call asks for."""
    axis = parts_axis(judged.axis, Level.CRITERION, len(criteria), maker)
    scales = tuple(Scale.of(criterion.scale) for criterion in criteria)
    asked = replace(Asked.read(rubric.asks), criteria=tuple(criterion.text for criterion in criteria),
                    scales=scales if len(set(scales)) > 1 else scales[:1])
    place = ctx.builder.position(axis, judged.axis, env.span(call))
    found = host(ctx, env, f"rubric:{rubric.name}", [*judged.texts, ("criterion", place)], asked.constants, call,
                 Type(Element.REAL, asked.interval), [*judged.parts, call])
    ctx.builder.rename(found, maker if maker != rubric.name else f"{maker} verdicts")
    return found


def _weights(ctx: Context, env: Environment, call: tree.Call, rubric: RubricSpec, judged: Judged) -> int:
    if judged.criteria is not None:
        return _part(ctx, judged.criteria, "weight", env.span(call))
    axis = parts_axis(judged.axis, Level.CRITERION, len(rubric.weighed), rubric.name)
    found = ctx.builder.parts([_weight(ctx, criterion, env.span(call)) for criterion in rubric.weighed], axis, env.span(call))
    ctx.builder.rename(found, f"{rubric.name} weights")
    return found


def _weight(ctx: Context, criterion: CriterionSpec, span: Span) -> int:
    match criterion.mark:
        case "weight":
            return criterion.amount
        case "penalty":
            return ctx.builder.elementwise(Function.NEGATE, criterion.amount, span=span)
        case _:
            return ctx.builder.constant(0.0)


def _part(ctx: Context, criteria: int, part: str, span: Span) -> int:
    """What criteria of the data say of themselves: their weights, from which verdict on a veto or gate holds."""
    kind = Type(Element.REAL) if part == "weight" else Type(Element.REAL, Interval(0.0, 1.0, low_open=True), optional=True)
    typed = host_type(ctx, kind, ctx.type_of(criteria).axis, [criteria])
    return ctx.builder.add(Foreign("criterion", ("criterion",), (("part", part),)), (criteria,), type=typed, span=span)


def _total(ctx: Context, env: Environment, call: tree.Call, rubric: RubricSpec, judged: Judged) -> int:
    """`clip(sum(w v) / sum(max(w, 0)), 0 .. 1)`; 0 where a veto holds or a gate is closed. Where a verdict has failed, there is no
    number either: what is left of the others would count it as 0."""
    span = env.span(call)
    if judged.criteria is not None:
        return _total_of_found(ctx, env, call, rubric, judged, judged.criteria)
    found = _weighed(ctx, env, call, rubric, judged) if rubric.weighed else ctx.builder.constant(1.0)
    if not rubric.gates:
        return found
    open_at = _asked_about(ctx, env, call, rubric, judged, rubric.gates, f"{rubric.name} gates")
    is_open = _beyond(ctx, open_at, [criterion.amount for criterion in rubric.gates], Reduction.ALL, span)
    passed = ctx.builder.elementwise(Function.SELECT, is_open, found, ctx.builder.constant(0.0), span=span)
    return _if_complete(ctx, open_at, passed, span)


def _weighed(ctx: Context, env: Environment, call: tree.Call, rubric: RubricSpec, judged: Judged) -> int:
    span, builder = env.span(call), ctx.builder
    verdicts = _verdicts(ctx, env, call, rubric, judged)
    found = builder.constant(1.0)
    positive = [criterion.amount for criterion in rubric.weighed if criterion.mark == "weight"]
    if positive:
        weighted = builder.elementwise(Function.MULTIPLY, _weights(ctx, env, call, rubric, judged), verdicts, span=span)
        earned = builder.reduce(Reduction.SUM, weighted, judged.axis, span=span)
        whole = reduce(lambda one, other: builder.elementwise(Function.ADD, one, other, span=span), positive)
        share = builder.elementwise(Function.DIVIDE, earned, whole, span=span)
        found = builder.elementwise(Function.CLIP, share, builder.constant(0.0), builder.constant(1.0), span=span)
    if any(criterion.mark == "veto" for criterion in rubric.weighed):
        never = builder.constant(2.0)
        bounds = [criterion.amount if criterion.mark == "veto" else never for criterion in rubric.weighed]
        holds = _beyond(ctx, verdicts, bounds, Reduction.ANY, span)
        found = builder.elementwise(Function.SELECT, holds, builder.constant(0.0), found, span=span)
    return _if_complete(ctx, verdicts, found, span)


def _total_of_found(ctx: Context, env: Environment, call: tree.Call, rubric: RubricSpec, judged: Judged, criteria: int) -> int:
    """The same of criteria that a call brings: which of them are what is known with the data. Where none weighs, it is 1 unless a
    veto or gate says otherwise."""
    span, builder, zero, one = env.span(call), ctx.builder, ctx.builder.constant(0.0), ctx.builder.constant(1.0)
    verdicts, weights = _verdicts(ctx, env, call, rubric, judged), _weights(ctx, env, call, rubric, judged)
    weighted = builder.elementwise(Function.MULTIPLY, weights, verdicts, span=span)
    earned = builder.reduce(Reduction.SUM, weighted, judged.axis, span=span)
    whole = builder.reduce(Reduction.SUM, builder.elementwise(Function.RELU, weights, span=span), judged.axis, span=span)
    share = builder.elementwise(Function.CLIP, builder.elementwise(Function.DIVIDE, earned, whole, span=span), zero, one, span=span)
    weighs = builder.elementwise(Function.GREATER, whole, zero, span=span)
    found = builder.elementwise(Function.SELECT, weighs, share, one, span=span)
    for part, closes in (("veto", Function.GREATER_EQUAL), ("gate", Function.LESS)):
        met = builder.elementwise(closes, verdicts, _part(ctx, criteria, part, span), span=span)
        closed = builder.reduce(Reduction.ANY, met, judged.axis, span=span)
        found = builder.elementwise(Function.SELECT, closed, zero, found, span=span)
    return _if_complete(ctx, verdicts, found, span)


def _beyond(ctx: Context, verdicts: int, bounds: Sequence[int], reduction: Reduction, span: Span) -> int:
    """Whether any, or all, verdicts reach their bounds."""
    axis = ctx.type_of(verdicts).axis
    assert axis.parent is not None
    amounts = ctx.builder.parts(bounds, axis, span)
    if len(bounds) > 1:
        ctx.builder.rename(amounts, f"{axis.maker} bounds")
    reached = ctx.builder.elementwise(Function.GREATER_EQUAL, verdicts, amounts, span=span)
    return ctx.builder.reduce(reduction, reached, axis.parent, span=span)


def _if_complete(ctx: Context, verdicts: int, found: int, span: Span) -> int:
    """The value where every verdict is there. Its type does not speak of the rest: what failed is no absence of the spec's."""
    builder, axis = ctx.builder, ctx.type_of(verdicts).axis
    assert axis.parent is not None
    lacking = builder.reduce(Reduction.ANY, builder.elementwise(Function.IS_MISSING, verdicts, span=span), axis.parent, span=span)
    keys = (lacking, *(builder.spread(key, axis.parent, span) for key in (builder.constant(math.nan), found)))
    kind = builder.infer(Elementwise(Function.SELECT), keys)
    is_optional = ctx.type_of(verdicts).optional or ctx.type_of(found).optional
    return builder.add(Elementwise(Function.SELECT), keys, span=span,
                       type=replace(kind, interval=ctx.type_of(found).interval, optional=is_optional))
