"""What the fast run takes of a sweep."""

from __future__ import annotations

import pytest

from tests.conftest import spread_evenly


@pytest.mark.parametrize(("count", "kept", "places"), [
    (10, 1, {0}), (10, 2, {0, 9}), (10, 4, {0, 3, 6, 9}), (3, 5, {0, 1, 2}), (1, 1, {0}), (1, 3, {0}), (12, 3, {0, 6, 11})])
def test_cases_are_spread_evenly(count: int, kept: int, places: set[int]) -> None:
    assert spread_evenly(count, kept) == places
