"""What the normal form says of a value is true of it: polynomials written back into a graph compute the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rldsl.canonical.meaning import Meaning
from rldsl.graph.model import Read
from tests.canonical.rebuild import Rebuilder, recorded_atoms
from tests.passes.cases import AXES, Case
from tests.passes.generator import random_case
from tests.passes.interpreter import coefficients, evaluate, live_reads

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 40)
quick = settings(max_examples=150)


def both(case: Case) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Every value of a case as it was built, and as its polynomial says."""
    graph = case.graph
    meaning = Meaning(graph)
    with recorded_atoms() as atoms:
        found = {node.key: meaning.of(node.key) for node in graph.nodes}
        rebuilder = Rebuilder(meaning, AXES, atoms)
    rebuilt = {node.key: rebuilder.builder.spread(rebuilder.value(found[node.key]), node.type.axis)
               for node in graph.nodes}
    values = evaluate(rebuilder.graph(), case.layout, case.given, [*rebuilt, *rebuilt.values()])
    return [(key, values[key], values[other]) for key, other in rebuilt.items()]


@pytest.mark.slow
@quick
@given(seeds, sizes)
def test_a_polynomial_has_the_values_that_it_stands_for(seed: int, size: int) -> None:
    case = random_case(seed, size)
    for key, expected, found in both(case):
        known = np.isfinite(expected) & np.isfinite(found)
        np.testing.assert_allclose(found[known], expected[known], rtol=1e-6, atol=1e-7, err_msg=str(case.graph[key]))


@pytest.mark.slow
def test_most_values_can_be_compared() -> None:
    """Otherwise the test above says little."""
    pairs = [(expected, found) for seed in range(20) for _, expected, found in both(random_case(seed, 30))]
    defined = sum(int(np.isfinite(expected).sum()) for expected, _ in pairs)
    common = sum(int((np.isfinite(expected) & np.isfinite(found)).sum()) for expected, found in pairs)
    assert common > 0.97 * defined > 1000


def as_said(case: Case) -> Case:
    """The same objective over the values that the polynomials of its terms say."""
    meaning = Meaning(case.graph)
    with recorded_atoms() as atoms:
        found = [(term, meaning.of(term.key)) for term in case.terms]
        rebuilder = Rebuilder(meaning, AXES, atoms)
    other = Case(case.layout, case.seed, rebuilder.builder, dict(case.given))
    other.at_update()
    for term, value in found:
        (other.maximize if term.maximize else other.minimize)(rebuilder.value(value))
    return other


def gradients(case: Case) -> dict[Read, np.ndarray]:
    """The coefficient of each live read; 0 where nothing flows back."""
    staged = case.compile()
    found = coefficients(staged, case.layout, case.staged_given(staged))
    return {read.read: found.get(read.key, np.zeros(case.layout.size(read.axis.name))) for read in live_reads(staged)}


@settings(quick, max_examples=60)
@given(seeds, st.integers(1, 25))
def test_a_polynomial_has_the_gradient_of_what_it_stands_for(seed: int, size: int) -> None:
    """Of current reads, and none of those whose gradient stops. Random numbers have no ties."""
    case = random_case(seed, size)
    said = gradients(as_said(case))
    for read, expected in gradients(case).items():
        found = said.get(read, np.zeros_like(expected))
        known = np.isfinite(expected) & np.isfinite(found)
        np.testing.assert_allclose(found[known], expected[known], rtol=1e-5, atol=1e-6, err_msg=str(read))
