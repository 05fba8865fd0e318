"""What a comparison of two specs found, as plain data. Says nothing of how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What became of something."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One least difference: what it means in a line (empty where the equations say all), and the differing parts as equations
    of what runs; None on the side that has nothing there."""

    meaning: str
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class PartDifference:
    """A term, a reward, a named value, a state or a given response that differs. `through` are the named values in which it
    differs and which are reported by themselves."""

    kind: str
    name: str
    status: Status
    changes: tuple[Change, ...] = ()
    through: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectiveDifference:
    """An objective that differs. `coupling` are the levels before and after, where they differ."""

    name: str
    status: Status
    parts: tuple[PartDifference, ...] = ()
    coupling: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SettingDifference:
    """A setting that differs, of a rollout, a data set, a model, the training: no change of what is optimised. None on the
    side that does not have it."""

    where: str
    what: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything in which spec `after` differs from spec `before`."""

    before: str
    after: str
    objectives: tuple[ObjectiveDifference, ...] = ()
    values: tuple[PartDifference, ...] = ()
    settings: tuple[SettingDifference, ...] = ()

    @property
    def is_same_mathematics(self) -> bool:
        """Whether both optimise the same."""
        return not self.objectives and not self.values
