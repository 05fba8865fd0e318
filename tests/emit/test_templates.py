"""Templates of emitted code are compiled by jinja once for all processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment

from rldsl.emit.templates import environment, render

NAME, USED = "triton/helpers.py.jinja", {"used": ["sign"]}


@pytest.fixture(autouse=True)
def as_in_a_new_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """With nothing kept."""
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path / "cache"))
    environment.cache_clear()
    yield
    environment.cache_clear()


def no_compiler(*arguments: object, **named: object) -> None:
    """In the place of jinja's."""
    raise AssertionError("a template is compiled")


def test_a_template_that_was_compiled_is_read_by_the_next_process(monkeypatch: pytest.MonkeyPatch) -> None:
    text = render(NAME, **USED)
    assert "def sign(x):" in text
    environment.cache_clear()
    with monkeypatch.context() as changed:
        changed.setattr(Environment, "compile", no_compiler)
        assert render(NAME, **USED) == text
        with pytest.raises(AssertionError, match="compiled"):
            render("triton/combine.py.jinja", functions=[])


@pytest.mark.parametrize("left", [b"", b"nothing of the kind"])
def test_what_cannot_be_read_is_compiled_anew(left: bytes, tmp_path: Path) -> None:
    text = render(NAME, **USED)
    kept, = (tmp_path / "cache" / "modules").glob("template_*.bytecode")
    whole = kept.read_bytes()
    kept.write_bytes(left)
    environment.cache_clear()
    assert render(NAME, **USED) == text and kept.read_bytes() == whole


def test_what_cannot_be_written_is_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gone = tmp_path / "gone" / "modules"
    monkeypatch.setattr("rldsl.emit.templates.cache_folder", lambda: gone)
    assert "def sign(x):" in render(NAME, **USED) and not gone.exists()
