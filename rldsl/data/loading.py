"""What every reader works with while a data set is loaded. Reads nothing itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rldsl.data.errors import Problems
from rldsl.data.table import Place, TableBuilder
from rldsl.graph.spec import DataSpec


@dataclass(frozen=True, slots=True)
class Loading:
    """One load: the declaration, the arguments of its source with defaults, and where rows and faults go."""

    spec: DataSpec
    arguments: Mapping[str, Any]
    project: Path
    seed: int
    table: TableBuilder
    problems: Problems

    @property
    def room(self) -> int | None:
        """How many more rows are wanted; None for all there are."""
        limit = self.arguments.get("limit")
        return None if limit is None else max(0, limit - self.table.count)

    @property
    def origin(self) -> str:
        """The source as a message names it: its path, function or task."""
        named = (self.arguments[name] for name in ("path", "function", "task") if name in self.arguments)
        return str(next(named, self.spec.source.name))

    def shown(self, path: Path) -> str:
        """A path as messages call it: relative to the project where it lies in it."""
        absolute, root = path.absolute(), self.project.absolute()
        if absolute.is_relative_to(root):
            return absolute.relative_to(root).as_posix()
        return os.fspath(path)

    def add_rows(self, rows: Iterable[tuple[Mapping[str, Any], Place]], *, cells: bool = False) -> None:
        """Rows into the table, as many as are wanted."""
        for row, place in islice(rows, self.room):
            self.table.add(row, place, cells=cells)
