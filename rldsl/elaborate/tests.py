"""`test` blocks: small layouts written out as nested lists, expectations, gradients. Each test has a graph of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from rldsl.diagnostics import error
from rldsl.elaborate.constants import constant_number
from rldsl.elaborate.context import Calls, Context, Environment
from rldsl.elaborate.expressions import axes_agree, elaborate, numeric
from rldsl.elaborate.functions import check_doubled
from rldsl.elaborate.objectives import text_at
from rldsl.elaborate.typing import literal_number
from rldsl.elaborate.values import FailedValue, GraphValue, Value
from rldsl.graph.model import Leaf, Read, ReadKind, SourceKind
from rldsl.graph.spec import ExpectSpec, GivenValue, TestSpec
from rldsl.infer.builder import Builder
from rldsl.syntax import tree
from rldsl.types import BATCH, EVERYTHING, Axis, Element, Level, Stage, Type, Version, parts_axis

PROMPT = Axis("prompt", Level.PROMPT, "test", BATCH)
SAMPLE = Axis("sample", Level.SAMPLE, "test", PROMPT)
TOKEN = Axis("token", Level.TOKEN, "test", SAMPLE)
STEP = Axis("step", Level.STEP, "test", SAMPLE, over=TOKEN)
DEPTHS = {"prompt": 1, "sample": 2, "token": 3, "step": 3, "member": 3, "criterion": 3}
COMPARISONS = ("==", "<", "<=", ">", ">=", "!=")


@dataclass(slots=True)
class Written:
    """What a test has written so far: values, and how many places each axis has; `inside`: how many tokens lie in each step."""

    given: list[GivenValue] = field(default_factory=list)
    counts: dict[Axis, tuple[int, ...]] = field(default_factory=dict)
    inside: tuple[int, ...] | None = None
    gradients: list[tuple[int, int, int]] = field(default_factory=list)


def declare_test(ctx: Context, env: Environment, item: tree.Test) -> TestSpec:
    """A test with its own builder; findings go to the common list."""
    written = Written()
    own = replace(ctx, builder=Builder(stage=Stage.UPDATE), values={}, in_test=True, test=written, found_axes={}, written_steps=[],
                  test_axes={Level.PROMPT: PROMPT, Level.SAMPLE: SAMPLE, Level.STEP: STEP, Level.TOKEN: TOKEN},
                  tables=replace(ctx.tables, params={}), calls=Calls(called=ctx.calls.called))
    check_doubled(ctx, [(entry.name, entry.span) for entry in item.items if isinstance(entry, tree.Let)], "`let`")
    local: dict[str, Value] = {}
    inner = Environment(env.scope, local, None, "test")  # grows with the lets; nothing else sees it
    expects: list[ExpectSpec] = []
    for entry in item.items:
        if isinstance(entry, tree.Let):
            value = elaborate(own, inner, entry.value)
            if isinstance(value, GraphValue):
                own.builder.rename(value.key, entry.name)
            local[entry.name] = value
        else:
            _expect(own, inner, entry, expects)
    if not expects and not any(isinstance(entry, tree.Expect) for entry in item.items):
        ctx.report(error("RL040", "this test expects nothing", item.span, "it cannot fail",
                         why="a test without an expectation says nothing.", fix="`expect f(2) == 4`"))
    _complete_counts(written)
    if STEP in written.counts and TOKEN in written.counts and written.inside is None:
        ctx.report(error("RL040", "which tokens are in which step is not said", item.span, "this test",
                         why="a list of tokens that is nested 4 deep says it: prompts, samples, steps, tokens.",
                         fix="`[[[[0.1, 0.2], [0.3]]]] @ token`: one answer of two steps"))
    return TestSpec(item.name, own.builder.graph(), tuple(expects), tuple(written.given),
                    tuple((axis, written.counts[axis]) for axis in (PROMPT, SAMPLE, STEP, TOKEN)
                          if axis in written.counts),
                    tuple(written.gradients), item.span, written.inside)


def _complete_counts(written: Written) -> None:
    if SAMPLE in written.counts:
        written.counts.setdefault(PROMPT, (len(written.counts[SAMPLE]),))


def _expect(ctx: Context, env: Environment, entry: tree.Expect, expects: list[ExpectSpec]) -> None:
    condition = entry.condition
    if not isinstance(condition, tree.Binary) or condition.operator not in COMPARISONS:
        ctx.report(error("RL040", "`expect` compares two values", condition.span, "this is no comparison",
                         why="a failed expectation shows both sides.", fix="`expect f(2) == 4 within 1e-6`"))
        return
    left = numeric(ctx, env, condition.left)
    right = _other_side(ctx, env, condition.right, left)
    tolerance = 0.0
    if entry.tolerance is not None:
        found = constant_number(ctx, numeric(ctx, env, entry.tolerance))
        if found is None or found < 0 or condition.operator != "==":
            ctx.report(error("RL040", "`within` needs `==` and a number", entry.tolerance.span, "this tolerance",
                             why="it bounds the difference of the two sides.", fix="`within 1e-6`"))
            return
        tolerance = found
    if ctx.type_of(left).is_error or ctx.type_of(right).is_error or \
            not axes_agree(ctx, env, [left, right], condition, [condition.left, condition.right]):
        return
    text = text_at(ctx.sources_of(env), entry.span)
    expects.append(ExpectSpec(left, right, condition.operator, tolerance, text, entry.span))


def _other_side(ctx: Context, env: Environment, expr: tree.Expr, left: int) -> int:
    """A list without a level takes the level of the other side."""
    if isinstance(expr, tree.ListOf) and expr.level is None:
        if ctx.type_of(left).is_error:
            return ctx.failed()
        axis = ctx.type_of(left).axis
        level = axis.level
        if level is Level.STEP and axis != STEP:
            return _on_found_steps(ctx, expr, axis)
        if level.word in DEPTHS and (not level.is_of_parts or axis.parent == SAMPLE):
            value = written_value(ctx, env, replace(expr, level=level.word), live=False)
            return value.key if isinstance(value, GraphValue) else ctx.failed()
    return numeric(ctx, env, expr)


def _on_found_steps(ctx: Context, expr: tree.ListOf, axis: Axis) -> int:
    """A list of values for the steps that a `split` finds: how many there are is seen when the test runs."""
    counts, values = _flatten(_wrap(expr, 3), 3)
    numbers = tuple(value for value in values if not isinstance(value, str))
    if counts is None or len(numbers) < len(values):
        ctx.report(error("RL040", "this list does not fit `step`", expr.span, "its nesting or its entries",
                         why="a value per step is a list of numbers, nested 3 deep at most (prompts, samples, steps).",
                         fix="`[[1, 0], [1]]`: two answers, one of two steps, one of one"))
        return ctx.failed()
    return _given(ctx, expr, axis, numbers, False)


def written_value(ctx: Context, env: Environment, expr: tree.ListOf, *, live: bool) -> Value:
    """A nested list at its level: prompts of samples of tokens; outer brackets for a single prompt may be left out. Tokens that
    are nested deeper are those of steps."""
    written = ctx.test
    assert isinstance(written, Written)
    if expr.level not in DEPTHS:
        ctx.report(error("RL040", "a list in a test says its level", expr.span, "this list",
                         why="values live at levels.", fix="`[0.5, 1.0] @ sample`, `[[0.1, 0.2], [0.3]] @ token`"))
        return FailedValue()
    depth = DEPTHS[expr.level]
    if expr.level == "token" and _depth(expr) == 4:
        depth = 4
    nested = _wrap(expr, depth)
    counts, values = _flatten(nested, depth)
    if counts is None:
        ctx.report(error("RL040", f"this list does not fit `{expr.level}`", expr.span, "its nesting or its entries",
                         why=f"a value per {expr.level} is a list of numbers or of texts, nested {depth} deep at most (prompts,"
                         " samples, tokens).", fix="`[[0.1, 0.2], [0.3]] @ token`: one prompt, two samples"))
        return FailedValue()
    axes = _axes_of(expr.level, depth, counts)
    if axes is None:
        ctx.report(error("RL040", f"answers differ in their {Level[expr.level.upper()].words}"[:60], expr.span, "this list",
                         why=f"every answer has as many {Level[expr.level.upper()].words} as every other.",
                         fix="lists of one length"))
        return FailedValue()
    if depth == 4:
        counts = _of_samples(written, counts)
        ctx.written_steps[:] = [STEP]
    for axis, count in zip(axes, counts, strict=True):
        if axis.size is None and written.counts.setdefault(axis, count) != count:
            ctx.report(error("RL040", f"two lists differ in their {axis.name}s"[:60], expr.span, "this list",
                             why=f"a test has one layout; here {count}, before {written.counts[axis]}.",
                             fix="write lists of the same shape"))
            return FailedValue()
    if any(isinstance(value, str) for value in values):
        return _given_texts(ctx, expr, axes[-1], values, live)
    return GraphValue(_given(ctx, expr, axes[-1], tuple(value for value in values if not isinstance(value, str)), live))


def _axes_of(level: str, depth: int, counts: list[tuple[int, ...]]) -> tuple[Axis, ...] | None:
    """The axes of a list, coarse to fine; None for parts whose number is not the same everywhere."""
    if level == "step" or depth == 4:
        return (PROMPT, SAMPLE, STEP, TOKEN)[:depth]
    if not Level[level.upper()].is_of_parts:
        return (PROMPT, SAMPLE, TOKEN)[:depth]
    sizes = set(counts[-1])
    return (PROMPT, SAMPLE, parts_axis(SAMPLE, Level[level.upper()], sizes.pop())) if len(sizes) == 1 else None


def _of_samples(written: Written, counts: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Counts of prompts, samples, steps and tokens, the tokens by sample; how many lie in each step is noted."""
    steps, inside = iter(counts[3]), counts[3]
    written.inside = inside
    return [*counts[:3], tuple(sum(next(steps) for _ in range(count)) for count in counts[2])]


def _given_texts(ctx: Context, expr: tree.ListOf, axis: Axis, values: list[float | str], live: bool) -> Value:
    texts = tuple(value if isinstance(value, str) else None for value in values)
    written = ctx.test
    assert isinstance(written, Written)
    if live or any(not isinstance(value, str) and not math.isnan(value) for value in values):
        said = "texts have no gradient" if live else "numbers and texts in one list"
        ctx.report(error("RL040", said, expr.span, "this list", why="a list holds numbers, or texts, or `absent` among them.",
                         fix='`["ab", absent] @ sample`'))
        return FailedValue()
    name = f"given_{len(written.given)}"
    kind = Type(Element.TEXT, EVERYTHING, axis, stage=Stage.DATA, optional=None in texts)
    key = ctx.builder.add(Leaf(SourceKind.GIVEN, "test", name), type=kind, span=expr.span)
    written.given.append(GivenValue(key, name, axis, (), False, texts))
    return GraphValue(key)


def _given(ctx: Context, expr: tree.ListOf, axis: Axis, values: tuple[float, ...], live: bool) -> int:
    written = ctx.test
    assert isinstance(written, Written)
    name = f"given_{len(written.given)}"
    optional = any(math.isnan(value) for value in values)
    if live:
        operation = Read(ReadKind.PROBE, "test", "test", Version.CURRENT, probe=name)
        kind = Type(Element.REAL, EVERYTHING, axis, live=frozenset({"test"}), stage=Stage.UPDATE)
        key = ctx.builder.add(operation, type=kind, span=expr.span)
    else:
        kind = Type(Element.REAL, EVERYTHING, axis, stage=Stage.DATA, optional=optional)
        key = ctx.builder.add(Leaf(SourceKind.GIVEN, "test", name), type=kind, span=expr.span)
    written.given.append(GivenValue(key, name, axis, values, live))
    return key


def _depth(expr: tree.Expr) -> int:
    found = 0
    while isinstance(expr, tree.ListOf):
        found += 1
        if not expr.items:
            break
        expr = expr.items[0]
    return found


def _wrap(expr: tree.ListOf, depth: int) -> tree.ListOf:
    for _ in range(depth - _depth(expr)):
        expr = tree.ListOf((expr,), span=expr.span)
    return expr


def _flatten(expr: tree.ListOf, depth: int) -> tuple[list[tuple[int, ...]] | None, list[float | str]]:
    counts: list[tuple[int, ...]] = []
    rows: list[tree.Expr] = [expr]
    for _ in range(depth):
        if not all(isinstance(row, tree.ListOf) for row in rows):
            return None, []
        lists = [row for row in rows if isinstance(row, tree.ListOf)]
        counts.append(tuple(len(row.items) for row in lists))
        rows = [item for row in lists for item in row.items]
    values = [_entry(row) for row in rows]
    if any(value is None for value in values):
        return None, []
    return counts, [value for value in values if value is not None]


def _entry(row: tree.Expr) -> float | str | None:
    match row:
        case tree.Name(text="absent"):
            return math.nan
        case tree.String(value=text):
            return text
        case _:
            return literal_number(row)


def gradient_leaf(ctx: Context, env: Environment, call: tree.Call, scalar: int, of: int) -> Value:
    """A leaf that the test runner fills with the derivative of `scalar` by the live value `of`."""
    written = ctx.test
    assert isinstance(written, Written)
    operation = ctx.node(of).operation
    if ctx.type_of(scalar).is_error or ctx.type_of(of).is_error:
        return FailedValue()
    if not isinstance(operation, Read) or ctx.type_of(scalar).axis != BATCH:
        ctx.report(error("RL040", "`gradient` is of a scalar by a `live` value", call.span, "this call",
                         why="it takes a number of the whole batch and a value made by `live(…)`.",
                         fix="`gradient(mean(x * x), of: x)` with `let x = live([1, 2] @ sample)`"))
        return FailedValue()
    axis = ctx.type_of(of).axis
    kind = Type(Element.REAL, EVERYTHING, axis, stage=Stage.UPDATE, optional=True)
    key = ctx.builder.add(Leaf(SourceKind.GIVEN, "gradient", f"gradient_{scalar}_{of}"), type=kind, span=call.span)
    written.gradients.append((key, scalar, of))
    return GraphValue(key)
