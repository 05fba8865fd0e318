"""Schedules: their ends, their middle, and what comes after."""

from __future__ import annotations

import pytest

from rldsl.graph.spec import Schedule
from rldsl.train.schedule import number_at, value_at


@pytest.mark.parametrize(("kind", "expected"), [
    ("linear", [1.0, 0.5, 0.0, 0.0]),
    ("cosine", [1.0, 0.5, 0.0, 0.0]),
    ("warmup", [0.9, 0.4, 0.0, 0.0]),
])
def test_values_at_the_start_in_the_middle_and_beyond(kind: str, expected: list[float]) -> None:
    schedule = Schedule(kind, 1.0, 0.0, 10)
    assert [value_at(schedule, done) for done in (0, 5, 10, 99)] == pytest.approx(expected)


def test_a_warm_up_already_moves_in_its_first_pass() -> None:
    assert value_at(Schedule("warmup", 0.0, 1e-3, 10), 0) == pytest.approx(1e-4)


def test_pieces_hold_until_the_next_point() -> None:
    schedule = Schedule("piecewise", 0.1, 0.0, 200, ((0, 0.1), (100, 0.05), (200, 0.0)))
    assert [value_at(schedule, done) for done in (0, 99, 100, 199, 200)] == [0.1, 0.1, 0.05, 0.05, 0.0]


def test_plain_numbers_are_their_own_schedule() -> None:
    assert [number_at(3e-4, done) for done in (0, 1000)] == [3e-4, 3e-4]
