"""Which completions belong together, found in a first pass over the file that keeps no texts; and the batches of a second."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rldsl.graph.model import Leaf, SourceKind
from rldsl.resolve.names import listed
from rldsl.scores.faults import ScoreError
from rldsl.scores.plan import Plan, below
from rldsl.scores.reading import Completion, Reader

Indices = npt.NDArray[np.int64]

_First = tuple[tuple[object, ...], str]  # of a group: its data, and where its first completion stands

MOST_ROWS = 8192
MOST_CHARACTERS = 1 << 26


@dataclass(frozen=True, slots=True)
class Survey:
    """`groups[i]` is the group of the i-th completion, numbered as they first appear. `scattered` says how many groups are not
    together in the file: then completions are held and brought together, in the order of groups. `splits` says of each field that
    differs among completions of an equal prompt, and so splits their group, at how many prompts, of `prompts`."""

    groups: Indices
    scattered: int
    splits: Mapping[str, int] = field(default_factory=dict)
    prompts: int = 0

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
    firsts: dict[int, _First] = {}
    divided = _Divided(reader)
    groups: list[int] = []
    scattered: set[int] = set()
    alone = not reader.plan.response.is_sampled
    for completion in reader:
        if completion.key is None or alone:  # nothing says what belongs together: the completions of one row do
            key: object = ("row", completion.row) if not alone else ("completion", len(groups))
        else:
            key = completion.key if isinstance(completion.key, str) else _digest(completion.key)
        if key not in known:
            divided.add(completion)
        number = known.setdefault(key, len(known))
        if groups and number != groups[-1] and number != len(known) - 1:
            scattered.add(number)
        _check_shared(reader, completion, number, firsts)
        groups.append(number)
    if not groups:
        raise ScoreError(f"there are no completions in {reader.given.path}", "there is nothing to score.",
                         "give a file with one row for each completion, or for each prompt")
    return Survey(np.array(groups, np.int64), len(scattered), {name: len(found) for name, found in divided.at.items() if found},
                  len(divided.first))


class _Divided:
    """Which fields tell groups of an equal prompt apart: `at` has the prompts, `first` the fields of the first group of each."""

    def __init__(self, reader: Reader) -> None:
        self._fields = [entry.name for entry in reader.plan.fields]
        self.first: dict[bytes, list[bytes]] = {}
        self.at: dict[str, set[bytes]] = {name: set() for name in self._fields}

    def add(self, completion: Completion) -> None:
        """Hear of a group's first completion. Of groups by `--group`, of a run or of rows there is nothing to say."""
        match completion.key:
            case (str() as prompt, tuple()):
                own = _digest(prompt)
                fields = [_digest(value) for value in completion.values]
                for name, one, other in zip(self._fields, self.first.setdefault(own, fields), fields, strict=True):
                    if one != other:
                        self.at[name].add(own)
            case _:
                pass


def _digest(key: object) -> bytes:
    """What tells prompts with their data apart, without holding them. Python's own hash does not: that of -1 is that of -2."""
    return hashlib.blake2b(repr(key).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _check_shared(reader: Reader, completion: Completion, number: int, firsts: dict[int, _First]) -> None:
    """Where `--group` says what belongs together, the data of a group must be equal; elsewhere it is by definition."""
    if reader.columns.group is None:
        return
    values, place = firsts.setdefault(number, (completion.values, completion.place))
    for entry, one, other in zip(reader.plan.fields, values, completion.values, strict=True):
        if one != other:
            users = listed(_readers(reader.plan, entry.name))
            raise ScoreError(
                f"{completion.place}: another `{entry.name}` than the rest of its group ({place})",
                f"`--group {reader.given.group}` makes them one group, and a field of the data has one value for each group.",
                f"where it belongs to each completion, declare it so (`{entry.name}: {entry.element} @ sample`), and let {users} "
                f"read `{reader.plan.response.name}.{entry.name}`; or group by a column within which it is equal")


def _readers(plan: Plan, name: str) -> list[str]:
    """The named values that a field of the data is read for."""
    leaves = {node.key for node in plan.nodes if isinstance(node.operation, Leaf)
              and node.operation.kind is SourceKind.DATA and node.operation.field == name}
    return [value.name for value in plan.values if not leaves.isdisjoint(below(plan.spec, [value.key]))]


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
