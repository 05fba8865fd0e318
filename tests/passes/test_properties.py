"""What holds for every objective: optimised equals unoptimised, gradients are gradients, pieces add up."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rldsl.graph.staged import StagedObjective
from tests.passes.cases import Case, finite_differences
from tests.passes.generator import random_case
from tests.passes.interpreter import coefficients, coefficients_by_pieces, evaluate, live_reads

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 40)
quick = settings(max_examples=60)


def _gradients(case: Case, staged: StagedObjective) -> dict[object, np.ndarray]:
    found = coefficients(staged, case.layout, case.staged_given(staged))
    return {read.read: found[read.key] for read in live_reads(staged) if read.key in found}


@quick
@given(seeds, sizes)
def test_optimised_objectives_have_the_values_and_gradients_of_unoptimised_ones(seed: int, size: int) -> None:
    case = random_case(seed, size)
    plain, optimised = case.compile(False), case.compile(True)
    expected, found = _gradients(case, plain), _gradients(case, optimised)
    for read, value in expected.items():
        np.testing.assert_allclose(found.get(read, np.zeros_like(value)), value, rtol=1e-7, atol=1e-9)
    for staged in (plain, optimised):
        values = evaluate(staged.graph, case.layout, case.staged_given(staged), [staged.loss])
        np.testing.assert_allclose(values[staged.loss][0], case.loss(), rtol=1e-8, atol=1e-9)
    assert optimised.coupling >= plain.coupling


@quick
@given(seeds, sizes)
def test_gradients_are_those_of_finite_differences(seed: int, size: int) -> None:
    case = random_case(seed, size)
    staged = case.compile()
    found = _gradients(case, staged)
    for node in case.graph.nodes:
        if node.operation in found:
            expected = finite_differences(case, node.key)
            smooth = ~np.isnan(expected)
            np.testing.assert_allclose(found[node.operation][smooth], expected[smooth], rtol=1e-3, atol=1e-4)


@quick
@given(seeds, sizes)
def test_pieces_computed_alone_equal_the_whole(seed: int, size: int) -> None:
    case = random_case(seed, size)
    staged = case.compile()
    given_values = case.staged_given(staged)
    whole = coefficients(staged, case.layout, given_values)
    parts = coefficients_by_pieces(staged, case.layout, given_values)
    for key, value in whole.items():
        np.testing.assert_array_equal(parts[key], value)


@quick
@given(seeds, sizes)
def test_every_value_lies_in_the_interval_of_its_type(seed: int, size: int) -> None:
    case = random_case(seed, size)
    staged = case.compile()
    terms = [term.key for term in case.terms]
    for graph, given_values, roots in ((case.graph, case.given, terms),
                                       (staged.graph, case.staged_given(staged), staged.graph.by_key)):
        for key, value in evaluate(graph, case.layout, given_values, roots).items():
            known = value[np.isfinite(value)]
            slack = 1e-9 * np.maximum(1.0, np.abs(known))
            interval = graph[key].type.interval
            assert np.all((interval.low - slack <= known) & (known <= interval.high + slack)), graph[key]
            if graph is not staged.graph:
                assert graph[key].type.optional or not np.any(np.isnan(value)), graph[key]
