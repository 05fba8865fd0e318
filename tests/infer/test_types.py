"""Elements, axes, liveness, binding time, absence and provenance of nodes; and the builder that asks for them."""

from __future__ import annotations

import math

import pytest

from rldsl.diagnostics import InternalError
from rldsl.graph.model import Function, Node, Read, ReadKind, Reduction, SourceKind, Spread
from rldsl.infer import Builder, common_axis
from rldsl.source import Span
from rldsl.types import (
    BATCH,
    ERROR_TYPE,
    Axis,
    Element,
    Level,
    LogProbability,
    LogRatio,
    Ratio,
    Stage,
    Type,
    Version,
)

F, R = Function, Reduction
ROWS = Axis("rows", Level.PROMPT, "rows", BATCH)
SAMPLE = Axis("y.sample", Level.SAMPLE, "y", ROWS)
TOKEN = Axis("y.token", Level.TOKEN, "y", SAMPLE)
OTHER = Axis("z.token", Level.TOKEN, "z", ROWS)


class World:
    """A builder with a few leaves."""

    def __init__(self, stage: Stage = Stage.STATISTICS) -> None:
        self.builder = Builder(stage=stage)

    def leaf(self, name: str, axis: Axis = SAMPLE, element: Element = Element.REAL, *, optional: bool = False,
             stage: Stage = Stage.REWARD) -> int:
        return self.builder.leaf(SourceKind.GIVEN, name, "", Type(element, axis=axis, optional=optional, stage=stage))

    def logp(self, model: str = "actor", version: Version = Version.CURRENT) -> int:
        return self.builder.read(Read(ReadKind.LOGP, model, "y", version), TOKEN)

    def node(self, function: Function, *keys: int) -> Node:
        return self.builder[self.builder.elementwise(function, *keys)]

    def reduced(self, reduction: Reduction, x: int, to: Axis = BATCH, mask: int | None = None) -> Type:
        level = self.builder.constant(0.5) if reduction is R.QUANTILE else None
        return self.builder[self.builder.reduce(reduction, x, to, mask, level)].type


# ------------------------------------------------------------------ axes
def test_the_common_axis_is_the_finest_of_a_chain() -> None:
    def of(*axes: Axis) -> Axis | None:
        return common_axis([Type(Element.REAL, axis=axis) for axis in axes])

    assert of() == BATCH
    assert of(ROWS, TOKEN, SAMPLE) == TOKEN
    assert of(TOKEN, OTHER) is None
    assert of(SAMPLE, ROWS, BATCH) == SAMPLE


def test_coarser_values_are_spread_to_the_finest() -> None:
    world = World()
    node = world.node(F.ADD, world.leaf("a", TOKEN), world.leaf("b", ROWS))
    assert world.builder[node.inputs[1]].operation == Spread(TOKEN)
    assert node.type.axis == TOKEN


def test_unrelated_axes_do_not_mix() -> None:
    world = World()
    with pytest.raises(InternalError, match="unrelated"):
        world.node(F.ADD, world.leaf("a", TOKEN), world.leaf("b", OTHER))


# ------------------------------------------------------------------ elements
@pytest.mark.parametrize(("function", "elements", "expected"), [
    (F.ADD, ("Int", "Int"), "Int"), (F.DIVIDE, ("Int", "Int"), "Real"), (F.MAXIMUM, ("Int", "Int"), "Int"),
    (F.MULTIPLY, ("Int", "Real"), "Real"), (F.ADD, ("Bool", "Bool"), "Real"), (F.ADD, ("Bool", "Int"), "Real"),
    (F.LESS, ("Real", "Real"), "Bool"), (F.NOT, ("Bool",), "Bool"), (F.IS_MISSING, ("Text",), "Bool"),
    (F.SELECT, ("Bool", "Int", "Int"), "Int"), (F.SELECT, ("Bool", "Int", "Real"), "Real"),
    (F.SELECT, ("Bool", "Bool", "Bool"), "Bool"), (F.SELECT, ("Bool", "Text", "Text"), "Text"), (F.EXP, ("Int",), "Real"),
    (F.OTHERWISE, ("Int", "Int"), "Int"), (F.NEGATE, ("Int",), "Int")])
def test_the_element_of_a_function(function: Function, elements: tuple[str, ...], expected: str) -> None:
    world = World()
    keys = [world.leaf(f"x{place}", element=Element(element)) for place, element in enumerate(elements)]
    assert world.node(function, *keys).type.element == expected


@pytest.mark.parametrize(("reduction", "element", "expected"), [
    (R.SUM, "Bool", "Int"), (R.SUM, "Int", "Int"), (R.SUM, "Real", "Real"), (R.MEAN, "Int", "Real"),
    (R.COUNT, "Real", "Int"), (R.ANY, "Bool", "Bool"), (R.MAXIMUM, "Int", "Int"), (R.LAST, "Bool", "Bool")])
def test_the_element_of_a_reduction(reduction: Reduction, element: str, expected: str) -> None:
    world = World()
    assert world.reduced(reduction, world.leaf("x", element=Element(element))).element == expected


# ------------------------------------------------------------------ absence
@pytest.mark.parametrize("reduction", [R.MEAN, R.MINIMUM, R.MAXIMUM, R.QUANTILE, R.FIRST, R.LAST])
def test_a_reduction_of_nothing_is_absent(reduction: Reduction) -> None:
    world = World()
    token, sample = world.leaf("t", TOKEN), world.leaf("s")
    hole, mask = world.leaf("h", optional=True), world.leaf("m", element=Element.BOOL)
    assert world.reduced(reduction, token, SAMPLE).optional
    assert world.reduced(reduction, token, ROWS).optional
    assert not world.reduced(reduction, token).optional
    assert not world.reduced(reduction, sample, ROWS).optional
    assert world.reduced(reduction, sample, ROWS, mask).optional
    assert world.reduced(reduction, hole, ROWS).optional


def test_deviations_may_be_absent_and_sums_never() -> None:
    world = World()
    hole = world.leaf("h", optional=True)
    assert world.reduced(R.STD, world.leaf("s")).optional
    assert not world.reduced(R.STD_POPULATION, world.leaf("s")).optional
    assert not any(world.reduced(reduction, hole, ROWS).optional for reduction in (R.SUM, R.COUNT, R.ANY, R.ALL))


def test_an_alternative_ends_absence() -> None:
    world = World()
    hole, whole = world.leaf("h", optional=True), world.leaf("w")
    assert world.node(F.ADD, hole, whole).type.optional
    assert not world.node(F.OTHERWISE, hole, whole).type.optional
    assert world.node(F.OTHERWISE, hole, world.leaf("h2", optional=True)).type.optional
    assert not world.node(F.IS_MISSING, hole).type.optional
    assert world.builder[world.builder.constant(math.nan)].type.optional


# ------------------------------------------------------------------ liveness and binding time
def test_what_is_live() -> None:
    world = World(Stage.UPDATE)
    live, weight = world.logp(), world.leaf("w", TOKEN)
    assert world.node(F.MULTIPLY, live, weight).type.live == {"actor"}
    assert not world.builder[world.logp("ref", Version.FROZEN)].type.is_live
    assert not world.builder[world.logp("actor", Version.ITERATION)].type.is_live
    assert not world.node(F.LESS, live, weight).type.is_live
    assert not world.builder[world.builder.freeze(live)].type.is_live
    assert not world.builder[world.builder.rank(live, SAMPLE)].type.is_live
    assert world.reduced(R.QUANTILE, live).is_live
    assert not world.reduced(R.COUNT, live).is_live
    condition = world.node(F.LESS, live, weight).key
    assert not world.node(F.SELECT, condition, weight, weight).type.is_live


def test_a_divergence_is_live_in_both_models_that_change() -> None:
    world = World(Stage.UPDATE)
    read = Read(ReadKind.KL, "teacher", "y", Version.FROZEN, other="actor", other_version=Version.CURRENT)
    assert world.builder[world.builder.read(read, TOKEN)].type.live == {"actor"}
    assert world.builder[world.builder.read(read, TOKEN)].type.stage is Stage.UPDATE


def test_binding_time_is_that_of_the_latest_part_and_of_the_place() -> None:
    world = World(Stage.UPDATE)
    early = world.leaf("early")
    assert world.node(F.ADD, early, world.builder.constant(1.0)).type.stage is Stage.UPDATE
    assert world.node(F.ADD, *[world.builder.constant(1.0)] * 2).type.stage is Stage.CONSTANT
    assert world.builder[world.logp("ref", Version.FROZEN)].type.stage is Stage.STATISTICS
    assert world.builder[world.builder.size(SAMPLE, ROWS)].type.stage is Stage.UPDATE


def test_a_mean_at_another_time_is_another_mean() -> None:
    world = World()
    x = world.leaf("x")
    early = world.builder.reduce(R.MEAN, x, BATCH)
    world.builder.stage = Stage.UPDATE
    assert world.builder.reduce(R.MEAN, x, BATCH) != early
    world.builder.stage = Stage.STATISTICS
    assert world.builder.reduce(R.MEAN, x, BATCH) == early


# ------------------------------------------------------------------ provenance
ACTOR = LogProbability("actor", "y", Version.CURRENT)
REF = LogProbability("ref", "y", Version.FROZEN)


def test_a_difference_of_log_probabilities_is_a_log_ratio_and_its_exponential_a_ratio() -> None:
    world = World(Stage.UPDATE)
    difference = world.node(F.SUBTRACT, world.logp(), world.logp("ref", Version.FROZEN))
    assert difference.type.provenance == LogRatio(ACTOR, REF)
    assert world.node(F.EXP, difference.key).type.provenance == Ratio(LogRatio(ACTOR, REF))
    assert world.node(F.NEGATE, difference.key).type.provenance == LogRatio(REF, ACTOR)
    assert world.node(F.MULTIPLY, difference.key, world.builder.constant(2.0)).type.provenance is None
    assert world.builder[world.builder.freeze(difference.key)].type.provenance == LogRatio(ACTOR, REF)


def test_a_sum_remembers_the_level_and_a_mean_does_not_change_it() -> None:
    world = World(Stage.UPDATE)
    actor, ref = world.logp(), world.logp("ref", Version.FROZEN)
    difference = world.node(F.SUBTRACT, actor, ref).key
    assert world.reduced(R.SUM, difference, SAMPLE).provenance == LogRatio(ACTOR, REF, Level.SAMPLE)
    assert world.reduced(R.MEAN, difference, SAMPLE).provenance == LogRatio(ACTOR, REF)
    sums = [world.builder.reduce(R.SUM, key, SAMPLE) for key in (actor, ref)]
    assert world.node(F.SUBTRACT, *sums).type.provenance == LogRatio(ACTOR, REF, Level.SAMPLE)


# ------------------------------------------------------------------ the builder
def test_equal_nodes_are_one_and_keep_the_first_span_and_name() -> None:
    builder = Builder()
    first = builder.constant(2.0, Span("a", 0, 1))
    assert builder.constant(2.0, Span("b", 5, 6)) == first
    assert builder[first].span == Span("a", 0, 1)
    builder.rename(first, "two")
    builder.rename(first, "zwei")
    assert builder[first].name == "two"


def test_numbers_of_different_kinds_are_different_constants() -> None:
    builder = Builder()
    keys = [builder.constant(value) for value in (1, 1.0, True, 0.0, -0.0, math.nan, "1")]
    assert len(set(keys)) == 7
    assert builder.constant(math.nan) == keys[5]


def test_the_square_of_a_value_is_not_negative() -> None:
    world = World()
    x = world.leaf("x")
    assert str(world.node(F.MULTIPLY, x, x).type.interval) == "[0, inf)"


def test_a_graph_is_cut_down_to_what_its_roots_need() -> None:
    world = World()
    x, unused = world.leaf("x"), world.leaf("unused")
    total = world.builder.reduce(R.SUM, x, BATCH)
    assert [node.key for node in world.builder.graph([total]).nodes] == [x, total]
    assert unused in world.builder.graph().by_key


def test_a_continued_graph_keeps_its_keys() -> None:
    world = World()
    x = world.leaf("x")
    doubled = world.node(F.ADD, x, x).key
    continued = Builder(world.builder.graph())
    assert continued.elementwise(F.ADD, x, x) == doubled
    assert continued.constant(5.0) > doubled


def test_a_mistake_stays_a_mistake() -> None:
    world = World()
    wrong = world.builder.add(Spread(TOKEN), (), type=ERROR_TYPE)
    assert world.node(F.EXP, wrong).type.is_error


def test_the_level_of_a_quantile_is_one_number() -> None:
    world = World()
    x = world.leaf("x")
    with pytest.raises(InternalError):
        world.builder.reduce(R.QUANTILE, x, BATCH, argument=x)
    with pytest.raises(InternalError):
        world.builder.reduce(R.MEAN, x, BATCH, argument=world.builder.constant(0.5))
