"""What is done with failures, and the table of primitives as the compiler reads it."""

from __future__ import annotations

import numpy as np
import pytest

from rldsl.data.signatures import SOURCES, match_arguments
from rldsl.rewards.outcome import (
    Failure,
    FailureAction,
    FailureKind,
    FailurePolicy,
    Outcome,
    TooManyFailures,
)
from rldsl.rewards.signatures import PRIMITIVES, check_constant, primitive_for, result_of
from rldsl.rewards.texts import NATIVE
from rldsl.types import Element, Interval

TIMEOUT = Failure(FailureKind.TIMEOUT, "no result within 5 s")
CRASH = Failure(FailureKind.CRASH, "the process of the function ended (exit status 1)")


def outcome(count: int, *failed: int) -> Outcome:
    """So many values of 1, some of them failed."""
    values = np.ones(count)
    values[list(failed)] = np.nan
    return Outcome(values, dict.fromkeys(failed, TIMEOUT), 0.1, count)


def test_nothing_failed_and_nothing_changes() -> None:
    settled = FailurePolicy().settle("correct", outcome(3))
    assert settled.values.tolist() == [1, 1, 1]
    assert not settled.skipped.any()


def test_a_failure_stops_where_nothing_else_is_said() -> None:
    said = r"`correct` failed for 1 of 3: 1 timeout \(no result within 5 s\)"
    with pytest.raises(TooManyFailures, match=said):
        FailurePolicy().settle("correct", outcome(3, 1))


def test_failed_items_are_skipped_or_get_a_value() -> None:
    skipped = FailurePolicy(FailureAction.SKIP).settle("correct", outcome(3, 1))
    assert skipped.skipped.tolist() == [False, True, False]
    filled = FailurePolicy(FailureAction.VALUE, 0.0).settle("correct", outcome(3, 1))
    assert filled.values.tolist() == [1, 0, 1]
    texts = Outcome(["a", None], {1: CRASH}, 0.1, 2)
    assert FailurePolicy(FailureAction.VALUE, "none").settle("said", texts).values == ["a", "none"]


def test_too_many_failures_stop_whatever_is_said() -> None:
    policy = FailurePolicy(FailureAction.SKIP, most=0.1, at_least=4)
    assert policy.settle("correct", outcome(10, 1, 2, 3)).skipped.sum() == 3
    assert policy.settle("correct", outcome(100, *range(10))).skipped.sum() == 10
    with pytest.raises(TooManyFailures, match="11 of 100"):
        policy.settle("correct", outcome(100, *range(11)))


def test_a_message_counts_the_kinds_and_shows_the_commonest() -> None:
    mixed = Outcome(np.full(4, np.nan), {0: TIMEOUT, 1: CRASH, 2: TIMEOUT}, 0.1, 4)
    with pytest.raises(TooManyFailures, match=r"2 timeout, 1 crash \(no result within 5 s\)"):
        FailurePolicy().settle("correct", mixed)


# ------------------------------------------------------------------ signatures
def test_every_primitive_is_documented_and_has_something_to_run_it() -> None:
    in_processes = ("regex", "json_schema", "math", "reasoning_gym", "python", "tests", "program", "sql")
    assert set(PRIMITIVES) == set(NATIVE) | {f"verify.{name}" for name in in_processes}
    for primitive in PRIMITIVES.values():
        assert primitive.doc.endswith(".")
        names = [parameter.name for parameter in primitive.parameters]
        assert len(names) == len(set(names))
        assert any(not parameter.constant for parameter in primitive.parameters)


def test_a_number_without_an_answer_is_an_extraction() -> None:
    extraction = primitive_for("verify.number", ["text"])
    assert extraction is PRIMITIVES["text.number"]
    assert extraction.optional
    assert primitive_for("verify.number", ["text", "answer"]) is PRIMITIVES["verify.number"]
    assert primitive_for("verify.nonsense", []) is None


def test_a_promise_of_a_call_is_its_result() -> None:
    python = PRIMITIVES["verify.python"]
    result = result_of(python, {"range": (-1.0, 2.0), "may_be_absent": True})
    assert (result.element, result.interval, result.optional) == (Element.REAL, Interval(-1, 2), True)
    assert not result_of(PRIMITIVES["verify.equal"], {}).optional


@pytest.mark.parametrize(("parameter", "value", "said"), [
    ("pattern", "(", "cannot be read"), ("pattern", r"\d+", None), ("schema", "{", "is not JSON"),
    ("schema", "a.json", None), ("function", "a.b", 'written "module:function"'), ("function", "a.b:c", None),
    ("timeout", 0.0, "above 0"), ("timeout", 1.0, None), ("tolerance", -1.0, "not be below 0"),
])
def test_constants_are_checked_before_they_are_used(parameter: str, value: str | float,
                                                    said: str | None) -> None:
    found = check_constant("verify.any", parameter, value)
    assert (found is None) if said is None else said in str(found)


def test_arguments_are_matched_with_parameters() -> None:
    parameters = SOURCES["jsonl"].parameters
    assert match_arguments(parameters, 1, ["limit"]).names == ("path", "limit")
    assert match_arguments(parameters, 3, []).problems == ("at most 2 arguments, and 3 are given",)
    assert match_arguments(parameters, 1, ["path"]).problems == ("`path` is given twice",)
    assert match_arguments(parameters, 0, ["pth"]).problems == (
        "no argument is called `pth`; did you mean `path`?", "`path` is missing")
    assert not match_arguments(SOURCES["python"].parameters, 1, ["anything"], others=True).problems
