"""The service behind `prm(scorer, s, …)`: a scorer reads a question and an answer, and its head is read where each step ends.

The answer stands as it was written, or as its steps joined by a text of the spec; a text may follow each step, and the head is read
at its end then. Answers that are equal, with equal questions, are read once a call. Knows nothing of judges.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from rldsl.graph.model import Foreign
from rldsl.graph.spec import Role
from rldsl.rewards.outcome import Failure, FailureKind
from rldsl.rewards.pool import Job
from rldsl.rewards.run import Answers
from rldsl.rewards.signatures import Result
from rldsl.rewards.similarity import digest_of
from rldsl.rewards.step_settings import StepsShown
from rldsl.rewards.steps import Piece, Separators, pattern_job, pieces_of, pieces_said
from rldsl.rewards.tiers import Tier
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.prompts import encode_prompts
from rldsl.rollouts.score import scores
from rldsl.rollouts.signatures import ModelError
from rldsl.rollouts.spans import first_tokens
from rldsl.rollouts.tokenizers import Ids
from rldsl.rollouts.tokens import Longs, ResponseTokens, offsets_of
from rldsl.types import Element

TOKENS: Final = 2**14
"""Read at once."""
Read: TypeAlias = "list[float] | Failure"


@dataclass(frozen=True, slots=True)
class Written:
    """An answer as a scorer is shown it, and behind which character of it each step ends. `question`: None where none is given."""

    question: str | None
    text: str
    ends: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """Tokens of a question and an answer, and of which token the head is read for each step."""

    ids: Longs
    places: Longs


class StepScores:
    """Answers `step_scores:SCORER`. `model` gives a scorer by its name; it is read with the weights that it has then."""

    tier = Tier.MODEL

    def __init__(self, model: Callable[[str], LoadedModel]) -> None:
        self._model = model
        self._lock = threading.Lock()

    def result(self, operation: Foreign) -> Result:
        """A number without bounds."""
        return Result(Element.REAL)

    def together(self, operation: Foreign) -> bool:
        """The steps of an answer: one reading gives the scores of all."""
        return True

    def identity(self, operation: Foreign) -> Any:
        """What a score follows from beside its texts: the weights as they are now, the tokenizer, how a question is put. Where a
        judge cut the answer it follows from its other steps too: None."""
        if StepsShown.of(operation).is_judged:
            return None
        try:
            model = self._model(operation.name.partition(":")[2])
        except ModelError:
            return None
        with self._lock:
            weights = digest_of(model.module.state_dict())
        sides = None if model.sides is None else [model.sides.positive, model.sides.negative]
        return [weights, sides, model.codec.digest, model.system, model.chat, model.chat and model.tokenizer.chat_template,
                sorted(operation.settings)]

    def problem(self, operation: Foreign) -> Failure | None:
        """Why the scorer cannot be read at all: it cannot be loaded."""
        name = operation.name.partition(":")[2]
        try:
            self._model(name)
        except ModelError as fault:
            return _unloaded(name, fault)
        return None

    def job(self, operation: Foreign) -> Job | None:
        """What finds the separators of a pattern, in the process and under the deadline of the `split` that cut the answer."""
        return pattern_job(StepsShown.of(operation).split)

    def answer(self, operation: Foreign, columns: Sequence[list[Any]]) -> Answers:
        """`text` is the answer of which `step` is the one at `place`; `question`, where there is one, stands before it. Where there
        is a `job`, the last column is what it found in the text."""
        named, asked = dict(zip(operation.names, columns, strict=False)), StepsShown.of(operation)
        questions = named.get("question", [None] * len(named["text"]))
        steps = _all_steps(named["step"], named["place"]) if asked.is_judged else [()] * len(questions)
        separators = dict(zip(named["text"], columns[len(operation.names)], strict=True)) if self.job(operation) else {}
        keys = list(zip(named["text"], questions, steps, strict=True))
        written = {key: _written(asked, *key, separators.get(key[0])) for key in dict.fromkeys(keys)}
        whole = [entry for entry in dict.fromkeys(written.values()) if isinstance(entry, Written)]
        with self._lock:
            found = self._read(operation.name.partition(":")[2], whole)
        values: list[Any] = []
        for key, place in zip(keys, named["place"], strict=True):
            entry = written[key]
            read = found[entry] if isinstance(entry, Written) else entry
            values.append(read if isinstance(read, Failure) else read[int(place)])
        return Answers(values, computed=len(found))

    def _read(self, name: str, written: Sequence[Written]) -> dict[Written, Read]:
        try:
            return dict(zip(written, read_steps(self._model(name), written), strict=True)) if written else {}
        except ModelError as fault:
            return dict.fromkeys(written, _unloaded(name, fault))


def _unloaded(name: str, fault: ModelError) -> Failure:
    return Failure(FailureKind.SETUP, f"scorer `{name}`: {fault.message}")


def _all_steps(steps: Sequence[str], places: Sequence[float]) -> list[tuple[str, ...]]:
    """At each step, all steps of its answer: one begins at each place 0."""
    answers: list[list[str]] = []
    for step, place in zip(steps, places, strict=True):
        if place == 0:
            answers.append([])
        answers[-1].append(step)
    return [tuple(answer) for answer in answers for _ in answer]


def _written(asked: StepsShown, text: str, question: str | None, steps: Sequence[str],
             separators: Separators | Failure | None) -> Written | Failure:
    if isinstance(separators, Failure):
        return separators
    pieces = pieces_said(text, steps) if asked.is_judged else pieces_of(asked.split, text, separators)
    said, ends = shown(text, pieces, asked.tag, asked.join)
    return Written(question, said, ends)


def shown(text: str, pieces: Sequence[Piece], tag: str, join: str | None) -> tuple[str, tuple[int, ...]]:
    """A text with a tag behind what each step says, and where the tags end. With `join`, that stands between the steps in place of
    what stood there."""
    parts: list[str] = []
    ends: list[int] = []
    done = length = 0
    for number, piece in enumerate(pieces):
        before = text[done:piece.stop] if join is None else (join if number else "") + piece.said
        parts += [before, tag]
        done, length = piece.stop, length + len(before) + len(tag)
        ends.append(length)
    return "".join([*parts, text[done:] if join is None else ""]), tuple(ends)


# ------------------------------------------------------------------ reading
def read_steps(model: LoadedModel, written: Sequence[Written]) -> list[Read]:
    """The head at the end of each step of each answer; a failure for an answer that cannot be read. Raises `ModelError` for a model
    that is no scorer."""
    if model.role is not Role.SCORER:
        raise ModelError(f"`{model.name}` is a {model.role}; steps are scored by a scorer")
    prompts: dict[str | None, Ids] = {}
    rows = [_row(model, entry, prompts) for entry in written]
    found: list[Read] = [row if isinstance(row, Failure) else [] for row in rows]
    for piece in _pieces(rows):
        tokens = _packed(model, [row.ids for row in piece.values()])
        numbers = scores(model, tokens, range(len(piece)), per_token=True, grad=False).double().cpu().numpy()
        for (place, row), first in zip(piece.items(), tokens.offsets.tolist(), strict=False):
            found[place] = [float(number) for number in numbers[first + row.places]]
    return found


def _row(model: LoadedModel, written: Written, prompts: dict[str | None, Ids]) -> _Row | Failure:
    try:
        if written.question not in prompts:
            prompts[written.question] = model.codec.encode([model.system], start=True)[0] if written.question is None \
                else encode_prompts(model, [written.question])[0]
        before = prompts[written.question]
        ids = model.codec.encode([written.text], start=False)[0].astype(np.int64)
        places = len(before) - 1 + np.array(first_tokens(model.codec, ids, written.text, written.ends), np.int64)
    except ModelError as fault:
        return Failure(FailureKind.EXCEPTION, fault.message)
    whole = np.concatenate([before.astype(np.int64), ids])
    if model.positions is not None and len(whole) > model.positions:
        return Failure(FailureKind.LIMIT, f"an answer has {len(whole)} tokens with its question, and `{model.name}`, which "
                                          f"reads it, has {model.positions} positions")
    if places[0] < 0:
        return Failure(FailureKind.EXCEPTION, "the first step of an answer is empty and nothing stands before it, so "
                                              f"`{model.name}` has nothing to read")
    return _Row(whole, places)


def _pieces(rows: Sequence[_Row | Failure]) -> list[dict[int, _Row]]:
    """Rows that are read together, by their places, shortest first."""
    found: list[dict[int, _Row]] = []
    there = {place: row for place, row in enumerate(rows) if not isinstance(row, Failure)}
    for place, row in sorted(there.items(), key=lambda entry: len(entry[1].ids)):
        if not found or (len(found[-1]) + 1) * len(row.ids) > TOKENS:
            found.append({})
        found[-1][place] = row
    return found


def _packed(model: LoadedModel, rows: Sequence[Longs]) -> ResponseTokens:
    """Rows as answers without prompts: all of their tokens are read alike."""
    count = len(rows)
    return ResponseTokens((np.zeros(0, np.int32),) * count, np.ones(count, np.int64), np.concatenate(rows),
                          offsets_of(np.array([len(ids) for ids in rows], np.int64)), None, np.ones(count, np.bool_), ("",) * count,
                          model.codec.digest)
