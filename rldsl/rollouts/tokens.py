"""The tokens of a rollout or of given texts: packed, with their prompts. Cuts them; does not draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rldsl.kernels.supports import Support
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.prompts import check_fits, encode_prompts
from rldsl.rollouts.signatures import ModelError
from rldsl.rollouts.tokenizers import Ids

Longs = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class ResponseTokens:
    """Samples of prompts, packed in the order prompt, sample, token.

    `prompt_ids[p]` are the tokens of prompt place `p`, which has `counts[p]` samples. Sample `s` has the tokens
    `ids[offsets[s]:offsets[s + 1]]`, at least one; they include the end token or the stop text where there is one, and
    `finished[s]` says that there is. `texts[s]` is what the tokens say, without the end token. `logp` [T] is what the
    sampler recorded, None for given texts. `vocabulary` tells whose tokens these are. `support` are the tokens that each could
    have been; None where that was not asked for, or was all.
    """

    prompt_ids: tuple[Ids, ...]
    counts: Longs
    ids: Longs
    offsets: Longs
    logp: Reals | None
    finished: Truths
    texts: tuple[str, ...]
    vocabulary: str
    support: Support | None = None

    @property
    def samples(self) -> int:
        """How many there are."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Longs:
        """Tokens of each sample."""
        return np.diff(self.offsets)

    @property
    def prompt_of_sample(self) -> Longs:
        """The prompt place of each sample."""
        return np.repeat(np.arange(len(self.counts), dtype=np.int64), self.counts)

    def select(self, prompt_places: Sequence[int] | Longs) -> ResponseTokens:
        """The named prompt places with all their samples, in the order named."""
        places = np.asarray(prompt_places, dtype=np.int64)
        first = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.counts)])
        samples = concatenated_ranges(first[places], self.counts[places])
        tokens = concatenated_ranges(self.offsets[samples], self.lengths[samples])
        return ResponseTokens(
            tuple(self.prompt_ids[place] for place in places), self.counts[places], self.ids[tokens],
            offsets_of(self.lengths[samples]), None if self.logp is None else self.logp[tokens],
            self.finished[samples], tuple(self.texts[sample] for sample in samples), self.vocabulary,
            None if self.support is None else self.support[tokens])

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """As plain arrays, for `numpy.savez` or a checkpoint."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "prompt_ids": np.concatenate([np.zeros(0, np.int32), *self.prompt_ids]),
            "prompt_offsets": offsets_of(np.array([len(ids) for ids in self.prompt_ids], dtype=np.int64)),
            "counts": self.counts, "ids": self.ids, "offsets": self.offsets, "finished": self.finished,
            **_packed_texts(self.texts), "vocabulary": np.frombuffer(self.vocabulary.encode(), dtype=np.uint8)}
        if self.support is not None:
            arrays |= {"support": self.support.ids, "support_offsets": self.support.offsets}
        return arrays if self.logp is None else {**arrays, "logp": self.logp}

    @staticmethod
    def from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> ResponseTokens:
        """What `to_arrays` gave."""
        prompts = np.split(arrays["prompt_ids"], arrays["prompt_offsets"][1:-1])
        texts = np.split(arrays["texts"], arrays["text_offsets"][1:-1])
        has_prompts, has_texts = len(arrays["counts"]) > 0, len(arrays["finished"]) > 0
        return ResponseTokens(
            tuple(prompts) if has_prompts else (), arrays["counts"], arrays["ids"], arrays["offsets"],
            arrays.get("logp"), arrays["finished"],
            tuple(text.tobytes().decode("utf-8", "surrogatepass") for text in texts) if has_texts else (),
            arrays["vocabulary"].tobytes().decode(),
            Support(arrays["support"], arrays["support_offsets"]) if "support" in arrays else None)


def tokenize_given(model: LoadedModel, prompts: Sequence[str], texts: Sequence[str]) -> ResponseTokens:
    """Texts that were not sampled, one for each prompt, as tokens of `model` with its end token after them."""
    prompt_ids = encode_prompts(model, prompts)
    bodies = model.codec.encode(texts, start=False)
    end = np.array([model.ends[0]], dtype=np.int64)
    answers = [body if len(body) and body[-1] in model.ends else np.concatenate([body, end]) for body in bodies]
    check_fits(model, prompt_ids, [len(answer) for answer in answers])
    return ResponseTokens(
        prompt_ids, np.ones(len(prompt_ids), np.int64), np.concatenate([np.zeros(0, np.int64), *answers]),
        offsets_of(np.array([len(answer) for answer in answers], dtype=np.int64)), None,
        np.ones(len(answers), np.bool_), tuple(texts), model.codec.digest)


def given_prompts(model: LoadedModel, tokens: ResponseTokens, prompts: Sequence[str]) -> ResponseTokens:
    """The same samples after other prompts, or as another role of the weights sees their prompts."""
    if len(prompts) != len(tokens.counts):
        raise ModelError(f"{len(prompts)} prompts are given for the samples of {len(tokens.counts)}")
    check_vocabulary(model, tokens)
    prompt_ids = encode_prompts(model, prompts)
    _check_longest(model, prompt_ids, tokens.prompt_of_sample, tokens.lengths)
    return replace(tokens, prompt_ids=prompt_ids)


def retokenized(model: LoadedModel, own: LoadedModel, tokens: ResponseTokens, prompts: Sequence[str]) -> ResponseTokens:
    """The samples of `own` as a model with another tokenizer reads them: their texts after the prompts, with its end token
    where the sample has one."""
    last = tokens.ids[tokens.offsets[1:] - 1]
    ended = np.isin(last, np.array(own.ends, dtype=np.int64))
    prompt_ids = encode_prompts(model, prompts)
    end = np.array([model.ends[0]], dtype=np.int64)
    bodies = model.codec.encode(tokens.texts, start=False)
    answers = [np.concatenate([body, end]) if has_end else body.astype(np.int64)
               for body, has_end in zip(bodies, ended, strict=True)]
    lengths = np.array([len(answer) for answer in answers], dtype=np.int64)
    if (lengths == 0).any():
        raise ModelError(f"answer {int(np.argmin(lengths)) + 1} has no text and no end, so `{model.name}` has nothing to read")
    _check_longest(model, prompt_ids, tokens.prompt_of_sample, lengths)
    return replace(tokens, prompt_ids=prompt_ids, ids=np.concatenate([np.zeros(0, np.int64), *answers]),
                   offsets=offsets_of(lengths), logp=None, vocabulary=model.codec.digest, support=None)


def texts_of(model: LoadedModel, ids: Longs, offsets: Longs) -> tuple[str, ...]:
    """What packed tokens say, each piece without the end token that it may have."""
    last = ids[offsets[1:] - 1]
    ended = np.isin(last, np.array(model.ends, dtype=np.int64))
    lengths = np.diff(offsets) - ended
    inner = ids[concatenated_ranges(offsets[:-1], lengths)]
    return model.codec.decode(inner, offsets_of(lengths))


def _check_longest(model: LoadedModel, prompt_ids: Sequence[Ids], prompt_of: Longs, lengths: Longs) -> None:
    longest = np.zeros(len(prompt_ids), np.int64)
    np.maximum.at(longest, prompt_of, lengths)
    check_fits(model, prompt_ids, longest.tolist())


def check_vocabulary(model: LoadedModel, tokens: ResponseTokens) -> None:
    """Refuses tokens of another tokenizer, which would mean nothing to `model`."""
    if model.codec.digest != tokens.vocabulary:
        raise ModelError(f"`{model.name}` has another tokenizer than the policy whose tokens it is asked to score; "
                         "models that score the same response need the same vocabulary")


def offsets_of(lengths: Longs) -> Longs:
    """Where each of several packed pieces starts, and where the last ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def concatenated_ranges(starts: Longs, lengths: Longs) -> Longs:
    """`starts[i], starts[i] + 1, ...` (`lengths[i]` of them), one range after the other."""
    bounds = offsets_of(lengths)
    return np.arange(bounds[-1], dtype=np.int64) + np.repeat(starts - bounds[:-1], lengths)


def _packed_texts(texts: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    return {"texts": np.frombuffer(b"".join(encoded), dtype=np.uint8),
            "text_offsets": offsets_of(np.array([len(text) for text in encoded], dtype=np.int64))}
