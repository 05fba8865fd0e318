"""Files of others: column names of TRL, verl and our runs, groups, `--map`; and files that are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rldsl.data.errors import DataErrors
from rldsl.scores.faults import ScoreError
from rldsl.train.rollout_log import RolloutLog, Sample
from tests.scores.conftest import HEAD, ROWS, SPEC, Score, column

RIGHT = HEAD + "reward right = verify.equal(y.text, problems.answer)\n"


def chat(*messages: tuple[str, str]) -> list[dict[str, str]]:
    """Messages by role."""
    return [{"role": role, "content": content} for role, content in messages]


# ------------------------------------------------------------------ what others write
@pytest.mark.parametrize("rows", [
    [{"prompt": "q", "completions": ["a", "b"], "answer": "a"}],
    [{"prompt": "q", "responses": ["a", "b"], "answer": "a"}],
    [{"prompt": "q", "completions": [chat(("assistant", "a")), chat(("assistant", "b"))], "answer": "a"}],
    [{"prompt": chat(("user", "q")), "completion": chat(("assistant", text)), "answer": "a"} for text in "ab"],
    [{"prompt": "q", "response": text, "solution": "x", "answer": "a"} for text in "ab"],
    [{"data_source": "gsm", "prompt": chat(("user", "q")), "reward_model": {"style": "rule", "ground_truth": "a"},
      "extra_info": {"index": 0}, "responses": ["a", "b"]}],
    [{"input": "q", "output": text, "answer": "a"} for text in "ab"],
    [{"prompt": "q", "chosen": "a", "rejected": "b", "answer": "a"}],
], ids=["TRL, several", "verl's generations", "chats", "TRL, conversational", "one a row", "verl", "logs", "preferences"])
def test_column_names_of_others_are_known(score: Score, rows: list[dict[str, Any]]) -> None:
    report = score(rows, RIGHT)
    assert column(report, "completion") == ["a", "b"]
    assert column(report, "right") == [1, 0]
    assert column(report, "group") == [0, 0]
    assert column(report, "prompt") == ["q", "q"]


def test_of_a_preference_it_is_said_which_side_a_completion_was(score: Score) -> None:
    assert column(score([{"chosen": "a", "rejected": "b", "answer": "a"}], RIGHT), "side") == ["chosen", "rejected"]


def test_the_steps_of_one_answer_are_one_completion(score: Score) -> None:
    report = score([{"prompt": "q", "completions": ["a", "b"], "labels": [True, False], "answer": "a\nb"}], RIGHT)
    assert column(report, "completion") == ["a\nb"]
    assert any("steps of one answer" in note for note in report.notes)


def test_the_field_that_is_the_prompt_is_read_from_the_prompt(score: Score) -> None:
    spec = HEAD + "reward echo = verify.equal(y.text, problems.question)\n"
    assert column(score([{"prompt": "q", "completion": "q"}], spec), "echo") == [1]
    assert column(score([{"question": "q", "completion": "q"}], spec), "echo") == [1]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet", ".jsonl.gz"])
def test_every_kind_of_file_gives_the_same(score: Score, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    text = "".join(f"{json.dumps(row)}\n" for row in ROWS)
    match suffix:
        case ".jsonl":
            path.write_text(text)
        case ".jsonl.gz":
            import gzip
            path.write_bytes(gzip.compress(text.encode()))
        case ".csv":
            lines = [",".join(ROWS[0]), *(",".join(row.values()) for row in ROWS)]
            path.write_text("".join(f"{line}\n" for line in lines))
        case _:
            pq.write_table(pa.Table.from_pylist(ROWS), path)
    report = score(path)
    assert column(report, "total") == [1, 0.125, 0, 0, 0]
    assert column(report, "group") == [0, 0, 0, 1, 1]


def test_the_rollouts_of_a_run_are_scored(score: Score, tmp_path: Path) -> None:
    log = RolloutLog(tmp_path / "run" / "rollouts", {"right": "real"}, {"answer": "text"})
    for iteration in (1, 2):
        log.write(iteration, [Sample(7, place, "q", text, 3 + place, place == 0, {"right": 0.0}, (), {"answer": "a"})
                              for place, text in enumerate("ab")])
    spec = RIGHT + "reward short = where(y.finished, -y.length, -10)\n"
    report = score(tmp_path / "run", spec)
    assert column(report, "completion") == ["a", "b", "a", "b"]
    assert column(report, "group") == [0, 0, 1, 1]  # one row of the data, drawn in two iterations
    assert column(report, "right") == [1, 0, 1, 0]
    assert column(report, "short") == [-3, -10, -3, -10]


# ------------------------------------------------------------------ groups
def test_completions_of_equal_prompts_and_data_are_a_group(score: Score) -> None:
    rows = [{"prompt": "q", "answer": "a", "completion": "a"}, {"prompt": "q", "answer": "b", "completion": "a"},
            {"prompt": "q", "answer": "a", "completion": "b"}]
    report = score(rows, SPEC)
    assert column(report, "group") == [0, 0, 1]
    assert column(report, "row") == [0, 2, 1]
    assert column(report, "above") == [0.5, -0.5, 0]
    assert any("1 group not together in the file" in note for note in report.notes)


def test_prompts_of_different_numbers_are_different_groups(score: Score) -> None:
    """-1 and -2 have one hash in Python."""
    head = """
data problems from jsonl("p.jsonl") { question: Text  number: Int target }
policy actor from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abc>"))
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }
"""
    rows = [{"prompt": "q", "number": number, "completion": said} for number, said in ((-1, "-1"), (-2, "-2"), (-2, "-1"))]
    report = score(rows, head + "reward right = verify.number(y.text, problems.number)\n")
    assert column(report, "group") == [0, 1, 1]
    assert column(report, "right") == [1, 1, 0]


def test_a_column_says_what_belongs_together(score: Score) -> None:
    rows = [{"id": number // 2, "prompt": "q", "answer": "a", "completion": text} for number, text in enumerate("abab")]
    assert column(score(rows, group="id"), "group") == [0, 0, 1, 1]
    rows[1]["answer"] = "b"
    with pytest.raises(ScoreError, match=r"rows-2.jsonl:2: another `answer` than the rest of its group \(.*rows-2.jsonl:1\)"
                                         r"[\s\S]*`answer: Text @ sample`\), and let .*`above` read `y.answer`"):
        score(rows, group="id")


def test_a_group_that_is_refused_leaves_no_folder_and_forgets_none(score: Score, tmp_path: Path) -> None:
    rows = [{"id": 1, "prompt": "q", "answer": answer, "completion": "a"} for answer in "ab"]
    with pytest.raises(ScoreError, match="another `answer`"):
        score(rows, group="id", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert column(score(rows, out=tmp_path / "out"), "right") == [1, 0]
    with pytest.raises(ScoreError, match="another `answer`"):
        score(rows, group="id", out=tmp_path / "out", replace=True)
    assert (tmp_path / "out" / "summary.json").exists()


def test_a_field_that_splits_prompts_is_said(score: Score) -> None:
    """Of the three prompts one has completions of two answers: four groups."""
    rows = [{"prompt": prompt, "answer": answer, "completion": "a"} for prompt, answer in ("pa", "pa", "qa", "qb", "qa", "ra")]
    report = score(rows)
    assert report.groups == 4
    assert any(note.startswith("`answer` differs among the completions of 1 of 3 prompts") and "4 groups" in note
               for note in report.notes)
    assert not any("differs" in note for note in score(rows[:3]).notes)


def test_without_a_prompt_each_row_is_a_group_and_it_is_said(score: Score) -> None:
    report = score([{"answer": "a", "completion": "a"}, {"answer": "a", "completion": "b"}], SPEC)
    assert column(report, "group") == [0, 1]
    assert any("each is a group of its own" in note for note in report.notes)


def test_the_first_completions_alone(score: Score) -> None:
    assert score(ROWS, limit=2).count == 2


# ------------------------------------------------------------------ names that differ
def test_a_field_is_found_where_map_says(score: Score) -> None:
    rows = [{"prompt": "q", "text": "a", "info": {"gold": ["x", "a"]}}]
    report = score(rows, RIGHT, maps={"answer": "info.gold.1", "completion": "text"})
    assert column(report, "right") == [1]


@pytest.mark.parametrize(("row", "maps", "said"), [
    ({"prompt": "q", "text": "a", "answer": "a"}, {}, r"no column of completions.*`prompt`, `text`, `answer`.*--map completion="),
    ({"completion": "a", "anwser": "a"}, {}, r"no column `answer`.*`problems.answer` for `right`.*--map answer=anwser"),
    ({"completion": "a", "extra_info": {"answer": "a"}}, {}, r"no column `answer`.*--map answer=extra_info.answer"),
    ({"completion": "a", "gold": "a"}, {"answer": "glod"}, r"no column `glod`.*did you mean `gold`"),
    ({"completion": "a", "answer": "a"}, {"anwser": "answer"}, r"nothing that is scored reads `anwser`.*did you mean `answer`"),
])
def test_what_is_missing_is_said_with_what_to_write(score: Score, row: dict[str, Any], maps: dict[str, str], said: str) -> None:
    with pytest.raises(ScoreError, match=f"(?s){said}"):
        score([row], RIGHT, maps=maps)


def test_a_rollouts_own_record_is_asked_for(score: Score) -> None:
    spec = HEAD + "reward done = where(y.finished, 1, 0)\n"
    with pytest.raises(ScoreError, match=r"(?s)does not say which completions are finished.*--map y.finished=COLUMN"):
        score([{"completion": "a"}], spec)
    assert column(score([{"completion": "a", "ended": True}], spec, maps={"y.finished": "ended"}), "done") == [1]


def test_lengths_are_counted_by_the_policys_tokenizer_or_read(score: Score) -> None:
    spec = HEAD + "reward size = y.length\n"
    assert column(score([{"completion": "ab"}, {"completion": ""}], spec), "size") == [3, 1]  # the end token counts
    assert column(score([{"completion": "ab", "n": 9}], spec, maps={"y.length": "n"}), "size") == [9]
    with pytest.raises(ScoreError, match=r"(?s)does not know the character 'z'.*--map y.length=COLUMN"):
        score([{"completion": "z"}], spec)


# ------------------------------------------------------------------ files that are wrong
@pytest.mark.parametrize(("content", "said"), [
    (b"", "there are no completions"),
    (b"\n\n", "there are no completions"),
    (b'{"completion": "a", "answer": "a"}\n{"completion": "b", "ans', r"rows.jsonl:2: is not JSON.*is it cut off"),
    (b'{"completion": "a", "answer": "a", "answer": "b"}\n', r"rows.jsonl:1: the key `answer` is there twice"),
    (b'{"completion": "a", "answer": 3}\n', r"rows.jsonl:1: `answer`: expected Text, found an Int \(3\)"),
    (b'{"completion": "a", "answer": "a"}\n{"completion": "a"}\n', r"rows.jsonl:2: `answer` is missing"),
    (b'{"completion": 3, "answer": "a"}\n', r"rows.jsonl:1: `completion`: expected a text or a list of texts, found int"),
    (b'{"completion": null, "answer": "a"}\n', r"rows.jsonl:1: `completion` is missing"),
    (b'{"completion": "a", "answer": "a", "score": NaN}\n', r"rows.jsonl:1: NaN is not JSON"),
    (b'{"completion": "a\xff", "answer": "a"}\n', r"rows.jsonl:1: is not UTF-8"),
    (b'["a"]\n', r"rows.jsonl:1: is one JSON list"),
    (b'{"completion": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}], "answer": "a"}\n',
     r"a chat of 2 messages \(user, assistant\); `--map completion=completion.-1.content`"),
])
def test_a_file_that_is_wrong_is_refused_with_its_line(score: Score, tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises((ScoreError, DataErrors), match=f"(?s){said}"):
        score(path, RIGHT)
    assert not (tmp_path / "scores-1" / "scores.parquet").exists()


def test_all_faults_are_said_before_anything_is_scored(score: Score, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"completion": "a", "answer": "a"}\n{"completion": 1, "answer": "a"}\n{"completion": "a"}\n')
    with pytest.raises(DataErrors) as caught:
        score(path, RIGHT)
    assert [error.line for error in caught.value.errors] == [2, 3]


@pytest.mark.parametrize(("name", "said"), [("no.jsonl", "there is no file"), ("rows.xml", "of no kind that can be read"),
                                            ("empty", "there are no rollouts in")])
def test_what_is_no_file_of_completions_is_refused(score: Score, tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "rows.xml").write_text("<a/>")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScoreError, match=said):
        score(tmp_path / name, RIGHT)


def test_a_damaged_parquet_file_is_refused(score: Score, tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 nothing else")
    with pytest.raises(DataErrors, match="is not a parquet file that can be read"):
        score(tmp_path / "rows.parquet", RIGHT)


def test_texts_of_all_kinds_are_scored(score: Score, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    long = "x" * 10_000_000
    rows = ["a\x00b", "\ud800", "", long, "é\u2028\r\n"]
    path.write_text("".join(json.dumps({"completion": text, "answer": text if text != "\ud800" else "?"}) + "\n" for text in rows))
    report = score(path, RIGHT)
    assert column(report, "completion") == ["a\x00b", "\ufffd", "", long, "é\u2028\r\n"]
    assert column(report, "right") == [1, 0, 1, 1, 1]
    assert any("half of a surrogate pair" in note for note in report.notes)


def test_equal_rows_are_scored_each(score: Score) -> None:
    report = score([ROWS[0]] * 3)
    assert column(report, "right") == [1, 1, 1] and report.groups == 1


def test_names_that_collide_have_columns_of_their_own(score: Score) -> None:
    spec = HEAD + "reward prompt = text.length(y.text)\nreward answer = verify.equal(y.text, problems.answer)\n"
    report = score(ROWS, spec)
    assert column(report, "value.prompt") == [2, 2, 1, 1, 1]
    assert column(report, "answer") == [1, 0, 0, 0, 0]
    assert column(report, "data.answer") == ["ab", "ab", "ab", "cc", "cc"]
    assert column(report, "prompt")[0] == "q1"
