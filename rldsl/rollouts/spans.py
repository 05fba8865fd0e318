"""From characters of a text to its tokens, exactly, under any tokenizer: in which token does the text behind a character begin?

The *first character* of a token is the one that its first byte belongs to: of the tokens that spell one character together, each
has that one. What the tokens say is taken from the tokenizer's own decoding, or for given texts that it does not give back
(it lowers case, joins spaces) from its own offsets. End tokens say nothing, and stand behind the last character.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise

import numpy as np
from tokenizers import decoders

from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.signatures import ModelError
from rldsl.rollouts.tokenizers import Codec
from rldsl.rollouts.tokens import Longs, ResponseTokens

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_LEAST_LEAD = 0xC0  # bytes from 0x80 up to here continue a character of UTF-8


def tokens_inside(model: LoadedModel, tokens: ResponseTokens, counts: Longs, starts: Sequence[int]) -> Longs:
    """How many tokens lie in each piece of the samples' texts. Sample `s` has `counts[s]` pieces, which start at the characters
    `starts`; the first holds what precedes it, the last what follows.

    Raises `ModelError` for a text that its tokens do not say and whose offsets the tokenizer does not tell.
    """
    firsts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    found: list[Longs] = []
    for sample, (low, high) in enumerate(pairwise(tokens.offsets.tolist())):
        ids = tokens.ids[low:high]
        said = ids[:-1] if len(ids) and int(ids[-1]) in model.ends else ids
        wanted = starts[firsts[sample] + 1:firsts[sample + 1]]
        cuts = first_tokens(model.codec, said, tokens.texts[sample], wanted) if wanted else []
        bounds = [0, *cuts, len(ids)]
        found.append(np.array([high - low for low, high in pairwise(bounds)], dtype=np.int64))
    return np.concatenate([np.zeros(0, np.int64), *found])


def first_tokens(codec: Codec, ids: Longs, text: str, characters: Sequence[int]) -> list[int]:
    """For each character (rising), the number of tokens whose first character lies before it."""
    places = first_characters(codec, ids, text)
    if places is not None:
        return [int(place) for place in np.searchsorted(places, np.asarray(characters), side="left")]
    if _decoded(codec, ids) != text:
        raise ModelError(f"which tokens say which part of {_shown(text)} cannot be told: the tokenizer's own decoding of them is "
                         "another text, and it gives no offsets")
    return list(_searched(codec, ids, text, characters))


def first_characters(codec: Codec, ids: Longs, text: str) -> Longs | None:
    """The first character of each token; None where only decoding beginnings can tell."""
    if codec.places is not None:
        lengths = [len(codec.names[token]) for token in ids.tolist()]
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])[:-1]
    spelled = _spelled(codec, ids)
    if spelled is not None and b"".join(spelled).decode("utf-8", "replace") == text:
        return _of_bytes(spelled)
    return None if _decoded(codec, ids) == text else _of_offsets(codec, ids, text)


# ------------------------------------------------------------------ byte-level vocabularies
def _spelled(codec: Codec, ids: Longs) -> list[bytes] | None:
    """The bytes of each token, where the tokenizer's decoder joins bytes and does nothing else."""
    spelling = _spelling(codec)
    return None if spelling is None else [spelling[token] for token in ids.tolist()]


@lru_cache(maxsize=4)
def _spelling(codec: Codec) -> dict[int, bytes] | None:
    """The bytes of all tokens of a vocabulary of bytes; None of another one."""
    backend = getattr(codec.tokenizer, "backend_tokenizer", None)
    if backend is None or not isinstance(backend.decoder, decoders.ByteLevel):
        return None
    table = _byte_of_character()
    names: dict[str, int] = codec.tokenizer.get_vocab()
    return {token: bytes(table[mark] for mark in name) if all(mark in table for mark in name)
            else name.encode("utf-8", "surrogatepass") for name, token in names.items()}


@lru_cache(maxsize=1)
def _byte_of_character() -> dict[str, int]:
    """How byte-level vocabularies write bytes: printable ones as themselves, the others as the characters from U+0100 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


def _of_bytes(spelled: Sequence[bytes]) -> Longs:
    joined = b"".join(spelled)
    lengths = np.array([len(piece) for piece in spelled], dtype=np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])[:-1]
    data = np.frombuffer(joined, dtype=np.uint8)
    try:
        joined.decode("utf-8")
    except UnicodeDecodeError:
        owners = _characters_of_broken(joined)
    else:
        owners = np.cumsum((data < 0x80) | (data >= _LEAST_LEAD)) - 1
    after = int(owners[-1]) + 1 if len(owners) else 0
    found: Longs = np.append(owners, after).astype(np.int64)[starts]
    return found


def _characters_of_broken(joined: bytes) -> Longs:
    """The character that each byte belongs to, in what `errors="replace"` makes of bytes that are not UTF-8."""
    owners = np.zeros(len(joined), np.int64)
    place, count = 0, 0
    while place < len(joined):
        try:
            said, stop, broken = joined[place:].decode("utf-8"), len(joined), 0
        except UnicodeDecodeError as fault:
            said, stop, broken = joined[place:place + fault.start].decode("utf-8"), place + fault.start, fault.end - fault.start
        data = np.frombuffer(joined[place:stop], dtype=np.uint8)
        owners[place:stop] = count - 1 + np.cumsum((data < 0x80) | (data >= _LEAST_LEAD))
        count += len(said)
        owners[stop:stop + broken] = count
        count += 1 if broken else 0
        place = stop + broken
    return owners


# ------------------------------------------------------------------ any other tokenizer
def _searched(codec: Codec, ids: Longs, text: str, characters: Sequence[int]) -> Iterator[int]:
    """By decoding beginnings: a token's first character is where the text stops being what the tokens before it say. Inside a run
    of byte tokens, which are decoded together, it follows from the bytes."""
    runs, low = _byte_runs(codec, ids), 0
    names = codec.tokenizer.convert_ids_to_tokens(ids.tolist())
    about = np.cumsum([int(runs[place] != runs.get(place - 1)) if place in runs else len(name)
                       for place, name in enumerate(names)])

    def first_character(token: int) -> int:
        start, inside = runs.get(token, (token, 0))
        return _agreement(_decoded(codec, ids[:start]), text) + inside

    for character in characters:
        guess = int(np.searchsorted(about, character))  # a token is about as long as its name
        low = _least(first_character, character, low, len(ids), guess)
        yield low


def _least(value: Callable[[int], int], wanted: int, low: int, high: int, guess: int) -> int:
    """The least place from `low` on with a value of at least `wanted`, of values that rise; `high` where there is none. Searched
    from a guess outwards in growing steps, then by halves."""
    def holds(place: int) -> bool:
        return value(place) >= wanted

    step, upwards = 1, low < high and not holds(min(max(guess, low), high - 1))
    if low < high and upwards:
        low = min(max(guess, low), high - 1) + 1
    elif low < high:
        high = min(max(guess, low), high - 1)
    while low < high:
        probe = min(low + step - 1, high - 1) if upwards else max(high - step, low)
        is_there = holds(probe)
        low, high = (low, probe) if is_there else (probe + 1, high)
        if is_there == upwards:
            break
        step *= 2
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _byte_runs(codec: Codec, ids: Longs) -> dict[int, tuple[int, int]]:
    """For each token that is a byte (`<0xE2>`), where its run starts, and how many characters the run says before that of the
    token. A run that is not UTF-8 is one mark a byte."""
    found: dict[int, tuple[int, int]] = {}
    spelled = [_BYTE.fullmatch(name) for name in codec.tokenizer.convert_ids_to_tokens(ids.tolist())]
    start = 0
    while start < len(spelled):
        stop = start
        while stop < len(spelled) and spelled[stop] is not None:
            stop += 1
        run = bytes(int(match[1], 16) for match in spelled[start:stop] if match is not None)
        try:
            run.decode("utf-8")
            owners = [place - 1 for place in accumulate(byte < 0x80 or byte >= _LEAST_LEAD for byte in run)]
        except UnicodeDecodeError:
            owners = list(range(len(run)))
        found.update((start + place, (start, owner)) for place, owner in enumerate(owners))
        start = stop + 1
    return found


def _agreement(beginning: str, text: str) -> int:
    """How many characters agree from the start."""
    if text.startswith(beginning):
        return len(beginning)
    return next((place for place, (one, other) in enumerate(zip(beginning, text, strict=False)) if one != other),
                min(len(beginning), len(text)))


def _decoded(codec: Codec, ids: Longs) -> str:
    return codec.decode(ids, np.array([0, len(ids)], dtype=np.int64))[0]


def _of_offsets(codec: Codec, ids: Longs, text: str) -> Longs | None:
    """What the tokenizer itself says of a text that it does not give back."""
    if not codec.tokenizer.is_fast:
        return None
    found = codec.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    if list(found["input_ids"]) != ids.tolist():
        return None
    return np.maximum.accumulate(np.array([start for start, _ in found["offset_mapping"]], dtype=np.int64))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
