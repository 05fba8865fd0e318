"""Hidden states at the tokens: the module's own, whatever is computed together, with its gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rldsl.rollouts import score
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.sampler import sample
from rldsl.rollouts.score import head_of, hidden_rows
from rldsl.rollouts.signatures import Sampling
from rldsl.rollouts.tokens import ResponseTokens, tokenize_given
from tests.rollouts.policies import letters, logp_by_module, policy_from, tiny_policy
from tests.rollouts.test_sampler import other_models


def logp_of(model: LoadedModel, tokens: ResponseTokens, samples: Any, grad: bool = False) -> torch.Tensor:
    rows = hidden_rows(model, tokens, samples, grad=grad)
    weight, bias = head_of(model)
    logits = torch.nn.functional.linear(rows.hidden, weight, bias)
    return torch.log_softmax(logits, -1).gather(1, rows.targets[:, None])[:, 0]


def gradients(model: LoadedModel, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    parameters = dict(model.module.named_parameters())
    found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return {name: grad for name, grad in zip(parameters, found, strict=True) if grad is not None}


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize(("shortest", "longest"), [(4, 4), (0, 9)])
@pytest.mark.parametrize("arguments", [{}, {"family": "llama", "kv_heads": 2, "tied": False}])
def test_log_probabilities_are_those_that_the_sampler_recorded(samples: int, shortest: int, longest: int,
                                                              arguments: dict[str, Any]) -> None:
    model = tiny_policy(**arguments)
    tokens = sample(model, letters(17, shortest, longest), Sampling(11, samples=samples), seed=4)
    found = logp_of(model, tokens, range(tokens.samples)).detach().double().numpy()
    np.testing.assert_allclose(found, tokens.logp, atol=1e-5)
    np.testing.assert_allclose(found, logp_by_module(model, tokens), atol=1e-5)


@pytest.mark.parametrize("name", ["gpt2", "phi", "sliding", "mistral", "qwen3"])
def test_other_architectures_are_scored_exactly(tmp_path: Path, name: str) -> None:
    model = policy_from(tmp_path, *other_models()[name])
    tokens = sample(model, letters(6, 0, 9), Sampling(9, samples=3), seed=4)
    found = logp_of(model, tokens, range(tokens.samples)).detach().double().numpy()
    np.testing.assert_allclose(found, tokens.logp, atol=1e-5)


def test_rows_come_in_the_order_that_the_samples_are_named_in() -> None:
    model = tiny_policy()
    tokens = sample(model, letters(5, 0, 6), Sampling(7, samples=2), seed=4)
    chosen = [7, 0, 6, 3]
    rows = hidden_rows(model, tokens, chosen, grad=False)
    places = np.concatenate([np.arange(*tokens.offsets[one:one + 2]) for one in chosen])
    np.testing.assert_array_equal(rows.targets, tokens.ids[places])
    every = hidden_rows(model, tokens, range(tokens.samples), grad=False).hidden[places]
    torch.testing.assert_close(rows.hidden, every, atol=1e-5, rtol=0)
    assert not rows.hidden.requires_grad


@pytest.mark.parametrize("samples", [1, 4])
def test_gradients_are_those_of_the_modules_own_forward(samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_policy(kv_heads=2)
    tokens = sample(model, letters(6, 0, 9), Sampling(9, samples=samples), seed=4)
    weights = torch.linspace(-1, 1, len(tokens.ids))
    packed = gradients(model, (logp_of(model, tokens, range(tokens.samples), grad=True) * weights).sum())
    monkeypatch.setattr(score, "family_of", lambda body: None)
    by_module = gradients(model, (logp_of(model, tokens, range(tokens.samples), grad=True) * weights).sum())
    assert packed.keys() == by_module.keys() == dict(model.module.named_parameters()).keys()
    for name, grad in packed.items():
        torch.testing.assert_close(grad, by_module[name], atol=2e-5 * float(by_module[name].abs().max()) + 1e-6, rtol=0)


@pytest.mark.parametrize("samples", [1, 3])
def test_a_batch_too_large_for_its_padded_form_is_computed_in_pieces(samples: int,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_policy()
    tokens = sample(model, letters(9, 0, 9), Sampling(9, samples=samples), seed=4)
    whole = logp_of(model, tokens, range(tokens.samples))
    monkeypatch.setattr(score, "_BUDGET", 3000)
    torch.testing.assert_close(logp_of(model, tokens, range(tokens.samples)), whole, atol=1e-5, rtol=0)


def test_answers_of_one_token_are_predicted_by_their_prompts() -> None:
    model = tiny_policy()
    for tokens in (tokenize_given(model, ["ab>", "c>"], ["", ""]),
                   sample(model, ["ab>", "c>"], Sampling(1, samples=3), seed=0)):
        found = logp_of(model, tokens, range(tokens.samples)).detach().double().numpy()
        np.testing.assert_allclose(found, logp_by_module(model, tokens), atol=1e-5)


def test_no_samples_give_no_rows() -> None:
    model = tiny_policy()
    rows = hidden_rows(model, tokenize_given(model, ["a>"], ["b"]), range(0), grad=False)
    assert rows.hidden.shape == (0, 32) and rows.targets.shape == (0,)


def test_numbers_in_bf16_stay_near_those_in_fp32() -> None:
    model = tiny_policy(initial=0.1)
    tokens = sample(model, letters(5, 0, 6), Sampling(7, samples=2), seed=4)
    exact = logp_of(model, tokens, range(tokens.samples))
    model.module.to(torch.bfloat16)
    torch.testing.assert_close(logp_of(model, tokens, range(tokens.samples)).float(), exact, atol=0.1, rtol=0)
    again = sample(model, letters(5, 0, 6), Sampling(7, samples=2), seed=4)
    found = logp_of(model, again, range(again.samples)).detach().double().numpy()
    np.testing.assert_allclose(found, again.logp, atol=0.1)
