"""A scorer: a transformer whose linear head gives one number for a text, as sequence classification with one label.

Loads and makes them; what is read of one is in `score`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from rldsl.rollouts.critics import Critic
from rldsl.rollouts.folders import VALUE_HEAD, check_loaded, silently
from rldsl.rollouts.signatures import ModelError

HEAD = "score"  # as transformers calls the layer in decoders


def new_scorer(scorer_class: Any, config: Any) -> PreTrainedModel:
    """Random weights below a head that starts at 0."""
    config.num_labels = 1
    module: PreTrainedModel = scorer_class(config)
    nn.init.zeros_(linear_head(module).weight)
    return module


def load_scorer(folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    """From a sequence classifier with one label, or from a language model, whose new head starts at 0."""
    if (folder / VALUE_HEAD).is_file():
        raise ModelError(f"`{folder}` holds a critic, which values states; a scorer comes from a sequence classifier "
                         "with one label, or from a language model")
    architectures = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or [""]
    is_classifier = str(architectures[0]).endswith("ForSequenceClassification")
    loader: Any = AutoModelForSequenceClassification
    options = {} if is_classifier else {"num_labels": 1}
    with silently(), torch.random.fork_rng(devices=[]):
        module, found = loader.from_pretrained(folder, dtype=dtype, local_files_only=True, output_loading_info=True, **options)
    head = linear_head(module)
    if head.out_features != 1:
        raise ModelError(f"the classifier in `{folder}` gives {head.out_features} numbers for a text; a scorer gives one "
                         "(`num_labels: 1` in its config.json)")
    check_loaded(folder, found, also=() if is_classifier else ("lm_head.", "embed_out."),
                 new=() if is_classifier else (f"{HEAD}.weight",))
    if not is_classifier:
        nn.init.zeros_(head.weight)
    check_scores(module)
    loaded: PreTrainedModel = module
    return loaded


def linear_head(module: nn.Module) -> nn.Linear:
    """The layer that gives a number for each hidden state: of a critic or of a scorer."""
    found = module.value_head if isinstance(module, Critic) else getattr(module, HEAD, None)
    if not isinstance(found, nn.Linear):
        raise ModelError(f"{type(module).__name__} has no linear head `{HEAD}` over its hidden states: it is no scorer")
    return found


def numbers_of(head: nn.Linear, hidden: Tensor) -> Tensor:
    """One number [T] for each hidden state [T, H], in float32 whatever the number format of the weights."""
    bias = None if head.bias is None else head.bias.float()
    found: Tensor = nn.functional.linear(hidden.float(), head.weight.float(), bias)
    return found.squeeze(-1)


@torch.no_grad()
def check_scores(module: PreTrainedModel) -> None:
    """Refuses a classifier that is anything but its head applied to the last token's hidden state, by trying."""
    config: Any = module.config.get_text_config()
    places = [place for place in range(min(8, config.vocab_size)) if place != config.pad_token_id]
    ids = torch.tensor([places], device=next(module.parameters()).device)
    hidden = module.base_model(input_ids=ids, use_cache=False).last_hidden_state[0, -1:]
    expected = numbers_of(linear_head(module), hidden)
    found = module(input_ids=ids, use_cache=False).logits[0].float()
    if found.shape != expected.shape or (found - expected).abs().max() > 1e-3 * (1 + expected.abs().max()):
        raise ModelError(f"the score of {type(module).__name__} is not its head applied to the hidden state of the last "
                         "token, which is what is trained here; use another architecture")
