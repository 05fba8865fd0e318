"""What a rubric's call is worth: weights, penalties, vetoes and gates as nodes of the graph, with numbers worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from rldsl.compiler import check_source
from rldsl.explain.equation import Style, equation_of
from rldsl.explain.rubrics import rubric_lines
from rldsl.graph.model import Foreign
from rldsl.loading import project_loader
from rldsl.rewards.outcome import Failure, FailureKind
from rldsl.source import Source
from rldsl.types import BINARY, UNIT, Level
from tests.rewards.judges import Told, by_words, numbered, texts
from tests.rewards.scoring import spec_of, values

CLEAR = """
rubric clear judged by grader {
  "follows"  weight 3
  "is short" weight 1
  "invents"  penalty 2
  "refuses"  veto
  "is on the question" gate
}
reward style = clear(y.text, question: problems.question)
"""


def holds(*what: str) -> Told:
    """A judge that finds in each answer what its letters stand for: `f` follows, `s` short, `i` invents, `r` refuses, `o` on."""
    letters = {"follows": "f", "is short": "s", "invents": "i", "refuses": "r", "is on the question": "o"}
    return Told(by_words(lambda criterion, shown: "yes" if letters[criterion] in shown["answer"] else "no"))


@pytest.mark.parametrize(("answer", "expected"), [
    ("ofs", 1.0),          # (3 + 1) / 4
    ("of", 0.75),          # 3 / 4
    ("ofi", 0.25),         # (3 - 2) / 4
    ("osi", 0.0),          # (1 - 2) / 4 is below 0
    ("o", 0.0),
    ("ofsr", 0.0),         # the veto holds
    ("fs", 0.0),           # the gate is closed
    ("fsr", 0.0),
])
def test_a_rubric_is_the_share_of_its_weights_less_penalties_or_nothing(answer: str, expected: float) -> None:
    spec = spec_of(CLEAR)
    assert values(spec, ["style"], [[answer]], holds())["style"] == [expected]


def test_its_type_is_in_the_unit_interval_at_the_level_of_its_texts() -> None:
    spec = spec_of(CLEAR)
    kind = spec.graph[spec.rewards[0].key].type
    assert kind.interval == UNIT and kind.axis.name == "y.sample" and not kind.optional


def test_gates_are_a_call_of_their_own() -> None:
    judge = holds()
    values(spec_of(CLEAR), ["style"], [["of"]], judge)
    assert sorted(map(numbered, judge.asked), key=len) == [["is on the question"], ["follows", "is short", "invents", "refuses"]]


def test_verdicts_and_weights_stand_on_one_axis_and_ask_nothing_again() -> None:
    text = CLEAR + """
    let verdict = verdicts(clear, y.text, question: problems.question)
    let weight = weights(clear, y.text, question: problems.question)
    reward own = sum(weight * verdict, per: sample)
    """
    spec, judge = spec_of(text), holds()
    verdict = next(entry for entry in spec.lets if entry.name == "verdict")
    kind = spec.graph[verdict.key].type
    assert kind.interval == BINARY and kind.axis.level is Level.CRITERION and kind.axis.size == 4
    found = values(spec, ["verdict", "weight", "own", "style"], [["ofi", "r"]], judge)
    assert found["verdict"] == [1, 0, 1, 0, 0, 0, 0, 1]
    assert found["weight"] == [3, 1, -2, 0] * 2
    assert found["own"] == [1, 0]
    assert len(judge.asked) == 4, "two answers: one question on gates and one on the rest for each"


def test_a_criterion_that_most_answers_to_a_prompt_satisfy_can_be_left_out() -> None:
    """ORBIT's filter: of the first prompt's answers 3, 1, 1 of 4 follow, are short, invent; of the second's 0, 2, 0 of 2."""
    text = """
    rubric clear judged by grader { "follows" weight 3  "is short" weight 1  "invents" penalty 2 }
    let verdict = verdicts(clear, y.text)
    let share = mean(verdict, per: prompt, keep: criterion)
    let points = where(share > 0.5, 0, weights(clear, y.text))
    reward left = sum(points * verdict, per: sample) / max(sum(relu(points), per: sample), 1)
    """
    spec = spec_of(text)
    kind = next(spec.graph[entry.key].type for entry in spec.lets if entry.name == "share")
    assert kind.axis.level is Level.CRITERION and kind.axis.parent is not None and kind.axis.parent.level is Level.PROMPT
    found = values(spec, ["share", "points", "left"], [["f", "fs", "fi", ""], ["s", "s"]], holds())
    assert found["share"] == [0.75, 0.25, 0.25, 0, 1, 0]
    assert found["points"] == [0, 1, -2] * 4 + [3, 0, -2] * 2
    assert found["left"] == [0, 1, -2, 0, 0, 0]


def test_criteria_of_the_data_are_compared_over_the_answers_to_their_prompt() -> None:
    """Lists of 1 and 3 criteria: of the first three answers 2 follow; of the two others both, 1 is short, none invents."""
    text = """
    import std.rubric (over_answers)
    rubric own judged by grader {}
    let v = verdicts(own, y.text, criteria: problems.rubrics)
    let share = over_answers(v)
    reward left = sum(where(share > 0.9, 0, weights(own, y.text, criteria: problems.rubrics)) * v, per: sample)
    """
    rows = [[{"criterion": "follows", "weight": 2}],
            [{"criterion": "follows", "weight": 5}, {"criterion": "is short", "weight": 1}, {"criterion": "invents", "points": -3}]]
    found = values(spec_of(text), ["share", "left"], [["f", "fi", "s"], ["f", "fs"]], holds(), {"rubrics": rows})
    assert found["share"] == pytest.approx([2 / 3] * 3 + [1, 0.5, 0] * 2)
    assert found["left"] == [2, 2, 0, 0, 1]


def test_a_changed_weight_asks_the_same() -> None:
    text = CLEAR.replace("weight 3", "weight w").replace("rubric", "param w: Real in (0, 10] = 3\nrubric")
    heavy, light = spec_of(text), spec_of(text.replace("= 3", "= 1"))
    calls = [{node.operation for node in spec.graph.nodes if isinstance(node.operation, Foreign)} for spec in (heavy, light)]
    assert calls[0] == calls[1]
    assert values(heavy, ["style"], [["of"]], holds())["style"] == [0.75]
    assert values(heavy, ["style"], [["of"]], holds(), params={"w": 1})["style"] == [0.5]


def test_a_rubric_of_vetoes_and_gates_is_one_or_nothing() -> None:
    spec = spec_of('rubric honest judged by grader { "refuses" veto "is on the question" gate }\nreward r = honest(y.text)')
    assert values(spec, ["r"], [["o", "or", "", "r"]], holds())["r"] == [1, 0, 0, 0]
    assert spec.graph[spec.rewards[0].key].type.interval == BINARY


def test_scales_weigh_what_lies_between() -> None:
    text = """
    rubric grades judged by grader {
      scale: ordinal(no: 0, partly: 1, yes: 4)
      "a" weight 2
      "b" weight 1 { scale: 1 .. 5 }
      "c" penalty 1 { scale: binary }
      "d" veto 0.25
      "e" gate 0.25
    }
    reward r = grades(y.text)
    """
    said: dict[str, Any] = {"a": "partly", "b": 4, "c": "yes", "d": "no", "e": "partly"}
    spec = spec_of(text)
    # (2 x 1/4 + 1 x 3/4 - 1 x 1) / 3
    judge = Told(by_words(lambda criterion, shown: said[criterion]))
    assert values(spec, ["r"], [["x"]], judge)["r"] == [pytest.approx(0.25 / 3)]
    said["d"] = "partly"
    assert values(spec, ["r"], [["x"]], judge)["r"] == [0], "a veto holds from its verdict on"
    said.update(d="no", e="no")
    assert values(spec, ["r"], [["x"]], judge)["r"] == [0], "a gate is closed below its verdict"


def test_votes_weigh_as_their_mean() -> None:
    text = 'rubric r judged by grader { votes: 4, votes_by: mean  "a" weight 3  "b" weight 1 }\nreward style = r(y.text)'
    votes = {"a": ["yes", "no", "yes", "yes"], "b": ["no", "no", "no", "yes"]}
    judge = Told(lambda question: {str(place + 1): {"verdict": votes[entry][question.draw]}
                                   for place, entry in enumerate(numbered(question))})
    spec = spec_of(text)
    assert values(spec, ["style"], [["x"]], judge)["style"] == [pytest.approx((3 * 0.75 + 0.25) / 4)]
    assert spec.graph[spec.rewards[0].key].type.interval == UNIT


@pytest.mark.parametrize("lacking", ["follows", "invents", "refuses", "is on the question"])
def test_a_verdict_that_failed_leaves_no_number_whatever_the_others_say(lacking: str) -> None:
    def reply(question: Any) -> Any:
        return Failure(FailureKind.MALFORMED, "?") if lacking in numbered(question) else \
            {str(number + 1): {"verdict": "yes"} for number in range(len(numbered(question)))}
    spec = spec_of(CLEAR + "reward mended = style else 0.5")
    found = values(spec, ["style", "mended"], [["x"]], Told(reply))
    assert math.isnan(found["style"][0]) and found["mended"] == [0.5]


def test_a_closed_gate_needs_nothing_of_the_rest() -> None:
    def reply(question: Any) -> Any:
        return {"1": {"verdict": "no"}} if numbered(question) == ["is on the question"] else Failure(FailureKind.TIMEOUT, "late")
    assert values(spec_of(CLEAR), ["style"], [["x"]], Told(reply))["style"] == [0]


def test_an_absent_text_has_no_verdict() -> None:
    spec = spec_of(CLEAR.replace("clear(y.text,", "clear(answer(y.text, from: boxed),"))
    judge = holds()
    found = values(spec, ["style"], [["\\boxed{of}", "none"]], judge)["style"]
    assert found[0] == 0.75 and math.isnan(found[1]) and len(judge.asked) == 2
    assert spec.graph[spec.rewards[0].key].type.optional


# ------------------------------------------------------------------ pairs
def test_win_rates_are_means_over_the_others() -> None:
    spec = spec_of("reward win = mean(prefer(grader, y.text, others(y.text, per: prompt), q: problems.question), per: sample)")
    judge = Told(lambda question: {"better": _longer(question)})
    found = values(spec, ["win"], [["a", "aaa", "bb"], ["c", "d"]], judge)["win"]
    assert found == [0, 1, 0.5, 0.5, 0.5]
    assert len(judge.asked) == 8, "three pairs and one, each in both orders"


def test_matches_ask_about_the_next_members_round_and_round() -> None:
    spec = spec_of("let p = prefer(grader, y.text, others(y.text, per: prompt), matches: 1)\nreward win = mean(p, per: sample)")
    judge = Told(lambda question: {"better": _longer(question)})
    found = values(spec, ["p", "win"], [["a", "aaa", "bb"]], judge)
    # pairs (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1): each is compared with the next one
    assert [None if math.isnan(value) else value for value in found["p"]] == [0, None, None, 1, 1, None]
    assert found["win"] == [0, 1, 1]
    assert len(judge.asked) == 6


def test_more_matches_than_others_are_all_pairs() -> None:
    spec = spec_of("let p = prefer(grader, y.text, others(y.text, per: prompt), matches: 9)\nreward win = mean(p, per: sample)")
    judge = Told(lambda question: {"better": _longer(question)})
    assert values(spec, ["p"], [["a", "aaa", "bb"]], judge)["p"] == [0, 0, 1, 1, 1, 0]


def _longer(question: Any) -> str:

    first, second = (len(texts(question)[name]) for name in "AB")
    return "A" if first > second else "B" if first < second else "tie"


# ------------------------------------------------------------------ criteria of the data
OWN = """
rubric own judged by grader { scale: ordinal(no: 0, partly: 1, yes: 2) }
reward fair = own(y.text, criteria: problems.rubrics)
let v = verdicts(own, y.text, criteria: problems.rubrics)
let w = weights(own, y.text, criteria: problems.rubrics)
"""


def test_each_row_brings_its_own_criteria() -> None:
    spec = spec_of(OWN)
    rows = [[{"criterion": "a", "points": 5}, {"criterion": "b", "points": 3}, {"criterion": "c", "points": -4}],
            [{"criterion": "a", "weight": 1}],
            [{"criterion": "d", "kind": "veto", "at": 0.5}, {"criterion": "a", "weight": 2}],
            [{"criterion": "e", "kind": "gate", "at": 0.5}, {"criterion": "a", "weight": 2}],
            [{"criterion": "d", "kind": "veto"}]]
    judge = Told(by_words(lambda criterion, shown: "yes" if criterion in shown["answer"] else "partly"
                          if criterion.upper() in shown["answer"] else "no"))
    found = values(spec, ["fair", "v", "w"], [["ab", "ac"], ["A", ""], ["aD", "a"], ["aE", "a"], ["D", "d"]], judge,
                   {"rubrics": rows})
    # (5 + 3) / 8, (5 - 4) / 8; 1/2, 0; a veto that holds from partly on, and one that does not; a gate likewise; a veto of 1
    assert found["fair"] == [1, 0.125, 0.5, 0, 0, 1, 1, 0, 1, 0]
    assert found["v"] == [1, 1, 0, 1, 0, 1, 0.5, 0, 0.5, 1, 0, 1, 0.5, 1, 0, 1, 0.5, 1]
    assert found["w"] == [5, 3, -4, 5, 3, -4, 1, 1, 0, 2, 0, 2, 0, 2, 0, 2, 0, 0]
    assert len(judge.asked) == 10
    kinds = {entry.name: spec.graph[entry.key].type for entry in spec.lets}
    assert kinds["v"].axis == kinds["w"].axis and kinds["v"].axis.level is Level.CRITERION
    assert kinds["v"].interval.values == (0, 0.5, 1)


def test_a_row_whose_criteria_cannot_be_read_has_no_reward_and_asks_nobody() -> None:
    spec = spec_of(OWN + "reward mended = fair else 0.25")
    judge = Told(by_words(lambda criterion, shown: "yes"))
    found = values(spec, ["fair", "mended"], [["x", "y"], ["z"]], judge,
                   {"rubrics": [[{"criterion": "a", "points": -1}], [{"criterion": "a", "points": 1}]]})
    assert [None if math.isnan(value) else value for value in found["fair"]] == [None, None, 1]
    assert found["mended"] == [0.25, 0.25, 1]
    assert len(judge.asked) == 1


def test_criteria_that_a_policy_wrote_are_a_text_that_is_json_and_nothing_else() -> None:
    spec = spec_of("""
    rollout z ~ actor(y.text) { samples: 1, max_tokens: 4 }
    rubric own judged by grader {}
    reward fair = own(y.text, criteria: answer(problems.question, from: line))
    """)
    judge = Told(by_words(lambda criterion, shown: "yes" if criterion in shown["answer"] else "no"))
    found = values(spec, ["fair"], [["ab"], ["a"]], judge,
                   {"question": ['[{"criterion": "a", "weight": 1}, {"criterion": "b", "weight": 3}]', "Sure! [..]"]})
    assert found["fair"][0] == 1 and math.isnan(found["fair"][1])
    assert len(judge.asked) == 1


def test_strengths_are_those_of_each_group_and_absent_where_one_always_wins() -> None:
    spec = spec_of("""
    let p = prefer(grader, y.text, others(y.text, per: prompt))
    let strength = bradley_terry(p, per: prompt)
    reward mended = strength else 0
    """)
    said = {("x", "y"): "A", ("y", "x"): "tie"}  # x is preferred by 3/4
    judge = Told(lambda question: {"better": said.get(tuple(texts(question)[name] for name in "AB"), "tie")})
    found = values(spec, ["strength", "mended"], [["x", "y"], ["u", "v", "w"], ["z"]], judge)
    assert found["mended"] == pytest.approx([math.log(3) / 2, -math.log(3) / 2, 0, 0, 0, 0], abs=1e-9)
    assert math.isnan(found["strength"][5]), "one answer has nobody to be compared with"
    always = Told(lambda question: {"better": "A" if texts(question)["A"] == "x" else "B"})
    assert all(math.isnan(value) for value in values(spec, ["strength"], [["x", "y"]], always)["strength"])


# ------------------------------------------------------------------ steps
STEPS = """
import std.process (product, weakest)
let s = split(y.text, at: "|")
let right = prm(grader, s, question: problems.question)
reward all = product(right)
reward least = weakest(right)
"""


def critic(question: Any) -> Any:
    """A step is wrong if it says so."""
    return {str(number + 1): {"critique": "read", "verdict": "wrong" if "wrong" in step else "right"}
            for number, step in enumerate(numbered(question))}


def test_steps_of_an_answer_are_judged_in_one_question_and_put_together() -> None:
    spec, judge = spec_of(STEPS), Told(critic)
    found = values(spec, ["right", "all", "least"], [["a|b", "a|wrong|c"], ["wrong"]], judge)
    assert found["right"] == [1, 1, 1, 0, 1, 0]
    assert found["all"] == [1, 0, 0] and found["least"] == [1, 0, 0]
    assert [numbered(question) for question in judge.asked] == [["a", "b"], ["a", "wrong", "c"], ["wrong"]]
    kind = spec.graph[next(entry.key for entry in spec.lets if entry.name == "right")].type
    assert kind.axis.level is Level.STEP and kind.interval == BINARY


def test_an_answer_is_read_as_a_whole_even_where_some_of_its_steps_are_needed() -> None:
    text = STEPS + """
    let first_step = where(text.contains(s, "x"), right, 1)
    reward some = min(first_step, per: sample)
    """
    judge = Told(critic)
    found = values(spec_of(text), ["some"], [["a|x", "a|b"], ["x wrong|c"]], judge)
    assert found["some"] == [1, 1, 0]
    assert [numbered(question) for question in judge.asked] == [["a", "x"], ["x wrong", "c"]]


def test_a_rubric_judges_steps_on_its_own_scale() -> None:
    spec = spec_of("""
    rubric sound judged by grader { scale: 1 .. 5  "follows" weight 1  "guesses" penalty 1 }
    let s = split(y.text, at: "|")
    reward r = mean(prm(sound, s), per: sample)
    """)
    judge = Told(lambda question: {str(number + 1): {"critique": "", "verdict": number + 3}
                                   for number in range(len(numbered(question)))})
    assert values(spec, ["r"], [["a|b|c"]], judge)["r"] == [0.75], "3, 4 and 5 on a scale from 1 to 5"
    assert "speaks for a step" in judge.asked[0].user and "speaks against a step" in judge.asked[0].user


def test_a_verdict_on_steps_that_failed_leaves_no_number() -> None:
    spec = spec_of(STEPS + "reward mended = all else 0.5")
    judge = Told(lambda question: {"1": {"critique": "", "verdict": "right"}})
    found = values(spec, ["all", "mended"], [["a|b", "a"]], judge)
    assert math.isnan(found["all"][0]) and found["all"][1] == 1 and found["mended"] == [0.5, 1]


def test_the_page_on_rewards_shows_a_spec_that_checks() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rewards.md").read_text(encoding="utf-8")
    shown = page[page.index("## Rubrics"):].split("```rl\n", 1)[1].split("```", 1)[0]
    result = check_source(Source("shown.rl", shown), project_loader(Path("/nonexistent")))
    assert not result.errors, [(entry.title, entry.why) for entry in result.errors]


def test_an_explanation_says_what_each_criterion_counts() -> None:
    spec = spec_of(CLEAR.replace("weight 3", "weight w").replace("rubric", "param w: Real in (0, 10] = 3\nrubric")
                   + "rubric own judged by grader { scale: 1 .. 5, votes: 3, votes_by: median, ask: each }\n"
                   + "reward fair = own(y.text, criteria: problems.rubrics)")
    assert rubric_lines(spec) == [
        "clear, judged by grader: one question for an answer",
        '  +w  "follows"  on no 0, yes 1', '  +1  "is short"  on no 0, yes 1', '  -2  "invents"  on no 0, yes 1',
        '  0 from 1 on  "refuses"  on no 0, yes 1', '  0 below 1  "is on the question"  on no 0, yes 1',
        "own, judged by grader: a question for each criterion, 3 votes by median", "  criteria come with each call, on 1 .. 5"]
    equation = equation_of(spec.graph, "style", spec.rewards[0].key, Style.TEXT)
    written = dict(equation.definitions)
    assert written["clear verdicts"] == "rubric:clear(y.text, problems.question)"
    share = "sum_{y.sample.criterion(clear: 4) in y.sample}(clear weights * clear verdicts) / (w + 1)"
    assert f"clip({share}, 0, 1)" in written["style"]
