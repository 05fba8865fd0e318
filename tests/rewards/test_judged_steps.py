"""Steps that a judge finds: what it is shown, what it may say, what becomes of a text whose steps it did not find."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rldsl
from rldsl.graph.model import Foreign
from rldsl.rewards.outcome import Failure, FailureKind, Outcome
from rldsl.rewards.places import Places
from rldsl.rewards.rubrics.cutting import MOST_PARTS, CutService, parts_of
from rldsl.rewards.run import Answers, HostCalls
from rldsl.scores.report import ScoreReport
from rldsl.train.failures import FailureBook, Unhandled
from rldsl.train.outcome import RunError
from rldsl.train.runner import run_spec
from tests.judging.server import Call, JudgeServer, Says
from tests.judging.specs import checked
from tests.rewards.judges import Told, numbered, numbered_in
from tests.scores.conftest import HEAD, column, write_rows

PROJECT = Path(__file__).parents[2] / "examples"

STEPS = Foreign("steps:grader", ("text",), (("judge", "grader"), ("of", "")))
TEXT = "Let x be 3.\n\nThen 2 x is 6.\nSo x + 2 x is 9.\n  The answer is 9.\n"


def cut(reply: Any, *texts: str) -> Answers:
    """The steps of some texts by a judge that always says the same."""
    return CutService(Told(lambda _: reply)).answer(STEPS, [list(texts)])


# ------------------------------------------------------------------ what the judge is shown
@pytest.mark.parametrize(("text", "parts"), [
    (TEXT, ["Let x be 3.", "Then 2 x is 6.", "So x + 2 x is 9.", "The answer is 9."]),
    ('He said "no." Then (twice) he left! It is 3.5 m. ', ['He said "no."', "Then (twice) he left!", "It is 3.5 m."]),
    ("\n one line \n\n", ["one line"]),
    (" \n\n", []),
    ("", []),
])
def test_the_parts_of_a_text_are_its_lines_and_those_of_one_line_its_sentences(text: str, parts: list[str]) -> None:
    starts = parts_of(text)
    assert [text[start:stop].strip() for start, stop in pairwise([*starts, len(text)])] == parts


def test_a_judge_is_asked_once_about_a_text_and_never_about_one_part() -> None:
    judge = Told(lambda _: {"starts": [1, 3]})
    found = CutService(judge).answer(STEPS, [[TEXT, "one line", "", TEXT, "a\n2. \"b\nc"]])
    assert [numbered(question) for question in judge.asked] == [
        ["Let x be 3.", "Then 2 x is 6.", "So x + 2 x is 9.", "The answer is 9."], ["a", '2. "b', "c"]]
    assert judge.asked[0].schema["properties"]["starts"] == {
        "type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 4}, "minItems": 1, "maxItems": 4}
    assert [value.values for value in found.values] == [
        ("Let x be 3.\n\nThen 2 x is 6.", "So x + 2 x is 9.\n  The answer is 9."), ("one line",), ("",),
        ("Let x be 3.\n\nThen 2 x is 6.", "So x + 2 x is 9.\n  The answer is 9."), ('a\n2. "b', "c")]
    assert (found.cost.calls, found.computed, sorted(found.evidence)) == (2, 2, [0, 3, 4])


# ------------------------------------------------------------------ what it may say
def test_steps_begin_where_the_judge_says_and_cover_the_whole_text() -> None:
    [found] = cut({"starts": [1, 2, 4]}, TEXT).values
    assert found == Places(("Let x be 3.", "Then 2 x is 6.\nSo x + 2 x is 9.", "The answer is 9."), (0, 13, 45))
    assert TEXT[13:].startswith("Then") and TEXT[45:].startswith("  The")


@pytest.mark.parametrize(("reply", "why"), [
    ({"starts": []}, "begin with part 1"),
    ({"starts": [2, 3]}, "begin with part 1"),
    ({"starts": [1, 3, 2]}, "do not rise"),
    ({"starts": [1, 2, 2]}, "do not rise"),
    ({"starts": [1, 5]}, "no part 5, the last one is 4"),
    ({"starts": [1, 2.0]}, "no list of whole numbers"),
    ({"starts": [True, 2]}, "no list of whole numbers"),
    ({"starts": "1, 3"}, "no list of whole numbers"),
    ({}, "no list of whole numbers"),
    ({"starts": [1, 3], "steps": 2}, "not asked for"),
])
def test_a_reply_that_says_anything_else_has_failed(reply: Any, why: str) -> None:
    found = cut(reply, TEXT)
    [value] = found.values
    assert isinstance(value, Failure) and value.kind is FailureKind.MALFORMED and why in value.message
    assert found.evidence == {0: {"failed": str(value)}}


def test_a_text_of_too_many_parts_has_failed_and_is_not_sent() -> None:
    judge = Told(lambda _: {"starts": [1]})
    found = CutService(judge).answer(STEPS, [["x\n" * (MOST_PARTS + 1), "x\n" * MOST_PARTS]])
    assert isinstance(found.values[0], Failure) and found.values[0].kind is FailureKind.LIMIT
    assert found.values[1].starts == (0,) and len(judge.asked) == 1


@given(st.text(alphabet="ab .!\n", max_size=40), st.data())
def test_whatever_the_judge_says_no_word_is_lost_or_added(text: str, data: st.DataObject) -> None:
    count = len(parts_of(text))
    later = data.draw(st.sets(st.integers(2, count), max_size=count)) if count > 1 else set[int]()
    [found] = cut({"starts": [1, *sorted(later)]}, text).values
    assert isinstance(found, Places) and found.starts is not None and len(found.values) == len(later) + 1
    bounds = [*found.starts, len(text)]
    assert bounds[0] == 0 and [text[low:high].strip() for low, high in pairwise(bounds)] == list(found.values)


# ------------------------------------------------------------------ calls
def called(reply: Any, texts: list[str | None]) -> Outcome:
    """What a graph gets."""
    with HostCalls((), Path("/nonexistent"), services={"steps": CutService(Told(lambda _: reply))}) as host:
        return host.call(STEPS, [texts])


def test_a_text_whose_steps_were_not_found_is_one_step_that_has_failed() -> None:
    found = called({"starts": [1, 2]}, ["a\nb", None, "a\nb\n" * MOST_PARTS, "c"])
    assert found.values == ["a", "b", None, None, "c"] and found.counts is not None
    assert found.counts.tolist() == [2, 1, 1, 1] and found.starts == (0, 2, 0, 0, 0)
    assert list(found.failed) == [3] and found.failed[3].kind is FailureKind.LIMIT and found.absent == 1
    assert found.evidence[0] == {"starts": [1, 2]}


def test_where_every_text_has_failed_each_is_one_step_that_covers_it() -> None:
    found = called({"starts": [2]}, ["a\nb", "c\nd"])
    assert found.counts is not None and found.counts.tolist() == [1, 1] and found.starts == (0, 0)
    assert sorted(found.failed) == [0, 1]


# ------------------------------------------------------------------ specs
WRITES = """
data problems from jsonl("train.jsonl") { question: Text }
policy actor from hf("models/policy")
scorer rm from hf("models/rm")
judge grader from openai(model: "judge", base_url: env("JUDGE_URL"))
rollout y ~ actor(problems.question) { samples: 2, max_tokens: 99 }
"""


def test_a_judge_may_say_where_steps_begin() -> None:
    found = checked(f"{WRITES}let s = split(y.text, by: grader)\nreward worth = mean(position(s), per: sample)\n")
    assert found.errors == () and found.spec is not None
    assert any(getattr(entry.operation, "name", "") == "steps:grader" for entry in found.spec.graph.nodes)


@pytest.mark.parametrize(("call", "code", "said"), [
    ("split(y.text, by: rm)", "RL032", "`by` of `split` names a judge"),
    ('split(y.text, by: "grader")', "RL032", "`by` of `split` names a judge"),
    ('split(y.text, by: grader, at: ";")', "RL021", "in one way"),
    ("split(y.text, by: grader, timeout: 2s)", "RL028", "`timeout` of `split` does not fit"),
    ("split(y.text)", "RL021", "in one way"),
])
def test_only_a_judge_finds_steps_and_it_alone(call: str, code: str, said: str) -> None:
    [found] = checked(f"{WRITES}let s = {call}\nreward worth = mean(position(s), per: sample)\n").errors
    assert found.code == code and said in found.title


def by_thirds(call: Call) -> Any:
    """Every third part begins a step; a step is right if it is short."""
    parts = numbered_in(call.user)
    if "starts" in call.schema["properties"]:
        return {"starts": list(range(1, len(parts) + 1, 3))}
    return {str(number): {"critique": "", "verdict": "right" if len(part) < 12 else "wrong"}
            for number, part in enumerate(parts, start=1)}


PROCESS = HEAD + """
judge grader from openai(model: "judge", base_url: env("JUDGE_URL")) { retries: 0 }
let s = split(y.text, by: grader)
reward sound = mean(prm(grader, s), per: sample) else 0.25
reward steps = count(position(s), per: sample)
"""
LINES = "a\nb\nc\nd\ne\nf\ng, which is long"


ROWS = [{"prompt": "q", "answer": "a", "completions": [LINES, "a"]}]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept on disk is the test's own."""
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path / "cache"))


def scored(server: JudgeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScoreReport:
    """Two answers, of seven lines and of one."""
    monkeypatch.setenv("JUDGE_URL", server.url)
    return rldsl.score(PROCESS, write_rows(tmp_path / "rows.jsonl", ROWS), out=tmp_path / "scores", project=tmp_path)


def test_steps_that_a_judge_found_are_scored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with JudgeServer(judge=by_thirds) as server:
        report = scored(server, tmp_path, monkeypatch)
        assert column(report, "steps") == [3, 1]
        assert column(report, "sound") == pytest.approx([2 / 3, 1])
        assert len(server.calls) == 3  # the steps of one answer, and two answers' verdicts


def test_an_answer_that_was_not_cut_takes_the_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with JudgeServer([Says('{"starts": [2]}')], judge=by_thirds) as server:
        report = scored(server, tmp_path, monkeypatch)
        assert column(report, "steps") == [1, 1] and column(report, "sound") == pytest.approx([0.25, 1])
        assert len(server.calls) == 2


TRAINED = """
data problems from python("tasks.sort_letters:problems", count: 64, letters: 2) { question: Text }
policy actor from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcdefgh>.\\n"))
judge grader from openai(model: "judge", base_url: env("JUDGE_URL")) { retries: 0 }
rollout y ~ actor(problems.question) { samples: 2, max_tokens: 12 }
let s = split(y.text, by: grader)
reward right = prm(grader, s, question: problems.question)ELSE
objective steps for actor { maximize gain: mean(mean(logp(actor, y), per: step) * (right - 0.5)) }
train { repeat 2 { draw 2 prompts  update actor with steps { optimizer: adamw(lr: 1e-3) } } }
"""


def trained(server: JudgeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handled: str = "") -> list[dict[str, Any]]:
    """The metrics of two updates on steps."""
    monkeypatch.setenv("JUDGE_URL", server.url)
    found = checked(TRAINED.replace("ELSE", handled), PROJECT)
    assert found.spec is not None, [entry.title for entry in found.errors]
    run_spec(found.spec, project=PROJECT, out=tmp_path / "run", seed=3, quiet=True, backend="torch")
    return [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_policy_is_trained_on_steps_that_a_judge_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with JudgeServer(judge=by_thirds) as server:
        lines = trained(server, tmp_path, monkeypatch)
        asked = ["starts" in call.schema["properties"] for call in server.calls]
    assert any(asked) and not all(asked)
    assert len([line for line in lines if "loss" in line]) == 2


def test_a_run_stops_where_steps_are_not_found_and_the_spec_says_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with JudgeServer(then=Says('{"starts": [2]}')) as server, pytest.raises(RunError, match="malformed"):
        trained(server, tmp_path, monkeypatch)


def test_one_answer_that_was_not_cut_is_left_out_where_the_spec_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with JudgeServer([Says('{"starts": [2]}')], judge=by_thirds) as server:
        lines = trained(server, tmp_path, monkeypatch, " else skip")
    assert len([line for line in lines if "loss" in line]) == 2


def test_steps_whose_texts_nothing_reads_stop_the_run_where_they_are_not_found(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = TRAINED.replace("prm(grader, s, question: problems.question)ELSE", "position(s)")
    monkeypatch.setattr("tests.rewards.test_judged_steps.TRAINED", said)
    with JudgeServer([Says('{"starts": [2]}')], judge=by_thirds) as server, pytest.raises(RunError, match="malformed"):
        trained(server, tmp_path, monkeypatch)


def test_the_share_of_answers_that_were_not_cut_is_of_answers() -> None:
    found = checked(f"{WRITES}let s = split(y.text, by: grader)\nreward sound = mean(prm(grader, s), per: sample) else 0\n").spec
    assert found is not None
    node = next(entry for entry in found.graph.nodes if getattr(entry.operation, "name", "") == "steps:grader")
    failed = {place: Failure(FailureKind.MALFORMED, "x") for place in range(4)}
    outcome = Outcome([None] * 4 + ["step"] * 96, failed, 0.0, 10, counts=np.array([1] * 4 + [16] * 6), starts=(0,) * 100)
    with pytest.raises(Unhandled, match="4 of 10 calls of s failed"):  # of 100 steps they would be within the tenth
        FailureBook(frozenset({node.key})).settle(node, "s", outcome, lambda *_: "there")
