"""Replies of a local model that fit a form by construction: at each position only tokens that can go on to a reply that fits.

What is fixed is written, not drawn; a choice or a text is drawn from what the model gives to the tokens that are allowed there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from rldsl.rewards.judging.forms import Fixed, OneOf, Piece
from rldsl.rollouts.decoders import Decoder
from rldsl.rollouts.decoding import lend_decoder
from rldsl.rollouts.draw import draw_tokens
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.signatures import ModelError, Sampling
from rldsl.rollouts.tokenizers import Codec, Ids
from rldsl.rollouts.tokens import Reals

_WORTH: Final = 0.75  # as in `rollouts.sampler`: finished rows leave when no more than this share goes on


class Alphabet:
    """What each token of a vocabulary writes, as far as it writes whole characters."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.surfaces = _surfaces(codec)
        self._ids = {surface: token for token, surface in reversed(list(enumerate(self.surfaces))) if surface}
        self._longest = max(map(len, self._ids), default=0)
        plain = [_is_plain(surface) for surface in self.surfaces]
        self.plain = torch.tensor(plain)
        self.lengths = torch.tensor([len(surface) if keep else 0 for surface, keep in zip(self.surfaces, plain, strict=True)])
        self.written = lru_cache(maxsize=4096)(self._written)

    def _written(self, text: str) -> tuple[int, ...]:
        """Tokens that write exactly this text: the tokenizer's own where they do, else the longest that fit, one by one."""
        try:
            own = tuple(self.codec.encode([text], start=False)[0].tolist())
        except ModelError:
            own = ()
        if "".join(self.surfaces[token] for token in own) == text and own:
            return own
        found: list[int] = []
        while text:
            piece = next((text[:size] for size in range(min(self._longest, len(text)), 0, -1) if text[:size] in self._ids), None)
            if piece is None:
                raise ModelError(f"the tokenizer has no token for {text[0]!r}, which a reply of the schema needs")
            found.append(self._ids[piece])
            text = text[len(piece):]
        return tuple(found)


class Writing:
    """One reply under way: which tokens may come next."""

    def __init__(self, alphabet: Alphabet, pieces: Sequence[Piece]) -> None:
        self._alphabet = alphabet
        self._pieces = list(pieces)
        self._open: list[tuple[int, ...]] = []  # what may follow, as tokens: one sequence, or those of a choice
        self._left = 0                          # characters that a text may still have
        self._is_text = False
        self._enter()

    @property
    def is_done(self) -> bool:
        """Whether the reply is complete."""
        return not self._open and not self._is_text and not self._pieces

    def allowed(self) -> tuple[list[int], Tensor | None]:
        """Single tokens that may come, and a mask of many [V] or None."""
        firsts = list(dict.fromkeys(tokens[0] for tokens in self._open))
        return firsts, (self._alphabet.plain & (self._alphabet.lengths <= self._left)) if self._is_text else None

    def push(self, token: int) -> None:
        """This token came."""
        follow = [tokens[1:] for tokens in self._open if tokens[0] == token]
        if self._is_text and not follow:
            self._left -= len(self._alphabet.surfaces[token])
            return
        self._is_text = False
        self._open = [tokens for tokens in follow if tokens]
        if not self._open:
            self._enter()

    def _enter(self) -> None:
        if not self._pieces:
            return
        piece = self._pieces.pop(0)
        match piece:
            case Fixed(text=text):
                self._open = [self._alphabet.written(text)]
            case OneOf(texts=texts):
                self._open = [self._alphabet.written(text) for text in texts]
            case _:  # a text goes on until the closing quote, with which the next piece begins
                self._is_text, self._left = True, piece.most
                after = self._pieces.pop(0)
                assert isinstance(after, Fixed)
                self._open = [(*self._alphabet.written('"'), *(self._alphabet.written(after.text[1:]) if after.text[1:] else ()))]


@dataclass(slots=True)
class _Row:
    place: int
    writing: Writing
    tokens: list[int]


@torch.inference_mode()
def write(model: LoadedModel, alphabet: Alphabet, prompts: Sequence[Ids], forms: Sequence[Sequence[Piece]], settings: Sampling,
          noise: Reals) -> list[tuple[str, int, bool]]:
    """For each prompt a reply of its form: text, tokens, and whether it is complete within `settings.max_tokens`.

    `noise` [prompts, max_tokens] are the uniform numbers that replies are drawn by.
    """
    with lend_decoder(model) as decoder:
        return _written(decoder, model, alphabet, prompts, forms, settings, noise)


def _written(decoder: Decoder, model: LoadedModel, alphabet: Alphabet, prompts: Sequence[Ids], forms: Sequence[Sequence[Piece]],
             settings: Sampling, noise: Reals) -> list[tuple[str, int, bool]]:
    rows = [_Row(place, Writing(alphabet, form), []) for place, form in enumerate(forms)]
    going = list(rows)
    uniform = torch.from_numpy(noise).to(model.device)
    logits = decoder.start(prompts, np.arange(len(prompts)), settings.max_tokens)
    for turn in range(settings.max_tokens):
        places = torch.tensor([row.place for row in going], device=model.device)
        chosen, _ = draw_tokens(_masked(logits, going), uniform[places, turn], settings)
        for row, token in zip(going, chosen.tolist(), strict=True):
            if not row.writing.is_done:
                row.tokens.append(token)
                row.writing.push(token)
        left = [index for index, row in enumerate(going) if not row.writing.is_done]
        if not left or turn + 1 == settings.max_tokens:
            break
        if len(left) <= _WORTH * len(going):
            kept = torch.tensor(left, device=model.device)
            decoder.keep(kept)
            going, chosen = [going[index] for index in left], chosen[kept]
        logits = decoder.step(chosen)
    return [("".join(alphabet.surfaces[token] for token in row.tokens), len(row.tokens), row.writing.is_done) for row in rows]


def _masked(logits: Tensor, rows: Sequence[_Row]) -> Tensor:
    masked = torch.full_like(logits, -torch.inf)
    for index, row in enumerate(rows):
        firsts, mask = row.writing.allowed() if not row.writing.is_done else ([0], None)
        if mask is not None:
            mask = mask.to(logits.device)
            masked[index, :len(mask)][mask] = logits[index, :len(mask)][mask]
        masked[index, firsts] = logits[index, firsts]
    return masked


def _surfaces(codec: Codec) -> list[str]:
    """What each token adds after another one; nothing for special tokens and for parts of characters."""
    tokenizer: Any = codec.tokenizer
    count = len(tokenizer)
    special = set(tokenizer.all_special_ids) | {token for token, added in tokenizer.added_tokens_decoder.items() if added.special}
    if codec.places is not None:
        return ["" if token in special else name for token, name in enumerate(codec.names)]
    before = int(codec.encode(["a"], start=False)[0][-1])
    pairs = np.array([[before, token] for token in range(count)], dtype=np.int64)
    base = codec.decode(np.array([before], dtype=np.int64), np.array([0, 1], dtype=np.int64))[0]
    both = codec.decode(pairs.reshape(-1), np.arange(0, 2 * count + 1, 2, dtype=np.int64))
    return ["" if token in special or not text.startswith(base) or "\ufffd" in text else text[len(base):]
            for token, text in enumerate(both)]


def _is_plain(surface: str) -> bool:
    """Whether it may stand in a JSON string as it is."""
    return bool(surface) and all(char >= " " and char not in '"\\\x7f' and not "\ud800" <= char <= "\udfff" for char in surface)
