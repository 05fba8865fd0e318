"""Scorers in whole runs: preferences are learned, rewards and snapshots read them, a resumed run is the same run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoModelForSequenceClassification

from rldsl.train.outcome import Ending, RunError
from tests.train.specs import HEAD, ROLLOUT, lines_of, numbers_of, run, weights_of

TASKS = '''
def problems(count=64, letters=2):
    import itertools
    words = ["".join(word) for word in itertools.permutations("abcd", letters)]
    for place in range(count):
        word = words[place % len(words)]
        yield {"question": word + ">", "answer": "".join(sorted(word)), "wrong": "".join(sorted(word, reverse=True)),
               "number": place}
'''
PAIRS = """
data pairs from python("tasks:problems", count: 48) { question: Text  answer: Text  wrong: Text }
data unseen from python("tasks:problems", count: 12, letters: 3) { question: Text  answer: Text  wrong: Text }
scorer rm from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcd>"))
response win = pairs.answer given pairs.question for rm
response lose = pairs.wrong given pairs.question for rm
let right = score(rm, win) > score(rm, lose)
let after_one = first(score(rm, win, per: token), per: sample)
objective prefer for rm {
  minimize loss: -mean(log_sigmoid(score(rm, win) - score(rm, lose)))
}
"""
TRAIN = """
eval heldout on unseen { report mean(right) }
train { repeat 40 { draw 12 rows from pairs
  update rm with prefer { optimizer: adamw(lr: 1e-2) MICRO }  every 40 { evaluate heldout } } }
"""


def test_a_scorer_learns_which_of_two_answers_is_preferred(tmp_path: Path) -> None:
    """From ln 2, since the head starts at 0; to words of another length, which it has not seen."""
    assert run(PAIRS + TRAIN.replace("MICRO", ""), tmp_path, tasks=TASKS).ending is Ending.FINISHED
    lines = numbers_of(tmp_path / "run")
    assert lines[0]["loss"] == pytest.approx(0.693147, abs=1e-6)
    assert lines[-1]["loss"] < 0.05 and lines[-1]["eval/heldout/mean(right)"] >= 0.9
    folder = tmp_path / "run/checkpoints/checkpoint-40/models/rm"
    assert AutoModelForSequenceClassification.from_pretrained(folder).num_labels == 1


@pytest.mark.parametrize("micro_batch", ["1 rows", "5 rows"])
def test_a_micro_batch_changes_nothing_but_memory(tmp_path: Path, micro_batch: str) -> None:
    short = PAIRS + TRAIN.replace("repeat 40", "repeat 2").replace("every 40 { evaluate heldout }", "")
    run(short.replace("MICRO", ""), tmp_path, out="whole", tasks=TASKS)
    run(short.replace("MICRO", f", micro_batch: {micro_batch}"), tmp_path, out="cut", tasks=TASKS)
    whole, parts = (numbers_of(tmp_path / out) for out in ("whole", "cut"))
    for one, other in zip(whole, parts, strict=True):
        assert other["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-4) and one["grad_norm"] > 0
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-5)


ENSEMBLE = "reward good = 0.5 * (score(rm, y) + score(second, y))\n"
REWARDED = PAIRS + HEAD + ROLLOUT.replace("reward correct", f"{ENSEMBLE}reward correct") + """
scorer second from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcd>"))
scorer old = frozen(rm)
let advantage = good - mean(good, per: prompt)
let moved = mean(abs(score(rm, y) - score(old, y)))
state distance: Real = 0
distance <- moved
objective agree for second { minimize error: mean((score(second, win, per: token) - after_one) ^ 2) }
objective pg for actor { maximize gain: mean(exp(logp(actor, y) - y.logp) * advantage) }
train {
  stage judging { repeat 3 { draw 12 rows from pairs
    update rm with prefer { minibatch: 6 rows, optimizer: adamw(lr: 1e-2) }
    update second with agree { optimizer: adamw(lr: 1e-2) } } }
  stage acting { repeat 3 { draw 6 prompts from problems  draw 6 rows from pairs
    update actor with pg { optimizer: adamw(lr: 1e-2) }
    update rm with prefer { optimizer: adamw(lr: 1e-2) } } }
}
"""


@pytest.mark.slow
def test_a_run_with_scorers_that_was_stopped_is_the_run_that_was_not(tmp_path: Path) -> None:
    """Rewards read a trained scorer, an ensemble and a snapshot; heads, bodies and moments come back to the bit."""
    run(REWARDED, tmp_path, out="whole", tasks=TASKS)
    for place, stop in enumerate([1, 1, 2, 1]):
        assert run(REWARDED, tmp_path, out="cut", tasks=TASKS, resume=place > 0, stop_after=stop).ending is Ending.INTERRUPTED
    assert run(REWARDED, tmp_path, out="cut", tasks=TASKS, resume=True).ending is Ending.FINISHED
    assert weights_of(tmp_path / "cut") == weights_of(tmp_path / "whole")
    assert lines_of(tmp_path / "cut") == lines_of(tmp_path / "whole")
    assert {"models/old/model.safetensors", "trainer/optimizer-rm.safetensors"} <= weights_of(tmp_path / "whole").keys()
    lines = numbers_of(tmp_path / "whole")
    assert lines[3]["rewards/good/std"] > 0 and lines[3]["state/distance"] > 0


def test_a_scorer_may_have_a_tokenizer_of_its_own(tmp_path: Path) -> None:
    """It reads the policy's texts; the same weights with the policy's tokenizer give other scores of the same texts."""
    text = HEAD + ROLLOUT + """
scorer rm from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("<>.dabcpes"), seed: 3)
objective fit for rm { minimize error: mean((score(rm, y) - places) ^ 2) }
train { repeat 15 { draw 12 prompts  update rm with fit { optimizer: adamw(lr: 1e-2) } } }
"""
    assert run(text, tmp_path).ending is Ending.FINISHED
    lines = numbers_of(tmp_path / "run")
    assert lines[-1]["loss"] < 0.6 * lines[0]["loss"]


def test_a_score_at_tokens_needs_the_same_tokens(tmp_path: Path) -> None:
    text = HEAD + ROLLOUT + """
scorer rm from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("<>.dabcpes"))
objective fit for rm { minimize error: mean((score(rm, y, per: token) - places) ^ 2) }
train { repeat 2 { draw 12 prompts  update rm with fit { optimizer: adamw(lr: 1e-2) } } }
"""
    with pytest.raises(RunError, match=r"test\.rl:\d+:\d+: `rm` has another tokenizer than `actor`.*`score\(rm, y\)`"):
        run(text, tmp_path)


def test_the_explanation_says_what_is_scored(tmp_path: Path) -> None:
    run(PAIRS + TRAIN.replace("MICRO", ""), tmp_path, tasks=TASKS, dry_run=True)
    run(PAIRS + TRAIN.replace("MICRO", ""), tmp_path, tasks=TASKS, stop_after=1)
    document = json.loads((tmp_path / "run/explain.json").read_text())
    assert document["objectives"][0]["equation"] == \
        "minimize loss = -mean_{pairs}(log_sigmoid(score_{rm}(win) - score_{rm}(lose)))"
    assert document["objectives"][0]["coupling"] == "prompt"
