"""Which completions belong together, found in a first pass over the file that keeps no texts; and the batches of a second."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rldsl.scores.faults import ScoreError
from rldsl.scores.reading import Completion, Reader

Indices = npt.NDArray[np.int64]

MOST_ROWS = 8192
MOST_CHARACTERS = 1 << 26


@dataclass(frozen=True, slots=True)
class Survey:
    """`groups[i]` is the group of the i-th completion, numbered as they first appear. `scattered` says how many groups are not
    together in the file: then completions are held and brought together, in the order of groups."""

    groups: Indices
    scattered: int

    @property
    def count(self) -> int:
        """Completions."""
        return len(self.groups)

    @property
    def group_count(self) -> int:
        """Groups."""
        return int(self.groups.max()) + 1 if len(self.groups) else 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole groups of completions, in order. `groups` are their numbers, `first` the place of the first completion."""

    completions: list[Completion]
    groups: Indices
    first: int

    @property
    def counts(self) -> Indices:
        """Completions of each group."""
        return np.bincount(self.groups - self.groups[0]) if len(self.groups) else np.zeros(0, np.int64)

    @property
    def heads(self) -> list[Completion]:
        """The first completion of each group: what a group shares is read there."""
        starts = np.cumsum(self.counts) - self.counts
        return [self.completions[start] for start in starts.tolist()]


def survey(reader: Reader) -> Survey:
    """Read everything once: faults are said before anything is scored."""
    known: dict[object, int] = {}
    values: dict[int, tuple[object, ...]] = {}
    groups: list[int] = []
    scattered: set[int] = set()
    alone = not reader.plan.response.is_sampled
    for completion in reader:
        if completion.key is None or alone:  # nothing says what belongs together: the completions of one row do
            key: object = ("row", completion.row) if not alone else ("completion", len(groups))
        else:
            key = completion.key if isinstance(completion.key, str) else _digest(completion.key)
        number = known.setdefault(key, len(known))
        if groups and number != groups[-1] and number != len(known) - 1:
            scattered.add(number)
        _check_shared(reader, completion, number, values)
        groups.append(number)
    if not groups:
        raise ScoreError(f"there are no completions in {reader.given.path}", "there is nothing to score.",
                         "give a file with one row for each completion, or for each prompt")
    return Survey(np.array(groups, np.int64), len(scattered))


def _digest(key: object) -> bytes:
    """What tells prompts with their data apart, without holding them. Python's own hash does not: that of -1 is that of -2."""
    return hashlib.blake2b(repr(key).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _check_shared(reader: Reader, completion: Completion, number: int, values: dict[int, tuple[object, ...]]) -> None:
    """Where `--group` says what belongs together, the data of a group must be equal; elsewhere it is by definition."""
    if reader.columns.group is None:
        return
    first = values.setdefault(number, completion.values)
    for field, one, other in zip(reader.plan.fields, first, completion.values, strict=True):
        if one != other:
            raise ScoreError(f"row {completion.row + 1} has another `{field.name}` than its group",
                             f"`--group {reader.given.group}` puts it with a row of other data.", "group by another column")


def batches(reader: Reader, found: Survey, *, whole: bool) -> Iterator[Batch]:
    """Whole groups, some thousand completions at a time; all at once where `whole`."""
    if not found.scattered:
        yield from _cut(iter(reader), found.groups, whole)
        return
    order = np.argsort(found.groups, kind="stable")
    held = list(reader)
    yield from _cut((held[place] for place in order), found.groups[order], whole)


def _cut(completions: Iterable[Completion], groups: Indices, whole: bool) -> Iterator[Batch]:
    waiting: list[Completion] = []
    first, characters = 0, 0
    for place, completion in enumerate(completions):
        is_new = place > first and groups[place] != groups[place - 1]
        if is_new and not whole and (len(waiting) >= MOST_ROWS or characters >= MOST_CHARACTERS):
            yield Batch(waiting, groups[first:place], first)
            waiting, first, characters = [], place, 0
        waiting.append(completion)
        characters += len(completion.text)
    if waiting:
        yield Batch(waiting, groups[first:first + len(waiting)], first)
