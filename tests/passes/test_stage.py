"""Where an objective is cut, and how its inputs are called."""

from __future__ import annotations

import numpy as np
import pytest

from rldsl.diagnostics import InternalError
from rldsl.graph.model import Foreign, Function, Leaf, Read, ReadKind, Reduction, Size, SourceKind
from rldsl.graph.staged import StagedObjective
from rldsl.passes import stage_values
from rldsl.types import BATCH, Element, Stage, Type, Version
from tests.passes.cases import PROBLEM, SAMPLE, TOKEN, Case
from tests.passes.interpreter import evaluate, live_reads

F = Function
TEXT = Type(Element.TEXT, axis=SAMPLE, stage=Stage.ROLLOUT)


def weigh(case: Case, weight: int) -> StagedObjective:
    """The objective that weighs log-probabilities."""
    return case.maximize(case.mean(case.make(F.MULTIPLY, case.logp(), weight))).compile()


def names(staged: StagedObjective) -> list[str]:
    return [given.name for given in staged.inputs]


def test_an_input_has_the_users_name() -> None:
    case = Case()
    advantage = case.make(F.SUBTRACT, case.leaf("total", SAMPLE), 0.5)
    case.builder.rename(advantage, "advantage")
    staged = weigh(case.at_update(), advantage)
    assert names(staged) == ["advantage"]
    assert staged.inputs[0].source == advantage


def test_names_are_unique_identifiers() -> None:
    case = Case()
    keys = [case.make(F.ADD, case.leaf(f"leaf{i}", SAMPLE), 1.0) for i in range(4)]
    for key, name in zip(keys, ("advantage", "advantage", "lambda", "2 fast"), strict=True):
        case.builder.rename(key, name)
    case.at_update()
    weight = keys[0]
    for key in keys[1:]:
        weight = case.make(F.ADD, weight, key)
    assert names(weigh(case, weight)) == ["advantage", "advantage_2", "lambda_", "value_2_fast"]


def test_a_parameter_has_the_first_claim_on_its_name() -> None:
    case = Case()
    other = case.make(F.ADD, case.leaf("x", BATCH), 1.0)
    case.builder.rename(other, "beta")
    beta = case.leaf("beta", BATCH, [2.0], kind=SourceKind.PARAM)
    staged = weigh(case.at_update(), case.make(F.ADD, other, beta))
    assert {given.name: given.source for given in staged.inputs} == {"beta_2": other, "beta": None}


def test_what_is_made_of_parameters_alone_is_computed_inside() -> None:
    case = Case()
    beta = case.leaf("beta", BATCH, [2.0], kind=SourceKind.PARAM)
    doubled = case.make(F.MULTIPLY, beta, 2.0)
    staged = weigh(case.at_update(), doubled)
    assert names(staged) == ["beta"]


def test_a_state_is_an_input_with_a_source() -> None:
    case = Case()
    state = case.builder.leaf(SourceKind.STATE, "running", "", Type(Element.REAL, stage=Stage.STATISTICS))
    staged = weigh(case.at_update(), state)
    assert [(given.name, given.source) for given in staged.inputs] == [("running", state)]


def test_a_coarse_value_is_stored_coarse() -> None:
    case = Case()
    spread = case.builder.spread(case.make(F.EXP, case.leaf("x", SAMPLE)), TOKEN)
    staged = weigh(case.at_update(), spread)
    assert [given.axis for given in staged.inputs] == [SAMPLE]


def test_a_mean_of_the_iteration_is_an_input_and_one_of_the_update_is_not() -> None:
    case = Case()
    x = case.leaf("x", SAMPLE)
    early = case.mean(x)
    case.at_update()
    late = case.mean(x)
    assert early != late
    staged = weigh(case, case.make(F.SUBTRACT, early, late))
    assert names(staged) == ["x", "mean_x"]


def test_the_size_of_the_iteration_is_an_input_and_that_of_a_prompt_is_not() -> None:
    case = Case()
    whole, prompt = case.builder.size(SAMPLE, BATCH), case.builder.size(SAMPLE, PROBLEM)
    staged = weigh(case.at_update(), case.make(F.DIVIDE, prompt, whole))
    assert [given.source for given in staged.inputs] == [whole]
    assert Size(SAMPLE, PROBLEM) in [node.operation for node in staged.graph.nodes]


def test_a_call_on_the_host_inside_an_objective_is_an_input() -> None:
    case = Case().at_update()
    text = case.builder.leaf(SourceKind.RECORDED, "y", "text", TEXT)
    score = case.builder.add(Foreign("verify.math", ("answer",)), (text,), type=Type(Element.REAL, axis=SAMPLE,
                                                                                     stage=Stage.UPDATE))
    staged = weigh(case, score)
    assert [(given.name, given.source) for given in staged.inputs] == [("verify_math", score)]


def test_a_comparison_of_texts_inside_an_objective_is_an_input() -> None:
    case = Case().at_update()
    texts = [case.builder.leaf(SourceKind.RECORDED, name, "text", TEXT) for name in ("y", "z")]
    same = case.make(F.EQUAL, *texts)
    staged = weigh(case, case.make(F.SELECT, same, case.builder.constant(1.0), case.builder.constant(0.0)))
    assert [given.source for given in staged.inputs] == [same]


def test_a_call_on_the_host_of_live_values_is_a_bug() -> None:
    case = Case().at_update()
    late = case.builder.add(Foreign("extern:f"), (case.logp(),), type=Type(Element.REAL, axis=TOKEN,
                                                                          stage=Stage.UPDATE))
    with pytest.raises(InternalError, match="current weights"):
        weigh(case, late)


def test_what_the_simplified_objective_does_not_need_is_no_input() -> None:
    case = Case()
    x = case.leaf("x", SAMPLE)
    case.at_update()
    staged = weigh(case, case.make(F.SELECT, case.builder.constant(False), x, case.builder.constant(2.0)))
    assert names(staged) == []


def test_reads_in_another_context_are_another_group() -> None:
    case = Case()
    text = case.builder.leaf(SourceKind.RECORDED, "y", "prompt", TEXT)
    case.at_update()
    bare = case.builder.read(Read(ReadKind.LOGP, "actor", "y", Version.CURRENT, context=text), TOKEN, (text,))
    case.maximize(case.mean(case.make(F.SUBTRACT, bare, case.logp())))
    staged = case.compile()
    assert [group.context for group in staged.groups] == [None, text]
    assert all(read.coefficient is not None for read in live_reads(staged))


def test_a_divergence_to_the_trained_model_is_of_its_row() -> None:
    case = Case().at_update()
    forward = case.builder.read(Read(ReadKind.KL, "teacher", "y", Version.FROZEN, other="actor",
                                     other_version=Version.CURRENT), TOKEN)
    staged = case.minimize(case.mean(forward)).compile()
    (group,) = staged.groups
    assert (group.model, group.others) == ("actor", ("teacher",))


def test_values_are_staged_without_a_gradient_on_any_axis() -> None:
    case = Case()
    total = case.leaf("total", SAMPLE)
    advantage = case.make(F.SUBTRACT, total, case.mean(total, PROBLEM))
    staged = stage_values(case.graph, [("advantage", advantage), ("mean", case.builder.reduce(
        Reduction.MEAN, total, PROBLEM))])
    given = {staged.inputs[0].key: case.given[total]}
    found = evaluate(staged.graph, case.layout, given, [key for _, key in staged.values])
    (_, centred), (_, mean) = staged.values
    np.testing.assert_allclose(found[centred], case.given[total] - found[mean][[0, 0, 0, 1, 2, 2]])


def test_known_values_are_inputs() -> None:
    case = Case()
    middle = case.make(F.EXP, case.leaf("x", SAMPLE))
    top = case.make(F.ADD, middle, 1.0)
    staged = stage_values(case.graph, [("top", top)], known=[middle])
    assert [given.source for given in staged.inputs] == [middle]
    assert all(not isinstance(node.operation, Leaf) or node.operation.kind is SourceKind.GIVEN
               for node in staged.graph.nodes)
