"""Draws within the likeliest tokens of another policy, and the record of what could be drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rldsl.graph.model import Read, ReadKind
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.reads import Scored, score_reads
from rldsl.rollouts.sampler import sample
from rldsl.rollouts.signatures import ModelError, Rule, Sampling
from rldsl.rollouts.tokens import ResponseTokens
from rldsl.types import Version
from tests.rollouts.policies import letters, tiny_policy

PROMPTS = letters(5, 2, 6)


def probabilities(model: LoadedModel, tokens: ResponseTokens) -> torch.Tensor:
    """Of the whole vocabulary before each token, by the module's own forward, an answer at a time."""
    found = []
    for sample_, place in enumerate(tokens.prompt_of_sample):
        own = tokens.ids[tokens.offsets[sample_]:tokens.offsets[sample_ + 1]]
        ids = torch.from_numpy(np.concatenate([tokens.prompt_ids[place].astype(np.int64), own]))[None]
        with torch.inference_mode():
            found.append(torch.softmax(model.module(input_ids=ids).logits[0, -len(own) - 1:-1].double(), -1))
    return torch.cat(found)


def nucleus(p: torch.Tensor, share: float, least: int) -> list[int]:
    """The fewest likeliest tokens that reach a share, by hand."""
    kept: list[int] = []
    for token in sorted(range(len(p)), key=lambda token: -float(p[token])):
        if float(p[kept].sum()) >= share and len(kept) >= least:
            break
        kept.append(token)
    return sorted(kept)


def sets(tokens: ResponseTokens) -> list[list[int]]:
    assert tokens.support is not None
    return [sorted(tokens.support[place:place + 1].ids.tolist()) for place in range(len(tokens.support))]


def test_tokens_are_drawn_from_the_nucleus_of_the_mask_and_scored_over_it() -> None:
    model, mask = tiny_policy(seed=0), tiny_policy(seed=1)
    settings = Sampling(6, samples=3, within=Rule("mask", top_p=0.7, least=2), batch=4)
    tokens = sample(model, PROMPTS, settings, seed=0, mask=mask, supports=True)
    by_mask, by_model = probabilities(mask, tokens), probabilities(model, tokens)
    assert sets(tokens) == [nucleus(p, 0.7, 2) for p in by_mask]
    renormalised = [float(p[token] / p[kept].sum()) for p, token, kept in zip(by_model, tokens.ids, sets(tokens), strict=True)]
    np.testing.assert_allclose(np.exp(tokens.logp), renormalised, rtol=1e-5)
    assert len(set(tokens.lengths.tolist())) > 1 and len(tokens.support) == len(tokens.ids)


def test_a_read_within_the_support_is_what_the_sampler_recorded() -> None:
    model, mask = tiny_policy(seed=0), tiny_policy(seed=1)
    settings = Sampling(6, samples=3, temperature=0.8, top_k=4, within=Rule("mask", top_p=0.9))
    tokens = sample(model, PROMPTS, settings, seed=0, mask=mask, supports=True)
    read = Read(ReadKind.LOGP, "actor", "y", Version.ITERATION, 0.8, within=True)
    found, = score_reads(Scored(model, tokens), {}, [read])
    np.testing.assert_allclose(found, tokens.logp, atol=1e-5)
    assert max(map(len, sets(tokens))) <= 4


def test_a_share_of_one_draws_what_is_drawn_without_a_mask() -> None:
    model, mask = tiny_policy(seed=0), tiny_policy(seed=1)
    free = sample(model, PROMPTS, Sampling(6, samples=3), seed=4)
    masked = sample(model, PROMPTS, Sampling(6, samples=3, within=Rule("mask", top_p=1.0)), seed=4, mask=mask)
    assert free.texts == masked.texts and (free.logp == masked.logp).all() and masked.support is None


def test_ends_are_in_the_set_where_the_rule_says_so_and_never_before_the_least_length() -> None:
    model, mask = tiny_policy(seed=0), tiny_policy(seed=1)
    settings = Sampling(5, samples=4, min_tokens=2, within=Rule("mask", top_k=1, ends=True))
    tokens = sample(model, PROMPTS, settings, seed=0, mask=mask, supports=True)
    firsts = {place for start in tokens.offsets[:-1] for place in (start, start + 1)}
    for place, found in enumerate(sets(tokens)):
        assert bool(set(found) & set(model.ends)) == (place not in firsts)
        assert len(set(found) - set(model.ends)) <= 1
    assert tokens.lengths.min() >= 2


def test_a_support_survives_arrays_and_a_choice_of_prompts() -> None:
    tokens = sample(tiny_policy(), PROMPTS, Sampling(4, samples=2, top_p=0.6), seed=0, supports=True)
    again = ResponseTokens.from_arrays(tokens.to_arrays())
    assert sets(again) == sets(tokens)
    chosen = tokens.select([3, 1])
    bounds = [(tokens.offsets[sample_], tokens.offsets[sample_ + 1]) for sample_ in (6, 7, 2, 3)]
    assert sets(chosen) == [sets(tokens)[place] for start, stop in bounds for place in range(start, stop)]


def test_a_mask_of_another_tokenizer_is_refused() -> None:
    settings = Sampling(4, within=Rule("mask", top_p=0.9))
    with pytest.raises(ModelError, match="another tokenizer than `actor`"):
        sample(tiny_policy(), ["ab>"], settings, seed=0, mask=tiny_policy("abcdefgh>|xyz"))
