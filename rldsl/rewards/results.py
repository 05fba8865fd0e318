"""What came back from a call against what was promised: element, range, presence. Packs what is left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rldsl.rewards.outcome import Failure, FailureKind, Values
from rldsl.rewards.pool import Reply
from rldsl.rewards.signatures import Result
from rldsl.types import Element, Interval

_ROUNDING = 1e-9


def check_value(value: Any, result: Result) -> Any:
    """The value (None if absent), or the `Failure` that it is."""
    if isinstance(value, Failure):
        return value
    if value is None:
        if result.optional:
            return None
        return Failure(FailureKind.MISSING, "returned None, and its type says that it is never absent")
    if isinstance(value, dict):
        return _wrong(result, value["wrong"])
    if result.element is Element.TEXT:
        return value if isinstance(value, str) else _wrong(result, type(value).__name__)
    if not isinstance(value, (bool, int, float)):
        return _wrong(result, type(value).__name__)
    return _check_number(value, result)


def spread_batch(reply: Reply, count: int) -> list[Reply]:
    """The reply of a function of the whole batch as one for each item."""
    values = reply.value
    if isinstance(values, Failure):
        return [reply] * count
    if len(values) != count:
        said = f"returned {len(values)} results for {count} items"
        return [Reply(Failure(FailureKind.WRONG_LENGTH, said))] * count
    return [Reply(value) for value in values]


def pack(answers: Sequence[Any], result: Result, count: int,
         present: Sequence[int] | None) -> tuple[Values, dict[int, Failure]]:
    """Checked answers at their places among `count` items (`present`; None: all), and which failed."""
    places = range(count) if present is None else present
    failed = {place: answer for place, answer in zip(places, answers, strict=True)
              if isinstance(answer, Failure)}
    kept = [None if isinstance(answer, Failure) else answer for answer in answers]
    if result.element in (Element.TEXT, Element.JSON):
        texts: list[Any] = kept
        if present is not None:
            texts = [None] * count
            for place, text in zip(present, kept, strict=True):
                texts[place] = text
        return texts, failed
    numbers = np.array(kept, dtype=np.float64)
    if present is not None:
        values = np.full(count, np.nan)
        values[np.asarray(present, dtype=np.int64)] = numbers
        return values, failed
    return numbers, failed


def _check_number(value: float, result: Result) -> float | Failure:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isnan(number):
        return Failure(FailureKind.NOT_A_NUMBER, "returned NaN")
    if math.isinf(number):
        return Failure(FailureKind.INFINITE, f"returned {number}")
    if result.element is Element.INT and not number.is_integer():
        return _wrong(result, f"{number!r}")
    if result.element is Element.BOOL and number not in (0.0, 1.0):
        return _wrong(result, f"{number!r}")
    return _within(number, result.interval)


def _within(number: float, interval: Interval) -> float | Failure:
    """The number, moved onto a bound that it misses by rounding alone."""
    if interval.contains(number):
        return number
    for bound in interval.values or (interval.low, interval.high):
        if math.isclose(number, bound, rel_tol=_ROUNDING, abs_tol=_ROUNDING) and interval.contains(bound):
            return bound
    return Failure(FailureKind.OUT_OF_RANGE, f"returned {number!r}, outside the promised {interval}")


def _wrong(result: Result, found: str) -> Failure:
    return Failure(FailureKind.WRONG_TYPE, f"returned {found}, expected {result.element.value}")
