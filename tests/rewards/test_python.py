"""Python reward functions: how they are called, and every way in which one can go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rldsl.graph.model import Foreign
from rldsl.graph.spec import Amount, ExternSpec, Invocation
from rldsl.rewards.outcome import FailureKind, Outcome
from rldsl.rewards.run import HostCalls
from rldsl.source import Span
from rldsl.types import BINARY, EVERYTHING, UNIT, Element, Interval, Type
from tests.rewards.project import function, operation

HERE = Span("spec.rl", 0, 1)


def kinds(outcome: Outcome) -> list[Any]:
    """Values, with the kind of the failure in the place of each that failed."""
    return [outcome.failed[index].kind if index in outcome.failed else value
            for index, value in enumerate(outcome.values)]


def extern(name: str, parameters: str, result: Type, **settings: Any) -> ExternSpec:
    """`extern fn NAME(…) -> … = python("rewards:NAME") { … }`."""
    pairs = [part.split(":") for part in parameters.split(",")]
    declared = tuple((word.strip(), Element(element.strip())) for word, element in pairs)
    return ExternSpec(name, Invocation("python", (f"rewards:{name}",)), declared, result,
                      tuple(settings.items()), HERE)


REAL = Type(Element.REAL, UNIT)
EXTERNS = (
    extern("same", "text: Text, answer: Text", Type(Element.REAL, BINARY)),
    extern("typed", "text: Text, count: Int, flag: Bool", REAL),
    extern("shout", "text: Text", Type(Element.TEXT, EVERYTHING)),
    extern("true", "text: Text", Type(Element.BOOL, BINARY)),
    extern("number", "text: Text", Type(Element.INT, Interval(0, 9))),
    extern("none", "text: Text", Type(Element.REAL, UNIT, optional=True)),
    extern("other_names", "text: Text, answer: Text", REAL),
    extern("swapped", "text: Text, answer: Text", REAL),
    extern("half_named", "text: Text, answer: Text", REAL),
    extern("trl_reward", "prompts: Text, completions: Text, answer: Text",
           Type(Element.REAL, UNIT, optional=True)),
    extern("compute_score", "data_source: Text, solution_str: Text, ground_truth: Text", REAL),
    extern("slow", "text: Text", REAL, timeout=Amount(20, "ms")),
    extern("half", "text: Text", REAL, isolate="container"),
)


@pytest.fixture(scope="module")
def externs(project: Path) -> Iterator[HostCalls]:
    """Host calls with the declared functions above."""
    with HostCalls(EXTERNS, project, workers=1) as opened:
        yield opened


# ------------------------------------------------------------------ results
def test_a_function_is_called_once_for_each_item(calls: HostCalls) -> None:
    outcome = calls.call(function("same", "text", "answer"), [["a", "b", "a"], ["a", "c", "a"]])
    assert kinds(outcome) == [1, 0, 1]
    assert outcome.computed == 2


def test_truth_values_and_numbers_of_numpy_are_numbers(calls: HostCalls) -> None:
    assert kinds(calls.call(function("true"), [["yes", "no"]])) == [1, 0]
    assert kinds(calls.call(function("numpy_number"), [["a"]])) == [0.25]


def test_coroutines_are_run(calls: HostCalls) -> None:
    assert kinds(calls.call(function("later"), [["a"]])) == [0.75]


@pytest.mark.parametrize(("text", "kind", "message"), [
    ("nan", FailureKind.NOT_A_NUMBER, "returned NaN"),
    ("inf", FailureKind.INFINITE, "returned inf"),
    ("-inf", FailureKind.INFINITE, "returned -inf"),
    ("1.5", FailureKind.OUT_OF_RANGE, "returned 1.5, outside the promised [0, 1]"),
    ("-0.1", FailureKind.OUT_OF_RANGE, "returned -0.1, outside the promised [0, 1]"),
    ("one", FailureKind.EXCEPTION, "ValueError: could not convert string to float: 'one' (rewards.py:12)"),
])
def test_a_number_that_is_not_promised_has_failed(calls: HostCalls, text: str, kind: FailureKind,
                                                  message: str) -> None:
    outcome = calls.call(function("number"), [["0.5", text]])
    assert kinds(outcome) == [0.5, kind]
    assert outcome.failed[1].message == message
    assert np.isnan(outcome.values[1])


def test_a_bound_that_is_missed_by_rounding_is_met(calls: HostCalls) -> None:
    assert kinds(calls.call(function("number"), [["1.0000000000000002", "-1e-17"]])) == [1.0, 0.0]


def test_equal_items_are_those_of_equal_json(tmp_path: Path) -> None:
    (tmp_path / "kinds.py").write_text(
        "KINDS = [bool, int, float, str, list]\ndef kind(value):\n    return float(KINDS.index(type(value)))\n")
    operation = Foreign("verify.python", ("value",), (("function", "kinds:kind"), ("isolate", "none"), ("range", (0.0, 9.0))))
    with HostCalls((), tmp_path) as host:
        found = host.call(operation, [[True, 1, 1.0, "[1]", [1], 0, False, 1]])
    assert found.values.tolist() == [0, 1, 2, 3, 4, 1, 0, 1]  # type: ignore[union-attr]
    assert found.computed == 7


def test_none_is_absent_where_absence_is_declared_and_has_failed_elsewhere(calls: HostCalls) -> None:
    declared = calls.call(function("none", may_be_absent=True), [["?", "a"]])
    assert (declared.absent, declared.failed) == (1, {})
    assert kinds(calls.call(function("none"), [["?", "a"]])) == [FailureKind.MISSING, 1]


@pytest.mark.parametrize(("name", "message"), [
    ("word", "returned str, expected Real"), ("list_of", "returned list"), ("numpy_array", "returned list"),
])
def test_a_result_of_another_type_has_failed(calls: HostCalls, name: str, message: str) -> None:
    outcome = calls.call(function(name), [["a"]])
    assert kinds(outcome) == [FailureKind.WRONG_TYPE]
    assert outcome.failed[0].message == message


def test_an_exception_is_the_failure_of_its_item_alone(calls: HostCalls) -> None:
    outcome = calls.call(function("raises"), [["good", "bad", "good"]])
    assert kinds(outcome) == [1, FailureKind.EXCEPTION, 1]
    assert outcome.failed[1].message == "ValueError: no such text (rewards.py:36)"


def test_an_exit_of_the_interpreter_is_an_exception(calls: HostCalls) -> None:
    outcome = calls.call(function("exits"), [["a", "b"]])
    assert kinds(outcome) == [FailureKind.EXCEPTION] * 2
    assert outcome.failed[0].message.startswith("SystemExit: 3")


# ------------------------------------------------------------------ conventions
def test_a_function_of_the_whole_batch_sees_all_of_it(calls: HostCalls) -> None:
    assert kinds(calls.call(function("whole", call="batch"), [["a", "abc"]])) == [0.1, 0.3]
    assert kinds(calls.call(function("whole_distinct", call="batch"), [["a", "a", "b"]])) == [0.5, 0.5, 1]
    assert kinds(calls.call(function("whole_array", call="batch"), [["a", "b", "c"]])) == [0, 0.5, 1]


@pytest.mark.parametrize(("name", "kind", "message"), [
    ("whole_short", FailureKind.WRONG_LENGTH, "returned 1 results for 2 items"),
    ("whole_number", FailureKind.WRONG_TYPE, "expected a list of results, got float"),
    ("whole_raises", FailureKind.EXCEPTION, "RuntimeError: all of them (rewards.py:132)"),
])
def test_a_batch_that_goes_wrong_fails_for_every_item(calls: HostCalls, name: str, kind: FailureKind,
                                                      message: str) -> None:
    outcome = calls.call(function(name, call="batch"), [["a", "b"]])
    assert kinds(outcome) == [kind] * 2
    assert outcome.failed[0].message == message


def test_wrong_results_of_a_batch_fail_one_by_one(calls: HostCalls) -> None:
    outcome = calls.call(function("whole_mixed", call="batch"), [["a", "b", "c", "d", "e", "f"]])
    assert kinds(outcome) == [1, FailureKind.WRONG_TYPE, FailureKind.MISSING, FailureKind.NOT_A_NUMBER,
                              FailureKind.WRONG_TYPE, FailureKind.OUT_OF_RANGE]


def test_a_trl_function_is_known_by_its_parameters(calls: HostCalls) -> None:
    reward = function("trl_reward", "text", "prompts", "answer", may_be_absent=True)
    assert calls.prepare([reward])[0].convention == "trl"
    outcome = calls.call(reward, [["4", "5", "?"], ["2 + 2", "2 + 2", "x"], ["4", "4", "4"]])
    assert outcome.absent == 1
    assert kinds(outcome)[:2] == [1, 0]


def test_a_trl_function_may_be_asynchronous_and_get_messages(calls: HostCalls) -> None:
    assert kinds(calls.call(function("trl_async"), [["a", "b"]])) == [0.5, 0.5]
    assert kinds(calls.call(function("trl_chat", chat=True), [["hi", "no"]])) == [1, 0]


def test_an_areal_function_gets_one_answer_with_its_token_ids_and_the_row(calls: HostCalls) -> None:
    reward = function("areal", "text", "prompt", "prompt_ids", "completion_ids", "answer", "level")
    assert calls.prepare([reward])[0].convention == "areal"
    columns = [["ab", "ab", "b"], ["q"] * 3, [[7, 8], [7], [7, 8]], [[1, 2], [1, 2], [3]], ["ab"] * 3, [1.0] * 3]
    assert kinds(calls.call(reward, columns)) == [1, 0, 0]
    by_name = function("areal", "text", "prompt", "prompt_ids", "completion_ids", "answer", "level", call="areal")
    assert kinds(calls.call(by_name, columns)) == [1, 0, 0]


def test_columns_reach_a_trl_function_under_their_names(calls: HostCalls) -> None:
    assert kinds(calls.call(function("seen", "text", "answer"), [["a"], ["b"]])) == [1]


def test_a_verl_function_is_known_by_its_parameters(calls: HostCalls) -> None:
    score = function("compute_score", "text", "answer", "data_source")
    assert calls.prepare([score])[0].convention == "verl"
    assert kinds(calls.call(score, [["4", "5"], ["4", "4"], ["gsm8k"] * 2])) == [1, 0]


def test_absent_inputs_are_not_handed_to_a_function(calls: HostCalls) -> None:
    outcome = calls.call(function("whole_distinct", call="batch"), [["a", None, "b"]])
    assert outcome.absent == 1
    assert [outcome.values[0], outcome.values[2]] == [1, 1]


@pytest.mark.wide(3)
@pytest.mark.parametrize(("reward", "message"), [
    (function("smae"), "there is no function `smae` in `rewards`"),
    (operation("verify.python", "text", function="reward:same", range=(0.0, 1.0)),
     "`reward` cannot be imported: ModuleNotFoundError: No module named 'reward'"),
    (function("same"), "cannot be called with (text): missing a required argument: 'answer'"),
    (function("same", "text", "gold"), "cannot be called with (text, gold)"),
    (function("trl_reward"), "cannot be called with (completions): missing a required argument: 'prompts'"),
    (function("compute_score", "text", "answer"), "missing a required argument: 'data_source'"),
    (function("areal", "text", "prompt"),
     "which a text alone does not have: hand over those of the response (`prompt_ids: y.prompt_ids, completion_ids: y.ids`)"),
])
def test_a_function_that_cannot_be_used_is_known_before_anything_runs(calls: HostCalls, reward: Any,
                                                                      message: str) -> None:
    [prepared] = calls.prepare([reward, reward])
    assert prepared.problem is not None
    assert prepared.problem.kind is FailureKind.SETUP
    assert message in prepared.problem.message
    outcome = calls.call(reward, [["a", "b"]] * len(reward.names))
    assert kinds(outcome) == [FailureKind.SETUP] * 2


def test_a_module_that_raises_or_ends_while_it_is_loaded_is_named(calls: HostCalls, project: Path) -> None:
    (project / "broken.py").write_text("raise RuntimeError('not today')\n")
    (project / "ending.py").write_text("import os\nos._exit(4)\n")
    broken, ending = (operation("verify.python", "text", function=f"{name}:f", range=(0.0, 1.0))
                      for name in ("broken", "ending"))
    first, second = calls.prepare([broken, ending])
    assert first.problem is not None
    assert second.problem is not None
    assert "RuntimeError: not today (broken.py:1)" in first.problem.message
    assert "while it was loaded: the process of the function ended (exit status 4)" in second.problem.message


# ------------------------------------------------------------------ extern fn
def test_declared_functions_take_inputs_by_name_or_in_their_order(externs: HostCalls) -> None:
    assert kinds(externs.call(operation("extern:same", "text", "answer"), [["a"], ["a"]])) == [1]
    assert kinds(externs.call(operation("extern:other_names", "text", "answer"), [["a"], ["a"]])) == [1]
    assert kinds(externs.call(operation("extern:swapped", "text", "answer"), [["t"], ["a"]])) == [1]
    assert kinds(externs.call(operation("extern:swapped", "answer", "text"), [["a"], ["t"]])) == [1]


def test_names_that_fit_in_part_are_not_guessed(externs: HostCalls) -> None:
    outcome = externs.call(operation("extern:half_named", "text", "answer"), [["a"], ["b"]])
    assert kinds(outcome) == [FailureKind.SETUP]
    assert "give them the same names" in outcome.failed[0].message


def test_declared_elements_reach_a_function_as_such(externs: HostCalls) -> None:
    typed = operation("extern:typed", "text", "count", "flag")
    assert kinds(externs.call(typed, [["a"], np.array([3.0]), np.array([1.0])])) == [1]


def test_texts_truth_values_and_integers_may_be_promised(externs: HostCalls) -> None:
    assert externs.call(operation("extern:shout", "text"), [["a", None]]).values == ["A", None]
    assert kinds(externs.call(operation("extern:true", "text"), [["yes"]])) == [1]
    outcome = externs.call(operation("extern:number", "text"), [["3", "2.5", "12"]])
    assert kinds(outcome) == [3, FailureKind.WRONG_TYPE, FailureKind.OUT_OF_RANGE]


def test_functions_of_trl_and_verl_may_be_declared(externs: HostCalls) -> None:
    trl = operation("extern:trl_reward", "prompts", "completions", "answer")
    assert kinds(externs.call(trl, [["p"], ["4"], ["4"]])) == [1]
    verl = operation("extern:compute_score", "data_source", "solution_str", "ground_truth")
    assert kinds(externs.call(verl, [["gsm8k"], ["4"], ["5"]])) == [0]


def test_a_declared_timeout_holds(externs: HostCalls) -> None:
    outcome = externs.call(operation("extern:slow", "text"), [["a"]])
    assert kinds(outcome) == [FailureKind.TIMEOUT]
    assert outcome.failed[0].message == "no result within 0.02 s"


def test_a_container_whose_command_does_not_run_has_failed_and_says_so(externs: HostCalls) -> None:
    outcome = externs.call(operation("extern:half", "text"), [["a"]])
    assert kinds(outcome) == [FailureKind.SETUP]
    assert "the command of the container cannot be run" in outcome.failed[0].message


# ------------------------------------------------------------------ isolate: none
def test_a_function_may_run_in_this_process(calls: HostCalls) -> None:
    import os

    assert kinds(calls.call(function("pid", high=1e9, isolate="none"), [["a"]])) == [os.getpid()]
    assert kinds(calls.call(function("same", "text", "answer", isolate="none"), [["a"], ["b"]])) == [0]
    assert kinds(calls.call(function("whole", call="batch", isolate="none"), [["a", "abc"]])) == [0.1, 0.3]


def test_in_this_process_exceptions_and_missing_functions_are_failures_too(calls: HostCalls) -> None:
    assert kinds(calls.call(function("raises", isolate="none"), [["bad", "a"]])) == [FailureKind.EXCEPTION, 1]
    assert kinds(calls.call(function("exits", isolate="none"), [["a"]])) == [FailureKind.EXCEPTION]
    assert kinds(calls.call(function("smae", isolate="none"), [["a"]])) == [FailureKind.SETUP]


@pytest.mark.slow
def test_in_this_process_a_late_call_is_reported_and_said_to_go_on(calls: HostCalls) -> None:
    outcome = calls.call(function("slow", isolate="none", timeout=0.01), [["a"]])
    assert kinds(outcome) == [FailureKind.TIMEOUT]
    assert "it goes on in this process and cannot be ended there" in outcome.failed[0].message
    assert kinds(calls.call(function("slow", isolate="none", timeout=5.0), [["a"]])) == [1]
