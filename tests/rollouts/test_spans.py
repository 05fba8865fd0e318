"""Characters to tokens: exact under vocabularies of characters, of bytes, of words with joined spaces and fallback to bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from rldsl.rollouts.signatures import ModelError
from rldsl.rollouts.spans import first_characters, first_tokens
from rldsl.rollouts.tokenizers import Codec, characters

TEXTS = ["the cat sat on the mat", "a step. another step.", "naïve café — 𝛼𝛽 日本語 👍🏽", "x = 1\n\ny = 2\n\n", " two  spaces "]


def codec_of(backend: Tokenizer) -> Codec:
    return Codec.of(PreTrainedTokenizerFast(tokenizer_object=backend, clean_up_tokenization_spaces=False))


def bytes_vocabulary(size: int = 300) -> Codec:
    """Byte-level BPE as GPT-2's, with a few merges: most characters outside of ASCII are several tokens."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    backend.train_from_iterator(TEXTS, trainer)
    backend.add_special_tokens([AddedToken("<|end of step|>", special=True)])
    return codec_of(backend)


def sentence_pieces() -> Codec:
    """As sentencepiece: a space is part of the word behind it, one is put before the text and taken away again, and what the
    vocabulary does not have is spelled in bytes."""
    words = ["▁the", "▁cat", "▁sat", "▁on", "▁", "t", "h", "e", "a", "c", "s", "o", "n", "m", ".", "▁step", "▁a", "x", "=", "\n"]
    pieces = [*(f"<0x{byte:02X}>" for byte in range(256)), *words]
    backend = Tokenizer(models.Unigram([("<unk>", 0.0), *((piece, -1.0 - len(pieces) / 1000) for piece in pieces)], 0, True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                         decoders.Strip(" ", 1, 0)])
    return codec_of(backend)


def lower_case() -> Codec:
    """Words in lower case: what is decoded is another text."""
    vocabulary = {word: place for place, word in enumerate(["<unk>", "one", "two", "three", ".", "four"])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace()])
    return codec_of(backend)


CODECS: dict[str, Callable[[], Codec]] = {
    "characters": lambda: Codec.of(characters("".join(sorted({*"".join(TEXTS)})))), "bytes": bytes_vocabulary,
    "sentence pieces": sentence_pieces}


@pytest.fixture(scope="module", params=list(CODECS))
def codec(request: pytest.FixtureRequest) -> Iterator[Codec]:
    yield CODECS[request.param]()


def beginnings(codec: Codec, ids: np.ndarray, text: str) -> list[int]:
    """Independent of what is tested: how long the text is that the tokens before each one say for good. A run of bytes may say
    less again until its last character is whole, hence the largest so far."""
    found: list[int] = []
    for count in range(len(ids)):
        said = codec.decode(ids[:count], np.array([0, count]))[0]
        agreed = next((place for place, (one, other) in enumerate(zip(said, text, strict=False)) if one != other),
                      min(len(said), len(text)))
        found.append(max([*found[-1:], agreed]))
    return found


def tokens(codec: Codec, text: str) -> np.ndarray:
    return codec.encode([text], start=False)[0].astype(np.int64)


@pytest.mark.parametrize("text", TEXTS)
def test_the_first_token_behind_a_character_is_the_first_that_begins_there(codec: Codec, text: str) -> None:
    ids = tokens(codec, text)
    if codec.decode(ids, np.array([0, len(ids)]))[0] != text:
        pytest.skip("this vocabulary does not give this text back")
    starts = beginnings(codec, ids, text)
    wanted = [sum(start < character for start in starts) for character in range(len(text) + 1)]
    assert first_tokens(codec, ids, text, range(len(text) + 1)) == wanted


def test_tokens_that_spell_one_character_together_all_begin_with_it() -> None:
    codec = bytes_vocabulary(256)
    text = "a日b"
    ids = tokens(codec, text)
    assert len(ids) == 5
    places = first_characters(codec, ids, text)
    assert places is not None and places.tolist() == [0, 1, 1, 1, 2]
    assert first_tokens(codec, ids, text, [1, 2]) == [1, 4]


def test_bytes_of_a_character_that_is_cut_off_are_each_a_mark_of_their_own() -> None:
    codec = sentence_pieces()
    ids = np.array([codec.tokenizer.convert_tokens_to_ids(name) for name in ("▁the", "<0xE6>", "<0x97>", "▁cat")], dtype=np.int64)
    text = codec.decode(ids, np.array([0, 4]))[0]
    assert text == "the\ufffd\ufffd cat"
    assert first_tokens(codec, ids, text, range(len(text) + 1)) == [0, 1, 1, 1, 2, 3, 4, 4, 4, 4]


def test_special_tokens_stand_where_they_are_written_out() -> None:
    codec = bytes_vocabulary()
    text = "a<|end of step|>b"
    ids = tokens(codec, text)
    places = first_characters(codec, ids, text)
    assert places is not None and places.tolist() == [0, 1, 16]


@settings(max_examples=60)
@given(st.lists(st.integers(0, 255), max_size=12))
def test_bytes_that_are_no_text_belong_to_the_marks_that_stand_for_them(spelled: list[int]) -> None:
    codec = bytes_vocabulary(256)
    names = pre_tokenizers.ByteLevel.alphabet()
    table = {ord(name): name for name in names if ord(name) < 256}
    others = sorted((name for name in names if ord(name) >= 256), key=ord)
    table |= dict(zip([byte for byte in range(256) if byte not in table], others, strict=True))
    ids = np.array([codec.tokenizer.convert_tokens_to_ids(table[byte]) for byte in spelled], dtype=np.int64)
    text = bytes(spelled).decode("utf-8", "replace")
    places = first_characters(codec, ids, text)
    assert places is not None
    assert all(0 <= later - place <= 1 for place, later in zip(places[:-1], places[1:], strict=True))
    assert sorted(set(places.tolist())) == list(range(len(text)))  # each mark has at least one byte, in order
    for place in range(len(text)):
        owned = bytes(byte for byte, owner in zip(spelled, places.tolist(), strict=True) if owner == place)
        assert owned.decode("utf-8", "replace") == text[place]


def test_a_text_that_its_tokens_do_not_give_back_is_placed_by_the_offsets_of_the_tokenizer() -> None:
    codec = lower_case()
    text = "One TWO.  Three four"
    ids = tokens(codec, text)
    assert first_tokens(codec, ids, text, [0, 4, 8, 10, 16]) == [0, 1, 3, 3, 4]


def test_tokens_of_another_text_are_refused() -> None:
    codec = lower_case()
    with pytest.raises(ModelError, match="cannot be told"):
        first_tokens(codec, tokens(codec, "one two"), "three. four", [3])
