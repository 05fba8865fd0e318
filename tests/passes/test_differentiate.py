"""Symbolic gradients against central differences of the interpreter, operation by operation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rldsl.diagnostics import InternalError
from rldsl.graph.model import Function, Reduction
from rldsl.passes import differentiate_scalar, stage_values
from rldsl.types import BATCH, UNIT, Element
from tests.passes.cases import PROBLEM, SAMPLE, TOKEN, Case, finite_differences
from tests.passes.interpreter import coefficients, evaluate, live_reads

F = Function


def check_gradients(case: Case) -> None:
    """Every coefficient equals the finite difference, staged with and without optimisation."""
    for optimise in (False, True):
        staged = case.compile(optimise)
        given = case.staged_given(staged)
        found = coefficients(staged, case.layout, given)
        by_read = {read.read: found.get(read.key) for read in live_reads(staged)}
        compared = 0
        for node in case.graph.nodes:
            if node.type.is_live and not node.inputs:
                expected = finite_differences(case, node.key)
                smooth = ~np.isnan(expected)
                value = by_read.get(node.operation)
                value = np.zeros_like(expected) if value is None else value
                np.testing.assert_allclose(value[smooth], expected[smooth], rtol=2e-5, atol=2e-6)
                compared += int(np.sum(smooth & (expected != 0)))
        assert compared > 0
        loss = evaluate(staged.graph, case.layout, given, [staged.loss])[staged.loss][0]
        assert math.isclose(loss, case.loss(), rel_tol=1e-9, abs_tol=1e-12)


def weighted(case: Case, x: int) -> Case:
    """A loss in which each place of x counts differently."""
    axis = case.builder[x].type.axis
    weight = case.leaf("weight", axis)
    return case.minimize(case.sum(case.make(F.MULTIPLY, x, weight)))


UNARY = [F.NEGATE, F.ABSOLUTE, F.EXP, F.EXPM1, F.SIGMOID, F.LOG_SIGMOID, F.SOFTPLUS, F.TANH, F.COS, F.RELU]
POSITIVE = [F.LOG, F.LOG1P, F.SQRT]
BINARY = [F.ADD, F.SUBTRACT, F.MULTIPLY, F.GATED_MULTIPLY, F.DIVIDE, F.MINIMUM, F.MAXIMUM]


@pytest.mark.parametrize("function", UNARY)
def test_functions_of_one_value(function: Function) -> None:
    case = Case().at_update()
    check_gradients(weighted(case, case.make(function, case.probe("x"))))


@pytest.mark.parametrize("function", POSITIVE)
def test_functions_of_positive_values(function: Function) -> None:
    case = Case().at_update()
    check_gradients(weighted(case, case.make(function, case.make(F.EXP, case.probe("x")))))


@pytest.mark.parametrize("function", BINARY)
def test_functions_of_two_values(function: Function) -> None:
    case = Case().at_update()
    check_gradients(weighted(case, case.make(function, case.probe("a"), case.probe("b"))))


@pytest.mark.parametrize("exponent", [-1.0, 0.0, 0.5, 1.0, 2.0, 3.0])
def test_a_constant_power(exponent: float) -> None:
    case = Case().at_update()
    x = case.probe("x")
    power = case.make(F.POWER, case.make(F.EXP, x), exponent)
    check_gradients(weighted(case, case.make(F.ADD, power, x)))


def test_a_power_by_its_exponent() -> None:
    case = Case().at_update()
    check_gradients(weighted(case, case.make(F.POWER, case.make(F.EXP, case.probe("a")), case.probe("b"))))


def test_a_clip_by_value_and_bounds() -> None:
    case = Case().at_update()
    low = case.make(F.SUBTRACT, case.make(F.TANH, case.probe("low")), 1.0)
    high = case.make(F.ADD, case.make(F.TANH, case.probe("high")), 1.1)
    check_gradients(weighted(case, case.make(F.CLIP, case.probe("x"), low, high)))


def test_a_choice_gives_its_gradient_to_the_branch_that_is_taken() -> None:
    case = Case().at_update()
    a, b = case.probe("a"), case.probe("b")
    check_gradients(weighted(case, case.make(F.SELECT, case.make(F.LESS, a, 0.3), case.make(F.EXP, a), b)))


def test_an_absent_value_gives_its_gradient_to_the_alternative() -> None:
    case = Case()
    x = case.leaf("x", SAMPLE, [1.0, math.nan, 2.0, math.nan, 0.5, 1.5], optional=True)
    case.at_update()
    live = case.sum(case.probe("p"), SAMPLE)
    product = case.make(F.MULTIPLY, x, live)
    check_gradients(weighted(case, case.make(F.OTHERWISE, product, case.make(F.EXP, live))))


REDUCTIONS = [r for r in Reduction if r not in (Reduction.COUNT, Reduction.ANY, Reduction.ALL)]


@pytest.mark.wide(20)
@pytest.mark.parametrize("to", [SAMPLE, PROBLEM, BATCH])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("masked", [False, True])
def test_reductions_of_live_values(reduction: Reduction, to, masked: bool) -> None:
    case = Case()
    mask = case.leaf("mask", TOKEN, [1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1], element=Element.BOOL) if masked else None
    level = case.leaf("level", BATCH, [0.3], interval=UNIT) if reduction is Reduction.QUANTILE else None
    case.at_update()
    reduced = case.builder.reduce(reduction, case.probe("x"), to, mask, level)
    check_gradients(weighted(case, case.make(F.TANH, reduced)))


@pytest.mark.parametrize("from_end", [False, True])
@pytest.mark.parametrize("per", [SAMPLE, PROBLEM, BATCH])
def test_scans(from_end: bool, per) -> None:
    case = Case()
    decay = case.leaf("decay", TOKEN)
    case.at_update()
    check_gradients(weighted(case, case.make(F.TANH, case.builder.scan(case.probe("x"), decay, per, from_end))))


@pytest.mark.parametrize("offset", [-2, -1, 0, 1, 3])
@pytest.mark.parametrize("per", [SAMPLE, BATCH])
def test_shifts_by_value_and_fill(offset: int, per) -> None:
    case = Case().at_update()
    shifted = case.builder.shift(case.probe("x"), case.probe("fill"), per, offset)
    live = case.probe("other")
    check_gradients(weighted(case, case.make(F.ADD, case.make(F.TANH, shifted), live)))


def test_a_spread_sums_what_flows_back() -> None:
    case = Case().at_update()
    coarse = case.mean(case.probe("x"), PROBLEM)
    check_gradients(weighted(case, case.make(F.MULTIPLY, coarse, case.probe("z"))))


def test_nothing_flows_through_what_is_frozen_or_flat() -> None:
    case = Case().at_update()
    x = case.probe("x")
    flat = case.make(F.ADD, case.make(F.SIGN, x), case.make(F.FLOOR, x))
    flat = case.make(F.ADD, flat, case.builder.freeze(case.make(F.EXP, x)))
    flat = case.make(F.ADD, flat, case.builder.rank(x, SAMPLE))
    flat = case.make(F.ADD, flat, case.make(F.LESS, x, 0.0))
    case.minimize(case.sum(flat))
    staged = case.compile()
    assert [read.coefficient for read in live_reads(staged)] == [None]


def test_an_infinite_derivative_does_not_leak_through_a_mask() -> None:
    case = Case().at_update()
    x = case.probe("x")
    case.given[x][:] = [0.0, 1.0] * 7 + [0.0]
    root = case.make(F.SQRT, case.make(F.ABSOLUTE, x))
    case.minimize(case.sum(root, mask=case.make(F.GREATER, x, 0.5)))
    for optimise in (False, True):
        staged = case.compile(optimise)
        (found,) = coefficients(staged, case.layout, case.staged_given(staged)).values()
        np.testing.assert_allclose(found, [0.0, 0.5] * 7 + [0.0])


def test_the_standard_deviation_of_equal_values_has_no_gradient() -> None:
    case = Case().at_update()
    x = case.probe("x")
    case.given[x][:] = 2.0
    case.minimize(case.sum(case.builder.reduce(Reduction.STD, x, PROBLEM)))
    staged = case.compile()
    (found,) = coefficients(staged, case.layout, case.staged_given(staged)).values()
    np.testing.assert_array_equal(found, np.zeros(15))


@pytest.mark.parametrize(("function", "first", "second"), [(F.MINIMUM, 1.0, 0.0), (F.MAXIMUM, 1.0, 0.0)])
def test_of_equal_arguments_the_first_has_the_gradient(function: Function, first: float, second: float) -> None:
    case = Case().at_update()
    a, b = case.probe("a"), case.probe("b")
    case.given[b] = case.given[a].copy()
    case.minimize(case.sum(case.make(function, a, b)))
    staged = case.compile()
    found = coefficients(staged, case.layout, case.staged_given(staged))
    by_name = {read.read.probe: found[read.key] for read in live_reads(staged)}
    assert set(by_name["a"]) == {first}
    assert set(by_name["b"]) == {second}


def test_a_clip_has_gradient_one_on_its_bounds() -> None:
    case = Case().at_update()
    x = case.probe("x")
    case.given[x][:] = [0.0, 1.0, 2.0] * 5
    case.minimize(case.sum(case.make(F.CLIP, x, 0.0, 1.0)))
    staged = case.compile()
    (found,) = coefficients(staged, case.layout, case.staged_given(staged)).values()
    np.testing.assert_array_equal(found, [1.0, 1.0, 0.0] * 5)


def test_a_live_decay_is_refused() -> None:
    case = Case().at_update()
    scanned = case.builder.scan(case.probe("x"), case.probe("decay"), SAMPLE, True)
    case.minimize(case.sum(scanned))
    with pytest.raises(InternalError, match="decay"):
        case.compile()


def test_the_gradient_of_one_scalar_keeps_the_graph_it_was_asked_of() -> None:
    case = Case().at_update()
    x = case.probe("x")
    scalar = case.mean(case.make(F.EXP, x))
    graph, found = differentiate_scalar(case.graph, scalar, [x])
    assert all(graph[node.key] == node for node in case.graph.nodes)
    staged = stage_values(graph, [("gradient", found[x])])
    given = {item.key: case.given[item.source] for item in staged.inputs}
    value = evaluate(staged.graph, case.layout, given, [staged.values[0][1]])[staged.values[0][1]]
    np.testing.assert_allclose(value, np.exp(case.given[x]) / 15)


def test_the_gradient_by_what_does_not_matter_is_zero() -> None:
    case = Case().at_update()
    x, other = case.probe("x"), case.probe("other", SAMPLE)
    scalar = case.mean(x)
    graph, found = differentiate_scalar(case.graph, scalar, [other])
    assert graph[found[other]].type.axis == SAMPLE
