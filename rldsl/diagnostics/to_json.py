"""Diagnostics as plain data for editors and other programs. The keys are stable; lines and columns count from 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rldsl.diagnostics.model import Diagnostic, Label
from rldsl.source import Source, Span


def diagnostics_to_json(diagnostics: Iterable[Diagnostic], sources: Mapping[str, Source]) -> list[dict[str, Any]]:
    """One record for each finding; the end is just behind the text. Places in a file not in `sources` are null."""
    return [_record(diagnostic, sources) for diagnostic in diagnostics]


def _record(diagnostic: Diagnostic, sources: Mapping[str, Source]) -> dict[str, Any]:
    edit = diagnostic.edit
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "title": diagnostic.title,
        **_labelled(diagnostic.primary, sources),
        "others": [_labelled(label, sources) for label in diagnostic.others],
        "why": diagnostic.why,
        "fix": diagnostic.fix,
        "edit": None if edit is None else {**_place(edit.span, sources), "text": edit.text},
    }


def _labelled(label: Label, sources: Mapping[str, Source]) -> dict[str, Any]:
    return {**_place(label.span, sources), "label": label.text}


def _place(span: Span, sources: Mapping[str, Source]) -> dict[str, Any]:
    source = sources.get(span.file)
    line, column, end_line, end_column = (None,) * 4 if source is None else (
        *source.position(min(span.start, len(source.text))), *source.position(min(span.end, len(source.text))))
    return {"file": span.file, "line": line, "column": column, "end_line": end_line, "end_column": end_column}
