"""Who is asked where: what closes a call, what keeps it open, and what the value is then."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rldsl.rewards.engine.roots import watched_rewards
from rldsl.rewards.engine.states import State, states_of
from tests.rewards.engine.host import Ear, Table, compiled, failure, key_of, run_of

NUMBER = {"verdict": lambda text: float(text.split()[0]), "truth": lambda text: float(text.split()[0]) > 0,
          "judge": lambda text: float(text.split()[1]), "grade": lambda text: float(text.split()[1]),
          "ruling": lambda text: float(text.split()[1]) > 0, "finding": lambda text: float(text.split()[2]) > 0,
          "note": lambda text: text.split()[1], "remark": lambda text: None if text.endswith("-") else 2}
TEXTS = ["0 0.5 1", "1 0.25 0", "0 0 1", "1 0 1"]


def asked(expression: str, texts: list[str] = TEXTS, *, samples: int = 1) -> tuple[list[float], Table]:
    """The values of a reward, and the record of what was asked for it."""
    spec, table = compiled(f"reward total = {expression}\n"), Table(NUMBER)
    run = run_of(spec, table, texts, samples=samples)
    run.run([key_of(spec, "total")])
    return np.asarray(run.known[key_of(spec, "total")], dtype=np.float64).tolist(), table


@pytest.mark.parametrize(("expression", "values", "judged"), [
    ("verdict(y.text) * judge(y.text)", [0, 0.25, 0, 0], [1, 3]),
    ("judge(y.text) * verdict(y.text)", [0, 0.25, 0, 0], [1, 3]),
    ("verdict(y.text) * log(judge(y.text))", [0, math.log(0.25), 0, -math.inf], [1, 3]),
    ("verdict(y.text) * (0.5 + 0.5 * judge(y.text))", [0, 0.625, 0, 0.5], [1, 3]),
    ("verdict(y.text) + judge(y.text)", [0.5, 1.25, 0, 1], [0, 1, 2, 3]),
    ("where(truth(y.text), judge(y.text), 2)", [2, 0.25, 2, 0], [1, 3]),
    ("where(truth(y.text), 2, judge(y.text))", [0.5, 2, 0, 2], [0, 2]),
    ("where(truth(y.text) and ruling(y.text), 1, 0)", [0, 1, 0, 0], [1, 3]),
    ("where(truth(y.text) or ruling(y.text), 1, 0)", [1, 1, 0, 1], [0, 2]),
    ("where(not truth(y.text), 1, judge(y.text) - 1)", [1, -0.75, 1, -1], [1, 3]),
    ("(1 - verdict(y.text)) * judge(y.text) + verdict(y.text)", [0.5, 1, 0, 1], [0, 2]),
    ("0 * judge(y.text)", [0, 0, 0, 0], []),
    ("verdict(y.text) / judge(y.text)", [0, 4, math.nan, math.inf], [0, 1, 2, 3]),
    ("verdict(y.text) * judge(y.text) + (1 - verdict(y.text)) * judge(y.text)", [0.5, 0.25, 0, 0], [0, 1, 2, 3]),
])
def test_a_judge_is_asked_where_its_answer_matters(expression: str, values: list[float], judged: list[int]) -> None:
    found, table = asked(expression)
    np.testing.assert_allclose(found, values)
    there = [*table.asked.get("judge", ()), *table.asked.get("ruling", ())]
    assert there == [TEXTS[place] for place in judged]


def test_what_two_gates_leave_open_is_asked_once() -> None:
    spec = compiled("""
let j = judge(y.text)
reward a = verdict(y.text) * j
reward b = where(text.contains(y.text, "0.5"), j, 0)
""")
    table = Table(NUMBER)
    run = run_of(spec, table, TEXTS)
    run.run([key_of(spec, "a"), key_of(spec, "b")])
    assert table.asked["judge"] == [TEXTS[0], TEXTS[1], TEXTS[3]]
    assert table.order.count("judge") == 1


def test_a_gate_that_closes_half_of_the_samples_halves_the_calls() -> None:
    texts = [f"{place % 2} 0.5 {place}" for place in range(100)]
    values, table = asked("verdict(y.text) * judge(y.text)", texts)
    assert len(table.asked["verdict"]) == 100 and len(table.asked["judge"]) == 50
    assert sum(values) == 25.0


def test_a_statistic_over_a_group_needs_all_of_it_and_a_gated_group_none() -> None:
    values, table = asked("verdict(y.text) * (judge(y.text) - mean(judge(y.text), per: prompt))",
                          ["0 0.5 1", "1 0.25 0", "0 0.5 1", "0 0.75 1"], samples=2)
    assert values == [0, -0.125, 0, 0]
    assert table.asked["judge"] == ["0 0.5 1", "1 0.25 0"]


def test_a_mask_of_a_reduction_closes_what_it_leaves_out() -> None:
    values, table = asked("mean(judge(y.text), per: prompt, where: truth(y.text)) else 7",
                          ["1 0.5 1", "0 0.25 0", "0 0.5 1", "0 0.75 1"], samples=2)
    assert values == [0.5, 7.0] and table.asked["judge"] == ["1 0.5 1"]


def test_a_coarse_call_is_needed_where_any_of_its_users_is() -> None:
    spec = compiled("reward total = verdict(y.text) * judge(problems.answer)\n")
    table = Table({**NUMBER, "judge": float})
    run = run_of(spec, table, ["0 a", "1 b", "0 c", "0 d"], samples=2, answers=["0.5", "0.75"])
    run.run([key_of(spec, "total")])
    assert run.known[key_of(spec, "total")].tolist() == [0, 0.5, 0, 0]
    assert table.asked["judge"] == ["0.5"]


def test_the_second_of_an_else_is_asked_where_the_first_is_absent() -> None:
    values, table = asked("remark(y.text) else judge(y.text)", ["1 0.5 -", "1 0.25 +"])
    assert values == [0.5, 2.0] and table.asked["judge"] == ["1 0.5 -"]
    values, table = asked("verify.number(text.between(y.text, \"<\", \">\")) else judge(y.text)", ["1 0.5 <3>", "1 0.25 4"])
    assert values == [3.0, 0.25] and table.asked["judge"] == ["1 0.25 4"]


def test_an_input_of_a_call_is_asked_for_where_that_call_is() -> None:
    values, table = asked("verdict(y.text) * judge(\"9 \" + note(y.text))", ["1 0.5 +", "0 0.25 +"])
    assert values == [0.5, 0.0]
    assert table.asked["note"] == ["1 0.5 +"] and table.asked["judge"] == ["9 0.5"]


def test_absent_stays_absent_where_it_was_asked_or_its_input_is_absent() -> None:
    spec = compiled('let total = verdict(y.text) * judge(text.between(y.text, "<", ">"))\n')
    table = Table({**NUMBER, "judge": float})
    run = run_of(spec, table, ["0 <0.5>", "1 <0.5>", "0", "1"])
    run.run([key_of(spec, "total")])
    np.testing.assert_array_equal(run.known[key_of(spec, "total")], [0, 0.5, math.nan, math.nan])
    assert table.asked["judge"] == ["0.5"]


def test_a_closed_call_cannot_fail_and_an_open_one_is_failed() -> None:
    spec = compiled("reward style = judge(y.text)\nreward total = verdict(y.text) * style\n")
    table = Table({**NUMBER, "judge": lambda text: failure() if text.endswith("-") else 0.5})
    run = run_of(spec, table, ["0 0 -", "1 0 -", "1 0 +", "0 0 +"])
    run.run([key_of(spec, "total")], [key_of(spec, "style")])
    np.testing.assert_array_equal(run.known[key_of(spec, "total")], [0, math.nan, 0.5, 0])
    assert states_of(run, key_of(spec, "style")) == [State.NOT_ASKED, State.FAILED, State.VALUE, State.NOT_ASKED]
    assert states_of(run, key_of(spec, "total")) == [State.VALUE, State.FAILED, State.VALUE, State.VALUE]


def test_what_is_observed_asks_nothing_until_it_is_demanded() -> None:
    spec = compiled("reward style = judge(y.text)\nreward double = 2 * style\nreward total = verdict(y.text) * style\n")
    table, keys = Table(NUMBER), [key_of(spec, name) for name in ("style", "double", "total")]
    run = run_of(spec, table, TEXTS)
    run.run([keys[2]], keys[:2])
    np.testing.assert_array_equal(run.known[keys[1]], [math.nan, 0.5, math.nan, 0])
    run.run([keys[0]])
    assert table.asked["judge"] == [TEXTS[1], TEXTS[3], TEXTS[0], TEXTS[2]]
    assert run.known[keys[0]].tolist() == [0.5, 0.25, 0, 0] and run.known[keys[1]].tolist() == [1.0, 0.5, 0, 0]
    assert not run.open


def test_what_is_observed_later_knows_where_nobody_was_asked() -> None:
    spec = compiled("reward style = judge(y.text)\nreward double = 2 * style\nreward total = verdict(y.text) * style\n")
    run = run_of(spec, Table(NUMBER), TEXTS)
    run.run([key_of(spec, "total")], [key_of(spec, "style")])
    run.run((), [key_of(spec, "double")])
    assert states_of(run, key_of(spec, "double")) == [State.NOT_ASKED, State.VALUE, State.NOT_ASKED, State.VALUE]


def test_a_function_of_the_whole_batch_is_asked_about_all_of_it_or_nothing() -> None:
    spec = compiled("reward total = verdict(y.text) * judge(y.text)\n")
    for texts, count in ((TEXTS, 4), (["0 1 1", "0 1 2"], 0)):
        table = Table(NUMBER, whole=frozenset({"judge"}))
        run_of(spec, table, texts).run([key_of(spec, "total")])
        assert len(table.asked.get("judge", ())) == count


def test_else_stop_looks_at_what_was_asked() -> None:
    spec = compiled("reward total = verdict(y.text) * (remark(y.text) else stop)\n")
    run = run_of(spec, Table(NUMBER), ["0 9 -", "1 9 +"])
    run.run([key_of(spec, "total")])
    assert run.known[key_of(spec, "total")].tolist() == [0.0, 2.0]
    with pytest.raises(RuntimeError, match=r"absent at \[0\] of 2"):
        run_of(spec, Table(NUMBER), ["1 9 -", "1 9 +"]).run([key_of(spec, "total")])


def test_evidence_cost_and_time_are_kept_by_place() -> None:
    spec = compiled("reward total = verdict(y.text) * judge(y.text)\n")
    run = run_of(spec, Table(NUMBER), TEXTS)
    run.run([key_of(spec, "total")])
    record = next(found for key, found in run.asked.items() if spec.graph[key].operation.name == "extern:judge")  # type: ignore[union-attr]
    assert sorted(record.evidence) == [1, 3] and record.cost.calls == 2 and record.seconds == 0.5 and record.computed == 2


def test_what_cannot_be_gone_on_with_ends_the_asking() -> None:
    spec = compiled("reward total = verdict(y.text) * judge(y.text)\n")
    table = Table({**NUMBER, "verdict": lambda text: failure()})
    run = run_of(spec, table, TEXTS)
    run.watcher = Ear(refuses=True)
    with pytest.raises(RuntimeError, match="verdict"):
        run.run([key_of(spec, "total")])
    assert "judge" not in table.asked


def test_rewards_that_are_parts_are_watched_only_if_held_out() -> None:
    spec = compiled("""
reward right = verdict(y.text)
reward style = judge(y.text)
reward total = right * style
reward other = grade(y.text)
reward alone = 2 * other
let advantage = total - mean(total, per: prompt)
""")
    names = {entry.key: entry.name for entry in spec.rewards}
    assert [names[key] for key in watched_rewards(spec.graph, [key_of(spec, "advantage")], spec.rewards)] == ["alone"]
    assert [names[key] for key in watched_rewards(spec.graph, [], spec.rewards)] == ["total", "alone"]
