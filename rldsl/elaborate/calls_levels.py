"""Calls that go from one level to another: reductions and `spread`. Arguments are bound already."""

from __future__ import annotations

from rldsl.diagnostics import error
from rldsl.elaborate.arguments import Bound
from rldsl.elaborate.constants import constant_number
from rldsl.elaborate.context import Context, Environment
from rldsl.elaborate.expressions import as_key, axes_agree, condition, elaborate, numeric
from rldsl.elaborate.values import FailedValue, GraphValue, LevelValue, ResponseValue, Value, describe
from rldsl.graph.model import Reduction
from rldsl.infer.levels import common_axis
from rldsl.resolve.names import listed
from rldsl.syntax import tree
from rldsl.types import BATCH, Axis, Level, Stage, Type, lifted, pair_axis

OF_VECTORS = frozenset({Reduction.SUM, Reduction.MEAN, Reduction.FIRST, Reduction.LAST})


def target_axis(ctx: Context, env: Environment, expr: tree.Expr | None, axis: Axis, *,
                default: Axis | None = BATCH, below: bool = False) -> Axis | None:
    """The axis that `per:` names, above `axis` (strictly, if `below`); `default` where nothing was written; None after a
    report."""
    if expr is None:
        return default
    value = elaborate(ctx, env, expr)
    if isinstance(value, FailedValue):
        return None
    if isinstance(value, GraphValue):
        return _axis_of_value(ctx, env, expr, ctx.type_of(value.key).axis, axis)
    if not isinstance(value, LevelValue):
        ctx.report(error("RL020", "a level is needed here", env.span(expr), f"this is {describe(value)}",
                         others=env.labels(expr, "in here"), why="`per:` says which values are put together.",
                         fix="`per: prompt`, `per: sample`, `per: step`, or leave it out for the batch"))
        return None
    if value.level is Level.STEP and len(steps := ctx.steps_of(axis)) != 1:
        _report_steps(ctx, env, expr, axis, steps)
        return None
    found = ctx.axis_at(axis, value.level)
    if found is None and value.level.is_of_parts:
        ctx.report(error("RL104", f"this has no {value.level.words}", env.span(expr), f"the value is @ {axis}"[:40],
                         others=env.labels(expr, "in here"), why=f"`{axis}` does not lie below any {value.level.words}.",
                         fix=f"`per: {axis.level.word}`, or a value made of {value.level.words}"))
        return None
    if found is None or (below and found == axis):
        word = value.level.word
        ctx.report(error("RL104", f"this is already {'a value per' if found else 'coarser than a'} {word}"[:60],
                         env.span(expr), f"the value is @ {axis}"[:40], others=env.labels(expr, "in here"),
                         why=f"a value of `{axis}` has no {word}s below it.",
                         fix="a coarser level, or leave it out"))
        return None
    return found


def _axis_of_value(ctx: Context, env: Environment, expr: tree.Expr, named: Axis, axis: Axis) -> Axis | None:
    """`per: s`, a value: the axis on which it stands. One number for the whole batch stands on none."""
    if named == BATCH:
        meant = next((level.word for level in Level if isinstance(expr, tree.Name) and expr.text == level.words), "prompt")
        ctx.report(error("RL104", "this value stands on no level", env.span(expr), "one number for the whole batch",
                         others=env.labels(expr, "in here"), why="`per:` names a level, or a value that stands on it.",
                         fix=f"`per: {meant}`, or leave it out for the batch"))
        return None
    if axis.is_within(named):
        return named
    ctx.report(error("RL104", "the values do not lie in those of `per:`", env.span(expr), f"this is @ {named}"[:40],
                     others=env.labels(expr, "in here"), why=f"`{axis}` does not lie below `{named}`.",
                     fix="a level, or a value that stands on a coarser one"))
    return None


def _report_steps(ctx: Context, env: Environment, expr: tree.Expr, axis: Axis, steps: list[Axis]) -> None:
    if steps:
        title, why = "which steps is not clear", f"`{axis}` lies in {listed([str(step) for step in steps])}."
        fix = "name a value that stands on them: `per: s` with `let s = split(…)`"
    else:
        title, why = "nothing here is cut into steps", f"`{axis}` has no steps above it."
        fix = 'cut the text first: `let s = split(y.text, at: "\\n\\n")`'
    ctx.report(error("RL104", title, env.span(expr), f"the value is @ {axis}"[:40], others=env.labels(expr, "in here"),
                     why=why, fix=fix))


def _masked(ctx: Context, env: Environment, bound: Bound, key: int, call: tree.Call) -> tuple[int | None, int, bool]:
    if "where" not in bound:
        return None, key, True
    mask = condition(ctx, env, bound["where"])
    if ctx.type_of(mask).is_error or not axes_agree(ctx, env, [key, mask], call, [bound["x"], bound["where"]]):
        return None, key, False
    met = common_axis([ctx.type_of(key), ctx.type_of(mask)])
    assert met is not None, "the axes were said to agree"
    return ctx.builder.spread(mask, met), ctx.builder.spread(key, met), True


def call_reduction(ctx: Context, env: Environment, call: tree.Call, bound: Bound, reduction: Reduction) -> Value:
    """`mean(x, per: prompt, where: mask)` and its kind; with `keep: member` one value for each member of a prompt.
    `over: member` reduces the members of each place."""
    x = condition(ctx, env, bound["x"]) if reduction in (Reduction.ANY, Reduction.ALL) else \
        numeric(ctx, env, bound["x"], vectors=reduction in OF_VECTORS)
    mask, x, fine = _masked(ctx, env, bound, x, call)
    argument = numeric(ctx, env, bound["q"]) if "q" in bound else None
    if ctx.type_of(x).is_error or (argument is not None and ctx.type_of(argument).is_error):
        return FailedValue()
    to = _away(ctx, env, bound, ctx.type_of(x).axis) if "over" in bound else \
        target_axis(ctx, env, bound.get("per"), ctx.type_of(x).axis)
    if not fine or to is None:
        return FailedValue()
    if argument is not None and not _level_of_quantile(ctx, env, bound["q"], argument):
        return FailedValue()
    parts = _kept_parts(ctx, env, bound["keep"], ctx.type_of(x).axis, to) if "keep" in bound else None
    if "keep" in bound and parts is None:
        return FailedValue()
    earlier, ctx.builder.stage = ctx.builder.stage, max(ctx.builder.stage, Stage.STATISTICS)
    key = ctx.builder.reduce(reduction, x, to, mask, argument, env.span(call)) if parts is None else \
        ctx.builder.reduce_keeping(reduction, x, parts, mask, argument, env.span(call))
    ctx.builder.stage = earlier
    return GraphValue(key)


def _away(ctx: Context, env: Environment, bound: Bound, axis: Axis) -> Axis | None:
    """The axis right above the level that `over:` names, on which the values stand; None after a report."""
    expr = bound["over"]
    value = elaborate(ctx, env, expr)
    if isinstance(value, FailedValue):
        return None
    other = next((word for word in ("per", "keep") if word in bound), None)
    if isinstance(value, LevelValue) and axis.level is value.level and axis.parent is not None and other is None:
        return axis.parent
    if other is not None:
        title, said = f"`over:` and `{other}:` are one too many", "this says where the values go already"
        why, fix = "`over: member` reduces the members of each place, whatever it is.", f"leave `{other}:` out"
    else:
        word = value.level.words if isinstance(value, LevelValue) else "places"
        title, said = f"there are no {word} to reduce here", f"the value is @ {axis}"
        why = "`over:` names the level on which the values stand."
        fix = f"`over: {axis.level.word}`, or `per:` the level of the result"
    ctx.report(error("RL104", title[:60], env.span(expr), said[:40], others=env.labels(expr, "in here"), why=why, fix=fix))
    return None


def _kept_parts(ctx: Context, env: Environment, expr: tree.Expr, axis: Axis, to: Axis) -> Axis | None:
    """The parts of each place of `to` that `keep:` names: those that the values stand on; None after a report."""
    value = elaborate(ctx, env, expr)
    if isinstance(value, FailedValue):
        return None
    is_parts = isinstance(value, LevelValue) and axis.level is value.level and axis.size is not None
    if is_parts and axis != to and axis.is_within(to):
        return lifted(axis, to)
    words = value.level.words if isinstance(value, LevelValue) else "parts"
    ctx.report(error("RL104", f"there are no {words} to keep"[:60], env.span(expr), f"the value is @ {axis}"[:40],
                     others=env.labels(expr, "in here"),
                     why="`keep:` names the level of the values, whose parts are as many everywhere; `per:` one above it.",
                     fix="`mean(each(a, b), per: prompt, keep: member)`"))
    return None


def _level_of_quantile(ctx: Context, env: Environment, expr: tree.Expr, key: int) -> bool:
    found = ctx.type_of(key)
    value = constant_number(ctx, key)
    if found.axis == BATCH and not found.is_live and (value is None or 0 <= value <= 1):
        return True
    ctx.report(error("RL020", "a quantile lies between 0 and 1", env.span(expr), "the level of the quantile",
                     why="0.8 asks for the value that four fifths lie below.", fix="a number such as `0.8`"))
    return False


# ------------------------------------------------------------------ down
def call_spread(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`spread(x, to: token)`, or `spread(x, to: y)`: a value or response on whose axis the copies stand. To pairs that no
    value stands on yet, `spread(x, to: pair, per: prompt)`."""
    x = as_key(ctx, env, elaborate(ctx, env, bound["x"]), bound["x"], "a value")
    found = ctx.type_of(x)
    if found.is_error:
        elaborate(ctx, env, bound["to"])
        return FailedValue()
    axis = _paired_axis(ctx, env, bound, found.axis) if "per" in bound else _finer_axis(ctx, env, bound["to"], found.axis)
    if axis is None:
        return FailedValue()
    if common_axis([found, Type(found.element, axis=axis)]) != axis:
        ctx.report(error("RL104", "this does not spread there", env.span(call), f"the value is @ {found.axis}"[:40],
                         why=f"`{axis}` does not lie below `{found.axis}`.", fix="a level below that of the value"))
        return FailedValue()
    return GraphValue(ctx.builder.spread(x, axis, env.span(call)))


def _paired_axis(ctx: Context, env: Environment, bound: Bound, axis: Axis) -> Axis | None:
    """The axis of `to: pair, per: prompt`."""
    level = elaborate(ctx, env, bound["to"])
    if level != LevelValue(Level.PAIR):
        ctx.report(error("RL104", "`per:` belongs to pairs", env.span(bound["per"]), "of which group the pairs are",
                         why="only the pairs of a value are made by where their groups end.",
                         fix="leave it out, or `spread(x, to: pair, per: prompt)`"))
        return None
    per = target_axis(ctx, env, bound["per"], axis, below=True)
    return None if per is None or not _has_others(ctx, env, bound["x"], axis) else pair_axis(axis, per)


def _has_others(ctx: Context, env: Environment, expr: tree.Expr, axis: Axis) -> bool:
    if axis != BATCH and axis.level is not Level.PAIR:
        return True
    said = "one number has no others" if axis == BATCH else "these are others already"
    ctx.report(error("RL104", said, env.span(expr), f"the value is @ {axis}"[:40], others=env.labels(expr, "in here"),
                     why="others are the values of the other members of a group.",
                     fix="reduce the pairs first, or name a value per sample"))
    return False


def call_others(ctx: Context, env: Environment, call: tree.Call, bound: Bound) -> Value:
    """`others(x, per: prompt)`: for each member of a group the values of the other members, on the level `pair` below it."""
    x = as_key(ctx, env, elaborate(ctx, env, bound["x"]), bound["x"], "a value")
    axis = ctx.type_of(x).axis
    if ctx.type_of(x).is_error:
        elaborate(ctx, env, bound["per"])
        return FailedValue()
    if not _has_others(ctx, env, bound["x"], axis):
        return FailedValue()
    per = target_axis(ctx, env, bound["per"], axis, below=True)
    if per is None:
        return FailedValue()
    return GraphValue(ctx.builder.others(x, per, env.span(call)))


def _finer_axis(ctx: Context, env: Environment, expr: tree.Expr, axis: Axis) -> Axis | None:
    value = elaborate(ctx, env, expr)
    match value:
        case GraphValue(key=key):
            return None if ctx.type_of(key).is_error else ctx.type_of(key).axis
        case ResponseValue(name=name):
            return ctx.tables.responses[name].token_axis
        case LevelValue(level=level):
            below = _axes_below(ctx, axis, level)
            if len(below) == 1:
                return below[0]
            if level.is_of_parts:
                _report_parts(ctx, env, expr, level, len(below))
                return None
            ctx.report(error("RL104", f"which {level.words} is not clear"[:60], env.span(expr),
                             f"{len(below)} lie below", why="the level has to be that of one response."
                             if below else f"nothing below `{axis}` has a {level.word}.",
                             fix="name a value or a response instead: `spread(x, to: y)`"))
            return None
        case FailedValue():
            return None
        case _:
            ctx.report(error("RL020", "a level is needed here", env.span(expr), f"this is {describe(value)}",
                             why="`to:` says where the copies stand.", fix="`to: token`, or a value that stands there"))
            return None


def _report_parts(ctx: Context, env: Environment, expr: tree.Expr, level: Level, count: int) -> None:
    if level is Level.PAIR:
        why, fix = "pairs are of the members of a group.", "name the group: `spread(x, to: pair, per: prompt)`"
    else:
        why, fix = f"nothing below the value has a {level.word}." if not count else f"there are {count} kinds of {level.words}.", \
            f"name a value that stands on the {level.words}: `spread(x, to: v)`"
    ctx.report(error("RL104", f"which {level.words} is not clear"[:60], env.span(expr), f"{count} kinds of {level.words} so far",
                     why=why, fix=fix))


def _axes_below(ctx: Context, axis: Axis, level: Level) -> list[Axis]:
    if level.is_of_parts:
        found = ctx.builder.axes_of(level, axis)
    elif ctx.in_test:
        found = [entry for entry in ctx.test_axes.values() if entry.level is level and entry.is_within(axis)]
    else:
        every = {entry for spec in ctx.tables.responses.values() for entry in spec.token_axis.chain()}
        every |= set(ctx.builder.axes_of(Level.STEP, axis)) if level is Level.STEP else set()
        found = [entry for entry in every if entry.level is level and entry.is_within(axis)]
    return sorted(found, key=lambda entry: entry.name)
