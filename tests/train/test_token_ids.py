"""Token ids of a response reach the functions of a project: AReaL's reward functions as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

import rldsl
from rldsl.rewarding import RewardError
from rldsl.train.outcome import Ending, RunError
from tests.train.specs import GRPO, HEAD, ROLLOUT, TASKS, TRAIN, numbers_of, run

AREAL = TASKS + """
LETTERS = "abcd>"

def reward_fn(prompt, completions, prompt_ids, completion_ids, answer, **row):
    tokens = ["<pad>", "<eos>", *LETTERS]
    said = "".join(tokens[place] for place in completion_ids)
    asked = "".join(tokens[place] for place in prompt_ids)
    assert asked == prompt and said.removesuffix("<eos>") == completions, (asked, prompt, said, completions)
    assert sorted(row) == ["number"]
    return 1 if completions == answer else 0
"""
REWARD = """
reward theirs = verify.python("tasks:reward_fn", y.text, range: 0 .. 1, prompt: problems.question, prompt_ids: y.prompt_ids,
  completion_ids: y.ids, answer: problems.answer, number: problems.number)
"""
WITHOUT = """
reward theirs = verify.python("tasks:reward_fn", y.text, range: 0 .. 1, prompt: problems.question, answer: problems.answer)
"""


def test_an_areal_function_says_what_a_verifier_says(tmp_path: Path) -> None:
    assert run(HEAD + ROLLOUT + REWARD + GRPO + TRAIN, tmp_path, tasks=AREAL).ending is Ending.FINISHED
    for line in numbers_of(tmp_path / "run"):
        assert line["rewards/theirs/mean"] == line["rewards/correct/mean"]


def test_without_token_ids_the_run_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"`prompt_ids: y.prompt_ids, completion_ids: y.ids`"):
        run(HEAD + ROLLOUT + WITHOUT + GRPO + TRAIN, tmp_path, tasks=AREAL)


def test_texts_alone_have_no_token_ids(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(AREAL)
    reward = rldsl.compile(HEAD + ROLLOUT + REWARD, project=tmp_path).reward("theirs")
    row = {"question": ["ab>"], "answer": ["ab"], "number": [0]}
    with pytest.raises(RewardError, match=r"reads token ids \(`y.prompt_ids`\), which texts alone do not have: give `prompt_ids"):
        reward(["ab"], **row)
    assert reward(["ab"], **row, prompt_ids=[[2, 3, 6]], ids=[[2, 3, 1]]).tolist() == [1.0]
    reward.close()
