"""Each known mistake has an example in `grammar/mistakes`, with the message that it gets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rldsl.assets import asset_path
from rldsl.diagnostics.render import render_diagnostics
from rldsl.source import Source
from rldsl.syntax.mistakes import MISTAKES, Mistake
from rldsl.syntax.parse import parse
from tests.golden import check_golden, sources

FOLDER = asset_path("grammar", "mistakes")


def read(path: Path) -> Source:
    return Source(path.name, path.read_text(encoding="utf-8"))


@pytest.mark.wide(40)
@pytest.mark.parametrize("path", sources(FOLDER), ids=lambda path: path.stem)
def test_a_mistake_gets_its_message(path: Path, update_golden: bool) -> None:
    source = read(path)
    _, found = parse(source)
    assert found, "this text has no fault"
    check_golden(path.with_suffix(".out"), render_diagnostics(found, {source.name: source}, color=False), update_golden)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_each_record_is_what_its_example_shows(mistake: Mistake) -> None:
    _, found = parse(read(FOLDER / f"{mistake.name}.rl"))
    pattern = re.sub(r"\\\$[a-z]+", ".*", re.escape(mistake.title))
    assert re.fullmatch(pattern, found[0].title) and found[0].code == mistake.code


@pytest.mark.parametrize("path", sources(FOLDER), ids=lambda path: path.stem)
def test_messages_keep_to_their_lengths_and_say_what_was_expected(path: Path) -> None:
    for diagnostic in parse(read(path))[1]:
        assert len(diagnostic.title) <= 60 and diagnostic.title[0] not in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        assert all(len(label.text) <= 40 for label in (diagnostic.primary, *diagnostic.others))
        assert diagnostic.fix
        text = f"{diagnostic.title} {diagnostic.primary.text} {diagnostic.why} {diagnostic.fix}"
        assert not re.search(r"unexpected|invalid|\$[a-z]|LPAR|RBRACE|NAME\b|NUMBER\b|KEY\b|__ANON", text)


@pytest.mark.parametrize("path", sources(FOLDER), ids=lambda path: path.stem)
def test_an_edit_mends_the_first_fault(path: Path) -> None:
    source = read(path)
    _, found = parse(source)
    edit = found[0].edit
    if edit is None:
        return
    mended = Source(source.name, source.text[: edit.span.start] + edit.text + source.text[edit.span.end :])
    again = parse(mended)[1]
    assert not again or again[0].primary.span.start > found[0].primary.span.start or len(again) < len(found)


def test_at_least_thirty_mistakes_are_known() -> None:
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) >= 30
