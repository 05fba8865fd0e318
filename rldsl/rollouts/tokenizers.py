"""Text to tokens and back: the character tokenizer of small models, a codec over any Hugging Face tokenizer.

Knows nothing of models or of chat forms (`prompts` does).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from rldsl.graph.spec import Invocation
from rldsl.rollouts.signatures import CHARACTERS_ARGUMENTS, ModelError, arguments_of, checked

Ids = npt.NDArray[np.int32]

PAD, EOS, BOS = "<pad>", "<eos>", "<bos>"


def characters(alphabet: str, *, start: bool = False) -> PreTrainedTokenizerFast:
    """One token a character, after `<pad>`, `<eos>` and, with `start`, a `<bos>` that begins each prompt."""
    _check_alphabet(alphabet)
    special = [PAD, EOS, *([BOS] if start else [])]
    vocabulary = {token: place for place, token in enumerate([*special, *alphabet])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))  # no such token: unknown is an error
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    backend.decoder = decoders.Fuse()
    if start:
        backend.post_processor = processors.TemplateProcessing(
            single=f"{BOS} $A", pair=f"{BOS} $A $B", special_tokens=[(BOS, vocabulary[BOS])])
    build: Any = PreTrainedTokenizerFast
    built: PreTrainedTokenizerFast = build(
        tokenizer_object=backend, pad_token=PAD, eos_token=EOS, bos_token=BOS if start else None,
        split_special_tokens=True, clean_up_tokenization_spaces=False)
    return built


def tokenizer_from(call: Invocation) -> PreTrainedTokenizerFast:
    """The tokenizer that a spec names: `characters("...")`."""
    if call.name != "characters":
        raise ModelError(f"there is no tokenizer `{call.name}`; there is characters(\"...\")")
    given = checked(arguments_of(call, CHARACTERS_ARGUMENTS), CHARACTERS_ARGUMENTS, "characters")
    return characters(given["alphabet"], start=given["start"])


@dataclass(frozen=True, slots=True, eq=False)
class Codec:
    """A tokenizer with tables for speed: `places` (token by character) where each token is one character."""

    tokenizer: PreTrainedTokenizerBase
    places: Mapping[str, int] | None
    names: tuple[str, ...]
    digest: str

    @staticmethod
    def of(tokenizer: PreTrainedTokenizerBase) -> Codec:
        """`digest` tells vocabularies apart: tokens of one mean nothing in another."""
        vocabulary: dict[str, int] = tokenizer.get_vocab()
        text = json.dumps(sorted(vocabulary.items()))
        digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        if not _is_characters(tokenizer):
            return Codec(tokenizer, None, (), digest)
        names = tuple(sorted(vocabulary, key=vocabulary.__getitem__))
        places = {name: place for place, name in enumerate(names) if len(name) == 1}
        return Codec(tokenizer, places, names, digest)

    def encode(self, texts: Sequence[str], *, start: bool) -> list[Ids]:
        """Tokens of each text; with `start` as a prompt begins (a `<bos>` where the tokenizer has one)."""
        if not texts:
            return []
        if self.places is None:
            rows = self.tokenizer(list(texts), add_special_tokens=start, return_attention_mask=False)
            return [np.asarray(row, dtype=np.int32) for row in rows["input_ids"]]
        first = [self.tokenizer.bos_token_id] if start and self.tokenizer.bos_token_id is not None else []
        try:
            return [np.array([*first, *map(self.places.__getitem__, text)], dtype=np.int32) for text in texts]
        except KeyError:
            return [np.array([*first, *places], dtype=np.int32) for places in self._with_drawn_names(self.places, texts)]

    def _with_drawn_names(self, places: Mapping[str, int], texts: Sequence[str]) -> list[list[int]]:
        """Tokens of texts that the alphabet alone cannot spell. `<pad>` and `<bos>` are tokens that a policy may draw, and are
        written out in what it said; `<eos>` ends an answer and never stands in one."""
        drawn = {name: self.names.index(name) for name in (PAD, BOS) if name in self.names}
        pattern = re.compile("|".join(map(re.escape, drawn)))
        parts = [[part for span in _cut(pattern, text) for part in ([span] if span in drawn else span)] for text in texts]
        known = {**places, **drawn}
        if not all(part in known for row in parts for part in row):
            raise _unknown_character(places, [pattern.sub("", text) for text in texts], texts)
        return [[known[part] for part in row] for row in parts]

    def decode(self, ids: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]) -> tuple[str, ...]:
        """The text of each piece `ids[offsets[i]:offsets[i + 1]]`, special tokens written out."""
        flat, bounds = ids.tolist(), offsets.tolist()
        pieces = [flat[low:high] for low, high in pairwise(bounds)]
        if self.places is not None:
            return tuple("".join(map(self.names.__getitem__, piece)) for piece in pieces)
        options: dict[str, Any] = {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}
        return tuple(self.tokenizer.batch_decode(pieces, **options))


def _check_alphabet(alphabet: str) -> None:
    if not alphabet:
        raise ModelError('characters("...") needs at least one character')
    repeated = [character for character, count in Counter(alphabet).items() if count > 1]
    if repeated:
        raise ModelError(f"characters(\"...\") names {_list(repeated)} more than once; write each once")


def _is_characters(tokenizer: PreTrainedTokenizerBase) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return (backend is not None and tokenizer.unk_token is None
            and isinstance(backend.model, models.WordLevel) and isinstance(backend.decoder, decoders.Fuse)
            and isinstance(backend.pre_tokenizer, pre_tokenizers.Split))


def _cut(pattern: re.Pattern[str], text: str) -> list[str]:
    """The text in pieces: what the pattern finds, and what stands between."""
    bounds = [0, *(bound for found in pattern.finditer(text) for bound in found.span()), len(text)]
    return [text[low:high] for low, high in pairwise(bounds)]


def _unknown_character(places: Mapping[str, int], texts: Sequence[str], whole: Sequence[str]) -> ModelError:
    row = next(row for row, text in enumerate(texts) if any(character not in places for character in text))
    unknown = sorted({character for character in texts[row] if character not in places})
    word = "character" if len(unknown) == 1 else "characters"
    known = json.dumps("".join(places), ensure_ascii=False)
    return ModelError(f"the tokenizer does not know the {word} {_list(unknown)} of {whole[row]!r}; it was built "
                      f"as characters({known}): add what is missing there", row)


def _list(found: Sequence[str]) -> str:
    return ", ".join(repr(character) for character in found)
