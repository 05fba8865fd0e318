"""The line from text to a checked spec, as one short function. No file access, no globals: a source and a loader in, a
result and its diagnostics out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rldsl.checks import run_checks
from rldsl.diagnostics import Diagnostic, Severity, sort_diagnostics
from rldsl.elaborate import elaborate_spec
from rldsl.graph.spec import Spec
from rldsl.resolve.modules import Loader, ModuleTable
from rldsl.source import Source


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`spec` is None where nothing could be parsed; it may be run only if there are no errors."""

    spec: Spec | None
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, Source]

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The findings that stop compilation."""
        return tuple(entry for entry in self.diagnostics if entry.severity is Severity.ERROR)


def check_source(source: Source, load: Loader, overrides: Mapping[str, str] | None = None) -> CheckResult:
    """Parse, resolve, elaborate and check one spec."""
    modules = ModuleTable(load)
    scope = modules.open(source)
    if scope is None:
        return CheckResult(None, sort_diagnostics(modules.found), modules.sources)
    spec, found = elaborate_spec(modules, scope, overrides or {})
    broken = any(entry.severity is Severity.ERROR for entry in (*modules.found, *found))
    checked = () if broken else run_checks(spec)
    return CheckResult(spec, sort_diagnostics([*modules.found, *found, *checked]), modules.sources)
