"""Calls that fail: what handles them, what stops the run, what the message says, and that one can go on afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.rewards.handled import handled_calls
from rldsl.train.failures import failure_bounds
from rldsl.train.outcome import Ending, RunError
from rldsl.train.rollout_log import read_rollouts
from tests.train.specs import GRPO, HEAD, ROLLOUT, TASKS, TRAIN, lines_of, numbers_of, project_of, run, spec_of, weights_of

BROKEN = TASKS + '''
import os

def judge(text, answer):
    if not os.path.exists("MENDED") and text.startswith("START"):
        raise ValueError("cannot read " + repr(text))
    return float(text[:1] == answer[:1])
'''

EXTERN = """
extern fn judge(text: Text, answer: Text) -> Real in [0, 1] = python("tasks:judge") { isolate: none }
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 3 }
"""

PLAIN = EXTERN + "reward places = judge(y.text, problems.answer)\n"


def broken(folder: Path, start: str) -> str:
    """A project whose judge fails for texts that begin with `start` until the file `mended` is there."""
    return BROKEN.replace("MENDED", str(folder / "mended")).replace("START", start)


def test_a_failure_that_nothing_handles_stops_with_reward_text_and_error(tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        run(HEAD + PLAIN + GRPO + TRAIN, tmp_path, tasks=broken(tmp_path, "a"))
    said = caught.value.message
    assert "`places`" in said and "cannot read 'a" in said and "to the prompt" in said and "else skip" in said
    assert "iteration 1" in said
    assert (tmp_path / "run/report.html").is_file()
    assert [line["event"] for line in lines_of(tmp_path / "run") if "event" in line] == ["error"]


@pytest.mark.slow
def test_a_mended_run_goes_on_as_if_nothing_had_failed(tmp_path: Path) -> None:
    text, tasks = HEAD + PLAIN + GRPO + TRAIN, broken(tmp_path, "ab")
    with pytest.raises(RunError):
        run(text, tmp_path, tasks=tasks)
    (tmp_path / "mended").touch()
    assert run(text, tmp_path, tasks=tasks, resume=True).ending is Ending.FINISHED
    run(text, tmp_path, tasks=tasks, out="whole")
    assert weights_of(tmp_path / "run") == weights_of(tmp_path / "whole")
    assert lines_of(tmp_path / "run") == lines_of(tmp_path / "whole")


def test_a_handled_failure_is_counted_named_and_gone_on_with(tmp_path: Path) -> None:
    tasks = TASKS + "\ndef judge(text, number):\n    return 1.0 if number != 5 else 1 / 0\n"
    extern = EXTERN.replace("answer: Text", "number: Int").replace("samples: 4", "samples: 2")
    text = HEAD + extern + "reward places = judge(y.text, problems.number) else skip\n" + GRPO + TRAIN
    assert run(text.replace("repeat 4", "repeat 6"), tmp_path, tasks=tasks).ending is Ending.FINISHED
    failed = [sample for _, sample in read_rollouts(tmp_path / "run") if sample.failed]
    assert [(sample.prompt_index, sample.rewards["places"]) for sample in failed] == [(5, None)] * 2
    said = [line["message"] for line in lines_of(tmp_path / "run") if line.get("event") == "warning"]
    assert len(said) == 1 and "2 of 16" in said[0] and "ZeroDivisionError" in said[0]
    assert [value for name, value in numbers_of(tmp_path / "run")[-1].items() if name.startswith("failures/")] == [2.0]


def test_too_many_failures_stop_even_where_they_are_handled(tmp_path: Path) -> None:
    text = HEAD + EXTERN + "reward places = judge(y.text, problems.answer) else 0\n" + GRPO + TRAIN
    with pytest.raises(RunError, match=r"more than the 0\.1 of all that a run goes on with"):
        run(text, tmp_path, tasks=broken(tmp_path, ""))


@pytest.mark.parametrize(("bound", "stops"), [("0", True), ("0.1", True), ("0.125", False), ("1", False)])
def test_the_share_of_failures_that_a_run_goes_on_with_is_what_the_spec_says(tmp_path: Path, bound: str, stops: bool) -> None:
    """One row of eight fails: 2 calls of 16."""
    tasks = TASKS + "\ndef judge(text, number):\n    return 1.0 if number != 5 else 1 / 0\n"
    extern = EXTERN.replace("answer: Text", "number: Int").replace("samples: 4", "samples: 2")
    text = HEAD + extern.replace("isolate: none", f"isolate: none, most_failures: {bound}") + \
        "reward places = judge(y.text, problems.number) else skip\n" + GRPO + TRAIN.replace("repeat 4", "repeat 6")
    if stops:
        with pytest.raises(RunError, match=rf"more than the {bound} of all that `most_failures` allows.*`most_failures: 0.15`"):
            run(text, tmp_path, tasks=tasks)
    else:
        assert run(text, tmp_path, tasks=tasks).ending is Ending.FINISHED


def test_the_bound_of_a_judge_holds_for_its_rubrics(tmp_path: Path) -> None:
    judge = 'judge grader from openai(model: "m", base_url: "http://localhost:1/v1") { most_failures: 0.02 }\n'
    rubric = 'rubric clear judged by grader { "Is it clear?" weight 1 }\nreward style = clear(y.text) else 0\n'
    spec = spec_of(HEAD + ROLLOUT + judge + rubric, project_of(tmp_path))
    names = {node.key: getattr(node.operation, "name", "") for node in spec.graph.nodes}
    assert {names[key]: bound for key, bound in failure_bounds(spec).items()} == {"rubric:clear": 0.02}


def test_the_bound_of_a_verifier_stands_in_its_call(tmp_path: Path) -> None:
    spec = spec_of(HEAD + ROLLOUT.replace("verify.equal(y.text, problems.answer)",
                                          "verify.regex(y.text, problems.answer, most_failures: 0.25) else 0"),
                   project_of(tmp_path))
    names = {node.key: getattr(node.operation, "name", "") for node in spec.graph.nodes}
    assert {names[key]: bound for key, bound in failure_bounds(spec).items()} == {"verify.regex": 0.25}


def test_else_stop_stops_at_what_is_absent(tmp_path: Path) -> None:
    text = HEAD + EXTERN + "reward places = verify.number(y.text) else stop\n" + GRPO + TRAIN
    with pytest.raises(RunError, match="else stop"):
        run(text, tmp_path, tasks=broken(tmp_path, "a"))


@pytest.mark.slow
def test_absent_rewards_are_left_out(tmp_path: Path) -> None:
    text = HEAD + EXTERN + "reward places = where(y.length > 2, judge(y.text, problems.answer), absent)\n" + GRPO + TRAIN
    run(text, tmp_path, tasks=broken(tmp_path, "nothing"))
    samples = [sample for _, sample in read_rollouts(tmp_path / "run")]
    absent = [sample for sample in samples if sample.rewards["places"] is None]
    assert absent and all(sample.tokens <= 2 and not sample.failed for sample in absent)


def test_infinite_rewards_stop_the_run(tmp_path: Path) -> None:
    text = HEAD + EXTERN + "reward places = 1 / (1 - judge(y.text, problems.answer))\n" + GRPO + TRAIN
    with pytest.raises(RunError, match="infinite"):
        run(text, tmp_path, tasks=broken(tmp_path, "nothing"))


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(tmp_path: Path) -> None:
    imitation = HEAD + """
param scale: Real in [0, 1e38] = piecewise(0 -> 1, 2 -> 1e30)
response shown = problems.answer given problems.question
objective imitation for actor { minimize nll: -mean(logp(actor, shown)) * scale * scale }
train { repeat 4 { draw 8 prompts  update actor with imitation { optimizer: adamw(lr: 1e-2) } } }
"""
    with pytest.raises(RunError, match=r"iteration 3: the (loss|norm of the gradient) is") as caught:
        run(imitation, tmp_path)
    assert "checkpoint of iteration 2 is whole" in caught.value.message
    run(imitation, tmp_path, out="short", stop_after=2)
    assert weights_of(tmp_path / "run") == weights_of(tmp_path / "short")


def test_a_function_that_is_not_there_is_said_before_training(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="judge"):
        run(HEAD + PLAIN + GRPO + TRAIN, tmp_path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("reward", "handled"), [
    ("reward places = judge(y.text, problems.answer)", False),
    ("reward places = judge(y.text, problems.answer) else 0", True),
    ("reward places = 0.5 * judge(y.text, problems.answer) else skip", True),
    ("reward raw = judge(y.text, problems.answer)\nreward places = raw else 0", True),
    ("reward raw = judge(y.text, problems.answer)\nreward places = (raw else 0) + raw", False),
    ("reward looked_at = judge(y.text, problems.answer)\nreward places = verify.equal(y.text, problems.answer)", False),
    ("reward places = where(is_missing(judge(y.text, problems.answer)), 0, 1)", True),
])
def test_what_counts_as_handled(tmp_path: Path, reward: str, handled: bool) -> None:
    spec = spec_of(HEAD + EXTERN + reward + "\n" + GRPO + TRAIN, project_of(tmp_path, broken(tmp_path, "a")))
    calls = {node.key for node in spec.graph.nodes if getattr(node.operation, "name", "") == "extern:judge"}
    assert calls and (calls <= handled_calls(spec)) == handled
