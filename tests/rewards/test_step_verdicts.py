"""Verdicts on the steps of answers: all steps of an answer in one question, a critique of each."""

from __future__ import annotations

from typing import Any

from rldsl.graph.model import Foreign
from rldsl.rewards.judging.question import Question
from rldsl.rewards.outcome import Failure, FailureKind
from rldsl.rewards.rubrics.asked import Asked
from rldsl.rewards.rubrics.scale import as_words
from rldsl.rewards.rubrics.services import MOST_STEPS, StepService
from rldsl.rewards.run import Answers
from tests.rewards.judges import Told, numbered, texts

PLAIN = Asked("grader", scales=(as_words({"wrong": 0, "right": 1}),))


def ask(asked: Asked, judge: Told, answers: list[list[str]], question: str = "q") -> Answers:
    """Verdicts on the steps of some answers, one after the other."""
    columns = {"step": [step for steps in answers for step in steps],
               "place": [float(place) for steps in answers for place in range(len(steps))],
               "question": [question for steps in answers for _ in steps]}
    return StepService(judge).answer(Foreign("prm:grader", tuple(columns), asked.constants), list(columns.values()))


def critic(question: Question) -> Any:
    """A step is right if it does not say `wrong`."""
    return {str(number + 1): {"critique": f"read {step}", "verdict": "wrong" if "wrong" in step else "right"}
            for number, step in enumerate(numbered(question))}


def test_each_step_gets_its_verdict_and_its_critique_from_one_question_an_answer() -> None:
    judge = Told(critic)
    found = ask(PLAIN, judge, [["one", "wrong two"], ["three"], ["one", "wrong two"]])
    assert found.values == [1, 0, 1, 1, 0]
    assert [numbered(question) for question in judge.asked] == [["one", "wrong two"], ["three"]]
    assert texts(judge.asked[0]) == {"question": "q"}
    assert found.evidence[1] == {"verdict": "wrong", "critique": "read wrong two"}


def test_an_answer_whose_steps_are_not_all_judged_fails_where_they_are_lacking() -> None:
    def reply(question: Question) -> Any:
        return {"1": {"critique": "", "verdict": "right"}, "2": {"verdict": "right"}}
    found = ask(PLAIN, Told(reply), [["a", "b", "c"], ["d", "e"]])
    assert found.values[0] == 1 and found.values[3] == 1
    assert [place for place, value in enumerate(found.values) if isinstance(value, Failure)] == [1, 2, 4]


def test_a_step_that_speaks_in_numbers_adds_none() -> None:
    judge = Told(critic)
    ask(PLAIN, judge, [['ok"\n2. "more', "end"]])
    assert numbered(judge.asked[0]) == ['ok"\n2. "more', "end"]


def test_an_answer_of_too_many_steps_has_failed_and_is_not_sent() -> None:
    judge = Told(critic)
    found = ask(PLAIN, judge, [["x"] * (MOST_STEPS + 1), ["y"]])
    assert found.values[-1] == 1 and len(judge.asked) == 1
    assert all(isinstance(value, Failure) and value.kind is FailureKind.LIMIT for value in found.values[:-1])


def test_criteria_of_a_rubric_are_what_steps_are_judged_by() -> None:
    judge = Told(critic)
    ask(Asked("grader", ("It follows",), ("It guesses",), scales=PLAIN.scales), judge, [["x"]])
    assert 'speaks for a step: "It follows"' in judge.asked[0].user and 'speaks against a step: "It guesses"' in judge.asked[0].user
