"""The order in which rows are drawn: a permutation for each epoch, found again from a position alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RowOrder:
    """Draws of `count` rows under `seed`. A position is how many rows were drawn before.

    Each epoch gives every row once. The first third of an epoch holds no row of the last third of the epoch
    before, so a draw of up to a third of the rows never holds a row twice, wherever it starts. A larger draw
    (up to `count`) that reaches into the next epoch passes over rows that it has already for the next ones.
    """

    count: int
    seed: int
    _epochs: dict[int, Indices] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError("an order needs at least one row")

    def draw(self, position: int, n: int) -> Indices:
        """The `n` rows that are drawn after `position` rows. More than `count` of them repeat by epochs."""
        if position < 0 or n < 0:
            raise ValueError("position and n must not be negative")
        parts: list[Indices] = []
        needed = n
        while needed:
            epoch, start = divmod(position, self.count)
            rows = self.epoch(epoch)[start:]
            if 0 < n <= self.count and parts:
                rows = rows[~np.isin(rows, parts[0])]
            part = rows[:needed]
            parts.append(part)
            needed -= len(part)
            position += self.count - start
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def epoch(self, number: int) -> Indices:
        """The permutation of epoch `number`."""
        if number not in self._epochs:
            while len(self._epochs) >= 2:
                del self._epochs[next(iter(self._epochs))]
            self._epochs[number] = self._arrange(number)
        return self._epochs[number]

    def _arrange(self, number: int) -> Indices:
        """Last third as in the plain permutation; first third of rows that did not end the epoch before."""
        third = self.count // 3
        plain = self._plain(number)
        if number == 0 or third == 0:
            return plain
        ended = np.isin(plain, self._plain(number - 1)[self.count - third:])
        front = plain[: self.count - third]
        fresh = np.flatnonzero(~ended[: self.count - third])[:third]
        others = np.delete(front, fresh)
        middle = np.random.default_rng([self.seed, number, 1]).permutation(others)
        return np.concatenate([front[fresh], middle, plain[self.count - third:]])

    def _plain(self, number: int) -> Indices:
        return np.random.default_rng([self.seed, number]).permutation(self.count).astype(np.int64)
