"""What is scored, and what the folder and the report say of it: numbers worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from rldsl.scores.asking import what_if
from rldsl.scores.faults import ScoreError
from rldsl.scores.printing import print_report
from rldsl.scores.writing import ScoreFolder
from tests.scores.conftest import HEAD, ROWS, SPEC, Score, column, node


def test_every_reward_of_every_completion_is_in_the_scores(score: Score) -> None:
    report = score(ROWS)
    assert column(report, "right") == [1, 0, 0, 0, 0]
    assert column(report, "places") == [1, 0.5, 0, 0, 0]
    assert column(report, "total") == [1, 0.125, 0, 0, 0]
    assert column(report, "above") == pytest.approx([0.625, -0.25, -0.375, 0, 0])
    assert column(report, "row") == [0, 1, 2, 3, 4]
    assert column(report, "group") == [0, 0, 0, 1, 1]
    assert column(report, "sample") == [0, 1, 2, 0, 1]
    assert column(report, "prompt") == ["q1", "q1", "q1", "q2", "q2"]
    assert column(report, "completion") == ["ab", "ac", "b", "a", "b"]
    assert column(report, "answer") == ["ab", "ab", "ab", "cc", "cc"]
    assert set(column(report, "total.state")) == {"value"}
    assert all(seconds >= 0 for seconds in column(report, "total.seconds"))


def test_a_distribution_is_that_of_the_values_that_are_there(score: Score) -> None:
    found = node(score(ROWS), "places").distribution
    assert found is not None
    assert (found.count, found.mean, found.minimum, found.maximum) == (5, pytest.approx(0.3), 0, 1)
    assert found.quartiles == (0, 0, 0.5)
    assert found.sd == pytest.approx(0.2 ** 0.5)  # deviations 0.7, 0.2, -0.3 three times: squares add up to 0.8, over 4
    assert sum(found.histogram) == 5 and found.histogram[0] == 3 and found.histogram[-1] == 1


def test_groups_that_teach_nothing_are_counted(score: Score) -> None:
    report = score([*ROWS, {"prompt": "alone", "answer": "a", "completion": "a"}])
    signals = {entry.name: entry for entry in report.signals}
    assert (signals["total"].groups, signals["total"].flat, signals["total"].share) == (2, 1, 0.5)


def test_the_shares_of_the_terms_of_a_sum_add_up_to_one(score: Score) -> None:
    """total = 0.75 right + 0.25 places. Over [1, .125, 0, 0, 0] (mean 0.225) the squared deviations add up to 0.7625; those of
    0.75 right with it to 0.75 (1 - 0.225) = 0.58125, those of 0.25 places to 0.25 (0.775 + 0.5 (0.125 - 0.225)) = 0.18125."""
    found = {entry.part: entry for entry in score(ROWS).shares if entry.reward == "total"}
    assert {name: entry.kind for name, entry in found.items()} == {"right": "term", "places": "term"}
    assert found["right"].variance == pytest.approx(0.58125 / 0.7625)
    assert found["places"].variance == pytest.approx(0.18125 / 0.7625)
    assert (found["right"].range, found["places"].range) == (pytest.approx(0.75), pytest.approx(0.25))


def test_a_factor_is_told_from_a_term(score: Score) -> None:
    spec = HEAD + """
reward a = verify.equal(y.text, problems.answer)
reward b = text.matching_places(y.text, problems.answer)
reward c = a * (b + 1) - 0.5 * b
"""
    kinds = {entry.part: entry.kind for entry in score(ROWS, spec).shares}
    assert kinds == {"a": "factor", "b": "within"}


def test_values_are_correlated_with_each_other_and_with_length(score: Score) -> None:
    found = {(entry.first, entry.second): entry for entry in score(ROWS).correlations}
    assert found["right", "total"].pearson == pytest.approx(0.775 / (0.8 * 0.7625) ** 0.5)
    # lengths 2 2 1 1 1 have the ranks 4.5 4.5 2 2 2, places 5 4 2 2 2
    assert found["places", "completion length"].spearman == pytest.approx(7.5 / (7.5 * 8.0) ** 0.5)
    assert found["places", "completion length"].pearson == pytest.approx(0.9 / (0.8 * 1.2) ** 0.5)


def test_held_out_rewards_and_lets_are_scored_too(score: Score) -> None:
    spec = SPEC + "reward watch held out = text.length(y.text)\nlet half = total / 2\nlet mean_total = mean(total)\n"
    report = score(ROWS, spec)
    assert [(entry.name, entry.kind) for entry in report.nodes[-3:]] == [
        ("watch", "held out"), ("half", "let"), ("mean_total", "let")]
    assert column(report, "half") == [0.5, 0.0625, 0, 0, 0]
    assert column(report, "mean_total") == pytest.approx([0.225] * 5)
    assert "`mean_total` reads completions of all prompts: they are held at once" in report.notes


def test_what_reads_a_policy_is_refused_in_a_sentence_and_the_rest_is_scored(score: Score) -> None:
    report = score(ROWS, SPEC + "let likely = mean(logp(actor, y), per: sample)\n")
    assert [(entry.name, entry.is_reward) for entry in report.refused] == [("likely", False)]
    assert report.refused[0].reason.startswith("reads log-probabilities of `actor`, and scoring loads no policy")
    with pytest.raises(ScoreError, match="no reward of `<spec>` can be scored on texts alone"):
        score(ROWS, HEAD + "reward likely = mean(logp(actor, y), per: sample)\n")


def test_absent_and_failed_are_counted_and_stop_nothing(score: Score, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def judged(text):\n    if text == 'b':\n        raise ValueError('no b')\n    return 1.0\n")
    spec = HEAD + """
extern fn judged(text: Text) -> Real in [0, 1] = python("mine:judged")
reward said = judged(y.text)
reward safe = judged(y.text) else 0
reward number = verify.number(y.text) else stop
"""
    report = score(ROWS, spec)
    said, number = node(report, "said"), node(report, "number")
    assert (said.places, said.absent, said.failed) == (5, 0, 2)
    assert column(report, "said.state") == ["value", "value", "failed", "value", "failed"]
    assert column(report, "said") == [1, 1, None, 1, None]
    assert column(report, "safe") == [1, 1, 0, 1, 0]
    assert column(report, "safe.state") == ["value"] * 5
    assert (number.absent, report.stopped, report.exit_status) == (5, 5, 1)
    lines = [json.loads(line) for line in Path(report.folder, "evidence.jsonl").read_text().splitlines()]
    assert [(line["row"], line["failed"]) for line in lines] == [(2, "exception"), (4, "exception")]
    assert "no b" in lines[0]["message"]
    (failed,) = report.failures
    assert (failed.name, failed.kind, failed.count, failed.row) == ("said", "exception", 2, 2) and "no b" in failed.message


def test_failures_are_told_apart_by_message_and_the_frequent_come_first(score: Score, tmp_path: Path,
                                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a b c d c d e and c in batches of one group: c three times, d twice, a and b once; e and what is left are one entry."""
    monkeypatch.setattr("rldsl.scores.groups.MOST_ROWS", 1)
    (tmp_path / "mine.py").write_text("def judged(text):\n    raise ValueError('no\\n' + text)\n")
    spec = HEAD + """
extern fn judged(text: Text) -> Real in [0, 1] = python("mine:judged")
reward said = judged(y.text)
"""
    rows = [{"prompt": str(number), "answer": "a", "completion": text} for number, text in enumerate("abcdcdec")]
    report = score(rows, spec)
    found = [(entry.count, entry.row, entry.message.rpartition("no")[2].strip()[:1]) for entry in report.failures]
    assert found == [(3, 2, "c"), (2, 3, "d"), (1, 0, "a"), (2, 1, "")]
    out = StringIO()
    print_report(report, Console(file=out, width=60, highlight=False, no_color=True))
    assert [line.split(": exception: ")[0] for line in out.getvalue().splitlines() if line.startswith("failed")] == [
        "failed: said, 3 times, first in row 3", "failed: said, 2 times, first in row 4", "failed: said, 1 time, first in row 1",
        "failed: said, 2 times, first in row 2"]
    assert out.getvalue().splitlines()[-1].startswith("8 answers failed: `--replace` asks for those again")


def test_what_an_else_takes_is_no_failure_of_what_is_absent_for_another_reason(score: Score, tmp_path: Path) -> None:
    """Of `number` nothing is found in any answer; that a call failed beside it, the spec has answered itself."""
    (tmp_path / "mine.py").write_text("def judged(text):\n    raise ValueError('no')\n")
    spec = HEAD + """
extern fn judged(text: Text) -> Real in [0, 1] = python("mine:judged") { most_failures: 1 }
let number = text.number(y.text)
reward asked = judged(y.text) else 0
reward total = (judged(y.text) else 0.5) + number else skip
reward bare = judged(y.text) + number else skip
"""
    report = score(ROWS, spec)
    assert column(report, "total.state") == ["absent"] * 5
    assert column(report, "bare.state") == ["failed"] * 5


def test_the_folder_says_of_what_it_is(score: Score) -> None:
    report = score(ROWS)
    folder = Path(report.folder)
    assert sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(".")) == [
        "evidence.jsonl", "nodes.parquet", "report.html", "score.json", "scores.parquet", "spec.rl", "summary.json"]
    assert (folder / "spec.rl").read_text() == SPEC
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["count"], summary["groups"]) == (5, 2)
    assert [entry["name"] for entry in summary["nodes"]] == ["right", "places", "total", "above"]
    nodes = pq.read_table(folder / "nodes.parquet").to_pylist()
    assert [entry["number"] for entry in nodes if entry["name"] == "places"] == [1, 0.5, 0, 0, 0]
    assert [entry["number"] for entry in nodes if entry["node"] == "axis y.sample"] == [3, 2]


def test_batches_give_what_one_batch_gives(score: Score, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"prompt": f"q{number // 3}", "answer": "ab", "completion": "ab"[:number % 3]} for number in range(60)]
    whole = score(rows)
    monkeypatch.setattr("rldsl.scores.groups.MOST_ROWS", 7)
    cut = score(rows)
    assert whole.kept.layout.size("y.sample") == cut.kept.layout.size("y.sample") == 60
    for name in ("row", "group", "sample", "right", "places", "total", "above"):
        assert column(whole, name) == column(cut, name)
    assert [entry.distribution for entry in whole.nodes] == [entry.distribution for entry in cut.nodes]


def test_a_folder_is_not_written_over(score: Score, tmp_path: Path) -> None:
    first = score(ROWS, out=tmp_path / "out")
    with pytest.raises(ScoreError, match="holds these scores already"):
        score(ROWS, out=tmp_path / "out")
    again = score(ROWS, out=tmp_path / "out", resume=True)
    assert again.document() == first.document()
    with pytest.raises(ScoreError, match="holds other scores: another completions"):
        score(ROWS[:2], out=tmp_path / "out", resume=True)
    assert score(ROWS[:2], out=tmp_path / "out", replace=True).count == 2
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("")
    with pytest.raises(ScoreError, match=r"not empty and holds no scores \(it has thesis.tex\)"):
        score(ROWS, out=tmp_path / "foreign")


def test_a_scoring_that_was_cut_off_goes_on_and_asks_nothing_twice(score: Score, tmp_path: Path,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("from pathlib import Path\n"
                                      "def counted(text):\n"
                                      "    with open(Path(__file__).with_name('asked'), 'a') as file:\n"
                                      "        file.write(text)\n"
                                      "    return 1.0\n")
    spec = HEAD + """
extern fn counted(text: Text) -> Real in [0, 1] = python("mine:counted") { isolate: none }
reward said = counted(y.text)
"""
    rows = [{"prompt": text, "answer": "a", "completion": text} for text in "abcd"]
    monkeypatch.setattr("rldsl.scores.groups.MOST_ROWS", 1)
    with monkeypatch.context() as cut, pytest.raises(KeyboardInterrupt):
        cut.setattr(ScoreFolder, "has_part", interrupted_at(2))
        score(rows, spec, out=tmp_path / "out")
    assert (tmp_path / "asked").read_text() == "ab"
    with pytest.raises(ScoreError, match="holds a part of these scores already"):
        score(rows, spec, out=tmp_path / "out")
    report = score(rows, spec, out=tmp_path / "out", resume=True)
    assert column(report, "said") == [1, 1, 1, 1]
    assert (tmp_path / "asked").read_text() == "abcd"
    assert node(report, "said").computed == 4


def interrupted_at(number: int) -> Callable[[ScoreFolder, int], bool]:
    """A folder without parts, until the part of this number is asked for."""
    def has_part(folder: ScoreFolder, part: int) -> bool:
        if part == number:
            raise KeyboardInterrupt
        return False

    return has_part


GATED = HEAD + """
extern fn judged(text: Text) -> Real in [0, 1] = python("mine:judged")
reward open = verify.equal(y.text, problems.answer)
reward style = judged(y.text)
reward total = open * style
"""


def test_what_decides_nothing_is_not_asked(score: Score, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def judged(text):\n    return len(text) / 4\n")
    report = score(ROWS, GATED)
    assert column(report, "open") == [1, 0, 0, 0, 0]
    assert column(report, "style") == [0.5, None, None, None, None]
    assert column(report, "style.state") == ["value", *["not asked"] * 4]
    assert column(report, "total") == [0.5, 0, 0, 0, 0]
    assert column(report, "total.state") == ["value"] * 5
    assert (node(report, "style").not_asked, node(report, "style").computed) == (4, 1)
    asked = score(ROWS, GATED, ask_all=True)
    assert column(asked, "style") == [0.5, 0.5, 0.25, 0.25, 0.25]
    assert column(asked, "total") == [0.5, 0, 0, 0, 0]
    held_out = score(ROWS, GATED.replace("reward style", "reward style held out"))
    assert column(held_out, "style") == [0.5, 0.5, 0.25, 0.25, 0.25]


def test_a_what_if_says_where_it_needs_what_was_not_asked(score: Score, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def judged(text):\n    return len(text) / 4\n")
    (found,) = what_if(score(ROWS, GATED), "total = style", tmp_path, {})
    assert (found.compared, found.mean_after) == (1, 0.5)
    assert found.notes == (
        "4 completions without the value then: what it needs was not asked there (`--ask-all` asks everywhere)",)
    (found,) = what_if(score(ROWS, GATED), "total = 1 - open * style", tmp_path, {})
    assert (found.compared, found.mean_after) == (5, pytest.approx(4.5 / 5))


def test_a_what_if_that_moves_nothing_speaks_of_what_was_changed(score: Score, tmp_path: Path) -> None:
    spec = HEAD + """
reward open = verify.equal(y.text, problems.answer)
reward never = verify.regex(y.text, "no such text")
reward total = open + 0.2 * never
reward size = text.length(y.text)
"""
    (found,) = what_if(score(ROWS, spec), "never weight 0.5", tmp_path, {})
    assert (found.name, found.is_same) == ("total", True)


def test_a_majority_is_found_again_from_what_is_kept(score: Score, tmp_path: Path) -> None:
    spec = HEAD + """
param scale: Real = 2
let common = majority(y.text, per: prompt)
reward usual = verify.equal(y.text, common) else 0
reward scaled = scale * usual
"""
    rows = [{"prompt": "q", "answer": "a", "completion": text} for text in ("a", "b", "b")]
    report = score(rows, spec)
    assert column(report, "usual") == [0, 1, 1]
    assert column(report, "common") == ["b", "b", "b"]
    (found,) = what_if(report, "scale = 3", tmp_path, {})
    assert found.mean_after == pytest.approx(2)


def test_what_is_infinite_or_not_defined_is_said(score: Score) -> None:
    spec = HEAD + """
reward size = text.length(y.text)
reward inverse = 1 / (size - 1)
reward ratio = (size - 1) / (size - 1)
"""
    report = score([{"completions": ["a", "bb", "ccc"], "answer": ""}], spec)
    assert column(report, "inverse")[1:] == [1, 0.5] and column(report, "ratio") == [None, 1, 1]
    assert "`inverse` is infinite at 1 of 3 places" in report.notes
    assert any(note.startswith("`ratio` is not defined at 1 of 3 places") for note in report.notes)
    found = node(report, "inverse").distribution
    assert found is not None and (found.count, found.mean) == (2, 0.75)


def test_a_response_of_the_data_needs_no_completions(score: Score) -> None:
    spec = """
data pairs from jsonl("pairs.jsonl") { prompt: Text  chosen: Text  rejected: Text }
policy actor from hf("model")
response win = pairs.chosen given pairs.prompt for actor
response lose = pairs.rejected given pairs.prompt for actor
reward margin = text.length(win.text) - text.length(lose.text)
"""
    rows = [{"prompt": "p", "chosen": "aaa", "rejected": "b"}, {"prompt": "p", "chosen": "c", "rejected": "dd"}]
    report = score(rows, spec, rollout="win")
    assert (column(report, "margin"), column(report, "completion")) == ([2, -1], ["aaa", "c"])
    assert column(report, "group") == [0, 1]
    with pytest.raises(ScoreError, match="the rewards read the texts of `win`, `lose`"):
        score(rows, spec)


def test_the_share_of_a_gate_counts_what_it_closes(score: Score, tmp_path: Path) -> None:
    """open 1 1 0 0, style 1/4 2/4 and unasked, total 1/4 1/2 0 0 (mean 3/16). With open at 1/2 and style at its mean 3/8 where
    nobody was asked the rest is 1/8 1/4 3/16 3/16: what goes with open is 1/8 1/4 -3/16 -3/16 (mean 0)."""
    (tmp_path / "mine.py").write_text("def judged(text):\n    return len(text) / 4\n")
    rows = [{"prompt": str(number), "answer": answer, "completion": text}
            for number, (answer, text) in enumerate([("a", "a"), ("bb", "bb"), ("a", "b"), ("a", "cc")])]
    found = {entry.part: entry for entry in score(rows, GATED).shares if entry.reward == "total"}
    squares = (1 / 16) ** 2 + (5 / 16) ** 2 + 2 * (3 / 16) ** 2
    assert found["open"].variance == pytest.approx((1 / 8 / 16 + 5 / 4 / 16 + 2 * (3 / 16) ** 2) / squares)
    assert found["open"].range == pytest.approx((1 / 4 + 3 / 16) / (1 / 2))
    assert found["style"].variance == pytest.approx((-1 / 8 / 16 + 5 / 8 / 16) / squares)
    assert found["style"].range == pytest.approx(1 / 2)


def test_huge_rewards_have_their_statistics_and_shares(score: Score) -> None:
    """exp(250 n) of 1, 2, 1 and 0 characters: e^500 = 1.4e217 is all that counts, in a reward that is half of it too."""
    spec = HEAD + "reward plain = text.length(y.text)\nreward huge = exp(250 * plain)\nreward total = 0.5 * huge + 0.5 * plain\n"
    report = score([{"prompt": "q", "answer": "", "completion": text} for text in ("a", "ab", "b", "")], spec)
    found = node(report, "huge").distribution
    assert found is not None and found.maximum == pytest.approx(1.4035922178528375e217)
    assert found.mean == pytest.approx(1.4035922178528375e217 / 4) and found.sd == pytest.approx(1.4035922178528375e217 / 2)
    share = next(entry for entry in report.shares if (entry.reward, entry.part) == ("total", "huge"))
    assert share.variance == pytest.approx(1) and share.range == pytest.approx(1)
