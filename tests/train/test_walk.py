"""The walker gives the steps of a train block in order, from any position, and counts passes for schedules."""

from __future__ import annotations

import json
import random

from rldsl.graph.steps import Draw, Evaluate, Every, Repeat, Save, StageStep, Step, Update, When
from rldsl.source import Span
from rldsl.train.walk import Ask, Do, Left, Walker, count_iterations

AT = Span("test.rl", 0, 0)
DRAW = Draw(8, "problems", None, AT)
UPDATE = Update("actor", "grpo", (), None, AT)
EVALUATE, SAVE = Evaluate("heldout", AT), Save(AT)

NESTED: tuple[Step, ...] = (
    StageStep("first", (Repeat(3, (DRAW, UPDATE), AT),), AT),
    Repeat(4, (DRAW, UPDATE, Every(2, (EVALUATE,), AT), When(7, (SAVE,), AT)), AT),
    EVALUATE,
)


def steps_of(walker: Walker, holds: bool = True) -> list[str]:
    """What a walker gives, in words."""
    return [word for word, _ in told(walker, holds)]


def told(walker: Walker, holds: bool = True) -> list[tuple[str, dict[str, object]]]:
    """Each event in words, with the position after it."""
    found = []
    while (event := walker.advance()) is not None:
        match event:
            case Do(step=step):
                word = type(step).__name__.lower()
            case Ask():
                word = "ask"
                if holds:
                    walker.enter()
            case Left(depth=depth):
                word = f"left {depth}"
        found.append((word, walker.position))
    return found


def test_a_repeat_gives_its_body_as_often_as_it_says() -> None:
    assert steps_of(Walker((Repeat(2, (DRAW, UPDATE), AT),))) == ["draw", "update", "left 2"] * 2


def test_every_second_pass_is_the_second_and_the_fourth() -> None:
    found = steps_of(Walker((Repeat(5, (DRAW, Every(2, (EVALUATE,), AT)), AT),)))
    assert found == ["draw", "left 2", "draw", "evaluate", "left 3", "left 2"] * 2 + ["draw", "left 2"]


def test_a_condition_is_asked_and_its_body_entered_only_where_it_holds() -> None:
    steps: tuple[Step, ...] = (When(7, (SAVE,), AT), EVALUATE)
    assert steps_of(Walker(steps)) == ["ask", "save", "left 2", "evaluate"]
    assert steps_of(Walker(steps), holds=False) == ["ask", "evaluate"]


def test_from_every_position_the_rest_is_the_same() -> None:
    whole = told(Walker(NESTED))
    for index, (_, position) in enumerate(whole):
        kept = json.loads(json.dumps(position))
        assert steps_of(Walker(NESTED, kept)) == [word for word, _ in whole[index + 1:]]


def test_random_blocks_resume_from_random_positions() -> None:
    source = random.Random(0)
    for _ in range(50):
        steps = tuple(_random_step(source, 3) for _ in range(source.randint(1, 3)))
        whole = told(Walker(steps))
        if whole:
            index = source.randrange(len(whole))
            assert steps_of(Walker(steps, whole[index][1])) == [word for word, _ in whole[index + 1:]]


def _random_step(source: random.Random, depth: int) -> Step:
    simple: list[Step] = [DRAW, UPDATE, EVALUATE, SAVE]
    if depth == 0 or source.random() < 0.4:
        return source.choice(simple)
    body = tuple(_random_step(source, depth - 1) for _ in range(source.randint(0, 3)))
    blocks: list[Step] = [Repeat(source.randint(1, 3), body, AT), Every(source.randint(1, 2), body, AT),
                          When(7, body, AT), StageStep("s", body, AT)]
    return source.choice(blocks)


def test_passes_of_an_inner_repeat_are_counted_on_over_the_outer_one() -> None:
    walker = Walker((Repeat(2, (Repeat(2, (DRAW,), AT),), AT),))
    counted = []
    while (event := walker.advance()) is not None:
        if isinstance(event, Do):
            counted.append(walker.passes_done)
    assert counted == [0, 1, 2, 3]


def test_each_visit_of_a_stage_is_its_own() -> None:
    walker = Walker((Repeat(2, (StageStep("s", (DRAW,), AT),), AT), DRAW))
    visits = []
    while (event := walker.advance()) is not None:
        if isinstance(event, Do):
            visits.append((walker.stage_visit, walker.stage and walker.stage.name))
    assert len({visit for visit, _ in visits}) == 3
    assert [name for _, name in visits] == ["s", "s", None]


def test_iterations_are_counted_before_they_run() -> None:
    assert count_iterations(NESTED) == 7
    assert count_iterations((Repeat(6, (Every(2, (DRAW, UPDATE), AT),), AT),)) == 3
    other = Draw(4, "pairs", None, AT)
    assert count_iterations((Repeat(3, (DRAW, other, UPDATE, DRAW, UPDATE), AT),)) == 6
