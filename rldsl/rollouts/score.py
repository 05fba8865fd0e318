"""What a model computes at the tokens of samples: the hidden state that predicts each token, a critic's values, scores.

Stops before the vocabulary head: kernels read log-probabilities and entropies from hidden states and `head_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from rldsl.graph.spec import Role
from rldsl.kernels.device.products import moved_to
from rldsl.rollouts.families import Family, family_of
from rldsl.rollouts.heads import vocabulary_head
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.packed import pack, packed_hidden
from rldsl.rollouts.scorers import numbers_of
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
    places = _places(samples)
    hidden = _hidden(model, tokens, places, ahead=0, grad=grad)
    targets = tokens.ids[concatenated_ranges(tokens.offsets[places], tokens.lengths[places])]
    return HiddenRows(hidden, moved_to(torch.from_numpy(targets), model.device))


def values(model: LoadedModel, tokens: ResponseTokens, samples: Samples, *, grad: bool) -> Tensor:
    """A critic's value [T] of the state before each token of the named samples, fp32."""
    if model.role is not Role.CRITIC:
        raise ModelError(f"`{model.name}` is a {model.role}, no critic: it has no value head")
    hidden = _hidden(model, tokens, _places(samples), ahead=0, grad=grad)
    with torch.set_grad_enabled(grad):
        return numbers_of(model.module, hidden)


def scores(model: LoadedModel, tokens: ResponseTokens, samples: Samples, *, per_token: bool, grad: bool) -> Tensor:
    """A scorer's number, fp32: at the last token of each named sample [S], or `per_token` at every token [T].

    The last token is the answer's own last one: the end token of a finished answer, the last drawn one of a cut answer.
    """
    if model.role is not Role.SCORER:
        raise ModelError(f"`{model.name}` is a {model.role}, no scorer: it has no head that scores texts")
    places = _places(samples)
    hidden = _hidden(model, tokens, places, ahead=1, grad=grad)
    with torch.set_grad_enabled(grad):
        if not per_token:
            last = moved_to(torch.from_numpy(np.cumsum(tokens.lengths[places]) - 1), hidden.device)
            hidden = hidden.index_select(0, last)
        return numbers_of(model.module, hidden, model.sides)


def head_of(model: LoadedModel) -> tuple[Tensor, Tensor | None]:
    """Weight [V, H] and bias [V] or None of the vocabulary head: logits are `hidden @ weight.T + bias`."""
    return vocabulary_head(model.policy_module)


def _places(samples: Samples) -> Longs:
    chosen = np.arange(samples.start, samples.stop, samples.step) if isinstance(samples, range) else samples
    return np.asarray(chosen, dtype=np.int64)


def states(model: LoadedModel, tokens: ResponseTokens, samples: Samples, *, grad: bool) -> Tensor:
    """The last layer's hidden state [T, H] at each token of the named samples, the token having been read."""
    return _hidden(model, tokens, _places(samples), ahead=1, grad=grad)


def _hidden(model: LoadedModel, tokens: ResponseTokens, places: Longs, *, ahead: int, grad: bool) -> Tensor:
    """One hidden state a token: that which predicts it (`ahead` 0), or that which has read it (`ahead` 1)."""
    check_vocabulary(model, tokens)
    _check_positions(model, tokens, places)
    body = model.body
    if len(places) == 0:
        return torch.zeros((0, body.config.get_text_config().hidden_size), dtype=next(body.parameters()).dtype,
                           device=model.device)
    family = family_of(body)
    parts: list[Tensor]
    with torch.set_grad_enabled(grad):
        parts = [_packed_rows(body, family, tokens, piece, ahead, model.device) if family is not None
                 else _module_rows(body, tokens, piece, ahead, model.device) for piece in _pieces(tokens, places, body)]
    return torch.cat(parts) if len(parts) != 1 else parts[0]


def _check_positions(model: LoadedModel, tokens: ResponseTokens, places: Longs) -> None:
    """Refuses samples that are longer, with their prompts, than what the model was made for."""
    longest = int(_widths(tokens, places).max(initial=0))
    if model.positions is not None and longest > model.positions:
        raise ModelError(f"an answer has {longest} tokens with its prompt, and `{model.name}`, which reads it, has "
                         f"{model.positions} positions; give it more, or draw shorter answers")


def _widths(tokens: ResponseTokens, places: Longs) -> Longs:
    prompt_lengths = np.array([len(ids) for ids in tokens.prompt_ids], dtype=np.int64)
    found: Longs = prompt_lengths[tokens.prompt_of_sample[places]] + tokens.lengths[places]
    return found


def _pieces(tokens: ResponseTokens, places: Longs, body: Any) -> list[Longs]:
    """Samples that are computed together: all of them, unless their padded form is very large."""
    widest = int(_widths(tokens, places).max(initial=1))
    count = max(1, _BUDGET // (widest * max(widest, body.config.get_text_config().hidden_size)))
    return [places[first:first + count] for first in range(0, len(places), count)]


def _packed_rows(body: Any, family: Family, tokens: ResponseTokens, samples: Longs, ahead: int, device: torch.device) -> Tensor:
    """Each prompt is computed once for all its samples; a sample's first token is predicted by its prompt's last."""
    found, prompt_of = np.unique(tokens.prompt_of_sample[samples], return_inverse=True)
    if len(found) == len(samples):
        return _single_rows(body, family, tokens, samples, ahead, device)
    prompts = [tokens.prompt_ids[place] for place in found]
    lengths = tokens.lengths[samples]
    fed_lengths = lengths - 1 + ahead
    fed = tokens.ids[concatenated_ranges(tokens.offsets[samples], fed_lengths)]
    packed = pack(prompts, prompt_of.astype(np.int64), fed, fed_lengths, device)
    rows = concatenated_ranges(packed.split + offsets_of(fed_lengths)[:-1] - 1 + ahead, lengths)
    if ahead == 0:
        rows[offsets_of(lengths)[:-1]] = (offsets_of(packed.prompt_lengths)[1:] - 1)[prompt_of]
    return packed_hidden(body, family, packed).index_select(0, moved_to(torch.from_numpy(rows), device))


def _single_rows(body: Any, family: Family, tokens: ResponseTokens, samples: Longs, ahead: int, device: torch.device) -> Tensor:
    """Where no two samples share a prompt: each is one piece with its prompt."""
    pieces = [np.concatenate([prompt, answer]) for prompt, answer in _inputs(tokens, samples, ahead)]
    none = np.zeros(0, np.int64)
    packed = pack(pieces, none, none, none, device)
    lengths = tokens.lengths[samples]
    rows = concatenated_ranges(offsets_of(packed.prompt_lengths)[1:] - lengths, lengths)
    return packed_hidden(body, family, packed).index_select(0, moved_to(torch.from_numpy(rows), device))


def _module_rows(body: Any, tokens: ResponseTokens, samples: Longs, ahead: int, device: torch.device) -> Tensor:
    """The module's own forward over right-padded rows."""
    inputs = _inputs(tokens, samples, ahead)
    widths = np.array([len(prompt) + len(answer) for prompt, answer in inputs], dtype=np.int64)
    width = int(widths.max())
    ids = np.zeros((len(samples), width), dtype=np.int64)
    for row, parts in enumerate(inputs):
        ids[row, :widths[row]] = np.concatenate(parts)
    mask = moved_to(torch.from_numpy((np.arange(width) < widths[:, None]).astype(np.int64)), device)
    states = body(input_ids=moved_to(torch.from_numpy(ids), device), attention_mask=mask, use_cache=False).last_hidden_state
    lengths = tokens.lengths[samples]
    rows = concatenated_ranges(np.arange(len(samples)) * width + widths - lengths, lengths)
    selected: Tensor = states.reshape(len(samples) * width, -1).index_select(0, moved_to(torch.from_numpy(rows), device))
    return selected


def _inputs(tokens: ResponseTokens, samples: Longs, ahead: int) -> list[tuple[Ids, Longs]]:
    """Of each sample, the tokens of its prompt and its own; without the last one, which predicts nothing, unless `ahead`."""
    places = tokens.prompt_of_sample[samples]
    return [(tokens.prompt_ids[place], tokens.ids[tokens.offsets[sample]:tokens.offsets[sample + 1] - 1 + ahead])
            for place, sample in zip(places, samples, strict=True)]
