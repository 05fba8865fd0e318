"""Scorers as they are published, with two labels or with two tokens: against transformers' own models, read by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForTokenClassification,
    LlamaConfig,
    LlamaForTokenClassification,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2ForSequenceClassification,
    Qwen2ForTokenClassification,
    Qwen2Model,
)

from rldsl.graph.spec import Invocation, Role
from rldsl.rollouts.models import LoadedModel, load_model
from rldsl.rollouts.score import scores
from rldsl.rollouts.signatures import ModelError
from rldsl.rollouts.tokenizers import characters
from rldsl.rollouts.tokens import tokenize_given
from rldsl.rollouts.weights import load_weights, save_model
from tests.rollouts.policies import spec_of, tiny_call
from tests.rollouts.test_step_scores import asked

ALPHABET = "abcdq|+-. "
SHAPE = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
         "initializer_range": 0.3, "max_position_embeddings": 64}


def published(folder: Path, module_class: Any = Qwen2ForTokenClassification, config_class: Any = Qwen2Config,
              **config: Any) -> Path:
    """A small model with random weights, as transformers saves it."""
    tokenizer = characters(ALPHABET)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        module = module_class(config_class(vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id,
                                           eos_token_id=tokenizer.eos_token_id, **SHAPE, **config))
    module.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def loaded(folder: Path, **settings: object) -> LoadedModel:
    return load_model(spec_of("rm", Invocation("hf", (str(folder),)), role=Role.SCORER, settings=tuple(settings.items())), seed=0)


def logits_at(loader: Any, folder: Path, texts: list[str]) -> torch.Tensor:
    """Of the last letter of each text, by the model's own forward."""
    tokenizer, module = characters(ALPHABET), loader.from_pretrained(folder).eval()
    with torch.no_grad():
        return torch.stack([module(input_ids=torch.tensor([tokenizer(text)["input_ids"]])).logits[0, -1] for text in texts])


READ = ["qab.", "qab.c.", "qab.c.dd."]  # what the scorer has read at the end of each step, with its tag


def read(model: LoadedModel) -> list[float]:
    return asked(model, ["ab|c|dd"], ["q"], tag=".", join="")


@pytest.mark.parametrize(("module_class", "config_class"), [(Qwen2ForTokenClassification, Qwen2Config),
                                                            (LlamaForTokenClassification, LlamaConfig)])
def test_the_sigmoid_of_the_score_is_the_probability_of_the_positive_label(module_class: Any, config_class: Any,
                                                                           tmp_path: Path) -> None:
    folder = published(tmp_path / "prm", module_class, config_class, num_labels=2)
    wanted = logits_at(AutoModelForTokenClassification, folder, READ).softmax(-1)
    found = torch.tensor(read(loaded(folder, positive="LABEL_1")), dtype=torch.float64).sigmoid()
    torch.testing.assert_close(found, wanted[:, 1].double(), rtol=0, atol=1e-5)
    found = torch.tensor(read(loaded(folder, positive="LABEL_0")), dtype=torch.float64).sigmoid()
    torch.testing.assert_close(found, wanted[:, 0].double(), rtol=0, atol=1e-5)
    assert wanted[:, 1].std() > 0.01


@pytest.mark.parametrize(("names", "place"), [(("error", "correct"), 1), (("Correct", "Incorrect"), 0), (("-", "+"), 1),
                                              (("good", "bad"), 0)])
def test_names_that_say_which_label_is_positive_are_enough(names: tuple[str, str], place: int, tmp_path: Path) -> None:
    folder = published(tmp_path / "prm", id2label=dict(enumerate(names)), label2id={name: n for n, name in enumerate(names)})
    wanted = logits_at(AutoModelForTokenClassification, folder, READ)
    assert read(loaded(folder)) == pytest.approx((wanted[:, place] - wanted[:, 1 - place]).tolist(), rel=1e-4, abs=1e-5)


def test_a_sequence_classifier_with_two_labels_is_read_at_each_step_too(tmp_path: Path) -> None:
    folder = published(tmp_path / "rm", Qwen2ForSequenceClassification, num_labels=2)
    module = Qwen2ForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        wanted = [module(input_ids=torch.tensor([characters(ALPHABET)(text)["input_ids"]])).logits[0] for text in READ]
    found = read(loaded(folder, positive="LABEL_0"))
    assert found == pytest.approx([float(row[0] - row[1]) for row in wanted], rel=1e-4, abs=1e-5)


def test_the_sigmoid_of_the_score_is_the_probability_of_the_good_token_against_the_bad_one(tmp_path: Path) -> None:
    """As Math-Shepherd's scorers are read: a softmax over two logits of the vocabulary where the tag of a step ends."""
    for tied in (True, False):
        folder = published(tmp_path / f"prm-{tied}", Qwen2ForCausalLM, tie_word_embeddings=tied)
        names = characters(ALPHABET)
        pair = [names("+")["input_ids"][0], names("-")["input_ids"][0]]
        wanted = logits_at(AutoModelForCausalLM, folder, READ)[:, pair].softmax(-1)[:, 0]
        found = torch.tensor(read(loaded(folder, good="+", bad="-")), dtype=torch.float64).sigmoid()
        torch.testing.assert_close(found, wanted.double(), rtol=0, atol=1e-5)
        assert wanted.std() > 0.01


@pytest.mark.parametrize("labels", [2, 1])
def test_qwen_s_own_head_of_two_layers_is_read_without_its_code(labels: int, tmp_path: Path) -> None:
    """The published folder names code of its own, which is not there; its weights name two layers, between which a ReLU stands."""
    folder = published(tmp_path / "prm", Qwen2ForCausalLM, tie_word_embeddings=False)
    weights = {name: tensor.contiguous() for name, tensor in Qwen2ForCausalLM.from_pretrained(folder).state_dict().items()}
    chance = torch.Generator().manual_seed(2)
    head = {"score.0.weight": (16, 16), "score.0.bias": (16,), "score.2.weight": (labels, 16), "score.2.bias": (labels,)}
    own = {name: torch.randn(shape, generator=chance) * 0.5 for name, shape in head.items()}
    save_file(weights | own, folder / "model.safetensors", {"format": "pt"})
    architecture = "Qwen2ForProcessRewardModel" if labels == 2 else "Qwen2ForRewardModel"
    config = json.loads((folder / "config.json").read_text())
    config |= {"architectures": [architecture], "auto_map": {"AutoModel": f"modeling_qwen2_rm.{architecture}"}}
    (folder / "config.json").write_text(json.dumps(config))
    body = Qwen2Model.from_pretrained(folder).eval()
    wanted = []
    for text in READ:
        with torch.no_grad():
            hidden = body(input_ids=torch.tensor([characters(ALPHABET)(text)["input_ids"]])).last_hidden_state[0, -1]
        inner = torch.relu(own["score.0.weight"] @ hidden + own["score.0.bias"])
        rows = own["score.2.weight"] @ inner + own["score.2.bias"]
        wanted.append(float(rows[1] - rows[0] if labels == 2 else rows[0]))
    settings = {"positive": "LABEL_1"} if labels == 2 else {}
    model = loaded(folder, **settings)
    assert read(model) == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    save_model(model, tmp_path / "again")
    assert json.loads((tmp_path / "again" / "config.json").read_text())["architectures"] == [architecture]
    again = loaded(tmp_path / "again", **settings)
    assert read(again) == read(model)
    load_weights(again, tmp_path / "again")


def test_a_two_sided_scorer_learns_by_its_log_odds_and_a_snapshot_of_it_reads_the_same(tmp_path: Path) -> None:
    model = loaded(published(tmp_path / "prm", num_labels=2), positive="LABEL_1")
    tokens = tokenize_given(model, ["qa"], ["bc"])
    found = torch.autograd.grad(scores(model, tokens, range(1), per_token=False, grad=True).sum(), list(model.module.parameters()))
    ids = torch.tensor([[*characters(ALPHABET)("qabc")["input_ids"], model.tokenizer.eos_token_id]])
    logits = model.module(input_ids=ids).logits[0, -1]
    wanted = torch.autograd.grad(logits[1] - logits[0], list(model.module.parameters()))
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5 * float(other.abs().max()) + 1e-6, rtol=0)
    old = load_model(spec_of("old", role=Role.SCORER, base="rm", frozen=True), seed=0, base=model)
    assert read(old) == read(model)


def test_what_is_missing_or_too_much_is_said_with_what_to_write(tmp_path: Path) -> None:
    two, policy = published(tmp_path / "two", num_labels=2), published(tmp_path / "policy", Qwen2ForCausalLM)
    one = published(tmp_path / "one", num_labels=1)
    assert np.isfinite(read(loaded(one))).all()
    for folder, settings, said in (
            (two, {}, r'two labels, `LABEL_0` and `LABEL_1`, and nothing says which means right: write `positive: "LABEL_1"`'),
            (two, {"positive": "good"}, "has no label `good`: there are `LABEL_0` and `LABEL_1`"),
            (two, {"good": "+", "bad": "-"}, "holds a classifier; `good` and `bad` are tokens of a language model"),
            (one, {"positive": "LABEL_0"}, "gives one number for a text, and `positive` tells two labels apart"),
            (policy, {"positive": "LABEL_1"}, 'holds a language model.* write `good: "\\+", bad: "-"`'),
            (policy, {"good": "ab", "bad": "-"}, "`good: \"ab\"` of `rm` is 2 tokens \\('a', 'b'\\)"),
            (policy, {"good": "+", "bad": "+"}, "`good` and `bad` are one token")):
        with pytest.raises(ModelError, match=said):
            loaded(folder, **settings)


def test_a_random_scorer_may_be_a_language_model_too() -> None:
    model = load_model(spec_of("rm", tiny_call(ALPHABET), role=Role.SCORER, settings=(("good", "+"), ("bad", "-"))), seed=0)
    tokens = tokenize_given(model, ["qa"], ["b"])
    with torch.no_grad():
        ids = torch.tensor([[*characters(ALPHABET)("qab")["input_ids"], model.tokenizer.eos_token_id]])
        logits = model.module(input_ids=ids).logits[0, -1]
    names = characters(ALPHABET)
    wanted = logits[names("+")["input_ids"][0]] - logits[names("-")["input_ids"][0]]
    assert float(scores(model, tokens, range(1), per_token=False, grad=False)[0]) == pytest.approx(float(wanted), abs=1e-5)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_classifier_is_known_by_its_head_in_either_number_format(tmp_path: Path, dtype: str) -> None:
    """In bf16 its own head rounds to one part in 256, where scores here are float32."""
    folder = published(tmp_path / "rm", Qwen2ForSequenceClassification, num_labels=2)
    module = Qwen2ForSequenceClassification.from_pretrained(folder)
    with torch.no_grad():
        module.score.weight.mul_(40.0)
    module.save_pretrained(folder)
    spec = spec_of("rm", Invocation("hf", (str(folder),)), role=Role.SCORER, frozen=True,
                   settings=(("positive", "LABEL_1"), ("dtype", dtype)))
    model = load_model(spec, seed=0)
    assert model.body.dtype is {"fp32": torch.float32, "bf16": torch.bfloat16}[dtype]
