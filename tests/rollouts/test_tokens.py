"""Packed samples: cutting, other prompts, arrays."""

from __future__ import annotations

import io

import numpy as np
import pytest

from rldsl.rollouts.sampler import sample
from rldsl.rollouts.signatures import ModelError, Sampling
from rldsl.rollouts.tokens import ResponseTokens, given_prompts, tokenize_given
from tests.rollouts.policies import letters, tiny_policy


def test_given_texts_become_tokens_with_an_end() -> None:
    tokens = tokenize_given(tiny_policy(), ["ab>", "c"], ["ba", ""])
    assert tokens.ids.tolist() == [3, 2, 1, 1] and tokens.offsets.tolist() == [0, 3, 4]
    assert [ids.tolist() for ids in tokens.prompt_ids] == [[2, 3, 10], [4]]
    assert tokens.logp is None and tokens.finished.all() and tokens.texts == ("ba", "")
    assert tokens.counts.tolist() == [1, 1] and tokens.prompt_of_sample.tolist() == [0, 1]


def test_a_given_text_that_does_not_fit_is_named_by_its_row() -> None:
    with pytest.raises(ModelError, match="row 2 has 1 tokens of prompt and up to 8 of answer") as caught:
        tokenize_given(tiny_policy(positions=8), ["a", "b"], ["a", "b" * 7])
    assert caught.value.row == 1
    with pytest.raises(ModelError, match="the character 'z'"):
        tokenize_given(tiny_policy(), ["a"], ["z"])


def test_selecting_prompts_keeps_their_samples_together() -> None:
    tokens = sample(tiny_policy(), letters(5, 1, 4), Sampling(6, samples=3), seed=0)
    some = tokens.select([3, 1])
    assert some.texts == tokens.texts[9:12] + tokens.texts[3:6]
    assert some.counts.tolist() == [3, 3] and some.prompt_of_sample.tolist() == [0, 0, 0, 1, 1, 1]
    for place, original in enumerate([9, 10, 11, 3, 4, 5]):
        low, high = tokens.offsets[original:original + 2]
        np.testing.assert_array_equal(some.ids[some.offsets[place]:some.offsets[place + 1]], tokens.ids[low:high])
        np.testing.assert_array_equal(some.logp[some.offsets[place]:some.offsets[place + 1]], tokens.logp[low:high])
        assert some.finished[place] == tokens.finished[original]
    np.testing.assert_array_equal(some.prompt_ids[0], tokens.prompt_ids[3])
    assert tokens.select([]).samples == 0


def test_arrays_hold_everything() -> None:
    model = tiny_policy()
    drawn = sample(model, letters(4, 1, 4), Sampling(6, samples=2), seed=0)
    for tokens in (drawn, tokenize_given(model, ["a>"], ["bc"]), drawn.select([])):
        buffer = io.BytesIO()
        np.savez(buffer, **tokens.to_arrays())
        buffer.seek(0)
        loaded = ResponseTokens.from_arrays(dict(np.load(buffer)))
        assert loaded.texts == tokens.texts and loaded.vocabulary == tokens.vocabulary
        assert [ids.tolist() for ids in loaded.prompt_ids] == [ids.tolist() for ids in tokens.prompt_ids]
        for name in ("counts", "ids", "offsets", "finished"):
            np.testing.assert_array_equal(getattr(loaded, name), getattr(tokens, name))
        assert (loaded.logp is None) == (tokens.logp is None)
        if tokens.logp is not None:
            np.testing.assert_array_equal(loaded.logp, tokens.logp)


def test_the_same_samples_can_stand_after_other_prompts() -> None:
    model = tiny_policy()
    drawn = sample(model, ["ab>", "c>"], Sampling(6, samples=2), seed=0)
    other = given_prompts(model, drawn, ["b>", "abc>"])
    assert [len(ids) for ids in other.prompt_ids] == [2, 4] and other.ids is drawn.ids
    with pytest.raises(ModelError, match="1 prompts are given for the samples of 2"):
        given_prompts(model, drawn, ["b>"])
    with pytest.raises(ModelError, match="another tokenizer"):
        given_prompts(tiny_policy("abc>"), drawn, ["b>", "c>"])
