"""Drawing answers: the same draw however it is batched, ends where it should, says what it drew from."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    MistralConfig,
    MistralForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from rldsl.rollouts.decoders import FastDecoder, decoder_of
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.sampler import sample
from rldsl.rollouts.signatures import ModelError, Sampling
from rldsl.rollouts.tokens import ResponseTokens
from tests.rollouts.policies import greedy, letters, logp_by_module, policy_from, tiny_policy


def assert_same(one: ResponseTokens, other: ResponseTokens) -> None:
    np.testing.assert_array_equal(one.ids, other.ids)
    np.testing.assert_array_equal(one.offsets, other.offsets)
    assert one.texts == other.texts and one.logp is not None and other.logp is not None
    np.testing.assert_allclose(one.logp, other.logp, atol=1e-5)


def text_of(model: LoadedModel, tokens: ResponseTokens, sample_place: int) -> str:
    own = tokens.ids[tokens.offsets[sample_place]:tokens.offsets[sample_place + 1]]
    return model.codec.decode(own, np.array([0, len(own)]))[0]


@pytest.mark.wide(4)
@pytest.mark.parametrize("arguments", [
    {}, {"family": "llama"}, {"kv_heads": 2}, {"family": "llama", "kv_heads": 1, "tied": False, "layers": 3},
    {"width": 48, "heads": 2, "inner": 20, "layers": 1}, {"heads": 1},
])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_recorded_log_probabilities_are_those_of_the_modules_forward(arguments: dict[str, Any],
                                                                    temperature: float) -> None:
    model = tiny_policy(**arguments)
    tokens = sample(model, letters(13, 0, 9), Sampling(12, samples=3, temperature=temperature), seed=5)
    assert isinstance(decoder_of(model.module), FastDecoder) and len(set(tokens.lengths)) > 4
    np.testing.assert_allclose(tokens.logp, logp_by_module(model, tokens, temperature), atol=1e-5)


def other_models() -> dict[str, tuple[Any, Any]]:
    sizes = {"vocab_size": 12, "eos_token_id": 1, "pad_token_id": 0, "bos_token_id": 1, "initializer_range": 0.3}
    attention = {"hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
                 "num_key_value_heads": 2, "max_position_embeddings": 64}
    return {
        "gpt2": (GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=64, **sizes), GPT2LMHeadModel),
        "phi": (PhiConfig(**{**attention, "num_key_value_heads": 4}, **sizes), PhiForCausalLM),
        "sliding": (MistralConfig(sliding_window=5, **attention, **sizes), MistralForCausalLM),
        "mistral": (MistralConfig(sliding_window=None, **attention, **sizes), MistralForCausalLM),
        "qwen3": (Qwen3Config(head_dim=16, **attention, **sizes), Qwen3ForCausalLM),
    }


@pytest.mark.wide(2)
@pytest.mark.parametrize(("name", "is_fast"), [("gpt2", False), ("phi", False), ("sliding", False), ("mistral", True),
                                               ("qwen3", True)])
def test_other_architectures_are_sampled_exactly(tmp_path: Path, name: str, is_fast: bool) -> None:
    model = policy_from(tmp_path, *other_models()[name])
    tokens = sample(model, letters(7, 0, 9), Sampling(10, samples=4), seed=5)
    assert isinstance(decoder_of(model.module), FastDecoder) is is_fast
    np.testing.assert_allclose(tokens.logp, logp_by_module(model, tokens), atol=1e-5)
    assert_same(sample(model, letters(7, 0, 9), Sampling(10, samples=4, batch=5), seed=5), tokens)


def test_the_fast_decoder_draws_what_the_modules_cache_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    model, prompts = tiny_policy(kv_heads=2), letters(9, 0, 6)
    fast = sample(model, prompts, Sampling(9, samples=2), seed=1)
    monkeypatch.setattr("rldsl.rollouts.decoders.family_of", lambda body: None)
    assert_same(sample(model, prompts, Sampling(9, samples=2), seed=1), fast)


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_a_draw_does_not_depend_on_the_batch(batch: int) -> None:
    model, prompts = tiny_policy(), letters(11, 0, 9)
    whole = sample(model, prompts, Sampling(8, samples=3), seed=2)
    assert_same(sample(model, prompts, Sampling(8, samples=3, batch=batch), seed=2), whole)


def test_a_draw_does_not_depend_on_the_memory_for_keys_and_values(monkeypatch: pytest.MonkeyPatch) -> None:
    model, prompts = tiny_policy(), letters(11, 0, 9)
    whole = sample(model, prompts, Sampling(8, samples=3), seed=2)
    monkeypatch.setattr("rldsl.rollouts.sampler._MEMORY", 30000)
    assert_same(sample(model, prompts, Sampling(8, samples=3), seed=2), whole)


def test_a_draw_does_not_depend_on_the_order_of_keyed_prompts() -> None:
    model, prompts = tiny_policy(), letters(6, 0, 9)
    whole = sample(model, prompts, Sampling(8, samples=2), seed=2)
    order = [4, 1, 5, 0]
    some = sample(model, [prompts[place] for place in order], Sampling(8, samples=2), seed=2, keys=order)
    assert_same(some, whole.select(order))


def test_the_same_seed_gives_the_same_draw_and_another_another() -> None:
    model, prompts = tiny_policy(), ["ab>"] * 3
    state = torch.random.get_rng_state()
    first = sample(model, prompts, Sampling(8, samples=4), seed=2)
    assert_same(sample(model, prompts, Sampling(8, samples=4), seed=2), first)
    assert_same(sample(model, prompts, Sampling(8, samples=4, seed=2), seed=9), first)
    assert sample(model, prompts, Sampling(8, samples=4), seed=3).texts != first.texts
    assert len(set(first.texts)) == len(first.texts)
    assert torch.equal(state, torch.random.get_rng_state())


def test_more_samples_keep_the_first_ones() -> None:
    model, prompts = tiny_policy(), letters(3, 1, 5)
    few, many = (sample(model, prompts, Sampling(6, samples=count), seed=2) for count in (2, 5))
    assert few.texts == tuple(text for place, text in enumerate(many.texts) if place % 5 < 2)


def test_answers_end_at_the_end_token_or_at_the_limit() -> None:
    model = tiny_policy()
    tokens = sample(model, letters(40, 0, 6), Sampling(10, samples=2), seed=0)
    last = tokens.ids[tokens.offsets[1:] - 1]
    assert 0 < tokens.finished.sum() < tokens.samples
    np.testing.assert_array_equal(tokens.finished, last == model.ends[0])
    np.testing.assert_array_equal(tokens.lengths[~tokens.finished], 10)
    inner = np.ones(len(tokens.ids), np.bool_)
    inner[tokens.offsets[1:] - 1] = False
    assert not (tokens.ids[inner] == model.ends[0]).any()
    assert all("<eos>" not in text for text in tokens.texts)
    assert [len(text) for text in tokens.texts if "<" not in text] == [
        length - ended for length, ended, text in zip(tokens.lengths, tokens.finished, tokens.texts, strict=True)
        if "<" not in text]


def test_a_stop_text_ends_an_answer_and_stays_in_it() -> None:
    model = tiny_policy()
    free = sample(model, letters(30, 1, 6), Sampling(12), seed=0)
    held = sample(model, letters(30, 1, 6), Sampling(12, stop=("ab", "|")), seed=0)
    stopped = 0
    for place in range(free.samples):
        text = text_of(model, free, place)
        ends = [text.index(stop) + len(stop) for stop in ("ab", "|") if stop in text]
        expected = text[:min(ends)] if ends else text
        assert text_of(model, held, place) == expected
        assert held.finished[place] == (bool(ends) or free.finished[place])
        stopped += bool(ends)
    assert stopped > 5
    assert free.logp is not None
    np.testing.assert_allclose(held.logp, logp_by_module(model, held), atol=1e-5)


def test_stop_texts_are_found_in_tokenizers_of_longer_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_policy()
    expected = sample(model, letters(30, 1, 6), Sampling(12, stop=("ab", "|"), min_tokens=2), seed=0)
    object.__setattr__(model.codec, "places", None)
    assert_same(sample(model, letters(30, 1, 6), Sampling(12, stop=("ab", "|"), min_tokens=2), seed=0), expected)


def test_an_answer_has_its_least_number_of_tokens_and_says_that_it_could_not_end_sooner() -> None:
    model = tiny_policy()
    tokens = sample(model, letters(40, 0, 6), Sampling(8, min_tokens=5), seed=0)
    assert tokens.lengths.min() >= 6 and tokens.finished.any()
    first = tokens.offsets[:-1]
    plain = logp_by_module(model, tokens)
    assert tokens.logp is not None
    assert (tokens.logp[first] > plain[first]).all()
    later = first + 5
    np.testing.assert_allclose(tokens.logp[later], plain[later], atol=1e-5)


def test_a_greedy_answer_is_the_likeliest_token_each_time() -> None:
    model = tiny_policy()
    tokens = sample(model, ["ab>", "h>"], greedy(6, samples=2), seed=0)
    ids = torch.tensor([model.tokenizer("ab>")["input_ids"]])
    out = model.module.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=6)
    assert tokens.ids[:tokens.offsets[1]].tolist() == out[0, 3:].tolist()
    assert tokens.texts[0] == tokens.texts[1] and tokens.texts[2] == tokens.texts[3]
    np.testing.assert_allclose(tokens.logp, logp_by_module(model, tokens), atol=1e-5)


def test_the_first_token_follows_the_policys_truncated_distribution() -> None:
    model = tiny_policy()
    tokens = sample(model, ["ab>"], Sampling(1, samples=8000, top_p=0.8, temperature=0.9), seed=0)
    with torch.inference_mode():
        logits = model.module(input_ids=torch.tensor([model.tokenizer("ab>")["input_ids"]])).logits[0, -1] / 0.9
    likely, places = torch.softmax(logits, -1).sort(descending=True)
    kept = int((likely.cumsum(0) - likely < 0.8).sum())
    probability = torch.zeros(len(likely)).index_copy(0, places[:kept], likely[:kept] / likely[:kept].sum())
    np.testing.assert_allclose(tokens.logp, probability[tokens.ids].log().numpy(), atol=1e-5)
    counts = np.bincount(tokens.ids, minlength=len(likely))
    mean = 8000 * probability.numpy()
    chi_square = ((counts - mean)[mean > 0] ** 2 / mean[mean > 0]).sum()
    assert (counts[mean == 0] == 0).all() and chi_square < kept - 1 + 4 * np.sqrt(2 * kept)


def test_long_answers_grow_the_buffers() -> None:
    model = tiny_policy(positions=256)
    tokens = sample(model, ["ab>", "cdefg>"], Sampling(200, samples=2, min_tokens=190), seed=0)
    assert tokens.lengths.min() > 190
    unforced = np.concatenate([np.arange(start + 190, stop) for start, stop in pairwise(tokens.offsets)])
    np.testing.assert_allclose(tokens.logp[unforced], logp_by_module(model, tokens)[unforced], atol=1e-5)


def test_an_empty_prompt_is_refused_clearly() -> None:
    with pytest.raises(ModelError, match="prompt 2 is empty: `actor` needs at least one token") as caught:
        sample(tiny_policy(), ["a", ""], Sampling(4), seed=0)
    assert caught.value.row == 1
    with pytest.raises(ModelError, match="no prompt"):
        sample(tiny_policy(), [], Sampling(4), seed=0)


def test_an_unknown_character_in_a_prompt_is_refused_with_its_row() -> None:
    with pytest.raises(ModelError, match="the character 'z' of 'az'") as caught:
        sample(tiny_policy(), ["a", "az"], Sampling(4), seed=0)
    assert caught.value.row == 1


def test_answers_that_would_pass_the_last_position_are_refused_with_their_row() -> None:
    model = tiny_policy(positions=12)
    assert sample(model, ["a" * 8], Sampling(4), seed=0).samples == 1
    with pytest.raises(ModelError, match="row 2 has 9 tokens of prompt and up to 4 of answer, 13 together; `actor` has 12"):
        sample(model, ["a", "a" * 9], Sampling(4), seed=0)
