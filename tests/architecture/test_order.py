"""The packages import one way, in the order that docs/decisions/0001 gives."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "rldsl"
PAGE = ROOT / "docs" / "decisions" / "0001-order-of-packages.md"
BESIDE = {"kernels": {"types"}, "rollouts": {"graph", "kernels"}, "data": {"graph", "types"}}


def lines() -> list[list[str]]:
    """The packages of each line of the page, ground first."""
    block = re.search(r"```\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return [line.split() for line in block[1].splitlines()]


ORDER = lines()
PLACE = {name: place for place, line in enumerate(ORDER) for name in line}


def part_of(path: Path) -> str:
    """The package of a module, or the module itself where it lies at the root."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0 else \
            [entry.name for entry in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            first, *rest = name.split(".")
            if first == "rldsl" and rest:
                yield rest[0]
            elif first == "rldsl":
                yield from (entry.name if (PACKAGE / entry.name).exists() or (PACKAGE / f"{entry.name}.py").exists() else "__init__"
                            for entry in node.names)  # type: ignore[attr-defined]


@cache
def imported(path: Path) -> frozenset[str]:
    """The parts of rldsl that a module imports, wherever it does."""
    return frozenset(_imported(path))


FILES = sorted(PACKAGE.rglob("*.py"))
PARTS = sorted({part_of(path) for path in FILES})


def test_every_package_has_one_place_in_the_order() -> None:
    named = [name for line in ORDER for name in line]
    assert sorted(named) == PARTS, "a new package takes its place in docs/decisions/0001-order-of-packages.md"


@pytest.mark.parametrize("part", PARTS)
def test_a_package_imports_from_the_lines_above_it(part: str) -> None:
    wrong = {f"{path.relative_to(PACKAGE).as_posix()} imports {name}" for path in FILES if part_of(path) == part
             for name in imported(path) if name != part and PLACE[name] >= PLACE[part]}
    assert not wrong


@pytest.mark.parametrize("part", sorted(BESIDE))
def test_what_runs_knows_of_the_compiler_its_plain_data_alone(part: str) -> None:
    assert {name for path in FILES if part_of(path) == part for name in imported(path)} - {part} <= BESIDE[part]
