"""A scorer: a transformer whose head gives one number for a text. A head of two gives the log-odds of one against the other.

Classifiers of texts or of tokens have one label or two; of a language model the two are tokens, that which says that it is right
and that which says that it is wrong. Loads and makes them; what is read of one is in `score`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
)

from rldsl.rollouts.critics import Critic
from rldsl.rollouts.folders import VALUE_HEAD, check_loaded, silently
from rldsl.rollouts.heads import check_head
from rldsl.rollouts.signatures import ModelError
from rldsl.rollouts.step_heads import OF_TWO_LAYERS
from rldsl.rollouts.tokenizers import Codec

HEAD: Final = "score"  # as transformers calls the layer in decoders
CLASSIFIERS: Final[Mapping[str, Any]] = {"ForSequenceClassification": AutoModelForSequenceClassification,
                                         "ForTokenClassification": AutoModelForTokenClassification}
_OPPOSITES: Final = (("positive", "negative"), ("good", "bad"), ("correct", "incorrect"), ("correct", "wrong"),
                     ("correct", "error"), ("right", "wrong"), ("true", "false"), ("yes", "no"), ("+", "-"))
_LABELS: Final = 2


@dataclass(frozen=True, slots=True)
class Sides:
    """Of a head with several numbers, the rows whose difference is the score: the log-odds of the first against the second."""

    positive: int
    negative: int


def new_scorer(scorer_class: Any, config: Any) -> PreTrainedModel:
    """Random weights below a head that starts at 0."""
    config.num_labels = 1
    module: PreTrainedModel = scorer_class(config)
    nn.init.zeros_(linear_head(module).weight)
    return module


def load_scorer(folder: Path, dtype: torch.dtype, settings: Mapping[str, Any]) -> PreTrainedModel:
    """From a classifier with one label or two, or from a language model: as it is, where `good` and `bad` are tokens of it, or with
    a new head that starts at 0."""
    if (folder / VALUE_HEAD).is_file():
        raise ModelError(f"`{folder}` holds a critic, which values states; a scorer comes from a classifier "
                         "with one label or two, or from a language model")
    architecture = str((json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or [""])[0])
    own = OF_TWO_LAYERS.get(architecture)
    loader: Any = own or next((entry for ending, entry in CLASSIFIERS.items() if architecture.endswith(ending)), None)
    if of_tokens(settings):
        return _language_model(folder, dtype, is_classifier=loader is not None)
    if loader is None:
        return _with_new_head(folder, dtype, settings)
    module = _loaded(loader, folder, dtype, also=("lm_head.",) if own else ())
    check_scores(module)
    return module


def of_tokens(settings: Mapping[str, Any]) -> bool:
    """Whether a scorer is a language model of which two tokens are compared."""
    return settings.get("good") is not None


def _loaded(loader: Any, folder: Path, dtype: torch.dtype, also: tuple[str, ...] = (), new: tuple[str, ...] = (),
            **options: Any) -> PreTrainedModel:
    with silently(), torch.random.fork_rng(devices=[]):
        module, found = loader.from_pretrained(folder, dtype=dtype, local_files_only=True, output_loading_info=True, **options)
    if loader is not AutoModelForCausalLM:
        linear_head(module)
    check_loaded(folder, found, also=also, new=new)
    loaded: PreTrainedModel = module
    return loaded


def _language_model(folder: Path, dtype: torch.dtype, *, is_classifier: bool) -> PreTrainedModel:
    if is_classifier:
        raise ModelError(f"`{folder}` holds a classifier; `good` and `bad` are tokens of a language model: leave them out, or, "
                         'where it has two labels, write `positive: "LABEL_1"`')
    module = _loaded(AutoModelForCausalLM, folder, dtype)
    check_head(module)
    return module


def _with_new_head(folder: Path, dtype: torch.dtype, settings: Mapping[str, Any]) -> PreTrainedModel:
    if settings.get("positive") is not None:
        raise ModelError(f"`{folder}` holds a language model, and `positive` is a label of a classifier; where it says with a "
                         'token whether a step is right, write `good: "+", bad: "-"`')
    module = _loaded(AutoModelForSequenceClassification, folder, dtype, ("lm_head.", "embed_out."), (f"{HEAD}.weight",),
                     num_labels=1)
    nn.init.zeros_(linear_head(module).weight)
    check_scores(module)
    return module


# ------------------------------------------------------------------ which number
def sides_of(module: PreTrainedModel, codec: Codec, settings: Mapping[str, Any], name: str) -> Sides | None:
    """The rows of a head that are compared; None where it has one. Raises `ModelError` where nothing says which is which."""
    if of_tokens(settings):
        good, bad = (_token(codec, str(settings[word]), word, name) for word in ("good", "bad"))
        if good == bad:
            raise ModelError(f"`{name}`: `good` and `bad` are one token, and its log-odds against itself are 0")
        return Sides(good, bad)
    count = linear_head(module).out_features
    positive = settings.get("positive")
    if count == 1:
        if positive is not None:
            raise ModelError(f"`{name}` gives one number for a text, and `positive` tells two labels apart: leave it out")
        return None
    labels = _labels(module, count)
    if count != _LABELS:
        raise ModelError(f"the classifier of `{name}` gives {count} numbers for a text ({', '.join(labels)}); a scorer gives one, "
                         "or the log-odds of two labels")
    if positive is not None and positive not in labels:
        raise ModelError(f"`{name}` has no label `{positive}`: there are `{labels[0]}` and `{labels[1]}`")
    place = labels.index(positive) if positive is not None else _told(labels)
    if place is None:
        raise ModelError(f"`{name}` has two labels, `{labels[0]}` and `{labels[1]}`, and nothing says which means right: "
                         f'write `positive: "{labels[1]}"` (as most have it) or `positive: "{labels[0]}"` in its braces')
    return Sides(place, 1 - place)


def _labels(module: PreTrainedModel, count: int) -> list[str]:
    config: Any = module.config
    named = config.id2label or {}
    return [str(named.get(place, f"LABEL_{place}")) for place in range(count)]


def _told(labels: list[str]) -> int | None:
    """Which of two labels is the positive one, by their names; None where those do not say."""
    said = tuple(label.strip().lower() for label in labels)
    return 0 if said in _OPPOSITES else 1 if said[::-1] in _OPPOSITES else None


def _token(codec: Codec, text: str, word: str, name: str) -> int:
    """The one token that a text is."""
    ids = codec.encode([text], start=False)[0].tolist()
    if len(ids) != 1:
        shown = ", ".join(map(repr, codec.tokenizer.convert_ids_to_tokens(ids)))
        raise ModelError(f"`{word}: \"{text}\"` of `{name}` is {len(ids)} tokens ({shown}), and the probability of one is read; "
                         'write the text of one token, with its space where it has one: `good: " +"`')
    return int(ids[0])


# ------------------------------------------------------------------ the head
def linear_head(module: nn.Module) -> nn.Linear:
    """The last layer, which gives the numbers: of a critic, of a classifier, of a language model."""
    return layers_of(module)[-1]


def layers_of(module: nn.Module) -> list[nn.Linear]:
    """The layers from hidden states to numbers, with a ReLU between any two: mostly one."""
    if isinstance(module, Critic):
        return [module.value_head]
    model: Any = module
    found: Any = getattr(module, HEAD, None)
    if found is None and isinstance(module, PreTrainedModel):
        found = model.get_output_embeddings()
    is_of_two = isinstance(found, nn.Sequential) and isinstance(module, tuple(OF_TWO_LAYERS.values()))
    parts: list[Any] = [*found][::2] if is_of_two else [found]
    layers = [layer for layer in parts if isinstance(layer, nn.Linear)]
    if not layers:
        raise ModelError(f"{type(module).__name__} has no linear head `{HEAD}` over its hidden states: it is no scorer")
    return layers


def numbers_of(module: nn.Module, hidden: Tensor, sides: Sides | None = None) -> Tensor:
    """One number [T] for each hidden state [T, H], in float32 whatever the number format of the weights: that of a head with one,
    or the difference of two of its numbers."""
    last, hidden = _before_last(module, hidden)
    weight: Tensor = last.weight
    bias: Tensor | None = last.bias
    if sides is not None:
        weight, bias = _difference(weight, sides), None if bias is None else _difference(bias, sides)
    return _applied(hidden, weight, bias).squeeze(-1)


def _before_last(module: nn.Module, hidden: Tensor) -> tuple[nn.Linear, Tensor]:
    """The last layer of a head, and what it reads."""
    *inner, last = layers_of(module)
    for layer in inner:
        hidden = nn.functional.relu(_applied(hidden, layer.weight, layer.bias))
    return last, hidden


def _difference(rows: Tensor, sides: Sides) -> Tensor:
    return (rows[sides.positive].float() - rows[sides.negative].float()).unsqueeze(0)


def _applied(hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    found: Tensor = nn.functional.linear(hidden.float(), weight.float(), None if bias is None else bias.float())
    return found


@torch.no_grad()
def check_scores(module: PreTrainedModel) -> None:
    """Refuses a classifier that is anything but its head applied to a token's hidden state, by trying the last."""
    config: Any = module.config.get_text_config()
    places = [place for place in range(min(8, config.vocab_size)) if place != config.pad_token_id]
    ids = torch.tensor([places], device=next(module.parameters()).device)
    hidden = module.base_model(input_ids=ids, use_cache=False).last_hidden_state[0, -1:]
    found = module(input_ids=ids, use_cache=False).logits[0].reshape(-1, linear_head(module).out_features)[-1].float()
    last, hidden = _before_last(module, hidden)
    expected = _applied(hidden, last.weight, last.bias)[0]
    allowed = 1e-3 if last.weight.dtype is torch.float32 else 2.0**-6  # a module's own head rounds in its number format
    if found.shape != expected.shape or (found - expected).abs().max() > allowed * (1 + expected.abs().max()):
        raise ModelError(f"the score of {type(module).__name__} is not its head applied to the hidden state of the last "
                         "token, which is what is trained here; use another architecture")
