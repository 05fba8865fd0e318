"""Scorers: what their head says of a text, where they come from, and that their weights survive a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification

from rldsl.graph.spec import Invocation, Role
from rldsl.rollouts import score
from rldsl.rollouts.models import LoadedModel, load_model
from rldsl.rollouts.sampler import sample
from rldsl.rollouts.score import head_of, scores, values
from rldsl.rollouts.signatures import ModelError
from rldsl.rollouts.tokenizers import characters
from rldsl.rollouts.tokens import ResponseTokens, offsets_of, retokenized, texts_of, tokenize_given
from rldsl.rollouts.weights import copy_weights, load_weights, save_model
from tests.rollouts.policies import ALPHABET, greedy, letters, spec_of, tiny_call, tiny_policy


def scorer(alphabet: str = ALPHABET, **arguments: Any) -> LoadedModel:
    """A scorer whose head is not at 0 any more."""
    model = load_model(spec_of("rm", tiny_call(alphabet, **arguments), role=Role.SCORER), seed=0)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        model.module.score.weight.normal_()
    return model


def answers(samples: int = 3) -> ResponseTokens:
    """Of several lengths, every other one finished; none holds the padding token, at which a classifier stops to read."""
    chance, policy = np.random.default_rng(0), tiny_policy()
    prompts = tokenize_given(policy, letters(6, 0, 9), [""] * 6).prompt_ids
    lengths = chance.integers(1, 8, 6 * samples)
    offsets = offsets_of(lengths)
    ids = chance.integers(2, 12, offsets[-1])
    finished = np.arange(6 * samples) % 2 == 0
    ids[offsets[1:][finished] - 1] = policy.ends[0]
    texts = texts_of(policy, ids, offsets)
    return ResponseTokens(prompts, np.full(6, samples), ids, offsets, None, finished, texts, policy.codec.digest)


def score_by_module(model: LoadedModel, tokens: ResponseTokens, sample_number: int, length: int | None = None) -> float:
    """By the classifier's own forward over the prompt and (the first `length` tokens of) the answer, without padding."""
    own = tokens.ids[tokens.offsets[sample_number]:tokens.offsets[sample_number + 1]][:length]
    prompt = tokens.prompt_ids[tokens.prompt_of_sample[sample_number]].astype(np.int64)
    with torch.inference_mode():
        return float(model.module(input_ids=torch.from_numpy(np.concatenate([prompt, own]))[None]).logits[0, 0])


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("arguments", [{}, {"family": "llama", "kv_heads": 2}])
def test_a_score_is_the_classifiers_own_of_prompt_and_answer(samples: int, arguments: dict[str, Any]) -> None:
    model, tokens = scorer(**arguments), answers(samples)
    found = scores(model, tokens, range(tokens.samples), per_token=False, grad=False)
    wanted = [score_by_module(model, tokens, number) for number in range(tokens.samples)]
    np.testing.assert_allclose(found.numpy(), wanted, atol=2e-5)
    assert np.std(wanted) > 0.5


@pytest.mark.parametrize("packed", [True, False])
def test_a_score_per_token_is_that_of_the_answer_cut_after_it(packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokens = scorer(), answers()
    if not packed:
        monkeypatch.setattr(score, "family_of", lambda body: None)
    chosen = [4, 0, 11]
    found = scores(model, tokens, chosen, per_token=True, grad=False)
    wanted = [score_by_module(model, tokens, number, length)
              for number in chosen for length in range(1, tokens.lengths[number] + 1)]
    np.testing.assert_allclose(found.numpy(), wanted, atol=2e-5)
    last = scores(model, tokens, chosen, per_token=False, grad=False)
    np.testing.assert_allclose(found[torch.from_numpy(np.cumsum(tokens.lengths[chosen]) - 1)], last, atol=2e-5)


def test_the_end_of_a_given_text_is_read_too() -> None:
    model = scorer()
    tokens = tokenize_given(model, ["ab>", "c>"], ["ba", ""])
    assert tokens.ids.tolist()[-1] == model.tokenizer.eos_token_id == tokens.ids[2]
    found = scores(model, tokens, range(2), per_token=False, grad=False)
    np.testing.assert_allclose(found, [score_by_module(model, tokens, number) for number in range(2)], atol=2e-5)
    assert abs(float(found[0]) - score_by_module(model, tokens, 0, 2)) > 1e-2


def test_gradients_of_a_score_are_those_of_the_classifier() -> None:
    model, tokens = scorer(), answers()
    weights = torch.linspace(-1, 1, tokens.samples)
    parameters = dict(model.module.named_parameters())
    loss = (scores(model, tokens, range(tokens.samples), per_token=False, grad=True) * weights).sum()
    found = torch.autograd.grad(loss, list(parameters.values()))
    own: Any = 0.0
    for number in range(tokens.samples):
        ids = np.concatenate([tokens.prompt_ids[tokens.prompt_of_sample[number]].astype(np.int64),
                              tokens.ids[tokens.offsets[number]:tokens.offsets[number + 1]]])
        own = own + weights[number] * model.module(input_ids=torch.from_numpy(ids)[None]).logits[0, 0]
    wanted = torch.autograd.grad(own, list(parameters.values()))
    for name, one, other in zip(parameters, found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=2e-5 * float(other.abs().max()) + 1e-6, rtol=0, msg=name)


def test_a_new_scorer_starts_at_zero_and_says_so_of_every_text() -> None:
    model = load_model(spec_of("rm", tiny_call(), role=Role.SCORER), seed=0)
    assert model.role is Role.SCORER and model.trainable
    assert torch.equal(scores(model, answers(), range(3), per_token=False, grad=False), torch.zeros(3))


def test_a_scorers_folder_is_a_sequence_classifier_that_others_can_load(tmp_path: Path) -> None:
    model, tokens = scorer(), answers()
    save_model(model, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == ["Qwen2ForSequenceClassification"]
    other = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert other.num_labels == 1
    again = load_model(spec_of("rm", Invocation("hf", (str(tmp_path),)), role=Role.SCORER), seed=5)
    for kept in (other.state_dict(), again.module.state_dict()):
        assert all(torch.equal(kept[name], tensor) for name, tensor in model.module.state_dict().items())
    found = scores(again, tokens, [2], per_token=False, grad=False)
    assert torch.equal(found, scores(model, tokens, [2], per_token=False, grad=False))


def test_a_scorer_starts_from_a_language_model_with_a_new_head(tmp_path: Path) -> None:
    policy = tiny_policy(tied=False)
    save_model(policy, tmp_path)
    before = torch.random.get_rng_state()
    model = load_model(spec_of("rm", Invocation("hf", (str(tmp_path),)), role=Role.SCORER), seed=0)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not model.module.score.weight.any()
    body = policy.module.model.state_dict()
    assert all(torch.equal(body[name], tensor) for name, tensor in model.module.model.state_dict().items())


def test_what_is_no_scorer_is_refused(tmp_path: Path) -> None:
    critic = load_model(spec_of("v", tiny_call(), role=Role.CRITIC), seed=0)
    save_model(critic, tmp_path / "critic")
    with pytest.raises(ModelError, match="holds a critic"):
        load_model(spec_of("rm", Invocation("hf", (str(tmp_path / "critic"),)), role=Role.SCORER), seed=0)
    three = scorer()
    three.module.score = torch.nn.Linear(32, 3, bias=False)
    three.module.config.num_labels = 3
    save_model(three, tmp_path / "three")
    with pytest.raises(ModelError, match=r"gives 3 numbers for a text \(LABEL_0, LABEL_1, LABEL_2\)"):
        load_model(spec_of("rm", Invocation("hf", (str(tmp_path / "three"),)), role=Role.SCORER), seed=0)
    bert = BertForSequenceClassification(BertConfig(vocab_size=12, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                                                    intermediate_size=32, num_labels=1))
    bert.save_pretrained(tmp_path / "bert")
    characters(ALPHABET).save_pretrained(tmp_path / "bert")
    with pytest.raises(ModelError, match="no linear head `score`"):
        load_model(spec_of("rm", Invocation("hf", (str(tmp_path / "bert"),)), role=Role.SCORER), seed=0)


def test_models_are_read_as_what_they_are() -> None:
    model, policy = scorer(), tiny_policy()
    tokens = tokenize_given(policy, ["a>"], ["b"])
    for ask in (lambda: values(model, tokens, range(1), grad=False), lambda: head_of(model),
                lambda: sample(model, ["a>"], greedy(2), seed=0),
                lambda: scores(policy, tokens, range(1), per_token=False, grad=False)):
        with pytest.raises(ModelError, match=r"scorer|policy"):
            ask()
    with pytest.raises(ModelError, match="another tokenizer"):
        scores(scorer("abcdefgh>|!"), tokens, range(1), per_token=False, grad=False)


def test_what_is_too_long_for_a_reader_is_refused() -> None:
    short, tokens = scorer(positions=8), answers()
    with pytest.raises(ModelError, match=r"an answer has \d+ tokens with its prompt, and `rm`, which reads it, has 8 positions"):
        scores(short, tokens, range(tokens.samples), per_token=False, grad=False)
    assert len(scores(short, tokenize_given(short, ["a>"], ["abcd"]), range(1), per_token=False, grad=False)) == 1


def test_a_snapshot_keeps_the_scores_until_it_is_reset(tmp_path: Path) -> None:
    model, tokens = scorer(), answers()
    old = load_model(spec_of("old", role=Role.SCORER, base="rm", frozen=True), seed=0, base=model)
    before = scores(model, tokens, range(4), per_token=False, grad=False)
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.add_(0.1)
    assert not old.trainable and torch.equal(scores(old, tokens, range(4), per_token=False, grad=False), before)
    save_model(model, tmp_path)
    load_weights(old, tmp_path)
    now = scores(model, tokens, range(4), per_token=False, grad=False)
    assert not torch.equal(now, before) and torch.equal(scores(old, tokens, range(4), per_token=False, grad=False), now)
    copy_weights(scorer(), old)
    assert torch.equal(scores(old, tokens, range(4), per_token=False, grad=False), before)


def test_another_tokenizer_reads_the_same_texts_with_its_own_end() -> None:
    policy, model, tokens = tiny_policy(), scorer("|>hgfedcba"), answers()
    found = retokenized(model, policy, tokens, letters(6, 0, 9))
    for number, text in enumerate(tokens.texts):
        own = found.ids[found.offsets[number]:found.offsets[number + 1]]
        ends = own[-1] == model.tokenizer.eos_token_id
        assert ends == (tokens.ids[tokens.offsets[number + 1] - 1] == policy.tokenizer.eos_token_id)
        assert model.codec.decode(own[:len(own) - ends], np.array([0, len(own) - ends])) == (text,)
    alone = tokenize_given(model, ["c>"], ["ba"])
    again = retokenized(model, policy, tokenize_given(policy, ["c>"], ["ba"]), ["c>"])
    assert torch.equal(scores(model, alone, range(1), per_token=False, grad=False),
                       scores(model, again, range(1), per_token=False, grad=False))
