"""Fixtures of the tests of data: loading from a temporary project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rldsl.data.errors import DataErrors
from rldsl.data.load import load_data
from rldsl.data.rows import Rows
from tests.data.declare import Faults, Load, Write, declare


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a declaration from the temporary project."""
    def loaded(source: str, fields: str, *positional: Any, seed: int = 0, **named: Any) -> Rows:
        return load_data(declare(source, fields, *positional, **named), project=tmp_path, seed=seed)

    return loaded


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    """The faults of a declaration that cannot be loaded, as they are shown."""
    def found(source: str, fields: str, *positional: Any, **named: Any) -> list[str]:
        with pytest.raises(DataErrors) as raised:
            load_data(declare(source, fields, *positional, **named), project=tmp_path, seed=0)
        return [str(error) for error in raised.value.errors]

    return found


@pytest.fixture
def jsonl(tmp_path: Path) -> Write:
    """Write `rows.jsonl` of the temporary project."""
    def write(content: str | bytes) -> None:
        data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        (tmp_path / "rows.jsonl").write_bytes(data)

    return write
