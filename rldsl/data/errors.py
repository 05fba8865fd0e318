"""What is wrong with a data set, as values: all of it at once, twenty at most. Knows no spans of a spec."""

from __future__ import annotations

from dataclasses import dataclass

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class DataError:
    """One fault. `file` as the spec wrote it; `line` from 1, None where the fault is not on one line."""

    message: str
    file: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


class DataErrors(Exception):
    """Raised by `load_data`: the first faults of the data set called `data`, in the order of the file."""

    def __init__(self, data: str, errors: tuple[DataError, ...], stopped: bool = False) -> None:
        count = f"{len(errors)} fault{'' if len(errors) == 1 else 's'}"
        lines = [f"data `{data}` cannot be used: {count}", *(f"  {error}" for error in errors)]
        if stopped:
            lines.append("  there may be more: reading stopped here")
        super().__init__("\n".join(lines))
        self.data = data
        self.errors = errors
        self.stopped = stopped


class Enough(Exception):
    """As many faults as are shown have been found; caught in `load_data`."""


class Problems:
    """Collects faults; raises `Enough` with the last one that is shown."""

    def __init__(self) -> None:
        self.found: list[DataError] = []

    def add(self, message: str, file: str, line: int | None = None) -> None:
        """Keep one fault."""
        self.found.append(DataError(message, file, line))
        if len(self.found) >= MOST_SHOWN:
            raise Enough

    def stop(self, message: str, file: str, line: int | None = None) -> Enough:
        """Keep a fault after which nothing can be read; to be raised by the caller."""
        self.found.append(DataError(message, file, line))
        return Enough()

    def in_order(self) -> tuple[DataError, ...]:
        """Equal faults once, in the order of files as read and of their lines."""
        files = {file: place for place, file in enumerate(dict.fromkeys(error.file for error in self.found))}
        unique = dict.fromkeys(self.found)
        return tuple(sorted(unique, key=lambda error: (files[error.file], error.line or 0)))
