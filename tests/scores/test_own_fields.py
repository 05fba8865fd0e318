"""Fields that belong to each completion of a file: read beside its text, within the group of its prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import rldsl
from rldsl.adapters.trl import reward_function
from rldsl.compiler import check_source
from rldsl.data.errors import DataErrors
from rldsl.loading import project_loader
from rldsl.scores.asking import what_if
from rldsl.scores.faults import ScoreError
from rldsl.scores.live import load_scores
from rldsl.source import Source
from tests.scores.conftest import Score, column, node

SPEC = """
data problems from jsonl("p.jsonl") { question: Text  answer: Text target  label: Bool @ sample  grade: Real @ sample target }
policy actor from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abc>"))
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }
reward right = verify.equal(y.text, problems.answer)
reward agrees = where(y.label, right, 1 - right)
reward above = y.grade - mean(y.grade, per: prompt)
reward total = agrees + 2 * above
"""
ROWS: list[dict[str, Any]] = [
    {"prompt": "q1", "answer": "ab", "completion": "ab", "label": True, "grade": 3},
    {"prompt": "q1", "answer": "ab", "completion": "ac", "label": True, "grade": 1},
    {"prompt": "q2", "answer": "cc", "completion": "a", "label": False, "grade": 2.5},
    {"prompt": "q1", "answer": "ab", "completion": "b", "label": False, "grade": 2},
]


def test_a_label_of_each_completion_does_not_take_the_group_of_its_prompt_apart(score: Score) -> None:
    """Grades 3, 1, 2 of the first prompt have the mean 2; the file has its third completion behind the second prompt's."""
    report = score(ROWS, SPEC)
    assert column(report, "completion") == ["ab", "ac", "b", "a"]
    assert column(report, "group") == [0, 0, 0, 1]
    assert column(report, "label") == [True, True, False, False]
    assert column(report, "grade") == [3, 1, 2, 2.5]
    assert column(report, "agrees") == [1, 0, 1, 1]
    assert column(report, "above") == [1, -1, 0, 0]
    assert column(report, "total") == [3, -2, 1, 1]
    assert not any("differs" in note for note in report.notes)


def test_a_list_of_completions_has_a_list_of_labels(score: Score) -> None:
    rows = [{"prompt": "q1", "answer": "ab", "completions": ["ab", "ac"], "label": [True, False], "grade": [1, 2]}]
    report = score(rows, SPEC)
    assert column(report, "agrees") == [1, 1]
    assert column(report, "above") == [-0.5, 0.5]


@pytest.mark.parametrize(("label", "said"), [([True], "has 1 values"), (True, "is one bool"), (None, "is missing")])
def test_labels_that_are_not_one_for_each_completion_are_a_fault_of_the_line(score: Score, label: object, said: str) -> None:
    rows = [{"prompt": "q1", "answer": "ab", "completions": ["ab", "ac"], "label": label, "grade": [1, 2]}]
    with pytest.raises(DataErrors, match=f"`label` {said}, and the row has 2 completions"):
        score(rows, SPEC)


def test_the_two_sides_of_a_preference_have_columns_of_their_own(score: Score) -> None:
    rows = [{"prompt": "q1", "answer": "ab", "chosen": "ab", "rejected": "ac", "chosen_grade": 5, "rejected_grade": 2, "good": True,
             "bad": False}]
    report = score(rows, SPEC, maps={"label.chosen": "good", "label.rejected": "bad"})
    assert column(report, "grade") == [5, 2]
    assert column(report, "label") == [True, False]
    assert column(report, "agrees") == [1, 1]
    with pytest.raises(ScoreError, match=r"`--map label\.chosen=COLUMN` `--map label\.rejected=COLUMN`"):
        score(rows, SPEC)


def test_the_side_of_a_preference_is_a_field_of_its_completions(score: Score) -> None:
    spec = """
data pairs from jsonl("p.jsonl") { question: Text  side: Text @ sample }
policy actor from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abc>"))
rollout y ~ actor(pairs.question) { samples: 2, max_tokens: 8 }
reward chosen = verify.equal(y.side, "chosen")
"""
    report = score([{"prompt": "q", "chosen": "a", "rejected": "b"}], spec)
    assert column(report, "chosen") == [1, 0]


def test_labels_of_steps_are_one_value_of_their_answer(score: Score, tmp_path: Path) -> None:
    """TRL's stepwise rows: `completions` are the steps, `labels` what each of them is worth."""
    (tmp_path / "labelled.py").write_text("def share(labels):\n    return sum(labels) / len(labels)\n", encoding="utf-8")
    spec = """
data steps from jsonl("p.jsonl") { question: Text  labels: Json @ sample }
policy actor from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abc>"))
rollout y ~ actor(steps.question) { samples: 2, max_tokens: 8 }
extern fn share(labels: Json) -> Real in [0, 1] = python("labelled:share")
reward sound = share(y.labels) - mean(share(y.labels), per: prompt)
"""
    rows = [{"prompt": "q", "completions": ["a", "b"], "labels": [True, False]},
            {"prompt": "q", "completions": ["c"], "labels": [True]}]
    assert column(score(rows, spec), "sound") == [-0.25, 0.25]


def test_a_what_if_reads_labels_back_and_asks_nobody(score: Score, tmp_path: Path) -> None:
    found = {entry.name: entry for entry in what_if(score(ROWS, SPEC), "total = agrees - above", tmp_path, {})}
    assert found["total"].mean_after == pytest.approx(3 / 4)  # 0, 1, 1, 1
    found = {entry.name: entry for entry in what_if(score(ROWS, SPEC), "agrees = where(y.grade > 2, 1, 0)", tmp_path, {})}
    assert found["agrees"].mean_after == 0.5


def test_scores_are_read_again_with_their_labels(score: Score, tmp_path: Path) -> None:
    first = score(ROWS, SPEC, out=tmp_path / "kept")
    again = score(tmp_path / "rows-1.jsonl", SPEC, out=tmp_path / "kept", resume=True)
    assert node(again, "above").distribution == node(first, "above").distribution
    assert "True" in (tmp_path / "kept" / "report.html").read_text(encoding="utf-8")


def test_rows_that_a_caller_holds_have_labels_and_a_trainer_has_none(tmp_path: Path) -> None:
    path = tmp_path / "spec.rl"
    path.write_text(SPEC, encoding="utf-8")
    with load_scores(path, "total") as scores:
        assert [entry.values["total"] for entry in scores.score(ROWS).completions] == [3, -2, 1, 1]
    with pytest.raises(ScoreError, match="a trainer draws its own"):
        reward_function(path, "total")


def test_a_compiled_reward_takes_one_label_for_each_text(tmp_path: Path) -> None:
    path = tmp_path / "spec.rl"
    path.write_text(SPEC, encoding="utf-8")
    reward = rldsl.compile(path).reward("total")
    given: dict[str, Any] = {"answer": ["ab"], "label": [True, True, False], "grade": [3, 1, 2]}
    assert reward(["ab", "ac", "b"], samples=3, **given).tolist() == [3, -2, 1]
    with pytest.raises(ValueError, match=r"`y\.grade`, which belongs to each text: give `grade=\[…\]`, 3 values"):
        reward(["ab", "ac", "b"], samples=3, **{**given, "grade": [1]})
    reward.close()


def test_a_response_of_the_data_has_one_completion_a_row_and_reads_the_row(score: Score) -> None:
    spec = """
data graded from jsonl("p.jsonl") { question: Text  completion: Text  label: Bool @ sample }
policy actor from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abc>"))
response w = graded.completion given graded.question
reward agrees = where(w.label, verify.equal(w.text, "a"), 0.5)
"""
    rows = [{"question": "q", "completion": "a", "label": True}, {"question": "q", "completion": "a", "label": False}]
    assert column(score(rows, spec), "agrees") == [1, 0.5]


@pytest.mark.parametrize(("spec", "code"), [
    (SPEC + "reward more = problems.label", "RL104"),
    (SPEC + "reward more = y.answer", "RL023"),
    (SPEC.replace("label: Bool @ sample", "label: Bool @ token"), "RL029"),
    (SPEC.replace("label: Bool @ sample", "finished: Bool @ sample").replace("y.label", "y.finished"), "RL012"),
    (SPEC + "rollout z ~ actor(problems.question) { samples: 4, max_tokens: 8 }\nreward more = y.grade + z.length", "RL103"),
])
def test_the_checker_knows_the_level_of_a_label(spec: str, code: str) -> None:
    result = check_source(Source("spec.rl", spec), project_loader(Path(".")))
    assert code in [entry.code for entry in result.errors], [str(entry) for entry in result.errors]
