"""One token from logits: the right distribution, and the log-probability of what was drawn from."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rldsl.rollouts.draw import draw_tokens, drawable, likeliest
from rldsl.rollouts.noise import philox, uniforms
from rldsl.rollouts.signatures import Rule, Sampling

LOGITS = torch.tensor([1.2, -0.3, 0.5, 2.0, -1.5, 0.4])
COUNT = 20000


def drawn(settings: Sampling) -> tuple[torch.Tensor, torch.Tensor]:
    numbers = uniforms(7, np.arange(COUNT), np.zeros(COUNT, np.int64), 1)[:, 0]
    return draw_tokens(LOGITS.expand(COUNT, -1).clone(), torch.from_numpy(numbers), settings)


def expected(kept: list[int], temperature: float) -> torch.Tensor:
    """Probabilities over the kept tokens, by hand."""
    weights = [math.exp(float(LOGITS[token]) / temperature) if token in kept else 0.0 for token in range(len(LOGITS))]
    return torch.tensor(weights, dtype=torch.float64) / sum(weights)


@pytest.mark.parametrize(("settings", "kept"), [
    (Sampling(1), [0, 1, 2, 3, 4, 5]),
    (Sampling(1, temperature=0.6), [0, 1, 2, 3, 4, 5]),
    (Sampling(1, temperature=1.7), [0, 1, 2, 3, 4, 5]),
    (Sampling(1, top_k=3), [3, 0, 2]),
    (Sampling(1, top_k=50), [0, 1, 2, 3, 4, 5]),
    (Sampling(1, top_p=0.7), [3, 0]),                           # 0.499, 0.224, 0.111, ...
    (Sampling(1, top_p=0.4), [3]),
    (Sampling(1, top_p=0.8, temperature=0.5), [3, 0]),          # 0.779, 0.157, ...
    (Sampling(1, top_p=0.85, top_k=3, temperature=2.0), [3, 0, 2]),
])
def test_tokens_follow_the_truncated_distribution_and_say_its_log_probability(settings: Sampling,
                                                                             kept: list[int]) -> None:
    tokens, logp = drawn(settings)
    probability = expected(kept, settings.temperature)
    torch.testing.assert_close(logp.double(), probability[tokens].log(), atol=1e-6, rtol=0)
    counts = torch.bincount(tokens, minlength=len(LOGITS)).double()
    assert set(counts.nonzero()[:, 0].tolist()) == set(kept)
    mean = (probability * COUNT)[probability > 0]
    chi_square = float(((counts[probability > 0] - mean) ** 2 / mean).sum())
    freedom = len(kept) - 1
    assert chi_square < freedom + 4 * math.sqrt(2 * freedom) + 1e-9


def test_greedy_takes_the_likeliest_and_gives_its_log_probability_at_temperature_one() -> None:
    tokens, logp = drawn(Sampling(1, greedy=True, temperature=0.3, top_k=2))
    assert (tokens == 3).all()
    torch.testing.assert_close(logp, torch.log_softmax(LOGITS, -1)[tokens])


@pytest.mark.parametrize(("rule", "kept"), [
    (Rule("mask", top_p=0.9), [0, 1, 2]),                       # 0.5, 0.8, 0.95
    (Rule("mask", top_p=0.75), [0, 1]),
    (Rule("mask", top_p=0.1), [0]),
    (Rule("mask", top_p=0.1, least=3), [0, 1, 2]),
    (Rule("mask", top_p=1.0), [0, 1, 2, 3]),
    (Rule("mask", top_k=2), [0, 1]),
    (Rule("mask", top_k=9), [0, 1, 2, 3]),
])
def test_a_rule_lets_the_likeliest_tokens_of_its_model_through(rule: Rule, kept: list[int]) -> None:
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.05, 0.15, 0.3, 0.5]])) + 7
    first, second = likeliest(logits, rule)
    assert first.nonzero()[:, 0].tolist() == kept
    assert second.nonzero()[:, 0].tolist() == sorted(3 - token for token in kept)


def test_a_rule_lets_no_token_of_probability_zero_through() -> None:
    logits = torch.tensor([[0.0, -torch.inf, 1.0, -torch.inf]])
    assert likeliest(logits, Rule("mask", top_p=1.0, least=4)).tolist() == [[True, False, True, False]]


@pytest.mark.parametrize(("settings", "kept"), [
    (Sampling(1), [0, 1, 2, 3, 4]), (Sampling(1, top_k=3), [0, 2, 3]), (Sampling(1, top_p=0.7), [0, 3]),
    (Sampling(1, top_p=0.8, temperature=0.5), [0, 3]), (Sampling(1, greedy=True, top_k=2), [0, 1, 2, 3, 4]),
])
def test_what_is_drawable_is_what_is_drawn_from(settings: Sampling, kept: list[int]) -> None:
    logits = LOGITS.clone()
    logits[5] = -torch.inf
    assert drawable(logits[None], settings)[0].nonzero()[:, 0].tolist() == kept


def test_a_token_of_probability_zero_is_never_drawn() -> None:
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf, 0.0, -torch.inf]]).expand(4, -1)
    edges = torch.tensor([0.0, 0.5, math.nextafter(0.5, 0), math.nextafter(1, 0)], dtype=torch.float64)
    assert draw_tokens(logits, edges, Sampling(1))[0].tolist() == [1, 3, 1, 3]


def test_the_generator_gives_the_published_numbers() -> None:
    """Known answers of Random123's philox4x32-10."""
    for counter, key, answer in [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        ((0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0),
         (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)),
    ]:
        a, b, c, d = (np.array([word], dtype=np.uint64) for word in counter)
        assert tuple(int(word[0]) for word in philox((a, b, c, d), key)) == answer


def test_numbers_depend_on_seed_prompt_and_sample_alone() -> None:
    prompts, samples = np.array([4, 4, 9, 2**40]), np.array([0, 1, 0, 0])
    every = uniforms(3, prompts, samples, 9)
    assert every.shape == (4, 9) and every.min() >= 0 and every.max() < 1 and len(np.unique(every)) == every.size
    np.testing.assert_array_equal(uniforms(3, prompts[2:], samples[2:], 9), every[2:])
    np.testing.assert_array_equal(uniforms(3, prompts, samples, 4), every[:, :4])
    assert not np.isin(uniforms(4, prompts, samples, 9), every).any()
