"""The functions of texts and the cheap verifiers, by examples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from rldsl.rewards.outcome import FailureKind
from rldsl.rewards.run import HostCalls
from rldsl.rewards.texts import final_answer, last_number, number_in
from tests.rewards.project import operation


def results(calls: HostCalls, name: str, *inputs: Any, **settings: Any) -> list[Any]:
    """Values of one call as a list, None for absent ones."""
    values = calls.call(operation(name, **settings), inputs).values
    if isinstance(values, list):
        return values
    return [None if math.isnan(value) else value for value in values.tolist()]


def test_equal_texts_are_equal_without_the_space_around_them(calls: HostCalls) -> None:
    texts, answers = [" a\n", "A", "b", ""], ["a", "a", "a", ""]
    assert results(calls, "verify.equal", texts, answers) == [1, 0, 0, 1]
    assert results(calls, "verify.equal", texts, answers, strip=False) == [0, 0, 0, 1]
    assert results(calls, "verify.equal", texts, answers, ignore_case=True) == [1, 1, 0, 1]
    assert results(calls, "verify.equal", ["STRASSE"], ["straße"], ignore_case=True) == [1]


@pytest.mark.parametrize(("text", "number"), [
    ("42", "42"), ("so it is 3, then 4.", "4"), ("$1,234,567.50 in all", "1234567.50"), ("-3.5e2", "-3.5e2"),
    ("x = \u22127", "-7"), ("5-3", "3"), ("f(2)-3", "3"), ("5 -3", "-3"), ("is .5", ".5"), ("v1.2.3", "3"),
    ("1,2,3", "3"), ("1,23", "23"), ("12,345,67", "67"), ("3 apples cost 2e", "2"), ("the end.", None),
    ("\u0663", None), ("100%", "100"), ("#### 7\n", "7"), ("a5b", "5"), ("+4", "4"), ("2.", "2"),
    ("--4", "-4"), ("", None),
])
def test_the_last_number_of_a_text(text: str, number: str | None) -> None:
    assert last_number(text) == number


def test_a_number_beyond_a_double_is_no_number() -> None:
    assert number_in("1e999") is None
    assert number_in("9" * 400) is None
    assert number_in("-1e308") == -1e308


def test_numbers_are_compared_exactly_or_within_a_tolerance(calls: HostCalls) -> None:
    texts = ["it is 1,234.0", "0.1", "12345678901234567890", "3.14", "none", "1e999", "0.30000000000000004"]
    answers = ["#### 1234", "0.10", "12345678901234567891", "3.15", "3", "1", "0.3"]
    assert results(calls, "verify.number", texts, answers) == [1, 1, 0, 0, 0, 0, 0]
    assert results(calls, "verify.number", texts, answers, tolerance=0.01) == [1, 1, 0, 1, 0, 0, 1]


def test_numbers_are_compared_with_a_column_of_numbers(calls: HostCalls) -> None:
    assert results(calls, "verify.number", ["x 5", "x 2.5", "x 1"], np.array([5.0, 2.5, 2.0])) == [1, 1, 0]
    assert results(calls, "verify.number", ["5", "6"], np.array([5, 5])) == [1, 0]


def test_an_answer_without_a_number_has_failed_and_a_text_without_one_is_wrong(calls: HostCalls) -> None:
    outcome = calls.call(operation("verify.number"), [["5", "five", "5"], ["5", "5", "five"]])
    assert outcome.values.tolist()[:2] == [1.0, 0.0]
    assert outcome.failed[2].kind is FailureKind.REFERENCE
    assert "'five'" in outcome.failed[2].message


@pytest.mark.parametrize(("text", "answer"), [
    (r"so \boxed{42}.", "42"), (r"\boxed{1} then \boxed{\frac{1}{2}} done", r"\frac{1}{2}"),
    (r"\boxed{a \} b}", r"a \} b"), (r"\boxed {x}", "x"), (r"\fbox{7}", "7"), (r"{ \boxed{3} \boxed{4", "3"),
    (r"\boxed{ } #### 5", "5"), ("steps\n#### 1,000 \nmore", "1,000"), ("#### 1 #### 2", "2"),
    ("first\nlast\n\n", "last"),
    ("one", "one"), ("", None), (" \n ", None), (r"\boxed{1 #### 2", "2"), ("####", "####"),
])
def test_the_final_answer_of_a_text(text: str, answer: str | None) -> None:
    assert final_answer(text) == answer


def test_a_final_answer_can_be_asked_for_in_one_place(calls: HostCalls) -> None:
    texts = [r"\boxed{1}", "#### 2", "3"]
    assert results(calls, "answer", texts) == ["1", "2", "3"]
    assert results(calls, "answer", texts, **{"from": "boxed"}) == ["1", None, None]
    assert results(calls, "answer", texts, **{"from": "marker"}) == [None, "2", None]
    assert results(calls, "answer", texts, **{"from": "line"}) == [r"\boxed{1}", "#### 2", "3"]


def test_many_open_boxes_are_searched_in_one_pass(calls: HostCalls) -> None:
    assert results(calls, "answer", ["\\boxed{" * 200_000], **{"from": "boxed"}) == [None]


@pytest.mark.parametrize(("name", "inputs", "expected"), [
    ("text.length", (["", "ab", "\U0001f600e\u0301"],), [0, 2, 3]),
    ("text.words", (["", " a  b\nc "],), [0, 3]),
    ("text.lines", (["", "a\n\n b \n\t\nc"],), [0, 3]),
    ("text.count", (["aaa", "abab", "x"], ["aa", "ab", ""]), [1, 2, 0]),
    ("text.number", (["is 3.5", "none"],), [3.5, None]),
    ("text.matching_places", (["abc", "abd", "ab", "", "cab"], ["abc", "abc", "abc", "", "abc"]),
     [1, 2 / 3, 0, 1, 0]),
    ("text.equal", (["a", "a "], ["a", "a"]), [1, 0]),
    ("text.contains", (["abc", "abc", ""], ["bc", "cb", ""]), [1, 0, 1]),
    ("text.starts_with", (["abc", "abc"], ["ab", "b"]), [1, 0]),
    ("text.ends_with", (["abc", "abc"], ["bc", "b"]), [1, 0]),
    ("text.lower", (["AÉ", "ß"],), ["aé", "ß"]),
    ("text.strip", ([" a\t\n", "\u00a0b"],), ["a", "b"]),
    ("text.concat", (["a", ""], ["b", "c"]), ["ab", "c"]),
    ("text.prefix", (["abcd", "abcd", "abc", "ab", "ab"], np.array([0.5, 1.0, 0.5, 0.0, 7.0])),
     ["ab", "abcd", "a", "", "ab"]),
    ("text.between",
     (["<a>1</a> <a> 2 </a>", "<a>1</a> <a>2", "<a>1", "1</a>", "<a></a>"], ["<a>"] * 5, ["</a>"] * 5),
     ["2", "1", None, None, ""]),
])
def test_what_a_text_function_gives(calls: HostCalls, name: str, inputs: tuple[Any, ...],
                                    expected: list[Any]) -> None:
    assert results(calls, name, *inputs) == expected


def test_an_absent_input_gives_an_absent_result(calls: HostCalls) -> None:
    assert results(calls, "verify.equal", ["a", None, "a"], ["a", "a", None]) == [1, None, None]
    assert results(calls, "text.concat", ["a", None], ["b", "c"]) == ["ab", None]
    assert results(calls, "text.prefix", ["ab", "ab"], np.array([0.5, np.nan])) == ["a", None]
    assert results(calls, "verify.regex", [None, "a"], ["a", "a"]) == [None, 1]
    assert results(calls, "text.length", [None]) == [None]


def test_absent_values_are_counted_apart_from_failed_ones(calls: HostCalls) -> None:
    outcome = calls.call(operation("verify.number"), [["5", None, "5"], ["5", "5", "five"]])
    assert (outcome.absent, len(outcome.failed), len(outcome)) == (1, 1, 3)


def test_an_empty_batch_gives_an_empty_result(calls: HostCalls) -> None:
    for name in ("verify.equal", "verify.regex", "verify.math", "text.concat"):
        assert len(calls.call(operation(name), [[], []])) == 0


def test_arguments_may_be_written_in_any_order(calls: HostCalls) -> None:
    written = operation("text.starts_with", "part", "text")
    assert calls.call(written, [["a"], ["abc"]]).values.tolist() == [1.0]


def test_columns_of_different_lengths_are_a_mistake_of_the_caller(calls: HostCalls) -> None:
    with pytest.raises(ValueError, match=r"differ in length: \[1, 2\]"):
        calls.call(operation("verify.equal"), [["a"], ["a", "b"]])
