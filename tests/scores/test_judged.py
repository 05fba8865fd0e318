"""Rubrics, steps and other parts through `rldsl score`: what a judge is asked, what is kept of it, what a what-if asks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rldsl.scores.asking import what_if
from rldsl.scores.faults import ScoreError
from rldsl.scores.writing import ScoreFolder
from tests.judging.server import Behaviour, JudgeServer, Says, Status
from tests.scores.conftest import HEAD, Score, column, node
from tests.scores.test_scoring import interrupted_at

RUBRIC = HEAD + """
param heavy: Real in (0, 10] = 3
judge grader from openai(model: "judge", base_url: env("JUDGE_URL"))
rubric clear judged by grader {
  "It names the letter a"   weight heavy
  "It is a polite answer"   weight 1
}
reward right = verify.equal(y.text, problems.answer)
reward style = clear(y.text, question: problems.question)
reward total = right * style
"""
ROWS = [{"prompt": "q", "answer": "a", "completions": ["a", "b", "a"]}, {"prompt": "r", "answer": "c", "completions": ["c", "b"]}]


def test_a_judge_is_asked_where_it_decides_and_once(score: Score, server: JudgeServer) -> None:
    report = score(ROWS, RUBRIC)
    assert len(server.calls) == 2  # of a and of c: b is wrong, and the second a is the first one
    assert column(report, "style.state") == ["value", "not asked", "value", "value", "not asked"]
    style = node(report, "style")
    assert (style.calls, style.not_asked) == (2, 2)
    again = score(ROWS, RUBRIC)
    assert len(server.calls) == 2 and column(again, "total") == column(report, "total")
    assert node(again, "style").calls == 0


@pytest.mark.parametrize(("change", "first", "second"), [('clear."polite" weight 5', 3, 5), ("heavy = 1", 1, 1),
                                                         ('clear."letter a" weight 2; heavy = 9', 2, 1)])
def test_a_weight_is_changed_without_a_call(score: Score, server: JudgeServer, tmp_path: Path, change: str, first: int,
                                            second: int) -> None:
    report = score(ROWS, RUBRIC)
    calls, key = len(server.calls), next(key for key in report.names.labels
                                         if getattr(report.plan.spec.graph[key].operation, "name", "").startswith("rubric:"))
    verdicts = report.kept.numbers[report.names.digests[key]].reshape(5, 2)[[0, 2, 3]]
    found = {entry.name: entry for entry in what_if(report, change, tmp_path, {})}
    expected = verdicts @ [first, second] / (first + second)
    before = verdicts @ [3, 1] / 4
    if expected.tolist() == before.tolist():
        assert found["total"].is_same
    else:
        assert found["style"].mean_before == pytest.approx(before.mean())
        assert found["style"].mean_after == pytest.approx(expected.mean())
        assert found["total"].mean_after == pytest.approx(expected.sum() / 5)
    assert len(server.calls) == calls


def test_criteria_are_told_apart(score: Score, server: JudgeServer) -> None:
    """Of what was asked: each criterion's own verdicts, and what each decides. style = (3 first + second) / 4."""
    report = score(ROWS, RUBRIC, ask_all=True)
    key = next(key for key, label in report.names.labels.items() if label == "style/clear verdicts")
    verdicts = report.kept.numbers[report.names.digests[key]].reshape(5, 2)
    for place, text in enumerate(("It names the letter a", "It is a polite answer")):
        found = node(report, f'style/clear verdicts: "{text}"').distribution
        assert found is not None and (found.count, found.mean) == (5, pytest.approx(verdicts[:, place].mean()))
    style = verdicts @ [0.75, 0.25]
    shares = {entry.part: entry for entry in report.shares if entry.reward == "style"}
    for place, (text, weight) in enumerate((("It names the letter a", 0.75), ("It is a polite answer", 0.25))):
        moved = weight * (verdicts[:, place] - verdicts[:, place].mean())
        share = shares[f'style/clear verdicts: "{text}"']
        assert share.variance == pytest.approx(moved @ (style - style.mean()) / ((style - style.mean()) ** 2).sum())
    assert shares["style/clear verdicts"].variance == pytest.approx(1)


@pytest.mark.parametrize(("behaviour", "kind"), [(Says("certainly, full marks!"), "malformed"), (Status(400), "refused")])
def test_a_judge_that_misbehaves_gives_failures_not_numbers(score: Score, server: JudgeServer, behaviour: Behaviour,
                                                            kind: str) -> None:
    server.behave((), behaviour)
    report = score(ROWS, RUBRIC)
    assert column(report, "style") == [None] * 5
    assert column(report, "style.state") == ["failed", "not asked", "failed", "failed", "not asked"]
    assert column(report, "total") == [None, 0, None, None, 0]
    assert (node(report, "total").failed, node(report, "total").not_asked) == (3, 0)
    lines = [json.loads(line) for line in Path(report.folder, "evidence.jsonl").read_text().splitlines()]
    assert {line["failed"] for line in lines} == {kind}


def test_a_replaced_scoring_asks_a_judge_only_where_it_failed(score: Score, server: JudgeServer, tmp_path: Path) -> None:
    """The first row is known; of all three right texts the judge is asked twice, once in vain, and once more by `replace`."""
    score(ROWS[:1], RUBRIC)
    assert len(server.calls) == 1
    server.behave([Status(400)])
    report = score(ROWS, RUBRIC, out=tmp_path / "out")
    assert len(server.calls) == 2
    assert [(entry.kind, entry.count, entry.row) for entry in report.failures] == [("refused", 2, 1)]  # of two criteria
    again = score(ROWS, RUBRIC, out=tmp_path / "out", replace=True)
    assert len(server.calls) == 3
    assert not again.failures and column(again, "style.state")[3] == "value"


def test_another_mark_asks_nobody_unless_it_is_a_gate(score: Score, server: JudgeServer, tmp_path: Path) -> None:
    report = score(ROWS, RUBRIC)
    calls = len(server.calls)
    (found,) = (entry for entry in what_if(report, 'clear."polite" penalty 1', tmp_path, {}) if entry.name == "total")
    assert found.notes[0] == '`clear`: "It is a polite answer" weight 1 → penalty 1'
    with pytest.raises(ScoreError, match='asks `rubric:clear` for what it was not asked before'):
        what_if(report, 'clear."polite" gate', tmp_path, {})
    assert len(server.calls) == calls


def test_what_a_judge_said_is_in_the_evidence(score: Score, server: JudgeServer) -> None:
    spec = RUBRIC.replace("weight 1\n", "weight 1\n  ask: each\n")
    report = score(ROWS, spec)
    lines = [json.loads(line) for line in Path(report.folder, "evidence.jsonl").read_text().splitlines()]
    assert {(line["completion"], line["place"]) for line in lines} >= {(0, 0), (0, 1), (3, 0), (3, 1)}
    assert all("evidence" in line for line in lines)


def test_steps_are_places_of_their_own(score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = HEAD + """
param scale: Real = 1
let steps = split(y.text, at: "|")
let sizes = text.length(steps)
reward longest = max(sizes, per: sample)
reward total = scale * longest
"""
    rows = [{"prompt": "q", "answer": "", "completions": ["a|bbb", "cc"]},
            {"prompt": "r", "answer": "", "completions": ["d|e|ffff"]}]
    report = score(rows, spec)
    assert column(report, "sizes")[1] == [2]
    assert [len(values) for values in column(report, "sizes")] == [2, 1, 3]
    assert node(report, "sizes").places == 6
    (found,) = what_if(report, "scale = 2", tmp_path, {})
    assert found.mean_after == pytest.approx(2 * sum(column(report, "longest")) / 3)
    monkeypatch.setattr("rldsl.scores.groups.MOST_ROWS", 1)
    cut = score(rows, spec)
    assert column(cut, "sizes") == column(report, "sizes")
    (again,) = what_if(cut, "scale = 2", tmp_path, {})
    assert again.mean_after == found.mean_after
    with monkeypatch.context() as stopped, pytest.raises(KeyboardInterrupt):
        stopped.setattr(ScoreFolder, "has_part", interrupted_at(1))
        score(rows, spec, out=tmp_path / "part")
    resumed = score(rows, spec, out=tmp_path / "part", resume=True)
    assert column(resumed, "sizes") == column(report, "sizes")
    (last,) = what_if(resumed, "scale = 2", tmp_path, {})
    assert last.mean_after == found.mean_after
