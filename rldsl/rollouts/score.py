"""What a model computes at the tokens of samples: the hidden state that predicts each token, a critic's values.

Stops before the vocabulary head: kernels read log-probabilities and entropies from hidden states and `head_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from rldsl.rollouts.critics import Critic
from rldsl.rollouts.families import Family, family_of
from rldsl.rollouts.heads import vocabulary_head
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.packed import pack, packed_hidden
from rldsl.rollouts.signatures import ModelError
from rldsl.rollouts.tokenizers import Ids
from rldsl.rollouts.tokens import Longs, ResponseTokens, check_vocabulary, concatenated_ranges, offsets_of

Samples = range | Sequence[int] | Longs

_BUDGET: Final = 2**26  # numbers in one attention mask, or in the padded states of a general model


@dataclass(frozen=True, slots=True, eq=False)
class HiddenRows:
    """Rows in the order of the tokens: `hidden[t]` [T, H] predicts `targets[t]` [T]."""

    hidden: Tensor
    targets: Tensor


def hidden_rows(model: LoadedModel, tokens: ResponseTokens, samples: Samples, *, grad: bool) -> HiddenRows:
    """Hidden states of the named samples, packed in the order named; with `grad`, gradients flow to the body."""
    check_vocabulary(model, tokens)
    chosen = np.arange(samples.start, samples.stop, samples.step) if isinstance(samples, range) else samples
    places = np.asarray(chosen, dtype=np.int64)
    body = model.body
    if len(places) == 0:
        none = torch.zeros(0, dtype=torch.int64, device=model.device)
        return HiddenRows(next(body.parameters()).new_zeros((0, body.config.get_text_config().hidden_size)), none)
    family = family_of(body)
    with torch.set_grad_enabled(grad):
        parts = [_packed_rows(body, family, tokens, piece, model.device) if family is not None
                 else _module_rows(body, tokens, piece, model.device) for piece in _pieces(tokens, places, body)]
    targets = tokens.ids[concatenated_ranges(tokens.offsets[places], tokens.lengths[places])]
    hidden = torch.cat(parts) if len(parts) != 1 else parts[0]
    return HiddenRows(hidden, torch.from_numpy(targets).to(model.device))


def values(model: LoadedModel, tokens: ResponseTokens, samples: Samples, *, grad: bool) -> Tensor:
    """A critic's value [T] of the state before each token of the named samples, fp32."""
    if not isinstance(model.module, Critic):
        raise ModelError(f"`{model.name}` is no critic: it has no value head")
    rows = hidden_rows(model, tokens, samples, grad=grad)
    with torch.set_grad_enabled(grad):
        return model.module.value(rows.hidden)


def head_of(model: LoadedModel) -> tuple[Tensor, Tensor | None]:
    """Weight [V, H] and bias [V] or None of the vocabulary head: logits are `hidden @ weight.T + bias`."""
    if isinstance(model.module, Critic):
        raise ModelError(f"critic `{model.name}` has no vocabulary head; it gives values")
    return vocabulary_head(model.module)


def _pieces(tokens: ResponseTokens, places: Longs, body: Any) -> list[Longs]:
    """Samples that are computed together: all of them, unless their padded form is very large."""
    prompt_lengths = np.array([len(ids) for ids in tokens.prompt_ids], dtype=np.int64)
    rows = prompt_lengths[tokens.prompt_of_sample[places]] + tokens.lengths[places]
    widest = int(rows.max(initial=1))
    count = max(1, _BUDGET // (widest * max(widest, body.config.get_text_config().hidden_size)))
    return [places[first:first + count] for first in range(0, len(places), count)]


def _packed_rows(body: Any, family: Family, tokens: ResponseTokens, samples: Longs, device: torch.device) -> Tensor:
    """Each prompt is computed once for all its samples; a sample's first token is predicted by its prompt's last."""
    found, prompt_of = np.unique(tokens.prompt_of_sample[samples], return_inverse=True)
    if len(found) == len(samples):
        return _single_rows(body, family, tokens, samples, device)
    prompts = [tokens.prompt_ids[place] for place in found]
    lengths = tokens.lengths[samples]
    fed = tokens.ids[concatenated_ranges(tokens.offsets[samples], lengths - 1)]
    packed = pack(prompts, prompt_of.astype(np.int64), fed, lengths - 1, device)
    rows = concatenated_ranges(packed.split + offsets_of(lengths - 1)[:-1] - 1, lengths)
    rows[offsets_of(lengths)[:-1]] = (offsets_of(packed.prompt_lengths)[1:] - 1)[prompt_of]
    return packed_hidden(body, family, packed).index_select(0, torch.from_numpy(rows).to(device))


def _single_rows(body: Any, family: Family, tokens: ResponseTokens, samples: Longs, device: torch.device) -> Tensor:
    """Where no two samples share a prompt: each is one piece with its prompt."""
    pieces = [np.concatenate([prompt, answer]) for prompt, answer in _inputs(tokens, samples)]
    none = np.zeros(0, np.int64)
    packed = pack(pieces, none, none, none, device)
    lengths = tokens.lengths[samples]
    rows = concatenated_ranges(offsets_of(packed.prompt_lengths)[1:] - lengths, lengths)
    return packed_hidden(body, family, packed).index_select(0, torch.from_numpy(rows).to(device))


def _module_rows(body: Any, tokens: ResponseTokens, samples: Longs, device: torch.device) -> Tensor:
    """The module's own forward over right-padded rows."""
    inputs = _inputs(tokens, samples)
    widths = np.array([len(prompt) + len(answer) for prompt, answer in inputs])
    width = int(widths.max())
    ids = np.zeros((len(samples), width), dtype=np.int64)
    for row, parts in enumerate(inputs):
        ids[row, :widths[row]] = np.concatenate(parts)
    mask = torch.from_numpy((np.arange(width) < widths[:, None]).astype(np.int64)).to(device)
    states = body(input_ids=torch.from_numpy(ids).to(device), attention_mask=mask, use_cache=False).last_hidden_state
    before = np.array([len(prompt) - 1 for prompt, _ in inputs], dtype=np.int64)
    rows = concatenated_ranges(np.arange(len(samples)) * width + before, tokens.lengths[samples])
    selected: Tensor = states.reshape(len(samples) * width, -1).index_select(0, torch.from_numpy(rows).to(device))
    return selected


def _inputs(tokens: ResponseTokens, samples: Longs) -> list[tuple[Ids, Longs]]:
    """Of each sample, the tokens of its prompt and its own but the last, which predicts nothing here."""
    places = tokens.prompt_of_sample[samples]
    return [(tokens.prompt_ids[place], tokens.ids[tokens.offsets[sample]:tokens.offsets[sample + 1] - 1])
            for place, sample in zip(places, samples, strict=True)]
