"""Whole objectives: their gradients, their coupling, and that pieces add up."""

from __future__ import annotations

import numpy as np
import pytest

from tests.passes.cases import Case
from tests.passes.interpreter import coefficients, coefficients_by_pieces, evaluate, live_reads, pieces
from tests.passes.objectives import OBJECTIVES, Known
from tests.passes.test_differentiate import check_gradients

every_objective = pytest.mark.parametrize("known", OBJECTIVES.values(), ids=OBJECTIVES.keys())


@every_objective
def test_the_gradient_is_that_of_finite_differences(known: Known) -> None:
    check_gradients(known.build(Case(seed=3)))


@every_objective
@pytest.mark.parametrize("optimise", [False, True])
def test_the_coupling_is_where_live_values_meet(known: Known, optimise: bool) -> None:
    staged = known.build(Case()).compile(optimise)
    assert staged.coupling is known.coupling
    assert staged.piece_axis == known.piece_axis


@every_objective
def test_pieces_computed_alone_equal_the_whole(known: Known) -> None:
    case = known.build(Case(seed=5))
    for optimise in (False, True):
        staged = case.compile(optimise)
        given = case.staged_given(staged)
        whole, parts = coefficients(staged, case.layout, given), coefficients_by_pieces(staged, case.layout, given)
        assert len(pieces(case.layout, staged)) == case.layout.size(known.piece_axis.name)
        for key, value in whole.items():
            np.testing.assert_array_equal(parts[key], value)


@every_objective
def test_optimisation_changes_no_value(known: Known) -> None:
    case = known.build(Case(seed=7))
    plain, optimised = case.compile(False), case.compile(True)
    assert [name for name, _ in plain.values] == [name for name, _ in optimised.values]
    assert len(optimised.graph) <= len(plain.graph)
    for staged in (plain, optimised):
        found = evaluate(staged.graph, case.layout, case.staged_given(staged), [key for _, key in staged.values])
        assert np.isclose(found[staged.loss][0], case.loss(), rtol=1e-12)


def test_a_frozen_baseline_has_the_gradient_of_a_constant() -> None:
    case = OBJECTIVES["frozen baseline"].build(Case(seed=3))
    live = OBJECTIVES["live baseline"].build(Case(seed=3))
    found = [coefficients(staged, case.layout, given) for staged, given in
             ((c.compile(), c.staged_given(c.compile())) for c in (case, live))]
    (frozen,), (whole,) = (values.values() for values in found)
    assert not np.allclose(frozen, whole)


def test_terms_are_reported_in_the_direction_in_which_they_are_written() -> None:
    case = OBJECTIVES["clipped surrogate"].build(Case(seed=1))
    staged = case.compile()
    assert [name for name, _ in staged.values] == ["loss", "objective/surrogate", "objective/kl", "objective/entropy"]
    found = evaluate(staged.graph, case.layout, case.staged_given(staged), [key for _, key in staged.values])
    loss, surrogate, kl, entropy = (float(found[key][0]) for _, key in staged.values)
    assert np.isclose(loss, -surrogate + kl - entropy)


def test_inputs_have_the_names_of_the_spec() -> None:
    staged = OBJECTIVES["clipped surrogate"].build(Case()).compile()
    assert [(given.name, given.axis.name) for given in staged.inputs] == [
        ("divide_subtract_total", "y.sample"), ("beta", "batch"), ("y_logp", "y.token"), ("ref_logp_y", "y.token")]
    assert [given.source is None for given in staged.inputs] == [False, True, False, False]


def test_reads_of_one_row_are_one_group() -> None:
    staged = OBJECTIVES["clipped surrogate"].build(Case()).compile()
    (group,) = staged.groups
    assert (group.model, group.response, [read.read.kind.value for read in group.reads]) == (
        "actor", "y", ["logp", "entropy"])
    assert [g.response for g in OBJECTIVES["preference"].build(Case()).compile().groups] == ["lose", "win"]


def test_the_blocker_is_the_node_that_couples() -> None:
    staged = OBJECTIVES["sequence ratio"].build(Case()).compile()
    assert staged.blocker is not None
    assert staged.graph[staged.blocker].type.axis == staged.piece_axis
    assert OBJECTIVES["mean of means"].build(Case()).compile().blocker is None


def test_what_is_prepared_needs_no_read() -> None:
    for known in OBJECTIVES.values():
        case = known.build(Case())
        staged = case.compile()
        given = case.staged_given(staged)
        frozen = {key: value for key, value in given.items() if key not in {r.key for r in live_reads(staged)}}
        assert set(evaluate(staged.graph, case.layout, frozen, staged.prepared)) >= set(staged.prepared)
