"""Judges as a spec declares them."""

from __future__ import annotations

from pathlib import Path

from rldsl.compiler import CheckResult, check_source
from rldsl.graph.spec import ModelSpec
from rldsl.loading import project_loader
from rldsl.source import Source


def checked(text: str, project: Path | None = None) -> CheckResult:
    """What `rldsl check` finds."""
    return check_source(Source("spec.rl", text), project_loader(project or Path.cwd()))


def models_of(text: str) -> dict[str, ModelSpec]:
    """The models that a spec declares, by name."""
    found = checked(text)
    assert found.spec is not None, found.diagnostics
    return {model.name: model for model in found.spec.models}


def model_of(text: str) -> ModelSpec:
    """The last model that a spec declares."""
    return list(models_of(text).values())[-1]
