"""Runs whose answers are drawn within the likeliest tokens of a lagged copy of the policy (NLPO)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.score import head_of, hidden_rows
from rldsl.rollouts.tokens import ResponseTokens
from rldsl.train import values as values_module
from tests.train.specs import HEAD, numbers_of, run, weights_of

TEXT = HEAD + """
policy mask = frozen(actor)
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 3RULE }
reward places = text.matching_places(y.text, problems.answer)
let advantage = places - mean(places, per: prompt)
objective pg for actor {
  maximize s: mean(clip(exp(logp(actor, yWITHIN) - y.logp), 0.8 .. 1.2) * advantage)
  maximize e: 0.01 * mean(entropy(actor, yWITHIN))
}
train { repeat 6 { draw 8 prompts
  update actor with pg { minibatch: 4 prompts, micro_batch: 2 prompts, epochs: 2, optimizer: adamw(lr: 1e-2) }
  every 3 { reset mask to actor } } }
"""


def masked(rule: str) -> str:
    """With a restriction of the rollout, and the reads within it."""
    return TEXT.replace("RULE", f", {rule}").replace("WITHIN", ", within: y.support")


PLAIN = TEXT.replace("RULE", "").replace("WITHIN", "")


@contextmanager
def draws() -> Iterator[list[tuple[torch.Tensor, ResponseTokens, torch.Tensor]]]:
    """Of every draw a copy of the mask's head, what was drawn, and the mask's probabilities."""
    found: list[tuple[torch.Tensor, ResponseTokens, torch.Tensor]] = []
    plain = values_module.sample

    def spying(*arguments: object, **named: object) -> ResponseTokens:
        tokens = plain(*arguments, **named)  # type: ignore[arg-type]
        mask = named["mask"]
        assert isinstance(mask, LoadedModel)
        rows = hidden_rows(mask, tokens, range(tokens.samples), grad=False)
        weight, bias = head_of(mask)
        logits = torch.nn.functional.linear(rows.hidden, weight, bias).detach()
        found.append((weight.detach().clone(), tokens, torch.softmax(logits, -1)))
        return tokens

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values_module, "sample", spying)
        yield found


def test_the_mask_changes_only_where_it_is_renewed_and_bounds_what_is_drawn(tmp_path: Path) -> None:
    with draws() as found:
        result = run(masked("within: top_k(mask, 3)"), tmp_path)
    assert result.logp_difference is not None and result.logp_difference < 1e-5
    renewed = [bool((later != earlier).any()) for (earlier, *_), (later, *_) in pairwise(found)]
    assert renewed == [False, False, True, False, False]
    for _, tokens, p in found:
        assert tokens.support is not None and (np.diff(tokens.support.offsets) == 3).all()
        best = np.sort(p.topk(3, -1).indices.numpy(), 1).reshape(-1)
        assert (np.sort(tokens.support.ids.reshape(-1, 3), 1).reshape(-1) == best).all()
        assert (tokens.support.ids.reshape(-1, 3) == tokens.ids[:, None]).any(1).all()


@pytest.mark.slow
def test_a_mask_that_lets_all_through_is_training_without_one(tmp_path: Path) -> None:
    run(PLAIN, tmp_path / "plain", backend="torch")
    run(masked("within: top_p(mask, 1)"), tmp_path / "masked", backend="torch")
    first, second = ([line["loss"] for line in numbers_of(tmp_path / name / "run")] for name in ("plain", "masked"))
    assert first == pytest.approx(second, abs=1e-9) and any(loss != 0 for loss in first)


@pytest.mark.slow
def test_both_back_ends_train_alike_within_a_support(tmp_path: Path) -> None:
    for backend in ("numba", "torch"):
        run(masked("top_p: 0.8, temperature: 1, within: top_k(mask, 4, ends: true)"), tmp_path / backend, backend=backend)  # type: ignore[arg-type]
    first, second = ([line["loss"] for line in numbers_of(tmp_path / name / "run")] for name in ("numba", "torch"))
    assert first == pytest.approx(second, abs=1e-5)


def test_a_truncated_policy_is_trained_on_the_tokens_that_it_kept(tmp_path: Path) -> None:
    """Its own nucleus, without a mask: the ratio is 1 at the first update, so that nothing is clipped."""
    text = masked("top_p: 0.7").replace("policy mask = frozen(actor)", "").replace("every 3 { reset mask to actor }", "")
    result = run(text, tmp_path)
    assert result.logp_difference is not None and result.logp_difference < 1e-5
    assert weights_of(tmp_path / "run")

