"""The packages stand where docs/decisions/0009 says: what lies below them imports neither, and they import nothing from above."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "rldsl"
BELOW_CANONICAL = {"source", "types", "diagnostics", "graph", "infer", "syntax", "resolve", "elaborate", "canonical", "rewards"}
BELOW_DIFFERENCE = {*BELOW_CANONICAL, "passes", "explain", "difference", "compiler", "reporting", "loading"}


def imported(folder: Path) -> dict[str, set[str]]:
    """The parts of rldsl that each module of a folder imports, wherever it does."""
    found: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*.py")):
        names = [node.module for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                 if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("rldsl.")]
        found[path.relative_to(PACKAGE).as_posix()] = {name.split(".")[1] for name in names}
    return found


@pytest.mark.parametrize(("folder", "allowed"), [("canonical", BELOW_CANONICAL), ("difference", BELOW_DIFFERENCE)])
def test_a_package_imports_what_lies_below_it(folder: str, allowed: set[str]) -> None:
    above = {name: sorted(parts - allowed) for name, parts in imported(PACKAGE / folder).items() if not parts <= allowed}
    assert above == {}


@pytest.mark.parametrize("folder", sorted(BELOW_CANONICAL - {"source", "types", "canonical"}))
def test_nothing_below_imports_them(folder: str) -> None:
    assert [name for name, parts in imported(PACKAGE / folder).items() if parts & {"canonical", "difference"}] == []
