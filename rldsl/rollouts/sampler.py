"""Draws answers of a policy to prompts. Batched; what a sample says does not depend on what is drawn beside it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from rldsl.graph.spec import Role
from rldsl.kernels.device.cuda import free_memory
from rldsl.kernels.device.products import moved_to
from rldsl.kernels.supports import Support
from rldsl.rollouts.decoders import Decoder
from rldsl.rollouts.decoding import lend_decoder
from rldsl.rollouts.draw import draw_tokens, drawable, likeliest
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.noise import uniforms
from rldsl.rollouts.prompts import check_fits, encode_prompts
from rldsl.rollouts.signatures import ModelError, Rule, Sampling
from rldsl.rollouts.stops import StopCheck, stop_check
from rldsl.rollouts.tokenizers import Ids
from rldsl.rollouts.tokens import Longs, Reals, ResponseTokens, concatenated_ranges, offsets_of, texts_of

_WORTH: Final = 0.75  # finished rows leave the batch when no more than this share goes on
_TURNS: Final = 8     # after so many tokens it is asked on a GPU who goes on: each time the host waits for it
_MEMORY: Final = 2**32  # bytes of keys and values on a CPU; on a GPU half of what is free


@torch.inference_mode()
def sample(model: LoadedModel, prompts: Sequence[str], settings: Sampling, *, seed: int,
           keys: Sequence[int] | None = None, mask: LoadedModel | None = None, supports: bool = False) -> ResponseTokens:
    """`settings.samples` answers to each prompt.

    The numbers that an answer is drawn by depend on `seed` (`settings.seed` where that is set), the prompt's key (its
    place unless `keys` are given) and the sample's place alone. `mask` is the model of `settings.within`. With `supports` the
    tokens that each could have been are kept.
    """
    if model.role is not Role.POLICY:
        raise ModelError(f"{model.role} `{model.name}` gives no probabilities of tokens; only a policy can be sampled")
    prompt_ids = encode_prompts(model, prompts)
    if not prompts:
        raise ModelError(f"there is no prompt to sample `{model.name}` from")
    check_fits(model, prompt_ids, [settings.max_tokens] * len(prompt_ids))
    names = np.arange(len(prompts)) if keys is None else np.asarray(keys, dtype=np.int64)
    prompt_of = np.repeat(np.arange(len(prompts), dtype=np.int64), settings.samples)
    sample_of = np.tile(np.arange(settings.samples, dtype=np.int64), len(prompts))
    order = np.argsort(np.array([len(ids) for ids in prompt_ids], dtype=np.int64)[prompt_of], kind="stable")
    used = settings.seed if settings.seed is not None else seed
    batches = []
    at_once = min(settings.batch, rows_at_once(model, int(max(map(len, prompt_ids))) + settings.max_tokens))
    with ExitStack() as lent:
        masking = None if mask is None or settings.within is None else \
            _Masking(mask, settings.within, model, prompts, settings, lent)
        drawer = _Drawer(model, settings, masking, supports, lent.enter_context(lend_decoder(model)))
        for first in range(0, len(order), at_once):
            rows = order[first:first + at_once]
            noise = uniforms(used, names[prompt_of[rows]], sample_of[rows], settings.max_tokens)
            batches.append(drawer.draw(prompt_ids, prompt_of[rows], noise))
    return _packed(model, prompt_ids, settings.samples, order, batches)


def rows_at_once(model: LoadedModel, tokens: int) -> int:
    """How many answers' keys and values fit into memory, if each had all its tokens."""
    config: Any = model.module.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    row: int = 2 * config.num_hidden_layers * heads * width * tokens * next(model.module.parameters()).element_size()
    memory: int = free_memory(model.device) // 2 if model.device.type == "cuda" else _MEMORY
    return max(1, memory // row)


@dataclass(slots=True)
class _Batch:
    """Answers under way: [rows, max_tokens], of which `lengths` count. Rows after their end hold what follows it."""

    ids: Tensor
    logp: Tensor
    lengths: Tensor
    finished: Tensor
    supports: list[tuple[Longs, Support]]  # of each turn: the rows that went on, and what each could draw

    @staticmethod
    def empty(rows: int, count: int, device: torch.device) -> _Batch:
        return _Batch(torch.zeros((rows, count), dtype=torch.int64, device=device),
                      torch.zeros((rows, count), device=device), torch.full((rows,), count, device=device),
                      torch.zeros(rows, dtype=torch.bool, device=device), [])


class _Masking:
    """What another policy lets through: its decoder runs beside that of the policy that draws."""

    def __init__(self, mask: LoadedModel, rule: Rule, drawn: LoadedModel, prompts: Sequence[str], settings: Sampling,
                 lent: ExitStack) -> None:
        if mask.codec.digest != drawn.codec.digest:
            raise ModelError(f"`{mask.name}` has another tokenizer than `{drawn.name}`; a policy is restricted to tokens that "
                             "both of them have")
        self.rule = rule
        self.prompt_ids = encode_prompts(mask, prompts)
        check_fits(mask, self.prompt_ids, [settings.max_tokens] * len(prompts))
        self.decoder: Decoder = lent.enter_context(lend_decoder(mask))
        self.model = mask

    def start(self, prompt_of: Longs, limit: int) -> Tensor:
        """As a decoder starts."""
        return self.decoder.start(*_distinct(self.prompt_ids, prompt_of), limit)

    def restrict(self, logits: Tensor, by: Tensor, ends: Tensor, may_end: bool) -> Tensor:
        """The logits of the policy within what those of the mask let through."""
        if by.shape != logits.shape:
            raise ModelError(f"`{self.model.name}` gives probabilities of {by.shape[1]} tokens, and the policy that it masks of "
                             f"{logits.shape[1]}; they need the same vocabulary")
        if not may_end:
            by.index_fill_(1, ends, -torch.inf)
        inside = likeliest(by, self.rule)
        if self.rule.ends:
            inside.index_fill_(1, ends, True)
        return logits.masked_fill(~inside, -torch.inf)


class _Drawer:
    """A policy's decoder and what ends an answer, over the batches of one call."""

    def __init__(self, model: LoadedModel, settings: Sampling, masking: _Masking | None, supports: bool,
                 decoder: Decoder) -> None:
        self.settings, self.masking, self.supports = settings, masking, supports
        self.decoder = decoder
        self.every = _TURNS if model.device.type == "cuda" else 1
        self.ends = moved_to(torch.tensor(model.ends, dtype=torch.int64), model.device)
        self.stops: StopCheck | None = stop_check(model.codec, settings.stop)

    def draw(self, prompt_ids: Sequence[Ids], prompt_of: Longs, noise: Reals) -> _Batch:
        """One answer for each row, after `prompt_ids[prompt_of[row]]`, by the numbers `noise[row]`."""
        limit, device = self.settings.max_tokens, self.ends.device
        uniform = moved_to(torch.from_numpy(noise), device)
        batch = _Batch.empty(len(prompt_of), limit, device)
        rows = torch.arange(len(prompt_of), device=device)
        going = torch.ones(len(prompt_of), dtype=torch.bool, device=device)
        logits = self.decoder.start(*_distinct(prompt_ids, prompt_of), limit)
        by = None if self.masking is None else self.masking.start(prompt_of, limit)
        for turn in range(limit):
            allowed = self._allowed(logits, by, turn)
            chosen, logp = draw_tokens(allowed, uniform[rows, turn], self.settings)
            batch.ids[rows, turn], batch.logp[rows, turn] = chosen, logp
            if self.supports:
                batch.supports.append((rows.cpu().numpy(), Support.drawn(drawable(allowed, self.settings))))
            ending = going & self._ends(batch, rows, chosen, turn)
            batch.lengths[rows] = batch.lengths[rows].masked_fill(ending, turn + 1)
            batch.finished[rows] |= ending
            going &= ~ending
            if turn + 1 == limit:
                break
            if (turn + 1) % self.every == 0:
                count = int(going.sum())
                if count == 0:
                    break
                if count <= _WORTH * len(rows):
                    kept = going.nonzero()[:, 0]
                    self._keep(kept)
                    rows, chosen, going = rows[kept], chosen[kept], going[kept]
            logits = self.decoder.step(chosen)
            by = None if self.masking is None else self.masking.decoder.step(chosen)
        return batch

    def _keep(self, rows: Tensor) -> None:
        self.decoder.keep(rows)
        if self.masking is not None:
            self.masking.decoder.keep(rows)

    def _allowed(self, logits: Tensor, by: Tensor | None, turn: int) -> Tensor:
        may_end = turn >= self.settings.min_tokens
        if self.masking is not None and by is not None:
            logits = self.masking.restrict(logits, by, self.ends, may_end)
        if not may_end:
            logits.index_fill_(1, self.ends, -torch.inf)
        return logits

    def _ends(self, batch: _Batch, rows: Tensor, chosen: Tensor, turn: int) -> Tensor:
        """Rows whose newest token ends them: an end token, or the last of a stop text."""
        ending = (chosen[:, None] == self.ends).any(1)
        if self.stops is None or turn + 1 < self.settings.min_tokens:
            return ending
        return ending | self.stops(batch.ids[rows, :turn + 1])


def _packed(model: LoadedModel, prompt_ids: tuple[Ids, ...], samples: int, order: Longs,
            batches: Sequence[_Batch]) -> ResponseTokens:
    """All answers in the order prompt, sample, token; `order[i]` is the sample that the `i`-th drawn row is."""
    place = np.argsort(order)
    lengths = np.concatenate([batch.lengths.cpu().numpy() for batch in batches])[place]
    finished = np.concatenate([batch.finished.cpu().numpy() for batch in batches])[place]
    width = batches[0].ids.shape[1]
    taken = concatenated_ranges(place * width, lengths)
    ids = np.concatenate([batch.ids.cpu().numpy() for batch in batches]).reshape(-1)[taken]
    logp = np.concatenate([batch.logp.cpu().numpy() for batch in batches]).reshape(-1)[taken].astype(np.float64)
    offsets = offsets_of(lengths)
    counts = np.full(len(prompt_ids), samples, dtype=np.int64)
    texts = texts_of(model, ids, offsets)
    support = _packed_supports(order, offsets, batches)
    return ResponseTokens(prompt_ids, counts, ids, offsets, logp, finished, texts, model.codec.digest, support)


def _packed_supports(order: Longs, offsets: Longs, batches: Sequence[_Batch]) -> Support | None:
    """Of each token, in the order prompt, sample, token. What was drawn after an answer's end is left out."""
    if not any(batch.supports for batch in batches):
        return None
    firsts = offsets_of(np.array([len(batch.lengths) for batch in batches], dtype=np.int64))
    parts = [(order[first + rows], turn, support) for first, batch in zip(firsts, batches, strict=False)
             for turn, (rows, support) in enumerate(batch.supports)]
    samples = np.concatenate([part[0] for part in parts])
    turns = np.concatenate([np.full(len(rows), turn, dtype=np.int64) for rows, turn, _ in parts])
    drawn = np.flatnonzero(turns < np.diff(offsets)[samples])
    places = np.empty(int(offsets[-1]), dtype=np.int64)
    places[offsets[samples[drawn]] + turns[drawn]] = drawn
    return Support.joined([support for _, _, support in parts])[places]


def _distinct(prompts: Sequence[Ids], prompt_of: Longs) -> tuple[list[Ids], Longs]:
    """Prompts of the same tokens once each, and which of them each row follows."""
    found: dict[bytes, int] = {}
    kept: list[Ids] = []
    place_of: dict[int, int] = {}
    for prompt in dict.fromkeys(prompt_of.tolist()):
        ids = prompts[prompt]
        place_of[prompt] = found.setdefault(ids.tobytes(), len(kept))
        if place_of[prompt] == len(kept):
            kept.append(ids)
    return kept, np.array([place_of[prompt] for prompt in prompt_of.tolist()], dtype=np.int64)
