"""Criteria from the data: a JSON list, read strictly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rldsl.rewards.outcome import Failure, FailureKind
from rldsl.rewards.rubrics.criteria import MOST_CRITERIA, criterion_threshold, criterion_weight, read_criteria


def test_weights_points_penalties_vetoes_and_gates_are_read() -> None:
    found = read_criteria([{"criterion": "a", "points": 5}, {"criterion": "b", "points": -3, "tags": ["kept for people"]},
                           {"criterion": "c", "weight": 2, "kind": "penalty"}, {"criterion": "d", "kind": "veto"},
                           {"criterion": "e", "kind": "gate", "at": 0.5}])
    assert isinstance(found, list)
    assert [criterion_weight(entry) for entry in found] == [5, -3, -2, 0, 0]
    assert [criterion_threshold(entry, "veto") for entry in found] == [None, None, None, 1, None]
    assert [criterion_threshold(entry, "gate") for entry in found] == [None, None, None, None, 0.5]


def test_a_text_is_read_as_json_and_as_nothing_else() -> None:
    written = [{"criterion": "a", "weight": 1}]
    assert read_criteria(json.dumps(written)) == read_criteria(written)
    for text in ("Here are the criteria: " + json.dumps(written), "```json\n" + json.dumps(written) + "\n```", "", "- a\n- b",
                 '[{"criterion": "a", "weight": NaN}]', json.dumps(written) + json.dumps(written)):
        found = read_criteria(text)
        assert isinstance(found, Failure) and found.kind is FailureKind.REFERENCE, text


@pytest.mark.parametrize(("written", "said"), [
    ({}, "this is an object"), (None, "null"), (3, "a number"), ([], "0 criteria"), (["a"], "not an object"),
    ([{"weight": 1}], 'no text "criterion"'), ([{"criterion": " ", "weight": 1}], 'no text "criterion"'),
    ([{"criterion": "a"}], 'one of "weight" and "points"'), ([{"criterion": "a", "weight": 1, "points": 1}], "one of"),
    ([{"criterion": "a", "weight": "3"}], "no number"), ([{"criterion": "a", "weight": True}], "no number"),
    ([{"criterion": "a", "weight": 0}], "no number other than 0"), ([{"criterion": "a", "weight": 1e999}], "no number"),
    ([{"criterion": "a", "weight": 1, "kind": "bonus"}], "none of weight"),
    ([{"criterion": "a", "weight": -1, "kind": "penalty"}], "taken off"),
    ([{"criterion": "a", "kind": "veto", "at": 2}], "(0, 1]"),
    ([{"criterion": "a", "points": -1}, {"criterion": "b", "kind": "veto"}], "below 0"),
    ([{"criterion": "a", "points": 1}, {"criterion": "a", "points": 2}], "twice"),
    ([{"criterion": str(number), "points": 1} for number in range(MOST_CRITERIA + 1)], "101 criteria"),
])
def test_what_is_no_list_of_criteria_has_failed(written: Any, said: str) -> None:
    found = read_criteria(written)
    assert isinstance(found, Failure) and said in found.message


def test_vetoes_and_gates_alone_are_a_rubric() -> None:
    assert isinstance(read_criteria([{"criterion": "a", "kind": "veto"}]), list)
