"""Whole texts with faults: what is reported, in which order, and what is read all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.diagnostics.render import render_diagnostics
from rldsl.source import Source
from rldsl.syntax import tree
from rldsl.syntax.parse import MAX_ERRORS, parse
from tests.golden import check_golden, sources

FOLDER = Path(__file__).parent / "reject"


def read(path: Path) -> Source:
    return Source(path.name, path.read_bytes().decode("utf-8"))


def names(text: str) -> list[str]:
    module, _ = parse(Source("a.rl", text))
    assert module is not None
    return [item.name for item in module.items if not isinstance(item, tree.Import | tree.Guard | tree.Train | tree.Plan)]


@pytest.mark.parametrize("path", sources(FOLDER), ids=lambda path: path.stem)
def test_a_rejected_text_gets_its_messages(path: Path, update_golden: bool) -> None:
    source = read(path)
    _, found = parse(source)
    assert found
    check_golden(path.with_suffix(".out"), render_diagnostics(found, {source.name: source}, color=False), update_golden)


def test_declarations_around_a_fault_are_read() -> None:
    assert names("let a = 1\nlet b = (\nlet c = 3\nlet 4 = 4\n\nreward d = 5\n") == ["a", "c", "d"]


def test_a_declaration_before_a_stray_word_is_kept() -> None:
    assert names("let a = 1\nobjectve g for b { }\nlet c = 3\n") == ["a", "c"]


def test_documentation_after_a_fault_is_kept() -> None:
    module, _ = parse(Source("a.rl", "let a = (\n\n## About b.\nlet b = 2\n"))
    assert module is not None and [item.doc for item in module.items] == ["About b."]


def test_a_fault_inside_a_block_gives_one_message() -> None:
    text = "objective g for a {\n  let x = 1 +\n  let y = 2\n  maximize mean(x) +\n}\nlet z = 1\n"
    _, found = parse(Source("a.rl", text))
    assert len(found) == 1


def test_the_number_of_messages_is_limited() -> None:
    _, found = parse(Source("a.rl", "let a = (\n" * 100))
    assert len(found) == MAX_ERRORS


def test_messages_come_in_the_order_of_the_text() -> None:
    _, found = parse(Source("a.rl", "policy b = a\nlet a = (\npolicy c = a\n"))
    starts = [diagnostic.primary.span.start for diagnostic in found]
    assert len(found) == 3 and starts == sorted(starts)
