"""Intervals: exact where they can be, and never wrong."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rldsl.graph.model import Function, Read, ReadKind, Reduce, Reduction, Size
from rldsl.infer import infer_type
from rldsl.infer.ranges import elementwise_interval, infer_interval, read_interval
from rldsl.infer.scalar import evaluate
from rldsl.types import BATCH, BINARY, EVERYTHING, UNIT, Axis, Element, Interval, Level, Stage, Type, Version, point

F, R = Function, Reduction
POSITIVE = Interval(0.0, math.inf, low_open=True)
ROWS = Axis("rows", Level.PROMPT, "rows", BATCH)
SAMPLE = Axis("y.sample", Level.SAMPLE, "y", ROWS)
TOKEN = Axis("y.token", Level.TOKEN, "y", SAMPLE)

EXPECTED = [
    (F.EXP, (EVERYTHING,), "(0, inf)"), (F.EXP, (Interval(-math.inf, 0.0),), "(0, 1]"),
    (F.LOG, (UNIT,), "(-inf, 0]"), (F.LOG, (POSITIVE,), "(-inf, inf)"),
    (F.LOG, (Interval(1.0, 2.0),), "[0, 0.6931471805599453]"),
    (F.SIGMOID, (EVERYTHING,), "(0, 1)"), (F.TANH, (EVERYTHING,), "(-1, 1)"),
    (F.COS, (EVERYTHING,), "[-1, 1]"), (F.LOG_SIGMOID, (EVERYTHING,), "(-inf, 0)"),
    (F.SOFTPLUS, (EVERYTHING,), "(0, inf)"), (F.SQRT, (Interval(4.0, 9.0),), "[2, 3]"),
    (F.RELU, (Interval(-1.0, 2.0),), "[0, 2]"), (F.ABSOLUTE, (Interval(-3.0, 2.0),), "[0, 3]"),
    (F.NEGATE, (Interval(0.0, 1.0, low_open=True),), "[-1, 0)"), (F.SIGN, (UNIT,), "{0, 1}"), (F.SIGN, (POSITIVE,), "{1}"),
    (F.FLOOR, (Interval(0.5, 2.5),), "[0, 2]"), (F.COS, (Interval(0, 4),), "[-1, 1]"),
    (F.COS, (Interval(4, 7),), "[-0.6536436208636119, 1]"),
    (F.ADD, (UNIT, Interval(2.0, 3.0, high_open=True)), "[2, 4)"), (F.SUBTRACT, (UNIT, UNIT), "[-1, 1]"),
    (F.ADD, (BINARY, BINARY), "{0, 1, 2}"), (F.MULTIPLY, (BINARY, UNIT), "[0, 1]"),
    (F.MULTIPLY, (Interval(-1.0, 2.0), Interval(-3.0, 4.0)), "[-6, 8]"), (F.MULTIPLY, (UNIT, POSITIVE), "[0, inf)"),
    (F.MULTIPLY, (POSITIVE, POSITIVE), "(0, inf)"),
    (F.DIVIDE, (UNIT, UNIT), "(-inf, inf)"), (F.DIVIDE, (UNIT, Interval(2.0, 4.0)), "[0, 0.5]"),
    (F.DIVIDE, (point(1.0), POSITIVE), "(0, inf)"), (F.DIVIDE, (point(1.0), Interval(1.0, math.inf)), "(0, 1]"),
    (F.POWER, (Interval(-2.0, 1.0), point(2.0)), "[0, 4]"), (F.POWER, (Interval(-2.0, 1.0), point(3.0)), "[-8, 1]"),
    (F.POWER, (POSITIVE, EVERYTHING), "[0, inf)"), (F.POWER, (Interval(-1.0, 1.0), point(0.5)), "(-inf, inf)"),
    (F.MINIMUM, (UNIT, Interval(0.5, 2.0)), "[0, 1]"), (F.MAXIMUM, (UNIT, Interval(0.5, 2.0)), "[0.5, 2]"),
    (F.CLIP, (POSITIVE, point(0.8), point(1.28)), "[0.8, 1.28]"), (F.CLIP, (UNIT, point(-1.0), point(2.0)), "[0, 1]"),
    (F.SELECT, (BINARY, point(2.0), point(-1.0)), "{-1, 2}"), (F.SELECT, (BINARY, UNIT, point(3.0)), "[0, 3]"),
    (F.OTHERWISE, (Interval(1.0, 2.0), point(0.0)), "[0, 2]"), (F.LESS, (UNIT, UNIT), "{0, 1}"),
    (F.IS_MISSING, (point(1.0),), "{0, 1}"),
]


@pytest.mark.parametrize(("function", "inputs", "expected"), EXPECTED, ids=[f"{f} {e}" for f, _, e in EXPECTED])
def test_the_interval_of_a_function(function: Function, inputs: tuple[Interval, ...], expected: str) -> None:
    assert str(elementwise_interval(function, inputs)) == expected


def reduced(reduction: Reduction, interval: Interval, axis: Axis = SAMPLE, to: Axis = BATCH, *,
            element: Element = Element.REAL, optional: bool = False, masked: bool = False) -> str:
    x = Type(element, interval, axis, optional=optional)
    return str(infer_interval(Reduce(reduction, to, masked), [x]))


def test_the_interval_of_a_reduction() -> None:
    assert reduced(R.MEAN, BINARY) == "[0, 1]"
    assert reduced(R.SUM, UNIT) == "[0, inf)"
    assert reduced(R.SUM, Interval(1.0, 2.0)) == "[1, inf)"
    assert reduced(R.SUM, Interval(1.0, 2.0), TOKEN, SAMPLE) == "[0, inf)"
    assert reduced(R.SUM, Interval(1.0, 2.0), masked=True) == "[0, inf)"
    assert reduced(R.SUM, Interval(-math.inf, 0.0)) == "(-inf, 0]"
    assert reduced(R.SUM, Interval(-1.0, 1.0)) == "(-inf, inf)"
    assert reduced(R.MAXIMUM, BINARY) == "{0, 1}"
    assert reduced(R.COUNT, UNIT) == "[1, inf)"
    assert reduced(R.COUNT, BINARY, element=Element.BOOL) == "[0, inf)"
    assert reduced(R.VAR, UNIT) == "[0, 0.5]"
    assert reduced(R.STD_POPULATION, UNIT) == "[0, 0.5]"
    assert reduced(R.STD, EVERYTHING) == "[0, inf)"


def test_the_interval_of_a_read() -> None:
    assert [str(read_interval(kind)) for kind in (ReadKind.LOGP, ReadKind.ENTROPY, ReadKind.KL, ReadKind.TV)] == [
        "(-inf, 0]", "[0, inf)", "[0, inf)", "[0, 1]"]
    assert read_interval(ReadKind.JS).high == math.log(2) == read_interval(ReadKind.JS, 0.5).high
    assert read_interval(ReadKind.JS, 0.1).high == pytest.approx(0.3250829734)  # -0.1 ln 0.1 - 0.9 ln 0.9
    assert str(read_interval(ReadKind.ALPHA, 0.5)) == "[0, 4]"
    assert str(read_interval(ReadKind.ALPHA, 2.0)) == str(read_interval(ReadKind.ALPHA, -0.5)) == "[0, inf)"
    assert read_interval(Read(ReadKind.VALUE, "v", "y", Version.CURRENT).kind) == EVERYTHING


def test_a_filled_place_holds_at_least_one() -> None:
    assert str(infer_type(Size(SAMPLE, ROWS), [], Stage.UPDATE).interval) == "[1, inf)"
    assert str(infer_type(Size(TOKEN, SAMPLE), [], Stage.UPDATE).interval) == "[0, inf)"
    assert str(infer_type(Size(TOKEN, BATCH), [], Stage.UPDATE).interval) == "[1, inf)"


# ------------------------------------------------------------------ soundness
_ENDS = st.sampled_from([-math.inf, -3.0, -1.0, -0.5, 0.0, 0.25, 1.0, 2.0, math.inf])


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    low, high = sorted((draw(_ENDS), draw(_ENDS)))
    if low == high:
        return point(low) if math.isfinite(low) else EVERYTHING
    return Interval(low, high, draw(st.booleans()) and math.isfinite(low), draw(st.booleans()) and math.isfinite(high))


def members(interval: Interval) -> st.SearchStrategy[float]:
    low, high = max(interval.low, -50.0), min(interval.high, 50.0)
    return st.floats(low, high, exclude_min=interval.low_open, exclude_max=interval.high_open)


ARITY = {F.CLIP: 3, F.SELECT: 3, **dict.fromkeys((F.NEGATE, F.ABSOLUTE, F.SIGN, F.EXP, F.LOG, F.EXPM1, F.LOG1P, F.SQRT,
         F.SIGMOID, F.LOG_SIGMOID, F.SOFTPLUS, F.TANH, F.COS, F.RELU, F.FLOOR, F.NOT, F.IS_MISSING), 1)}


@settings(max_examples=400)
@given(st.data(), st.sampled_from([function for function in Function if function not in (F.DOT, F.COSINE)]))
def test_every_value_lies_in_the_interval(data: st.DataObject, function: Function) -> None:
    inputs = [data.draw(intervals()) for _ in range(ARITY.get(function, 2))]
    found = elementwise_interval(function, inputs)
    arguments = [data.draw(members(interval)) for interval in inputs]
    value = evaluate(function, *arguments)
    if math.isfinite(value):
        slack = 1e-9 * max(1.0, abs(value))  # an open end is reached by rounding
        assert found.low - slack <= value <= found.high + slack, (inputs, arguments, value)
        if found.values is not None:
            assert any(math.isclose(value, known, rel_tol=1e-9, abs_tol=1e-12) for known in found.values)
