"""A spec from its text or file: what the public functions have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rldsl.compiler import CheckResult, check_source
from rldsl.diagnostics import SpecError
from rldsl.diagnostics.render import render_diagnostics
from rldsl.graph.spec import Spec
from rldsl.loading import library_only, project_loader
from rldsl.source import Source


def compiled_spec(spec: str | Path, name: str = "<spec>", project: Path | str | None = None,
                  overrides: Mapping[str, str] | None = None) -> Spec:
    """A spec without errors, from a text or a file (a `Path`). Raises `SpecError`."""
    result = checked(spec.read_text(encoding="utf-8"), str(spec), spec.parent, overrides) if isinstance(spec, Path) \
        else checked(spec, name, project, overrides)
    if result.errors or result.spec is None:
        raise SpecError(result.errors, "\n" + render_diagnostics(result.errors, result.sources, color=False))
    return result.spec


def checked(text: str, name: str, project: Path | str | None, overrides: Mapping[str, str] | None) -> CheckResult:
    """Everything that is found of a text; without a project only `std` can be imported."""
    loader = library_only if project is None else project_loader(Path(project))
    return check_source(Source(name, text), loader, overrides)
