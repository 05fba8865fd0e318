"""Micro-batches: what may be cut, what is refused, and that the gradient stays the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.graph.spec import Amount
from rldsl.passes import compile_objective
from rldsl.train.micro import TooFine, check_micro_batch
from tests.train.specs import HEAD, ROLLOUT, numbers_of, project_of, run, spec_of

BASELINE = HEAD + ROLLOUT + """
objective contrast for actor {
  let s = sum(logp(actor, y), per: sample)
  maximize likelihood: mean(log_likelihood(correct, sigmoid(s - frozen(others_mean(s, per: prompt)))))
}
train { repeat 1 { draw 6 prompts  update actor with contrast { optimizer: adamw(lr: 1e-2) MICRO } } }
"""

PAIRS = HEAD + """
policy ref = frozen(actor)
response win = problems.answer given problems.question
response lose = problems.question given problems.question
objective preference for actor {
  let margin = sum(logp(actor, win) - logp(ref, win), per: sample) - sum(logp(actor, lose) - logp(ref, lose), per: sample)
  minimize loss: mean(-log_sigmoid(0.5 * margin))
}
train { repeat 1 { draw 6 prompts  update actor with preference { optimizer: adamw(lr: 1e-2) MICRO } } }
"""


@pytest.mark.parametrize("count", [1, 3])
def test_what_is_coupled_by_prompts_is_not_cut_by_samples(tmp_path: Path, count: int) -> None:
    spec = spec_of(BASELINE.replace("MICRO", ""), project_of(tmp_path))
    staged = compile_objective(spec, spec.objectives[0])
    with pytest.raises(TooFine, match=r"RL801.*whole prompts") as caught:
        check_micro_batch(staged, Amount(count, "samples"))
    assert "`contrast`" in str(caught.value)
    check_micro_batch(staged, Amount(count, "prompts"))


@pytest.mark.slow
@pytest.mark.wide(1)
@pytest.mark.parametrize(("text", "micro_batch"), [
    (BASELINE, "1 prompts"), (BASELINE, "4 prompts"), (PAIRS, "1 rows"), (PAIRS, "4 rows"),
])
def test_any_other_cut_gives_the_same_gradient(tmp_path: Path, text: str, micro_batch: str) -> None:
    run(text.replace("MICRO", ""), tmp_path, out="whole")
    run(text.replace("MICRO", f"micro_batch: {micro_batch}"), tmp_path, out="cut")
    whole, parts = (numbers_of(tmp_path / out)[0] for out in ("whole", "cut"))
    assert whole["grad_norm"] > 0
    assert parts["grad_norm"] == pytest.approx(whole["grad_norm"], rel=1e-4)
    assert parts["loss"] == pytest.approx(whole["loss"], rel=1e-5)
