"""What is simplified, and what is not since it would change an infinity, an absent value or a NaN."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from rldsl.graph.model import Constant, Elementwise, Function, Graph, Leaf, Reduction, Spread
from rldsl.graph.show import show_operation
from rldsl.passes import stage_values
from rldsl.types import BATCH, BINARY, UNIT, Element, Interval
from tests.passes.cases import PROBLEM, SAMPLE, TOKEN, Case
from tests.passes.interpreter import evaluate

F = Function


def said(graph: Graph, key: int) -> str:
    """An expression as text; spreads are left out."""
    node = graph[key]
    inputs = [said(graph, below) for below in node.inputs]
    match node.operation:
        case Constant(value=value):
            return repr(value)
        case Leaf(owner=owner):
            return owner
        case Spread():
            return inputs[0]
        case Elementwise(function=function):
            return f"{function.value}({', '.join(inputs)})"
        case _:
            return f"{show_operation(node.operation)}[{', '.join(inputs)}]"


def simplified(build: Callable[[Case, int, int], int]) -> str:
    """The expression of tokens `x` (any real) and `n` (an Int), expanded and simplified."""
    case = Case()
    x, n = case.leaf("x", TOKEN), case.leaf("n", TOKEN, element=Element.INT, values=range(15))
    key = build(case, x, n)
    staged = stage_values(case.graph, [("it", key)])
    return said(staged.graph, staged.values[0][1])


def make(function: Function, *of: object) -> Callable[[Case, int, int], int]:
    """`make(F.ADD, "x", 0.0)` adds x and 0."""
    def build(case: Case, x: int, n: int) -> int:
        keys = [part(case, x, n) if callable(part) else {"x": x, "n": n}[part] if isinstance(part, str)
                else case.builder.constant(part) for part in of]
        return case.make(function, *keys)

    return build


EXP, LOG, SIGMOID = (make(function, "x") for function in (F.EXP, F.LOG, F.SIGMOID))
ABSENT = make(F.LESS, "x", 0.0)
SIMPLER = [
    (make(F.ADD, "x", 0.0), "x"), (make(F.ADD, 0.0, "x"), "x"), (make(F.SUBTRACT, "x", 0.0), "x"),
    (make(F.SUBTRACT, 0.0, "x"), "negate(x)"), (make(F.MULTIPLY, "x", 1.0), "x"),
    (make(F.MULTIPLY, -1.0, "x"), "negate(x)"), (make(F.DIVIDE, "x", 1.0), "x"),
    (make(F.POWER, "x", 1.0), "x"), (make(F.POWER, "x", 2.0), "multiply(x, x)"),
    (make(F.POWER, "x", -1.0), "divide(1.0, x)"),
    (make(F.MULTIPLY, "n", 0), "0"),
    (make(F.ADD, 1.0, make(F.EXP, 0.0)), "2.0"), (make(F.ADD, make(F.MULTIPLY, 2.0, 3.0), "x"), "add(6.0, x)"),
    (make(F.NEGATE, make(F.NEGATE, "x")), "x"), (make(F.ADD, "x", make(F.NEGATE, "n")), "subtract(x, n)"),
    (make(F.SUBTRACT, "x", make(F.NEGATE, "n")), "add(x, n)"),
    (make(F.NEGATE, make(F.SUBTRACT, "x", "n")), "subtract(n, x)"),
    (make(F.MINIMUM, "x", "x"), "x"), (make(F.MAXIMUM, EXP, 0.0), "exp(x)"), (make(F.RELU, SIGMOID), "sigmoid(x)"),
    (make(F.ABSOLUTE, make(F.NEGATE, "x")), "absolute(x)"), (make(F.CLIP, SIGMOID, -1.0, 2.0), "sigmoid(x)"),
    (make(F.EXP, make(F.LOG, EXP)), "exp(x)"), (make(F.LOG, SIGMOID), "log_sigmoid(x)"),
    (make(F.LOG, make(F.SUBTRACT, 1.0, SIGMOID)), "log_sigmoid(negate(x))"),
    (make(F.LOG, make(F.ADD, "x", 1.0)), "log1p(x)"), (make(F.LOG, make(F.ADD, 1.0, EXP)), "softplus(x)"),
    (make(F.SUBTRACT, EXP, 1.0), "expm1(x)"),
    (make(F.SELECT, True, "x", "n"), "x"), (make(F.SELECT, ABSENT, "x", "x"), "x"),
    (make(F.SELECT, make(F.NOT, ABSENT), "x", 1.0), "select(less(x, 0.0), 1.0, x)"),
    (make(F.AND, ABSENT, True), "less(x, 0.0)"), (make(F.OR, ABSENT, True), "True"),
    (make(F.IS_MISSING, "n"), "False"),
]


@pytest.mark.parametrize(("build", "expected"), SIMPLER, ids=[expected for _, expected in SIMPLER])
def test_simpler(build: Callable[[Case, int, int], int], expected: str) -> None:
    assert simplified(build) == expected


KEPT = [
    (make(F.MULTIPLY, "x", 0.0), "multiply(x, 0.0)"),            # infinity times 0
    (make(F.SUBTRACT, "x", "x"), "subtract(x, x)"),              # infinity less infinity
    (make(F.DIVIDE, "x", "x"), "divide(x, x)"),
    (make(F.POWER, "x", 0.0), "power(x, 0.0)"),
    (make(F.EXP, LOG), "exp(log(x))"),                           # x may be negative
    (make(F.LOG, EXP), "log(exp(x))"),                           # exp(x) may be infinite
    (make(F.IS_MISSING, "x"), "is_missing(x)"),                  # x may be 0 / 0
    (make(F.OTHERWISE, "x", 1.0), "otherwise(x, 1.0)"),
    (make(F.CLIP, SIGMOID, 0.0, 1.0), "clip(sigmoid(x), 0.0, 1.0)"),  # rounded on the bound
    (make(F.MULTIPLY, make(F.MULTIPLY, "x", 2.0), 3.0), "multiply(multiply(x, 2.0), 3.0)"),
    (make(F.ADD, "n", 0.0), "add(n, 0.0)"),                      # makes a Real of an Int
]


@pytest.mark.parametrize(("build", "expected"), KEPT, ids=[expected for _, expected in KEPT])
def test_not_simpler(build: Callable[[Case, int, int], int], expected: str) -> None:
    assert simplified(build) == expected


def test_a_function_of_copies_is_computed_where_they_come_from() -> None:
    case = Case()
    coarse, fine = case.leaf("coarse", PROBLEM), case.leaf("fine", SAMPLE)
    spread = [case.builder.spread(key, TOKEN) for key in (coarse, fine)]
    product = case.make(F.MULTIPLY, *spread)
    staged = stage_values(case.graph, [("it", product)])
    assert staged.graph[staged.values[0][1]].operation == Spread(TOKEN)
    assert [node.type.axis for node in staged.graph.nodes if isinstance(node.operation, Elementwise)] == [SAMPLE]


def test_a_sum_of_copies_is_a_product() -> None:
    case = Case()
    total = case.sum(case.builder.spread(case.leaf("x", SAMPLE), TOKEN))
    staged = stage_values(case.graph, [("it", total)])
    assert said(staged.graph, staged.values[0][1]) == (
        "sum(to: batch)[gated_multiply(size(y.token, to: y.sample)[], x)]")


def test_a_count_of_everything_is_a_size() -> None:
    case = Case()
    ones = case.sum(case.builder.spread(case.builder.constant(1), TOKEN))
    staged = stage_values(case.graph, [("it", ones)])
    assert said(staged.graph, staged.values[0][1]) == "size(y.token, to: batch)[]"


def test_a_sum_of_no_copies_of_infinity_is_zero() -> None:
    case = Case()
    x = case.leaf("x", SAMPLE, [1.0, math.inf, 2.0, 0.0, 0.0, 1.0])
    total = case.sum(case.builder.spread(x, TOKEN), PROBLEM)
    for optimise in (False, True):
        staged = stage_values(case.graph, [("it", total)], optimise=optimise)
        (given,) = staged.inputs
        key = staged.values[0][1]
        found = evaluate(staged.graph, case.layout, {given.key: case.given[x]}, [key])[key]
        np.testing.assert_array_equal(found, [6.0, 0.0, 5.0])


@pytest.mark.wide(8)
@pytest.mark.parametrize("reduction", list(Reduction))
@pytest.mark.parametrize("element", [Element.REAL, Element.BOOL])
def test_expanded_reductions_mean_what_the_composite_ones_do(reduction: Reduction, element: Element) -> None:
    case = Case()
    values = [1, math.nan, 0, 1, math.nan, 1, 0, 1, math.nan, math.nan, 1, 1, 0, 0, 1]
    interval = BINARY if element is Element.BOOL else Interval()
    x = case.leaf("x", TOKEN, values, element=element, interval=interval, optional=True)
    whole = case.leaf("whole", TOKEN, np.nan_to_num(values), element=element, interval=interval)
    mask = case.leaf("mask", TOKEN, [0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1], element=Element.BOOL)
    maybe = case.leaf("maybe", TOKEN, [1, 1, math.nan] * 5, element=Element.BOOL, optional=True)
    level = case.leaf("level", BATCH, [0.4], interval=UNIT) if reduction is Reduction.QUANTILE else None
    keys = [case.builder.reduce(reduction, of, to, by, level) for of in (x, whole)
            for to in (TOKEN, SAMPLE, PROBLEM, BATCH) for by in (None, mask, maybe)]
    expected = evaluate(case.graph, case.layout, case.given, keys)
    for optimise in (False, True):
        staged = stage_values(case.graph, [(str(key), key) for key in keys], optimise=optimise)
        given = {item.key: case.given[item.source] for item in staged.inputs}
        found = evaluate(staged.graph, case.layout, given, [key for _, key in staged.values])
        for label, key in staged.values:
            np.testing.assert_allclose(found[key], expected[int(label)], rtol=1e-12)
