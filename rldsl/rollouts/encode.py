"""Vectors of whole texts: what an embedder's last layer holds, pooled as the embedder declares. Knows nothing of responses.

A text is read as its tokenizer reads one text (start and separator tokens where it has them), after the embedder's `system`
prefix. Texts of like lengths are computed together; padding changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from rldsl.graph.spec import Role
from rldsl.kernels.device.products import moved_to
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.signatures import ModelError
from rldsl.rollouts.tokenizers import Ids


class TooLong(ModelError):
    """A text has more tokens than its reader has positions."""


TOKENS: Final = 2**14  # of one forward pass, padding included


def encode_texts(model: LoadedModel, texts: Sequence[str]) -> tuple[Tensor, dict[int, ModelError]]:
    """Vectors [texts, H] in fp32, without a gradient; and, by place, why a text has none (its row is 0).

    `mean` pooling: of the states of all tokens. `last`: the state of the last token. A text without a token is the vector 0.
    """
    if model.role is not Role.EMBEDDER:
        raise ModelError(f"`{model.name}` is a {model.role}; texts are compared by an embedder")
    rows, refused = _tokens(model, texts)
    width = int(model.body.config.get_text_config().hidden_size)
    found = torch.zeros((len(texts), width), device=model.device)
    places = sorted((place for place, ids in enumerate(rows) if len(ids)), key=lambda place: len(rows[place]))
    for piece in _pieces(places, rows):
        found[piece] = _pooled(model, [rows[place] for place in piece])
    return found, refused


def _tokens(model: LoadedModel, texts: Sequence[str]) -> tuple[list[Ids], dict[int, ModelError]]:
    refused: dict[int, ModelError] = {}
    whole = [model.system + text for text in texts]
    try:
        rows = model.codec.encode(whole, start=True)
    except ModelError:
        rows = [_one(model, text, place, refused) for place, text in enumerate(whole)]
    limit = model.positions
    for place, ids in enumerate(rows):
        if limit is None or len(ids) <= limit:
            continue
        if model.cut:
            rows[place] = ids[:limit]
        else:
            refused[place] = TooLong(f"a text has {len(ids)} tokens, and `{model.name}`, which reads it, has {limit} positions; "
                                     "`cut: true` lets it read the first ones alone")
            rows[place] = ids[:0]
    return rows, refused


def _one(model: LoadedModel, text: str, place: int, refused: dict[int, ModelError]) -> Ids:
    try:
        return model.codec.encode([text], start=True)[0]
    except ModelError as fault:
        refused[place] = fault
        return np.zeros(0, np.int32)


def _pieces(places: Sequence[int], rows: Sequence[Ids]) -> list[list[int]]:
    """Texts that are computed together, shortest first."""
    found: list[list[int]] = []
    for place in places:
        if not found or (len(found[-1]) + 1) * len(rows[place]) > TOKENS:
            found.append([])
        found[-1].append(place)
    return found


def _pooled(model: LoadedModel, rows: Sequence[Ids]) -> Tensor:
    lengths = np.array([len(ids) for ids in rows], dtype=np.int64)
    widths = moved_to(torch.from_numpy(lengths), model.device)
    ids = np.zeros((len(rows), int(lengths.max())), dtype=np.int64)
    for row, tokens in enumerate(rows):
        ids[row, :len(tokens)] = tokens
    mask = (torch.arange(ids.shape[1], device=model.device)[None] < widths[:, None]).to(torch.int64)
    options = {} if model.body.config.is_encoder_decoder else {"use_cache": False}
    with torch.no_grad():
        read = model.body(input_ids=moved_to(torch.from_numpy(ids), model.device), attention_mask=mask, **options)
    states: Tensor = read.last_hidden_state.float()
    if model.pooling == "last":
        return states[torch.arange(len(rows), device=model.device), widths - 1]
    return (states * mask[:, :, None]).sum(1) / widths[:, None]
