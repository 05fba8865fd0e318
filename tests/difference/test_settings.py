"""Every setting that differs is said once, where it stands, and changes no mathematics."""

from __future__ import annotations

from pathlib import Path

import pytest

import rldsl
from rldsl.difference import phrases
from rldsl.difference.model import SettingDifference
from rldsl.types import Version

FOLDER = Path(__file__).parent / "pairs"
LATER = (FOLDER / "later.rl").read_text(encoding="utf-8")
GRPO = (FOLDER / "grpo.rl").read_text(encoding="utf-8")
PPO = (FOLDER / "ppo.rl").read_text(encoding="utf-8")
MASKED = GRPO.replace("samples: 8", "samples: 8, within: top_p(mask, 0.9, least: 3)") + "\npolicy mask = frozen(actor)\n"

CHANGES = [
    (GRPO, "layers: 2", "layers: 4", ("policy actor", "layers", "2", "4")),
    (GRPO.replace("frozen(actor)", "ema(actor, rate: 0.1)"), "rate: 0.1", "rate: 0.2",
     ("policy ref", "weights", "ema(actor, rate: 0.1)", "ema(actor, rate: 0.2)")),
    (GRPO.replace("frozen(actor)", "stored(actor, lag: 2)"), "lag: 2", "lag: 3",
     ("policy ref", "weights", "stored(actor, lag: 2)", "stored(actor, lag: 3)")),
    (GRPO, '"train.jsonl"', '"other.jsonl"', ("data problems", "source", 'jsonl("train.jsonl")', 'jsonl("other.jsonl")')),
    (GRPO, "answer:   Text target", "answer:   Text target\n  level:    Int", ("data problems", "field level", None, "Int")),
    (GRPO, "answer:   Text target", "answer:   Text target\n  grade:    Real @ sample",
     ("data problems", "field grade", None, "Real @ sample")),
    (MASKED, "mask, 0.9", "mask, 0.8", ("rollout y", "within", "top_p(mask, 0.9, least: 3)", "top_p(mask, 0.8, least: 3)")),
    (MASKED, "least: 3", "least: 4", ("rollout y", "within least", "3", "4")),
    (GRPO, "samples: 8", "samples: 9", ("rollout y", "samples", "8", "9")),
    (GRPO, "max_tokens: 64", 'max_tokens: 64, stop: [">", "<"]', ("rollout y", "stop", None, '[">", "<"]')),
    (GRPO, "actor(problems.question)", 'actor("Sort: " + problems.question)',
     ("rollout y", "prompt", "problems.question", "text.concat('Sort: ', problems.question)")),
    (GRPO, "Real in [0, 1] = 0.001", "Real in [0, 2] = 0.001", ("param beta", "type", "Real in [0, 1]", "Real in [0, 2]")),
    (GRPO, "reward short", "reward short held out", ("reward short", "held out", "false", "true")),
    (GRPO, "repeat 100", "repeat 200", ("train", "repeat", "100", "200")),
    (GRPO, "draw 64 prompts", "draw 32 prompts", ("train", "draw", "64", "32")),
    (GRPO, "minibatch: 16 prompts", "minibatch: 32 prompts", ("update actor with grpo", "minibatch", "16 prompts", "32 prompts")),
    (GRPO, "adamw(lr: 1e-6)", "adamw(lr: linear(1e-6 -> 0, steps: 100))",
     ("update actor with grpo", "optimizer lr", "1e-06", "linear(1e-06 -> 0, steps: 100)")),
    (GRPO, ", clip_gradient: 1.0", "", ("update actor with grpo", "clip_gradient", "1", None)),
    (GRPO, "draw 64 prompts\n", "draw 64 prompts\n    reset ref to actor\n", ("train", "also", None, "reset ref to actor")),
    (LATER, "every 20 { evaluate heldout save }", "every 20 { evaluate heldout }",
     ("stage first, every 20", "no longer", "save", None)),
    (LATER, "greedy: true", "greedy: false", ("eval heldout", "greedy", "true", "false")),
    (LATER, "report mean(total)", "report mean(total), best: max(total)",
     ("eval heldout", "report best", None, "max_{y.sample}(total)")),
    (LATER, "guard mean(total) > 0.01 else warn\n", "", ("guard", "removed", "mean(total) > 0.01 else warn", None)),
    (LATER, "timeout: 5s", "timeout: 9s", ("extern score", "timeout", "5", "9")),
    (LATER, '"judge-1"', '"judge-2"', ("judge grader", "model", '"judge-1"', '"judge-2"')),
    (LATER, "train {\n", "plan { cluster: 1 node of 8 x \"H100\" }\n\ntrain {\n", ("the plan", "added", None, "")),
    (PPO, "state seen: Real", "state seen: Real in [0, 1]", ("state seen", "type", "Real", "Real in [0, 1]")),
]


def formatted(text: str) -> str:
    """With `every` and its block on one line."""
    return text.replace("every 20 {\n        evaluate heldout\n        save\n      }", "every 20 { evaluate heldout save }")


@pytest.mark.wide(8)
@pytest.mark.parametrize(("base", "old", "new", "expected"), CHANGES,
                         ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "")
def test_a_setting_that_changed_is_said(base: str, old: str, new: str, expected: tuple[str, str, str | None, str | None]) -> None:
    base = formatted(base)
    assert old in base
    found = rldsl.diff(base, base.replace(old, new))
    assert found.is_same_mathematics
    assert found.settings == (SettingDifference(*expected),)


def test_a_number_written_otherwise_is_no_change() -> None:
    assert rldsl.diff(GRPO, GRPO.replace("lr: 1e-6", "lr: 0.000001").replace("samples: 8", "samples: 4 * 2")).settings == ()


def test_a_parameter_is_the_number_that_it_is() -> None:
    other = GRPO.replace("param beta", "param rounds: Int in [1, 1000] = 100\nparam beta").replace("repeat 100", "repeat rounds")
    found = rldsl.diff(GRPO, other)
    assert found.is_same_mathematics and found.settings == ()


@pytest.mark.parametrize(("weights", "said"), [("ema(actor, rate: 0.01)", "under an average of the weights so far"),
                                               ("stored(actor, lag: 2)", "under weights of earlier iterations")])
def test_a_reference_that_follows_is_read_under_other_weights(weights: str, said: str) -> None:
    found = rldsl.diff(GRPO, GRPO.replace("frozen(actor)", weights))
    [part] = found.objectives[0].parts
    assert part.name == "kl" and part.changes[0].meaning == f"under frozen weights → {said}"
    assert found.settings == (SettingDifference("policy ref", "weights", "frozen(actor)", weights),)


def test_a_read_within_a_support_is_another_read() -> None:
    found = rldsl.diff(MASKED, MASKED.replace("logp(actor, y) - y.logp", "logp(actor, y, within: y.support) - y.logp"))
    assert not found.is_same_mathematics and found.settings == ()
    meanings = [change.meaning for part in found.objectives[0].parts for change in part.changes]
    assert meanings == ["over the whole vocabulary → within what was drawn from"]


def test_a_mask_of_another_name_is_the_same_mask() -> None:
    assert rldsl.diff(MASKED, MASKED.replace("mask", "lagged")).settings == ()


def test_every_version_of_weights_has_words() -> None:
    assert set(phrases.WEIGHTS) == set(Version)


def test_steps_are_aligned_whatever_stands_between_them() -> None:
    other = GRPO.replace("draw 64 prompts\n", "draw 64 prompts\n    every 5 { save }\n").replace("16 prompts", "8 prompts")
    found = rldsl.diff(GRPO, other)
    assert [(entry.where, entry.what, entry.before, entry.after) for entry in found.settings] == [
        ("update actor with grpo", "minibatch", "16 prompts", "8 prompts"), ("train", "also", None, "every 5 { save }")]
