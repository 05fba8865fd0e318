"""Where a piece of text came from. Knows lines and columns; knows nothing of what the text means."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from hashlib import sha256


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Half-open range of character offsets `[start, end)` in the file named `file`."""

    file: str
    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other` (same file)."""
        return Span(self.file, min(self.start, other.start), max(self.end, other.end))


@dataclass(frozen=True, slots=True)
class Source:
    """One text: `name` is how messages call it (a path relative to the project, or `std.advantage`)."""

    name: str
    text: str
    line_starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = [0, *(index + 1 for index, char in enumerate(self.text) if char == "\n")]
        object.__setattr__(self, "line_starts", tuple(starts))

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a character offset, both from 1."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of line `number` (from 1), without its end."""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] if number < len(self.line_starts) else len(self.text) + 1
        return self.text[start : end - 1].rstrip("\r")

    @property
    def digest(self) -> str:
        """SHA-256 of the text, as hexadecimal."""
        return sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()
