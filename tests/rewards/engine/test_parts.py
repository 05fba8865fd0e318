"""The engine over axes that calls make and over members: found before anything is asked, and asked place by place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rldsl.emit.evaluate import Expanded, extended
from rldsl.graph.model import Foreign, Node
from rldsl.kernels.layout import Layout
from rldsl.rewards.engine.run import HostRun
from rldsl.rewards.outcome import Outcome
from rldsl.rewards.tiers import Tier
from tests.rewards.engine.host import NATIVE_CALLS, Ear, Table, compiled, key_of, run_of


class Cutting(Table):
    """A table beside which texts are cut here."""

    def call(self, operation: Foreign, inputs: Any) -> Outcome:
        return NATIVE_CALLS.call(operation, inputs) if operation.name == "split" else Table.call(self, operation, inputs)

    def tier(self, operation: Foreign) -> Tier:
        return Tier.NATIVE if operation.name == "split" else Table.tier(self, operation)


SAYS = {"verdict": lambda text: float(text.startswith("1")), "judge": lambda text: float(text.split()[-1]) / 10,
        "grade": lambda text: 0.5}


def run_with_steps(body: str, texts: list[Any]) -> tuple[Any, Table, HostRun]:
    spec, table = compiled(body), Cutting(SAYS)
    first = run_of(spec, table, texts)
    layout = [first.layout()]

    def grow(node: Node, outcome: Outcome) -> None:
        layout[0] = extended(layout[0], node.type.axis, Expanded.of(outcome))

    def now() -> Layout:
        return layout[0]

    run = HostRun(spec.graph, table, Ear(), now, first.known, grow)
    run.run([key_of(spec, "total")])
    return run.known[key_of(spec, "total")], table, run


def test_steps_are_judged_one_by_one_and_only_where_the_answer_passed() -> None:
    found, table, run = run_with_steps('let s = split(y.text, at: ";")\n'
                                       "reward total = verdict(y.text) * min(judge(s), per: sample)\n",
                                       ["1 4;b 2;c 9", "0 1;d 2", "1 7"])
    np.testing.assert_allclose(found, [0.2, 0.0, 0.7])
    assert table.asked["judge"] == ["1 4", "b 2", "c 9", "1 7"]
    assert run.layout().offsets["y.step"].tolist() == [0, 3, 5, 6]


def test_how_many_steps_there_are_is_known_without_asking_anybody() -> None:
    found, table, _ = run_with_steps('let s = split(y.text, at: ";")\nreward total = sum(position(s) + 1, per: sample)\n',
                                     ["a;b;c", "", "a"])
    assert list(found) == [6, 1, 1]
    assert table.asked == {}


def test_an_absent_text_is_one_absent_step() -> None:
    found, table, _ = run_with_steps('let s = split(y.text, at: ";")\nreward total = mean(judge(s), per: sample) else -1\n',
                                     ["a 1;b 3", None])
    np.testing.assert_allclose(found, [0.2, -1])
    assert table.asked["judge"] == ["a 1", "b 3"]


def test_members_that_a_condition_closes_are_not_asked() -> None:
    members = "each(where(verdict(y.text) > 0, judge(y.text), 0), grade(y.text))"
    spec, table = compiled(f"reward total = max({members}, over: member)\n"), Table(SAYS)
    run = run_of(spec, table, ["1 4", "0 9"])
    run.run([key_of(spec, "total")])
    np.testing.assert_allclose(run.known[key_of(spec, "total")], [0.5, 0.5])
    assert table.asked["judge"] == ["1 4"] and table.asked["grade"] == ["1 4", "0 9"]


@pytest.mark.parametrize(("expression", "wanted"), [
    ("mean(where(text.equal(y.text, others(y.text, per: prompt)), 1, 0), per: sample)", [0.5, 0.5, 0.0, 1.0, 1.0, 1.0]),
    ("mean(text.length(others(y.text, per: prompt)), per: sample)", [1.5, 1.5, 1.0, 2.0, 2.0, 2.0]),
    ("sum(where(text.contains(spread(y.text, to: pair, per: prompt), others(y.text, per: prompt)), 1, 0), per: sample)",
     [1, 1, 2, 2, 2, 2]),
])
def test_texts_meet_in_pairs(expression: str, wanted: list[float]) -> None:
    """`a`, `a`, `ab` and three times `cd`."""
    spec, table = compiled(f"reward total = {expression}\n"), Table({})
    run = run_of(spec, table, ["a", "a", "ab", "cd", "cd", "cd"], samples=3)
    run.run([key_of(spec, "total")])
    np.testing.assert_allclose(run.known[key_of(spec, "total")], wanted)
