"""Every check fires on its programs, stays silent on their twins, and says what the golden files hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.checks import documentation, modules
from rldsl.compiler import CheckResult, check_source
from rldsl.diagnostics import Severity
from rldsl.diagnostics.render import render_diagnostics
from rldsl.loading import project_loader
from rldsl.source import Source
from tests.golden import check_golden, sources

FOLDER = Path(__file__).parent / "programs"
PROGRAMS = sources(FOLDER)
HEADINGS = ("What:", "Why:", "Example:", "Instead:", "When this is wrong:")


def checked(path: Path) -> CheckResult:
    """A program's findings, under its bare name so that goldens name no folder."""
    return check_source(Source(path.name, path.read_text(encoding="utf-8")), project_loader(FOLDER))


@pytest.mark.wide(60)
@pytest.mark.parametrize("path", [path for path in PROGRAMS if "_fires_" in path.stem], ids=lambda path: path.stem)
def test_a_check_fires_where_it_should_and_says_what_the_golden_says(path: Path, update_golden: bool) -> None:
    result = checked(path)
    code = path.stem.split("_")[0]
    assert code in [entry.code for entry in result.diagnostics]
    check_golden(path.with_suffix(".out"), render_diagnostics(result.diagnostics, result.sources, color=False), update_golden)


@pytest.mark.wide(40)
@pytest.mark.parametrize("path", [path for path in PROGRAMS if "_silent_" in path.stem], ids=lambda path: path.stem)
def test_a_twin_that_is_right_raises_no_alarm(path: Path) -> None:
    result = checked(path)
    code = path.stem.split("_")[0]
    assert result.errors == ()
    assert code not in [entry.code for entry in result.diagnostics]


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.CHECK.code)
def test_every_check_has_its_page_and_programs_of_both_kinds(module: object) -> None:
    code = module.CHECK.code  # type: ignore[attr-defined]
    page = documentation(code)
    assert page is not None
    assert all(heading in page for heading in HEADINGS)
    names = [path.stem for path in PROGRAMS]
    assert any(name.startswith(f"{code}_fires_") for name in names)
    assert any(name.startswith(f"{code}_silent_") for name in names)


@pytest.mark.slow
def test_messages_keep_the_limits_of_the_style_guide() -> None:
    for path in PROGRAMS:
        for entry in checked(path).diagnostics:
            assert len(entry.title) <= 60, (path.stem, entry.title)
            assert len(entry.primary.text) <= 40, (path.stem, entry.primary.text)
            assert entry.title[0].islower() or entry.title[0] in "`‖0123456789RD", (path.stem, entry.title)
            assert entry.why and entry.fix, (path.stem, entry.code)
            assert all(len(label.text) <= 40 for label in entry.others), (path.stem, entry.others)


@pytest.mark.slow
def test_as_many_programs_are_rejected_as_are_accepted() -> None:
    errors = [path for path in PROGRAMS if checked(path).errors]
    fine = [path for path in PROGRAMS if not any(entry.severity is Severity.ERROR for entry in checked(path).diagnostics)]
    assert len(errors) >= 75
    assert len(fine) >= 75
