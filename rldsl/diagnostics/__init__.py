"""Findings for users: the value (`model`), the terminal form (`render`), the machine form (`to_json`)."""

from rldsl.diagnostics.model import (
    Diagnostic,
    Edit,
    InternalError,
    Label,
    Severity,
    SpecError,
    error,
    note,
    sort_diagnostics,
    warning,
)

__all__ = ["Diagnostic", "Edit", "InternalError", "Label", "Severity", "SpecError", "error", "note",
           "sort_diagnostics", "warning"]
