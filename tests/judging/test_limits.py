"""Waits, rates and windows by numbers worked out by hand, without a clock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rldsl.rewards.judging.limits import Bucket, Budget, Most, Room, Window
from rldsl.rewards.judging.retries import Backoff, retry_after
from rldsl.rewards.outcome import Cost

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(("header", "seconds"), [
    (None, None),
    ("3", 3.0),
    ("0.5", 0.5),
    ("-2", 0.0),
    ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
    ("Thu, 01 Jan 2026 13:00:30 +0100", 30.0),
    ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
    ("soon", None),
    ("inf", None),
    ("nan", None),
    ("", None),
])
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


def test_waits_double_up_to_the_most_and_are_a_share_of_that() -> None:
    backoff = Backoff(first=0.5, most=30.0)
    assert [backoff.wait(attempt, 1.0) for attempt in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.wait(2, 0.25) == 0.5
    assert backoff.wait(10_000, 1.0) == 30


def test_a_bucket_lets_a_minute_through_at_once_and_then_its_rate() -> None:
    bucket = Bucket(120, now=0.0)
    for _ in range(120):
        assert bucket.wait(1, 0.0) == 0
        bucket.take(1, 0.0)
    assert bucket.wait(1, 0.0) == pytest.approx(0.5)
    assert bucket.wait(1, 0.5) == pytest.approx(0)
    assert bucket.wait(10, 0.5) == pytest.approx(4.5)
    assert bucket.wait(10, 60.0) == 0


def test_what_was_taken_too_much_comes_back() -> None:
    bucket = Bucket(60, now=0.0)
    bucket.take(60, 0.0)
    bucket.give(50)
    assert bucket.wait(50, 0.0) == pytest.approx(0)
    assert bucket.wait(55, 0.0) == pytest.approx(5)
    bucket.give(1000)
    assert bucket.wait(60, 0.0) == 0
    assert bucket.wait(1e9, 0.0) == 0  # more than a minute's goes once it is full, and into debt
    bucket.take(120, 0.0)
    assert bucket.wait(1, 0.0) == pytest.approx(61)


def test_a_window_halves_once_a_moment_and_grows_by_one_a_round() -> None:
    window = Window(64)
    window.busy(0.0)
    window.busy(0.1)
    assert window.calls == 32
    window.busy(1.5)
    assert window.calls == 16
    for _ in range(17):
        window.answered()
    assert window.calls == 17
    for moment in range(2, 100):
        window.busy(2.0 * moment)
    assert window.calls == 1
    for _ in range(10_000):
        window.answered()
    assert window.calls == 64


def test_a_budget_says_yes_later_or_no() -> None:
    budget = Budget(Most(calls=3, tokens=100))
    bound = Cost(1, 30, 20)
    assert [budget.reserve(bound) for _ in range(3)] == [Room.YES, Room.YES, Room.LATER]
    budget.settle(bound, Cost(1, 10, 5))
    assert budget.reserve(bound) is Room.LATER    # 15 spent, 50 reserved, 50 more
    budget.settle(bound, Cost(1, 10, 5))
    assert budget.spent == Cost(2, 20, 10)
    assert budget.reserve(bound) is Room.YES      # 30 spent, 50 more
    budget.settle(bound, Cost(1, 30, 20))
    assert budget.reserve(Cost(1, 1, 1)) is Room.NO
    assert budget.refusal(Cost(1, 1, 1)).startswith("not asked: `most_calls: 3` is reached; spent so far: 3 calls, 80 tokens")


def test_a_budget_of_nothing_allows_nothing_and_none_allows_all() -> None:
    assert Budget(Most(calls=0)).reserve(Cost(1)) is Room.NO
    assert Budget(Most(money=0.0)).reserve(Cost(1, money=1e-9)) is Room.NO
    assert Budget(Most()).reserve(Cost(10**9, 10**12, 10**12, 1e12)) is Room.YES
