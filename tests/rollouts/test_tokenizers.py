"""Characters to tokens and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from rldsl.rollouts.signatures import ModelError
from rldsl.rollouts.tokenizers import Codec, characters


def test_every_character_is_one_token_and_comes_back() -> None:
    codec = Codec.of(characters("ab \n>é"))
    [ids] = codec.encode(["a b\n>é"], start=True)
    assert ids.tolist() == [2, 4, 3, 5, 6, 7]
    assert codec.decode(ids.astype(np.int64), np.array([0, 2, 6])) == ("a ", "b\n>é")


def test_a_start_token_stands_before_prompts_alone() -> None:
    codec = Codec.of(characters("ab", start=True))
    assert codec.encode(["ab"], start=True)[0].tolist() == [2, 3, 4]
    assert codec.encode(["ab"], start=False)[0].tolist() == [3, 4]
    assert codec.tokenizer("ab")["input_ids"] == [2, 3, 4]


def test_it_is_the_same_tokenizer_after_a_round_trip_through_a_folder(tmp_path: Path) -> None:
    built = characters("ab \n>", start=True)
    built.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert Codec.of(loaded).digest == Codec.of(built).digest
    assert Codec.of(loaded).places == Codec.of(built).places
    assert loaded(["a b\n"])["input_ids"] == built(["a b\n"])["input_ids"] == [[2, 3, 5, 4, 6]]
    assert (loaded.eos_token, loaded.pad_token, loaded.bos_token) == ("<eos>", "<pad>", "<bos>")


def test_the_fast_path_agrees_with_the_hugging_face_tokenizer() -> None:
    tokenizer = characters("abc> ")
    texts = ["a", "b c", "", ">>a"]
    assert [ids.tolist() for ids in Codec.of(tokenizer).encode(texts, start=True)] == tokenizer(texts)["input_ids"]


def test_an_unknown_character_is_named_with_its_text() -> None:
    codec = Codec.of(characters("ab"))
    with pytest.raises(ModelError, match=r"does not know the character 'x' of 'axb'.*characters\(\"ab\"\)") as caught:
        codec.encode(["ab", "axb"], start=True)
    assert caught.value.row == 1
    with pytest.raises(ModelError, match="the characters '<', 'e', 'o', 's'"):
        Codec.of(characters("ab>")).encode(["<eos>"], start=False)


def test_what_a_policy_drew_is_read_again_as_what_it_was() -> None:
    """A text with `<pad>` in it, as a rollout that begins another one may have."""
    codec = Codec.of(characters("ab>", start=True))
    drawn = np.array([3, 0, 5, 2, 4])
    [text] = codec.decode(drawn, np.array([0, 5]))
    assert text == "a<pad>><bos>b"
    assert codec.encode([text], start=False)[0].tolist() == drawn.tolist()
    spelt = Codec.of(characters("<pad>b".replace("b", "")))
    assert spelt.encode(["<pad>"], start=False)[0].tolist() == [2, 3, 4, 5, 6]  # an alphabet that spells it does


def test_an_end_token_is_never_read_in_a_text() -> None:
    with pytest.raises(ModelError, match="the characters '<', 'e', 'o', 's' of 'a<pad><eos>'"):
        Codec.of(characters("ab>")).encode(["a<pad><eos>"], start=False)


def test_an_alphabet_names_each_character_once() -> None:
    with pytest.raises(ModelError, match="names 'a' more than once"):
        characters("aba")
    with pytest.raises(ModelError, match="at least one character"):
        characters("")
