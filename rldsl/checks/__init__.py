"""What a spec can get wrong beyond its types: one file a check, run over the elaborated spec."""

from __future__ import annotations

from rldsl.diagnostics import Diagnostic
from rldsl.graph.spec import Spec


def run_checks(spec: Spec) -> tuple[Diagnostic, ...]:
    """Every finding of every check."""
    return ()
