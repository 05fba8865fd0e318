"""Parts are levels: where values of fixed parts meet others, what a layout finds of their places, how types say them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rldsl.graph.model import Position, Size
from rldsl.infer import common_axis
from rldsl.infer.levels import may_be_empty
from rldsl.infer.rules import infer_type
from rldsl.kernels.layout import Layout
from rldsl.train.parts import part_of
from rldsl.types import BATCH, Axis, Element, Interval, Level, Stage, Type, pair_axis, parts_axis

ROWS = Axis("rows", Level.PROMPT, "rows", BATCH)
SAMPLE = Axis("y.sample", Level.SAMPLE, "y", ROWS)
TOKEN = Axis("y.token", Level.TOKEN, "y", SAMPLE)
PARENTS = {"rows": "batch", "y.sample": "rows", "y.token": "y.sample"}
LAYOUT = Layout.of(PARENTS, {"rows": [2], "y.sample": [1, 2], "y.token": [2, 0, 1]})


def met(*axes: Axis) -> Axis | None:
    return common_axis([Type(Element.REAL, axis=axis) for axis in axes])


def members(parent: Axis, size: int = 3, maker: str = "") -> Axis:
    return parts_axis(parent, Level.CRITERION if maker else Level.MEMBER, size, maker)


# ------------------------------------------------------------------ where they meet
def test_fixed_parts_nest_with_their_parents_and_what_is_above() -> None:
    assert met(members(SAMPLE), SAMPLE, ROWS, BATCH) == members(SAMPLE)


def test_the_same_parts_meet_as_parts_of_the_finest_parent() -> None:
    assert met(members(BATCH), members(SAMPLE)) == members(SAMPLE)
    assert met(members(SAMPLE), members(ROWS), TOKEN) == members(TOKEN)


def test_other_numbers_levels_and_makers_are_other_parts() -> None:
    assert met(members(SAMPLE), members(SAMPLE, 2)) is None
    assert met(members(SAMPLE), parts_axis(SAMPLE, Level.CRITERION, 3)) is None
    assert met(members(SAMPLE, 3, "clear"), members(SAMPLE, 3, "fair")) is None


def test_parts_of_tokens_of_two_texts_do_not_meet() -> None:
    assert met(members(TOKEN), Axis("z.token", Level.TOKEN, "z", ROWS)) is None


def test_types_say_their_parts() -> None:
    assert str(Type(Element.REAL, Interval(0, 1), members(SAMPLE))) == "Real in [0, 1] @ y.sample.member(3)"
    assert str(Type(Element.BOOL, axis=members(SAMPLE, 4, "clear"))) == "Bool @ y.sample.criterion(clear: 4)"


def test_what_is_known_of_fixed_parts_is_in_the_ranges() -> None:
    assert infer_type(Position(members(SAMPLE), SAMPLE), [], Stage.DATA).interval == Interval(0, 2)
    assert infer_type(Size(members(SAMPLE), SAMPLE), [], Stage.DATA).interval.values == (3.0,)


def test_only_what_stands_on_tokens_or_pairs_may_lack_parts() -> None:
    assert not may_be_empty(members(SAMPLE), SAMPLE) and not may_be_empty(members(SAMPLE), BATCH)
    assert may_be_empty(members(TOKEN), SAMPLE) and not may_be_empty(members(TOKEN), TOKEN)
    assert may_be_empty(members(pair_axis(SAMPLE, ROWS), 2), SAMPLE)


# ------------------------------------------------------------------ layouts
def test_a_layout_finds_the_places_of_fixed_parts() -> None:
    name = members(SAMPLE, 2).name
    assert LAYOUT.size(name) == 6
    assert LAYOUT.bounds(name, "rows").tolist() == [0, 2, 6]
    assert LAYOUT.owners(name, "y.sample").tolist() == [0, 0, 1, 1, 2, 2]
    assert LAYOUT.bounds(members(BATCH, 5).name, "batch").tolist() == [0, 5]


def test_a_layout_finds_pairs_of_parts_and_parts_of_pairs() -> None:
    pairs = pair_axis(members(SAMPLE, 2), ROWS)  # row 1 has two members, row 2 has four
    assert LAYOUT.bounds(pairs.name, "rows").tolist() == [0, 2, 2 + 12]
    parts = members(pair_axis(SAMPLE, ROWS), 2)  # the two samples of row 2 have one pair each
    assert LAYOUT.bounds(parts.name, "y.sample").tolist() == [0, 0, 2, 4]


def test_a_covering_axis_divides_the_places_of_the_one_that_it_covers() -> None:
    layout = Layout.of({**PARENTS, "y.step": "y.sample"}, {"rows": [1], "y.sample": [2], "y.token": [3, 1], "y.step": [2, 1]},
                       {"y.step": ("y.token", [2, 1, 1])})
    assert layout.bounds("y.token", "y.step").tolist() == [0, 2, 3, 4]
    assert layout.owners("y.token", "y.step").tolist() == [0, 0, 1, 2]
    assert layout.owners("y.token.member(2)", "y.step").tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
    assert layout.owners("y.step", "y.sample").tolist() == [0, 0, 1]
    assert layout.owners("y.token", "y.sample").tolist() == [0, 0, 0, 1]


@st.composite
def stepped(draw: st.DrawFn) -> Layout:
    """Rows of samples of steps of tokens, any of the last two empty of tokens."""
    samples = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    steps = draw(st.lists(st.integers(1, 3), min_size=sum(samples), max_size=sum(samples)))
    inside = draw(st.lists(st.integers(0, 3), min_size=sum(steps), max_size=sum(steps)))
    starts = np.concatenate([[0], np.cumsum(steps)])
    tokens = [sum(inside[first:last]) for first, last in zip(starts[:-1], starts[1:], strict=True)]
    return Layout.of({**PARENTS, "y.step": "y.sample"},
                     {"rows": [len(samples)], "y.sample": samples, "y.token": tokens, "y.step": steps},
                     {"y.step": ("y.token", inside)})


@given(stepped(), st.randoms(use_true_random=False))
def test_a_part_of_a_layout_has_the_steps_and_members_of_its_rows(layout: Layout, random: object) -> None:
    rows = list(range(layout.size("rows")))
    random.shuffle(rows)  # type: ignore[attr-defined]
    chosen = np.array(rows[:max(1, len(rows) // 2)], np.int64)
    part = part_of(layout, {"rows": chosen})
    for axis in ("y.step", "y.step.member(2)", "y.token", "y.token.member(3)"):
        wanted = np.concatenate([np.flatnonzero(layout.owners(axis, "rows") == row) for row in chosen])
        assert part.take(axis, np.arange(layout.size(axis), dtype=np.float64)).tolist() == wanted.tolist()
        assert part.layout.size(axis) == len(wanted)
    steps = layout.owners("y.token", "y.step")[part.of("y.token")]
    assert part.of("y.step")[part.layout.owners("y.token", "y.step")].tolist() == steps.tolist()
