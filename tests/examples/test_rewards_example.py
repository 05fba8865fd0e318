"""The example of every kind of reward at once, scored with the judge that it comes with."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import rldsl
from tests.scores.conftest import column, write_rows

EXAMPLES = Path(__file__).parents[2] / "examples"
ROW = {"question": "2+3*4>", "answer": "14", "worked": "a=3*4\nb=2+a #14", "tests": ["assert a == 12", "assert b == 14"]}
ANSWERS = [
    "a=3*4\nb=2+a #14",  # what was wanted
    "a=3*4\nb=2+a #15",  # runs, and claims another number
    "a=3+4\nb=2*a #14",  # another way to the same number; one of the tests wants 12
    "14",                # right, and no code
]
EXPECTED = {
    "right": [1, 0, 1, 1],
    "runs": [1, 1, 0.5, 0],
    "outcome": [1, 0.5, 0.75, 0.5],
    "style": [1, 1 / 3, 1, 0],  # the second: one line of two is right (2 * 0.5 of 2 + 1), its last line says nothing true; the gate
    "wins": [1, 0, 1, 0],       # each against the next: of the second the third is better, of the last the first
    "weakest": [1, 0, 1, 0],
    "brief": [0, 0, 0, 0],
    "honest": [1, 0, 0, 0],
}


def test_every_kind_of_reward_says_what_can_be_worked_out_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(EXAMPLES / "tasks"))
    asked: list[str] = []

    def answer(user: str, schema: dict[str, Any]) -> Any:
        asked.append(user)
        return judge.answer(user, schema)
    file = write_rows(tmp_path / "rows.jsonl", [{**ROW, "completions": ANSWERS}])
    try:
        judge = import_module("sums_judge")
        with import_module("letters_judge").serving(0, answer) as url:
            monkeypatch.setenv("JUDGE_URL", url)
            [before] = rldsl.estimate(EXAMPLES / "rewards.rl", file, rollout="y").judges
            assert not asked
            report = rldsl.score(EXAMPLES / "rewards.rl", file, out=tmp_path / "out", rollout="y")
            [after] = rldsl.estimate(EXAMPLES / "rewards.rl", file, rollout="y").judges
    finally:
        for name in ("sums_judge", "letters_judge"):
            sys.modules.pop(name, None)
    found = {name: column(report, name) for name in (*EXPECTED, "near", "worst", "total")}
    for name, values in EXPECTED.items():
        assert found[name] == pytest.approx(values, abs=1e-12), name
    assert found["worst"] == [0.5] * 4  # neither has learned anything
    weights = {"outcome": 0.4, "style": 0.15, "wins": 0.1, "weakest": 0.15, "near": 0.1, "worst": 0.1, "brief": 0.1}
    expected = [sum(weight * found[name][place] for name, weight in weights.items()) for place in range(4)]
    assert found["total"] == pytest.approx(expected)
    # the parts of three answers, the steps of four, four pairs in both orders, four gates, and what three of them let through
    assert len(asked) == 3 + 4 + 8 + 4 + 3
    # not for sure are the verdicts on steps, which somebody has to cut first, and what the gates let through
    assert (before.least.calls, before.most.calls, after.most.calls) == (3 + 8 + 4, 3 + 4 + 8 + 4 + 4, 0)
