"""Rewards as TRL, verl and verifiers call them."""

from __future__ import annotations

import asyncio
import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rldsl.adapters import trl, verifiers, verl
from rldsl.adapters.command import export_file
from rldsl.scores.faults import ScoreError

CHAT = [[{"role": "assistant", "content": "4"}], [{"role": "assistant", "content": "5 or 6"}]]


def test_trl_gets_one_number_for_each_completion_under_the_reward_s_name(project: Path) -> None:
    total = trl.reward_function(project / "mine.rl", "total")
    found = total(prompts=["2+2", "2+2"], completions=["4", "5 or 6"], question=["2+2"] * 2, answer=["4", "4"],
                  completion_ids=[[1], [2, 3]], trainer_state=object(), log_metric=print)
    assert total.__name__ == "total"
    assert found == pytest.approx([1 + 0.5 * 0.1, 0.5 * 0.6])


def test_trl_chats_are_read_by_their_one_message(project: Path) -> None:
    total = trl.reward_function(project / "mine.rl", "correct")
    assert total(prompts=[[{"role": "user", "content": "2+2"}]] * 2, completions=CHAT, question=["2+2"] * 2, answer=["4", "4"]) \
        == [1.0, 0.0]


def test_trl_groups_are_completions_of_equal_prompts_in_whatever_order(project: Path) -> None:
    better = trl.reward_function(project / "mine.rl", "better")
    found = better(prompts=["a", "b", "a"], completions=["4", "4", "xx"], question=["a", "b", "a"], answer=["4"] * 3)
    assert found == pytest.approx([(1.05 - 0.1) / 2, 0.0, (0.1 - 1.05) / 2])


def test_an_absent_reward_is_none_for_trl(project: Path) -> None:
    number = trl.reward_function(project / "mine.rl", "number")
    assert number(prompts=["q", "q"], completions=["about 3", "none"]) == [3.0, None]


def test_a_failed_call_is_no_number_but_an_error_that_says_what_failed(project: Path) -> None:
    strict = trl.reward_function(project / "mine.rl", "strict")
    assert strict(prompts=["q", "q"], completions=["4", "5"]) == [1.0, 0.25]
    with pytest.raises(ScoreError, match=r"`strict` failed for completion 2 of 2\n why: exception: ValueError: no such text"):
        strict(prompts=["q", "q"], completions=["4", "boom"])


def test_what_the_spec_says_of_a_failure_or_an_absence_holds_in_another_trainer(project: Path) -> None:
    (project / "said.rl").write_text((project / "mine.rl").read_text() + '''
reward skipped = verify.python("judging:strict", y.text, range: 0 .. 1) else skip
reward found = text.number(y.text) else stop
''')
    skipped = trl.reward_function(project / "said.rl", "skipped")
    assert skipped(prompts=["q", "q"], completions=["4", "boom"]) == [1.0, None]
    found = trl.reward_function(project / "said.rl", "found")
    assert found(prompts=["q"], completions=["about 3"]) == [3.0]
    with pytest.raises(ScoreError, match="`found` has no value 1 times"):
        found(prompts=["q", "q"], completions=["about 3", "none"])


def test_what_failed_at_a_step_is_said_too(project: Path) -> None:
    spec = (project / "mine.rl").read_text() + '''
let steps = split(y.text, at: "|")
reward worst = min(verify.python("judging:strict", steps, range: 0 .. 1), per: sample)
'''
    (project / "steps.rl").write_text(spec)
    worst = trl.reward_function(project / "steps.rl", "worst")
    assert worst(prompts=["q"], completions=["4|5"]) == [0.25]
    with pytest.raises(ScoreError, match="no such text"):
        worst(prompts=["q"], completions=["boom|boom"])


def test_only_what_the_reward_is_made_of_is_asked_and_read(project: Path) -> None:
    (project / "judging.py").write_text("raise RuntimeError('never imported')")
    length = trl.reward_function(project / "mine.rl", "length")
    assert length(prompts=["q"], completions=["four"]) == [0.4]


def test_lists_of_different_lengths_are_refused(project: Path) -> None:
    with pytest.raises(ScoreError, match="there are 1 prompts and 2 completions"):
        trl.reward_function(project / "mine.rl", "length")(prompts=["q"], completions=["a", "b"])


def test_a_missing_column_says_what_to_map(project: Path) -> None:
    correct = trl.reward_function(project / "mine.rl", "correct")
    with pytest.raises(ScoreError, match=r"no column `answer`[\s\S]*--map answer="):
        correct(prompts=["q"], completions=["a"], solution=["4"])


def test_verl_gets_the_score_and_its_parts(project: Path) -> None:
    compute = verl.compute_score(project / "mine.rl", "total")
    assert compute(data_source="gsm8k", solution_str="4", ground_truth="4", extra_info={"question": "2+2"}) == {
        "score": pytest.approx(1.05), "correct": 1.0, "length": 0.1, "total": pytest.approx(1.05)}


def test_verl_is_refused_a_reward_that_compares_completions(project: Path) -> None:
    with pytest.raises(ScoreError, match="`better` depends on other completions"):
        verl.compute_score(project / "mine.rl", "better")


def test_verl_has_no_absent_reward(project: Path) -> None:
    with pytest.raises(ScoreError, match=r"`number` has no value for a completion[\s\S]*`\(number\) else 0`"):
        verl.compute_score(project / "mine.rl", "number")("d", "none", "4")


def test_which_reward_is_meant_must_be_clear(project: Path) -> None:
    with pytest.raises(ScoreError, match=r"several rewards that nothing is made of\n why: there are `strict`, `number`, "
                                         r"`better`\.\n fix: name one: `--reward better`"):
        trl.reward_function(project / "mine.rl")
    with pytest.raises(ScoreError, match=r"no reward `totl`[\s\S]*`total`"):
        trl.reward_function(project / "mine.rl", "totl")


# ------------------------------------------------------------------ verifiers
class _Rubric:
    """The public part of verifiers' `Rubric` that is built on, as 0.1.14 behaves: an exception of a function is a 0."""

    def __init__(self, funcs: list[Any], weights: list[float]) -> None:
        self.funcs, self.weights = funcs, weights

    async def score_rollout(self, state: dict[str, Any]) -> None:
        metrics = {}
        for function in self.funcs:
            try:
                metrics[function.__name__] = function(state=state)
            except Exception:
                metrics[function.__name__] = 0.0
        state["metrics"] = metrics
        state["reward"] = sum(weight * metrics[function.__name__] for function, weight in zip(self.funcs, self.weights, strict=True)
                              if weight)

    async def score_group(self, states: list[dict[str, Any]]) -> None:
        for state in states:
            await _Rubric.score_rollout(self, state)


@pytest.fixture
def with_verifiers(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("verifiers")
    module.Rubric = _Rubric  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "verifiers", module)


def _states(*texts: str) -> list[dict[str, Any]]:
    return [{"prompt": "2+2", "completion": text, "answer": "4", "info": {"question": "2+2"}} for text in texts]


@pytest.mark.usefixtures("with_verifiers")
def test_verifiers_gets_the_reward_of_a_group_and_its_parts_as_metrics(project: Path) -> None:
    made, states = verifiers.rubric(project / "mine.rl", "better"), _states("4", "xx")
    asyncio.run(made.score_group(states))
    assert [state["reward"] for state in states] == pytest.approx([0.475, -0.475])
    assert states[0]["metrics"]["correct"] == 1.0
    assert states[1]["metrics"]["total"] == pytest.approx(0.1)


@pytest.mark.usefixtures("with_verifiers")
def test_a_failed_call_is_no_zero_in_verifiers_either(project: Path) -> None:
    made = verifiers.rubric(project / "mine.rl", "strict")
    with pytest.raises(ScoreError, match="`strict` failed"):
        asyncio.run(made.score_rollout(_states("boom")[0]))


@pytest.mark.usefixtures("with_verifiers")
def test_a_reward_that_compares_is_not_scored_one_by_one(project: Path) -> None:
    made = verifiers.rubric(project / "mine.rl", "better")
    with pytest.raises(ScoreError, match="`score_group`"):
        asyncio.run(made.score_rollout(_states("4")[0]))


def test_verifiers_that_is_missing_or_too_new_says_what_to_install(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "verifiers", None)
    with pytest.raises(ScoreError, match="verifiers is not installed"):
        verifiers.rubric(project / "mine.rl", "total")
    monkeypatch.setitem(sys.modules, "verifiers", ModuleType("verifiers"))
    with pytest.raises(ScoreError, match="has no `Rubric`"):
        verifiers.rubric(project / "mine.rl", "total")


# ------------------------------------------------------------------ the files
def _module(path: Path) -> ModuleType:
    """As verl loads it: by its path alone."""
    spec = importlib.util.spec_from_file_location(f"exported_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_exported_file_scores_wherever_it_is_loaded_from(project: Path, monkeypatch: pytest.MonkeyPatch,
                                                            capsys: pytest.CaptureFixture[str]) -> None:
    (project / "rewards").mkdir()
    monkeypatch.chdir(project)
    maps, out = ["answer=extra_info.gold"], Path("rewards/mine.py")
    assert export_file(Path("mine.rl"), "verl", out, "total", maps, {}, replace=False) == 0
    assert "wrote rewards/mine.py" in capsys.readouterr().out
    monkeypatch.chdir("/")
    compute = _module(project / "rewards" / "mine.py").compute_score
    assert math.isclose(compute("d", "4", "5", {"gold": "4"})["score"], 1.05)
    assert math.isclose(compute("d", "4", "4", {"gold": "5"})["score"], 0.05)


def test_an_exported_trl_file_has_the_reward_under_its_name(project: Path) -> None:
    assert export_file(project / "mine.rl", "trl", None, "better", [], {}, replace=False) == 0
    module = _module(project / "mine_trl.py")
    assert module.better(prompts=["a", "a"], completions=["4", "xx"], question=["a", "a"], answer=["4", "4"]) \
        == pytest.approx([0.475, -0.475])
    assert "whole groups" in str(module.__doc__)


def test_a_file_that_is_there_is_kept_unless_replaced(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "mine_trl.py").write_text("mine")
    assert export_file(project / "mine.rl", "trl", None, "total", [], {}, replace=False) == 2
    assert "is there already" in capsys.readouterr().err
    assert (project / "mine_trl.py").read_text() == "mine"
    assert export_file(project / "mine.rl", "trl", None, "total", [], {}, replace=True) == 0


def test_a_reward_that_verl_cannot_have_is_not_exported_for_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export_file(project / "mine.rl", "verl", None, "better", [], {}, replace=False) == 1
    assert "depends on other completions" in capsys.readouterr().err
    assert not (project / "mine_verl.py").exists()


def test_a_map_of_what_the_reward_does_not_read_is_refused_before_anything_is_scored(project: Path) -> None:
    with pytest.raises(ScoreError, match="nothing that is scored reads `question`"):
        verl.compute_score(project / "mine.rl", "total", maps={"question": "extra_info.q"})


@pytest.mark.parametrize("column", ["ground_truth", "answer", "reward_model"])
def test_a_map_to_what_verl_does_not_hand_over_is_refused_at_export(project: Path, capsys: pytest.CaptureFixture[str],
                                                                    column: str) -> None:
    assert export_file(project / "mine.rl", "verl", None, "total", [f"answer={column}"], {}, replace=False) == 2
    said = capsys.readouterr().err
    assert f"verl hands over no column `{column}`" in said
    assert (f"`--map answer={'extra_info' if column == 'reward_model' else 'reward_model.ground_truth'}" in said)
    assert export_file(project / "mine.rl", "verl", None, "total", ["answer=reward_model.ground_truth"], {}, replace=False) == 0


def test_a_field_that_verl_does_not_hand_over_is_refused_at_export(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An `answer` is verl's ground truth; a `question` has to be mapped."""
    spec = (project / "mine.rl").read_text() + "reward same = verify.equal(y.text, problems.question)\n"
    (project / "asks.rl").write_text(spec)
    assert export_file(project / "asks.rl", "verl", None, "same", [], {}, replace=False) == 2
    assert "`--map question=extra_info.question`" in capsys.readouterr().err
    assert export_file(project / "asks.rl", "verl", None, "same", ["question=extra_info.q"], {}, replace=False) == 0
