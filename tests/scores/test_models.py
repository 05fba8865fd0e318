"""Scorers and embedders are loaded and read; against the models called by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Qwen2Config, Qwen2ForSequenceClassification, Qwen2ForTokenClassification

from rldsl.rollouts.tokenizers import characters
from rldsl.scores.asking import what_if
from rldsl.scores.faults import ScoreError
from tests.scores.conftest import HEAD, Score, column

ROWS = [{"question": "ab>", "completions": ["a", "abc"]}, {"question": "c>", "completions": ["ccb", "bb"]}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small reward model with one label."""
    tokenizer = characters("abc>")
    torch.manual_seed(3)
    config = Qwen2Config(vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1,
                         num_attention_heads=2, num_key_value_heads=2, num_labels=1, pad_token_id=tokenizer.pad_token_id,
                         eos_token_id=tokenizer.eos_token_id)
    Qwen2ForSequenceClassification(config).save_pretrained(tmp_path / "rm")
    tokenizer.save_pretrained(tmp_path / "rm")
    return tmp_path / "rm"


def test_a_scorer_reads_prompt_and_completion_to_its_end(score: Score, folder: Path, tmp_path: Path) -> None:
    spec = HEAD + """
scorer rm from hf("rm")
param weight: Real = 1
reward liked = score(rm, y)
reward total = weight * liked
let early = first(score(rm, y, per: token), per: sample)
"""
    report = score(ROWS, spec)
    tokenizer, model = characters("abc>"), Qwen2ForSequenceClassification.from_pretrained(folder).eval()
    expected = []
    for prompt, text in (("ab>", "a"), ("ab>", "abc"), ("c>", "ccb"), ("c>", "bb")):
        ids = [*tokenizer(prompt)["input_ids"], *tokenizer(text)["input_ids"], tokenizer.eos_token_id]
        with torch.no_grad():
            hidden = model.model(torch.tensor([ids])).last_hidden_state[0]
            expected.append(float(model.score(hidden)[-1, 0]))
    np.testing.assert_allclose(column(report, "liked"), expected, rtol=1e-5)
    assert report.kept.layout.size("y.token") == 2 + 4 + 4 + 3
    (found,) = what_if(report, "weight = 2", tmp_path, {})
    assert found.mean_after == pytest.approx(2 * np.mean(expected), rel=1e-5)


def test_vectors_are_not_kept_but_what_is_made_of_them_is(score: Score, folder: Path, tmp_path: Path) -> None:
    spec = HEAD + """
embedder enc from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abc>"), seed: 1)
param weight: Real = 1
let vector = embed(enc, y)
let alike = cosine(spread(vector, to: pair, per: prompt), others(vector, per: prompt))
reward agreement = mean(alike, per: sample) else 0
reward total = weight * agreement
"""
    report = score(ROWS, spec)
    agreement = column(report, "agreement")
    assert agreement[0] == agreement[1] and agreement[2] == agreement[3] and -1 <= agreement[0] <= 1
    assert [entry.name for entry in report.refused] == ["vector"]
    (found,) = what_if(report, "weight = 3", tmp_path, {})
    assert found.mean_after == pytest.approx(3 * np.mean(agreement))


def test_a_text_that_a_model_cannot_read_is_named(score: Score, folder: Path) -> None:
    spec = HEAD + 'scorer rm from hf("rm")\nreward liked = score(rm, y)\n'
    with pytest.raises(ScoreError, match="`rm` cannot read the completions: the tokenizer does not know the character 'z'"):
        score([{"question": "a>", "completion": "z"}], spec)
    with pytest.raises(ScoreError, match="scorer `rm`"):
        score(ROWS, spec.replace('"rm"', '"mr"'))


def test_a_published_scorer_of_steps_is_read_at_the_tag_behind_each_step(score: Score, tmp_path: Path) -> None:
    """Two labels at each token, read where `>` ends a step; a pattern cuts the answer. Against the classifier's own forward."""
    tokenizer = characters("abc>")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        module = Qwen2ForTokenClassification(Qwen2Config(
            vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=2, num_labels=2, initializer_range=0.3, eos_token_id=tokenizer.eos_token_id)).eval()
    module.save_pretrained(tmp_path / "prm")
    tokenizer.save_pretrained(tmp_path / "prm")
    spec = HEAD + """
scorer rm from hf("prm") { positive: "LABEL_1" }
let right = sigmoid(prm(rm, split(y.text, pattern: "c+"), question: problems.question, tag: ">", join: ""))
reward worst = min(right, per: sample)
"""
    def probability(text: str) -> float:
        with torch.no_grad():
            return float(module(torch.tensor([tokenizer(text)["input_ids"]])).logits[0, -1].softmax(-1)[1])
    report = score([{"question": "ab>", "completions": ["aaccb", "b"]}], spec)
    wanted = [[probability("ab>aa>"), probability("ab>aa>b>")], [probability("ab>b>")]]
    for found, row in zip(column(report, "right"), wanted, strict=True):
        np.testing.assert_allclose(found, row, rtol=1e-5)
    np.testing.assert_allclose(column(report, "worst"), [min(wanted[0]), wanted[1][0]], rtol=1e-5)
    with pytest.raises(ScoreError, match=r'two labels, `LABEL_0` and `LABEL_1`.* write `positive: "LABEL_1"`'):
        score([{"question": "ab>", "completions": ["a"]}], spec.replace('{ positive: "LABEL_1" }', ""))
