"""What an expanding call gives: a list for each item, whose entries become places of a new axis below it.

An operation whose type stands on a new child of its inputs' axis (`graph.expanding`) is answered, at each item, by `Places`: by
an entry of `EXPANDING`, or by a service under its name. An item that is absent or failed has one place, absent or failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rldsl.rewards.outcome import Failure, Indices, Values
from rldsl.rewards.results import check_value, pack
from rldsl.rewards.signatures import Result
from rldsl.types import Element


@dataclass(frozen=True, slots=True)
class Places:
    """The entries of one item, in their order. `starts`: of a text that was cut, at which character each piece starts."""

    values: tuple[Any, ...]
    starts: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Laid:
    """The entries of all items one after the other: what `Outcome` takes."""

    values: Values
    failed: dict[int, Failure]
    counts: Indices
    starts: tuple[int, ...] | None


def laid_out(answers: Sequence[Places | Failure | None], result: Result, count: int, present: Sequence[int] | None) -> Laid:
    """Answers of the items that are there (`present`; None: all of `count`), each entry checked against the promise."""
    by_item: list[Places | Failure | None] = [None] * count
    for item, answer in zip(range(count) if present is None else present, answers, strict=True):
        by_item[item] = answer
    counts = np.array([len(entry.values) if isinstance(entry, Places) else 1 for entry in by_item], dtype=np.int64)
    flat: list[Any] = []
    starts: list[int] = []
    for entry in by_item:
        values = entry.values if isinstance(entry, Places) else (entry,)
        flat += [value if value is None else _checked(value, result) for value in values]
        starts += entry.starts if isinstance(entry, Places) and entry.starts is not None else [0] * len(values)
    packed, failed = pack(flat, result, len(flat), None)
    is_cut = all(entry.starts is not None for entry in by_item if isinstance(entry, Places))  # also where every item has failed
    return Laid(packed, failed, counts, tuple(starts) if is_cut else None)


def _checked(value: Any, result: Result) -> Any:
    """Entries of a Json value are what they are."""
    return value if result.element is Element.JSON else check_value(value, result)
