"""Process rewards by a scorer in whole runs, as functions of texts, and in `rldsl score`; it reads with a tokenizer of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import rldsl
from rldsl.graph.spec import Invocation, ModelSpec, Role
from rldsl.rollouts.models import LoadedModel, load_model
from rldsl.source import Span
from rldsl.train.outcome import Ending
from tests.scores.conftest import write_rows
from tests.train.specs import HEAD, numbers_of, run

REWARDS = """
scorer rm from hf("prm")
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 6 }
let s = split(y.text, at: "a")
let worth = prm(rm, s, question: problems.question, tag: "+")
reward last_worth = last(worth, per: sample)
reward least = min(sigmoid(worth), per: sample)
"""
TRAINED = """
import std.group (process_advantage)
let advantage = process_advantage(sigmoid(worth), 1e-4)
objective stepwise for actor { maximize surrogate: mean(exp(logp(actor, y) - y.logp) * advantage) }
train { repeat 2 { draw 6 prompts  update actor with stepwise { minibatch: 3 prompts, optimizer: adamw(lr: 1e-2) } } }
"""


def scorer_in(project: Path) -> LoadedModel:
    """A scorer in a folder of the project: its letters stand in another order than the policy's, and there are more."""
    letters = Invocation("characters", ("+>dcba<pe os",))
    origin = Invocation("tiny", (), (("layers", 1), ("width", 16), ("heads", 2), ("initial", 0.3), ("tokenizer", letters)))
    model = load_model(ModelSpec("rm", Role.SCORER, origin, None, False, False, (), Span("", 0, 0)), seed=5)
    torch.nn.init.normal_(model.module.score.weight, generator=torch.Generator().manual_seed(1))
    model.module.save_pretrained(project / "prm")
    model.tokenizer.save_pretrained(project / "prm")
    return model


def upto(model: LoadedModel, text: str) -> float:
    """What transformers' own classifier says of a text and nothing behind it."""
    with torch.no_grad():
        return float(model.module(input_ids=torch.tensor([[model.codec.names.index(letter) for letter in text]])).logits[0, 0])


def test_steps_scored_by_a_scorer_are_credit_in_two_updates(tmp_path: Path) -> None:
    scorer_in(tmp_path / "project")
    assert run(HEAD + REWARDS + TRAINED, tmp_path).ending is Ending.FINISHED
    lines = numbers_of(tmp_path / "run")
    assert all(line["grad_norm"] > 0 and line["rewards/last_worth/std"] > 0 for line in lines[:2])


def test_answers_of_different_numbers_of_steps_are_scored_as_a_function_of_texts(tmp_path: Path) -> None:
    model = scorer_in(tmp_path)
    program = rldsl.compile(HEAD + REWARDS, project=tmp_path)
    texts, questions = ["bab", "", "cadd", "b"], ["b>", "b>", "cd>", "cd>"]
    found = {name: program.reward(name)(texts, question=questions) for name in ("last_worth", "least")}
    ends = [["b>b+", "b>b+ab+"], ["b>+"], ["cd>c+", "cd>c+add+"], ["cd>b+"]]
    scores = [[upto(model, text) for text in texts] for texts in ends]
    np.testing.assert_allclose(found["last_worth"], [each[-1] for each in scores], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["least"], [min(1 / (1 + np.exp(-np.array(each)))) for each in scores], rtol=1e-4)


def test_given_answers_are_scored_where_nothing_is_trained(tmp_path: Path) -> None:
    model = scorer_in(tmp_path)
    (tmp_path / "spec.rl").write_text('data problems from jsonl("rows.jsonl") { question: Text }\n'
                                      'policy actor from hf("none")\n' + REWARDS)
    rows = write_rows(tmp_path / "rows.jsonl", [{"question": "b>", "completions": ["bab", "d"]},
                                                {"question": "cd>", "completions": ["cadd", "bab"]}])
    report = rldsl.score(tmp_path / "spec.rl", rows, out=tmp_path / "out")
    assert report.exit_status == 0
    wanted = [upto(model, text) for text in ["b>b+ab+", "b>d+", "cd>c+add+", "cd>b+ab+"]]
    assert report.kept.column("last_worth").to_pylist() == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_a_scorer_of_steps_that_is_not_there_is_named(tmp_path: Path) -> None:
    from rldsl.rewarding import RewardError
    program = rldsl.compile(HEAD + REWARDS, project=tmp_path)
    with pytest.raises(RewardError, match="scorer `rm`"):
        program.reward("least")(["b"], question=["b>"])
