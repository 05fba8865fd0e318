"""What a call on the host gives: values, absences and failures, kept apart; what is done with failures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Values: TypeAlias = "npt.NDArray[np.float64] | list[Any]"
Indices: TypeAlias = npt.NDArray[np.int64]


class FailureKind(StrEnum):
    """Why there is no result."""

    EXCEPTION = "exception"
    TIMEOUT = "timeout"
    CRASH = "crash"                # the process ended
    WRONG_TYPE = "wrong type"
    WRONG_LENGTH = "wrong length"  # of what a function of a whole batch returned
    NOT_A_NUMBER = "not a number"
    INFINITE = "infinite"
    OUT_OF_RANGE = "out of range"  # the promised one
    MISSING = "missing"            # None, where no absence is declared
    REFERENCE = "reference"        # the answer, pattern or schema to check against is unusable
    SETUP = "setup"                # the function could not be loaded
    GIVEN_UP = "given up"          # not tried, after too many crashes or timeouts in a row
    LIMIT = "limit"                # more memory, output, files or processes than it may have
    UNREACHABLE = "unreachable"    # no answer from a server, whatever was tried
    REFUSED = "refused"            # a server says that it will not answer this
    MALFORMED = "malformed"        # a reply that is not in the form that was asked for
    BUDGET = "budget"              # not tried: the calls, tokens or money that the spec allows are spent


@dataclass(frozen=True, slots=True)
class Cost:
    """What calls to a judge took: how many went out, tokens both ways, money in the currency of the prices."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    money: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.calls + other.calls, self.tokens_in + other.tokens_in, self.tokens_out + other.tokens_out,
                    self.money + other.money)


@dataclass(frozen=True, slots=True)
class Failure:
    """One item's failure; `message` says what happened in a sentence. `cost` is what a judge took for nothing."""

    kind: FailureKind
    message: str
    cost: Cost = field(default_factory=Cost, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.message}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Results of a batch. Numbers are float64 with NaN, texts a list with None, where an item is absent or
    failed; `failed` tells the two apart. `computed` is how many items were run (equal ones once), `seconds`
    the wall time. `evidence` is what items say beside their value (plain JSON: a quote, the test that failed).

    An expanding call (`places.Places`) has `counts`: how many places each item gave. All others is then by place, those of an
    item after those of the item before; `starts` says at which character of its item's text each piece starts, if it was cut."""

    values: Values
    failed: dict[int, Failure]
    seconds: float
    computed: int
    evidence: Mapping[int, Any] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    counts: Indices | None = None
    starts: tuple[int, ...] | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def absent(self) -> int:
        """How many items are absent (and did not fail)."""
        if isinstance(self.values, list):
            return sum(value is None for value in self.values) - len(self.failed)
        return int(np.isnan(self.values).sum()) - len(self.failed)


class FailureAction(StrEnum):
    """What becomes of an item that failed."""

    STOP = "stop"    # the run stops
    SKIP = "skip"    # the item takes no part
    VALUE = "value"  # another value stands in


class TooManyFailures(Exception):
    """A reward failed, and the spec says to stop, or more of it failed than the bound allows."""


@dataclass(frozen=True, slots=True)
class Settled:
    """An outcome after its policy: `skipped` are the items that take no part."""

    values: Values
    skipped: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class FailurePolicy:
    """`else stop`, `else skip`, `else VALUE` for failures (absent values are the spec's own `else`).

    More than the share `most` of one batch failing stops the run whatever the action is, once `at_least` did.
    """

    action: FailureAction = FailureAction.STOP
    value: float | str = 0.0
    most: float = 0.1
    at_least: int = 4

    def settle(self, name: str, outcome: Outcome) -> Settled:
        """Apply the policy to what the node called `name` gave. Raises `TooManyFailures`."""
        failed = sorted(outcome.failed)
        self._check(name, outcome)
        skipped = np.zeros(len(outcome), np.bool_)
        values = outcome.values
        if failed and self.action is FailureAction.SKIP:
            skipped[failed] = True
        elif failed:
            values = list(values) if isinstance(values, list) else values.copy()
            for index in failed:
                values[index] = self.value
        return Settled(values, skipped)

    def _check(self, name: str, outcome: Outcome) -> None:
        count = len(outcome.failed)
        if not count or (self.action is not FailureAction.STOP and not self._is_beyond(count, len(outcome))):
            return
        why = summarize(outcome.failed.values())
        raise TooManyFailures(f"`{name}` failed for {count} of {len(outcome)}: {why}")

    def _is_beyond(self, count: int, items: int) -> bool:
        return count >= self.at_least and count > self.most * items


def summarize(failures: Iterable[Failure]) -> str:
    """How many of each kind, and one example of the commonest."""
    found = list(failures)
    kinds = Counter(failure.kind for failure in found)
    commonest = kinds.most_common(1)[0][0]
    example = next(failure.message for failure in found if failure.kind is commonest)
    return ", ".join(f"{count} {kind.value}" for kind, count in kinds.most_common()) + f" ({example})"


def is_absent(value: Any) -> bool:
    """Whether an input of a call is absent: None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))
