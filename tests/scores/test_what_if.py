"""`--what-if` and `--against`: numbers worked out by hand, and what is said of what cannot be changed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rldsl.scores.asking import against, what_if
from rldsl.scores.comparing import Comparison
from rldsl.scores.faults import ScoreError
from rldsl.scores.report import ScoreReport
from rldsl.scores.what_if import Definition, Mark, Weight, parse_what_if
from tests.scores.conftest import HEAD, SPEC, Score, column, node

SUMS = HEAD + """
param weight: Real in [0, 1] = 0.5
reward right = verify.equal(y.text, problems.answer)
reward length = text.length(y.text)
reward total = right + weight * length
reward scaled = 2 * total - 0.25 * length
reward product = right * length
"""
ROWS = [
    {"prompt": "q1", "answer": "a", "completion": "a"}, {"prompt": "q1", "answer": "a", "completion": "bbbb"},
    {"prompt": "q2", "answer": "bb", "completion": "bb"}, {"prompt": "q2", "answer": "bb", "completion": "a"},
    {"prompt": "q3", "answer": "c", "completion": "a"}, {"prompt": "q3", "answer": "c", "completion": "b"},
]


@pytest.fixture
def report(score: Score) -> ScoreReport:
    """right 1 0 1 0 0 0, length 1 4 2 1 1 1, total 1.5 2 2 0.5 0.5 0.5, scaled 2.75 3 3.5 0.75 0.75 0.75."""
    found = score(ROWS, SUMS)
    assert column(found, "total") == [1.5, 2, 2, 0.5, 0.5, 0.5]
    assert column(found, "scaled") == [2.75, 3, 3.5, 0.75, 0.75, 0.75]
    return found


def asked(report: ScoreReport, text: str) -> dict[str, Comparison]:
    """The comparisons of a what-if, by reward."""
    return {entry.name: entry for entry in what_if(report, text, Path(report.folder), {})}


def test_a_weight_is_the_coefficient_in_the_sum(report: ScoreReport) -> None:
    """length weight 0 in total and in scaled: total becomes right, scaled 2 right."""
    found = asked(report, "length weight 0")
    assert (found["total"].mean_before, found["total"].mean_after) == (pytest.approx(7 / 6), pytest.approx(2 / 6))
    assert found["scaled"].mean_after == pytest.approx(4 / 6)
    assert set(found) == {"total", "scaled"}
    assert set(found["total"].notes) == {"coefficient of `length` in `total`: 0.5 → 0",
                                         "coefficient of `length` in `scaled`: -0.25 → 0"}


def test_who_is_best_of_a_group_is_counted(report: ScoreReport) -> None:
    """Before, the long answer of the first group beats the right one; without a weight of length the right one wins."""
    found = asked(report, "weight = 0")["total"]
    assert (found.groups, found.best_changed) == (3, 1)
    assert found.signs_changed == 2
    assert (found.flat_before, found.flat_after) == (1, 1)
    assert found.kendall_within == 0  # -1 in the first group, 1 in the second, none in the third
    assert found.ranked == 2
    assert [(entry.row, entry.before, entry.after, entry.moved) for entry in found.largest[:2]] == [(1, 2, 0, 1), (0, 1.5, 1, 1)]
    assert found.largest[0].completion == "bbbb" and found.largest[0].prompt == "q1"
    assert found.notes == ("`weight`: 0.5 → 0",)


def test_a_reward_may_be_another_expression_of_what_is_kept(report: ScoreReport) -> None:
    found = asked(report, "total = right * length")
    assert found["total"].mean_after == pytest.approx(0.5)   # 1, 0, 2, 0, 0, 0
    assert found["scaled"].mean_after == pytest.approx((1.75 - 1 + 3.5 - 0.25 * 3) / 6)  # 2 total - length / 4
    assert found["total"].spearman == pytest.approx(SPEARMAN)


# ranks of total 4 5.5 5.5 2 2 2 and of the product 5 2.5 6 2.5 2.5 2.5, both centred at 3.5
SPEARMAN = (0.5 * 1.5 + 2 * -1 + 2 * 2.5 + 3 * 1.5) / ((0.25 + 8 + 6.75) * (2.25 + 6.25 + 4)) ** 0.5


def test_several_changes_are_made_at_once(report: ScoreReport) -> None:
    found = asked(report, "right weight 3; weight = 1")["total"]  # 4 4 5 1 1 1
    assert found.mean_after == pytest.approx(16 / 6)
    assert set(found.notes) == {"`weight`: 0.5 → 1", "coefficient of `right` in `total`: 1 → 3"}


def test_what_changes_nothing_is_said_to(report: ScoreReport) -> None:
    (found,) = what_if(report, "weight = 0.5", Path(report.folder), {})
    assert found.is_same and found.compared == 6


def test_a_what_if_reads_no_file_but_its_folder(report: ScoreReport, tmp_path: Path) -> None:
    for path in tmp_path.glob("rows-*.jsonl"):
        path.unlink()
    assert asked(report, "weight = 1")["total"].mean_after == pytest.approx(2 / 6 + 10 / 6)


@pytest.mark.parametrize(("text", "said"), [
    ("totl weight 2", r"there is no reward or let `totl`.*parameters `weight`.*did you mean `total`"),
    ("product weight 2", r"`product` has no weight.*no term of a sum.*terms of sums are `length`, `right`, `total`"),
    ("widht = 2", r"there is no parameter, reward or let `widht`.*weights of `right`, `length`, `total`.*did you mean `weight`"),
    ("weight = 2", r"`weight = 2` is no value of `weight`.*Real in .0, 1.*`weight = 0.5`"),
    ("total = rihgt", r"the spec with this change is wrong.*did you mean `right`"),
    ("total = verify.number(y.text) else 0", r"asks `text.number` for what it was not asked before.*--against"),
    ('clear."Refuses" weight 5', r"there is no rubric `clear`"),
    ("more of style", r"`more of style` is no what-if.*`style weight 0.4`"),
    ("style weight much", r"is no what-if"),
    ("style weight nan", r"is no what-if"),
    ('clear."Refuses" louder 5', r"is no what-if"),
    ("", r"is no what-if"),
])
def test_what_cannot_be_changed_is_answered_with_what_can(report: ScoreReport, text: str, said: str) -> None:
    with pytest.raises(ScoreError, match=re.compile(said, re.DOTALL)):
        asked(report, text)


def test_the_forms_of_a_what_if() -> None:
    assert parse_what_if("style weight -0.4") == (Weight("style", -0.4),)
    assert parse_what_if('clear."a; b" penalty 2; beta = 1e-3;') == (
        Mark("clear", "a; b", "penalty", 2), Definition("beta", "1e-3"))
    assert parse_what_if('clear."x" veto') == (Mark("clear", "x", "veto", None),)
    assert parse_what_if("ok = a == b") == (Definition("ok", "a == b"),)


def test_a_criterion_gets_another_mark() -> None:
    import rldsl
    from rldsl.scores.what_if import _marked
    text = HEAD + """
judge grader from openai(model: "judge", base_url: "http://localhost/v1")
rubric clear judged by grader {
  "Every step follows"   weight 3
  "Refuses to answer"  veto
  "Is short"           gate 0.5 { scale: binary }
}
reward right = verify.equal(y.text, problems.answer)
"""
    spec = rldsl.compile(text).spec
    changed, note = _marked(spec, text, Mark("clear", "step", "weight", 5.0))
    assert changed == text.replace("weight 3", "weight 5").replace('follows"   ', 'follows" ')
    assert note == '`clear`: "Every step follows" weight 3 → weight 5'
    assert '"Is short" gate 1 { scale: binary }\n' in _marked(spec, text, Mark("clear", "short", "gate", 1.0))[0]
    assert '"Is short" veto { scale: binary }\n' in _marked(spec, text, Mark("clear", "short", "veto", None))[0]
    assert '"Refuses to answer" penalty 2\n' in _marked(spec, text, Mark("clear", "refuses", "penalty", 2.0))[0]
    with pytest.raises(ScoreError, match='is in several of the criteria of `clear`'):
        _marked(spec, text, Mark("clear", "e", "weight", 1.0))


# ------------------------------------------------------------------ against
def test_two_specs_are_compared_on_the_same_completions(score: Score, report: ScoreReport) -> None:
    other = score(ROWS, SUMS.replace("= 0.5", "= 0"))
    found = {entry.name: entry for entry in against(report, other)}
    assert found["right"].is_same and found["length"].is_same
    assert (found["total"].best_changed, found["total"].groups) == (1, 3)
    assert [entry.row for entry in found["total"].largest[:2]] == [1, 0]


def test_the_last_words_of_two_specs_are_compared_whatever_they_are_called(score: Score) -> None:
    one = score(ROWS, HEAD + "reward right = verify.equal(y.text, problems.answer)\n")
    other = score(ROWS, HEAD + "reward size = text.length(y.text)\n")
    (found,) = against(one, other)
    assert found.name == "right against size"
    assert found.kendall_within == 0  # -1, 1, and no word on the third group
    two = score(ROWS, HEAD + "reward size = text.length(y.text)\nreward other = verify.equal(y.text, problems.question)\n")
    with pytest.raises(ScoreError, match="no reward in common"):
        against(one, two)


def test_completions_are_matched_where_groups_put_them_in_another_order(score: Score) -> None:
    rows = [{"prompt": words[0], "answer": "a", "completion": words[1]} for words in ("pa", "qa", "pb", "qb")]
    one = score(rows, SPEC)
    other = score(rows, SPEC, group="completion")
    assert column(one, "row") == [0, 2, 1, 3] and column(other, "row") == [0, 1, 2, 3]
    assert all(entry.is_same for entry in against(one, other) if entry.name != "above")


GATED = HEAD + """
reward right = verify.equal(y.text, problems.answer)
reward form = verify.regex(y.text, "^b")
reward total = right * (0.5 + 0.5 * form)
"""
OF_FORM = [{"prompt": "q", "answer": answer, "completion": text}
           for answer, text in [("bb", "bb"), ("bb", "a"), ("a", "a"), ("a", "b"), ("a", "c")]]


@pytest.mark.parametrize("change", ["form weight 0.3", "total = right * (0.5 + 0.3 * form)"])
def test_a_weight_behind_a_gate_is_known_where_the_gate_is_shut(score: Score, change: str) -> None:
    """right 1 0 1 0 0; form 1 - 0 - -: total 1 0 0.5 0 0 becomes 0.8 0 0.5 0 0, whoever was not asked for `form`."""
    report = score(OF_FORM, GATED)
    found = asked(report, change)["total"]
    assert node(report, "form").not_asked == 3
    assert (found.compared, found.missing_before, found.missing_after) == (5, 0, 0)
    assert (found.mean_before, found.mean_after) == (pytest.approx(1.5 / 5), pytest.approx(1.3 / 5))
    assert not any("without the value" in note for note in found.notes)


def test_before_and_after_are_of_the_same_completions(score: Score) -> None:
    """Opened, the gate leaves `total` at the two completions that were asked for `form`: 1 and 0.5 before, 2 and 0.5 after."""
    found = asked(score(OF_FORM, GATED), "total = 0.5 * right + 1.5 * form")["total"]
    assert (found.compared, found.missing_before, found.missing_after) == (2, 0, 3)
    assert (found.mean_before, found.mean_after) == (pytest.approx(0.75), pytest.approx(1.25))
