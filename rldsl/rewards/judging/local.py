"""A judge that is a transformers model of this process: batched, greedy or drawn by a seed, held to the form where there is one."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from rldsl.graph.spec import ModelSpec, Role
from rldsl.rewards.judging.forms import NoForm, Piece, form_of
from rldsl.rewards.judging.limits import Budget, Room
from rldsl.rewards.judging.protocol import cost_of, instruction
from rldsl.rewards.judging.question import Answered, Question, key_of
from rldsl.rewards.judging.replies import MalformedReply, parse_reply
from rldsl.rewards.judging.settings import JudgeSettings
from rldsl.rewards.judging.signatures import Structured, as_policy
from rldsl.rewards.judging.writer import Alphabet, write
from rldsl.rewards.outcome import Cost, Failure, FailureKind
from rldsl.rollouts.models import LoadedModel, load_model
from rldsl.rollouts.noise import uniforms
from rldsl.rollouts.placement import CPU, Placement
from rldsl.rollouts.prompts import check_fits, encode_prompts
from rldsl.rollouts.sampler import rows_at_once, sample
from rldsl.rollouts.signatures import ModelError, Sampling
from rldsl.rollouts.tokenizers import Ids

Load: TypeAlias = Callable[[ModelSpec], LoadedModel]
_BATCH = 64       # replies at the same time
_MOST_SEED = 2**62


def loader(models: Mapping[str, ModelSpec], *, seed: int, root: Path, loaded: Mapping[str, LoadedModel] | None = None,
           placement: Placement | None = None) -> Load:
    """Loads a local judge and what it is made from. `loaded` are models that a run has already, by name: those are taken."""

    def load(spec: ModelSpec) -> LoadedModel:
        if loaded is not None and spec.name in loaded:
            return loaded[spec.name]
        base = load(models[spec.base]) if spec.base is not None else None
        return load_model(as_policy(spec) if spec.role is Role.JUDGE else spec, seed=seed, base=base, root=root,
                          placement=placement or CPU)

    return load


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A question as the model sees it."""

    place: int
    question: Question
    system: str
    prompt: Ids
    form: tuple[Piece, ...] | None
    bound: Cost


class Local:
    """Asks a model. Safe to be used by several threads, one after the other."""

    def __init__(self, spec: ModelSpec, model: LoadedModel, settings: JudgeSettings, budget: Budget, *, seed: int) -> None:
        self.model, self.settings, self.budget = model, settings, budget
        self._seed = settings.seed if settings.seed is not None else seed
        moves = spec.follows is not None or (spec.shares_weights and model.trainable)
        self._moves = moves
        self._weights = ""
        self._stamp: tuple[tuple[int, int], ...] | None = None
        self._between = "" if model.chat else "\n\n"  # a chat form sets texts apart by itself
        self._lock = threading.Lock()
        self._alphabet: Alphabet | None = None

    @property
    def identity(self) -> Mapping[str, Any] | None:
        """What answers depend on, beside the question; None for weights that are trained or follow trained ones."""
        if self._moves:
            return None
        stamp = tuple((tensor.data_ptr(), tensor._version) for tensor in self.model.module.state_dict().values())
        if stamp != self._stamp:  # at first, and where `reset` gave a snapshot other weights
            self._weights, self._stamp = digest(self.model), stamp
        asking = {**self.settings.asking, "seed": self._seed if self.settings.temperature > 0 else None}
        return {"weights": self._weights, "system": self.model.system, "chat": self.model.chat, **asking}

    def bound(self, question: Question) -> Cost:
        """Its tokens, and the longest reply; nothing for a question that cannot be asked."""
        prepared = self._prepare(0, question)
        return Cost() if isinstance(prepared, Failure) else prepared.bound

    def answer(self, questions: Sequence[Question]) -> Iterator[tuple[int, Answered | Failure]]:
        """Places and results, batch by batch."""
        ready: list[_Prepared] = []
        for place, question in enumerate(questions):
            prepared = self._prepare(place, question)
            if isinstance(prepared, Failure):
                yield place, prepared
            else:
                ready.append(prepared)
        ready.sort(key=lambda entry: len(entry.prompt))
        with self._lock:
            while ready:
                batch, ready, refused = self._reserved(ready)
                yield from ((entry.place, Failure(FailureKind.BUDGET, self.budget.refusal(entry.bound))) for entry in refused)
                if batch:
                    yield from self._asked(batch)

    def close(self) -> None:
        """A model is its owner's to release."""

    def _prepare(self, place: int, question: Question) -> _Prepared | Failure:
        parts = [part for part in (self.model.system, question.system, instruction(question.schema)) if part]
        system = "\n\n".join(parts) + self._between
        try:
            form = self._form(question)
            prompt = encode_prompts(replace(self.model, system=system), [question.user + self._between])[0]
            check_fits(self.model, [prompt], [self.settings.max_tokens])
        except (ModelError, NoForm) as fault:
            return Failure(FailureKind.REFUSED, f"the judge cannot be asked this: {fault}")
        except UnicodeEncodeError as fault:
            half = ord(fault.object[fault.start])
            return Failure(FailureKind.WRONG_TYPE, f"a text has half a character (U+{half:04X}), which no model reads")
        return _Prepared(place, question, system, prompt, form, cost_of(self.settings, len(prompt), self.settings.max_tokens))

    def _form(self, question: Question) -> tuple[Piece, ...] | None:
        """The form that tokens are held to. `NoForm` where `structured: schema` is written and there is none."""
        if self.settings.structured is Structured.NONE:
            return None
        try:
            return form_of(question.schema)
        except NoForm as fault:
            if self.settings.structured is Structured.SCHEMA:
                raise NoForm(f"its schema has no single form: {fault}; write `structured: none`") from None
            return None

    def _reserved(self, ready: list[_Prepared]) -> tuple[list[_Prepared], list[_Prepared], list[_Prepared]]:
        """The next batch, with room in the budget; what is left; what there is no room for."""
        at_once = min(_BATCH, rows_at_once(self.model, len(ready[-1].prompt) + self.settings.max_tokens))
        batch: list[_Prepared] = []
        refused: list[_Prepared] = []
        for place, entry in enumerate(ready):
            if len(batch) == at_once or (batch and (entry.form is None) != (batch[0].form is None)):
                return batch, ready[place:], refused
            match self.budget.reserve(entry.bound):
                case Room.YES:
                    batch.append(entry)
                case Room.NO:
                    refused.append(entry)
                case Room.LATER:  # for those of this batch, which may take less than they reserve
                    return batch, ready[place:], refused
        return batch, [], refused

    def _asked(self, batch: list[_Prepared]) -> Iterator[tuple[int, Answered | Failure]]:
        """Replies of a batch; malformed ones are drawn again, each call within the budget."""
        reserved = list(batch)
        costs = dict.fromkeys((entry.place for entry in batch), Cost())
        try:
            for attempt in range(self.settings.retries + 1):
                drawn = self._drawn(reserved, attempt)
                asked, reserved = reserved, []
                for entry, (text, tokens, is_complete) in zip(asked, drawn, strict=True):
                    cost = cost_of(self.settings, len(entry.prompt), tokens)
                    self.budget.settle(entry.bound, cost)
                    costs[entry.place] += cost
                    found = _read(text, is_complete, entry.question)
                    if isinstance(found, dict):
                        yield entry.place, Answered(found, text, costs[entry.place])
                    elif self._may_draw_again(entry, attempt):
                        reserved.append(entry)
                    else:
                        yield entry.place, Failure(FailureKind.MALFORMED, found, costs[entry.place])
                if not reserved:
                    return
        finally:
            for entry in reserved:  # a fault of the model: nothing was said
                self.budget.settle(entry.bound, Cost())

    def _may_draw_again(self, entry: _Prepared, attempt: int) -> bool:
        return self.settings.temperature > 0 and attempt < self.settings.retries and self.budget.reserve(entry.bound) is Room.YES

    def _drawn(self, batch: list[_Prepared], attempt: int) -> list[tuple[str, int, bool]]:
        """Text, tokens and whether it ended, for each. What a reply says does not depend on what is asked beside it."""
        is_greedy = self.settings.temperature == 0
        settings = Sampling(self.settings.max_tokens, temperature=1.0 if is_greedy else self.settings.temperature,
                            top_p=self.settings.top_p, greedy=is_greedy, batch=len(batch))
        seed = self._seed + 1_000_003 * attempt
        if batch[0].form is None:
            return self._sampled(batch, settings, seed)
        if self._alphabet is None:
            self._alphabet = Alphabet(self.model.codec)
        names = np.array([_number(entry.question) for entry in batch], dtype=np.int64)
        noise = uniforms(seed, names, np.zeros_like(names), settings.max_tokens)
        forms = [entry.form for entry in batch if entry.form is not None]
        return write(self.model, self._alphabet, [entry.prompt for entry in batch], forms, settings, noise)

    def _sampled(self, batch: list[_Prepared], settings: Sampling, seed: int) -> list[tuple[str, int, bool]]:
        found: dict[int, tuple[str, int, bool]] = {}
        for system in dict.fromkeys(entry.system for entry in batch):
            entries = [entry for entry in batch if entry.system == system]
            drawn = sample(replace(self.model, system=system), [entry.question.user + self._between for entry in entries], settings,
                           seed=seed, keys=[_number(entry.question) for entry in entries])
            parts = zip(entries, drawn.texts, drawn.lengths.tolist(), drawn.finished.tolist(), strict=True)
            found |= {entry.place: (text, length, is_finished) for entry, text, length, is_finished in parts}
        return [found[entry.place] for entry in batch]


def _read(text: str, is_complete: bool, question: Question) -> dict[str, Any] | str:
    """The value of a reply, or what is wrong with it."""
    if not is_complete:
        return "the reply is cut: it has as many tokens as `max_tokens` allows; raise it"
    try:
        return parse_reply(text, question.schema)
    except MalformedReply as fault:
        return str(fault)


def _number(question: Question) -> int:
    """A number of a question, which its reply is drawn by."""
    return int(key_of("draw", question.system, question.user, question.schema, question.draw)[:16], 16) % _MOST_SEED


def digest(model: LoadedModel) -> str:
    """A hash of all weights and of the vocabulary: what tells two models apart, whatever they are called."""
    found = hashlib.blake2b(model.codec.digest.encode(), digest_size=16)
    for name, tensor in sorted(model.module.state_dict().items()):
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        found.update(memoryview(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()))
    return found.hexdigest()
