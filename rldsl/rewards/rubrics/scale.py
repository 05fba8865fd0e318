"""Scales of verdicts: which words or numbers a judge may say, and where in [0, 1] each of them lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rldsl.graph.model import Setting
from rldsl.types import Interval, format_number

MOST_NUMBERS = 1000  # on a scale of numbers: beyond, a judge does not tell two apart


@dataclass(frozen=True, slots=True)
class Scale:
    """Words in their order with their values in [0, 1], or, without words, the whole numbers from `low` to `high`, evenly spread.

    `as_words` and `as_numbers` make one; `Scale.of` reads what `setting` wrote.
    """

    words: tuple[tuple[str, float], ...] = ()
    low: int = 0
    high: int = 1

    @property
    def setting(self) -> Setting:
        """As a constant of a call."""
        return ("words", *self.words) if self.words else ("numbers", self.low, self.high)

    @staticmethod
    def of(setting: Setting) -> Scale:
        """The scale of a constant."""
        match setting:
            case ("words", *words):
                return Scale(tuple((str(word[0]), float(word[1])) for word in words  # type: ignore[arg-type]
                                   if isinstance(word, tuple)))
            case (_, int() | float() as low, int() | float() as high):
                return Scale((), int(low), int(high))
            case _:
                raise AssertionError(setting)

    @property
    def is_binary(self) -> bool:
        """Whether there is nothing between 0 and 1."""
        return {value for _, value in self.words} == {0.0, 1.0} if self.words else self.high - self.low == 1

    @property
    def values(self) -> tuple[float, ...]:
        """Every value that a verdict can have, rising."""
        if self.words:
            return tuple(sorted({value for _, value in self.words}))
        return tuple((number - self.low) / (self.high - self.low) for number in range(self.low, self.high + 1))

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of a verdict."""
        if self.words:
            return {"type": "string", "enum": [word for word, _ in self.words]}
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    def value(self, verdict: object) -> float | None:
        """Where a verdict lies; None for what is not on the scale. A truth value is no number."""
        if self.words:
            return dict(self.words).get(verdict) if isinstance(verdict, str) else None
        is_whole = isinstance(verdict, (int, float)) and not isinstance(verdict, bool) and verdict == verdict // 1
        if not is_whole or not self.low <= verdict <= self.high:  # type: ignore[operator]
            return None
        return (verdict - self.low) / (self.high - self.low)  # type: ignore[no-any-return, operator]

    def said(self) -> str:
        """What a judge is told that it may say."""
        if self.words:
            return " | ".join(f'"{word}"' for word, _ in self.words)
        return f"a whole number from {self.low} (not at all) to {self.high} (fully)"

    def __str__(self) -> str:
        if not self.words:
            return f"{self.low} .. {self.high}"
        return ", ".join(f"{word} {format_number(round(value, 4))}" for word, value in self.words)


BINARY_SCALE = Scale((("no", 0.0), ("yes", 1.0)))
PREFERRED = Scale((("B", 0.0), ("tie", 0.5), ("A", 1.0)))  # of two texts, how much the one shown as "A" is preferred


def as_words(words: Mapping[str, float]) -> Scale:
    """Words with numbers that rise: the first becomes 0, the last 1, the others lie between them in proportion."""
    low, high = min(words.values()), max(words.values())
    return Scale(tuple((word, (value - low) / (high - low)) for word, value in words.items()))


def as_numbers(low: int, high: int) -> Scale:
    """Whole numbers: `low` becomes 0, `high` 1."""
    return Scale((), low, high)


def interval_of(scales: tuple[Scale, ...], votes: int, votes_by: str) -> Interval:
    """What verdicts on these scales can be: listed where one verdict, or one of several, is what comes out."""
    values = sorted({value for scale in scales for value in scale.values})
    picks = votes == 1 or votes_by in ("majority", "min") or (votes_by == "median" and votes % 2 == 1)
    return Interval(0.0, 1.0, values=tuple(values)) if picks and len(values) <= 16 else Interval(0.0, 1.0)
