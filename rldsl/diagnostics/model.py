"""The one error value for users' mistakes. Rendering is elsewhere; a bug of the compiler is `InternalError`, never this."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from rldsl.source import Span

MOST_TITLE = 60
MOST_LABEL = 40


class Severity(StrEnum):
    """How much a finding matters: errors stop compilation, notes are shown with `--pedantic` alone."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Label:
    """A piece of source and what this text is (at most 40 characters)."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Edit:
    """A mechanical change that mends the fault: replace `span` by `text`."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A finding: title names the fault in the user's words, `why` the consequence, `fix` the code to write.

    Codes: `RL0xx` syntax, names and structure; the rest as in `docs/checks.md`. Codes are stable.
    """

    code: str
    severity: Severity
    title: str
    primary: Label
    others: tuple[Label, ...] = ()
    why: str = ""
    fix: str = ""
    edit: Edit | None = None


class InternalError(Exception):
    """A bug of the compiler itself; its text asks for a report and never blames the spec."""


class SpecError(Exception):
    """Raised by the embedding API alone when a spec with errors is compiled; carries the diagnostics."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...], rendered: str) -> None:
        super().__init__(rendered)
        self.diagnostics = diagnostics


def error(code: str, title: str, span: Span, label: str = "", *, why: str = "", fix: str = "",
          others: Iterable[Label] = (), edit: Edit | None = None) -> Diagnostic:
    """An error diagnostic; the short way to write one. Long names in title and labels are cut."""
    return _made(Severity.ERROR, code, title, Label(span, label), others, why, fix, edit)


def warning(code: str, title: str, span: Span, label: str = "", *, why: str = "", fix: str = "",
            others: Iterable[Label] = (), edit: Edit | None = None) -> Diagnostic:
    """A warning diagnostic."""
    return _made(Severity.WARNING, code, title, Label(span, label), others, why, fix, edit)


def note(code: str, title: str, span: Span, label: str = "", *, why: str = "", fix: str = "",
         others: Iterable[Label] = (), edit: Edit | None = None) -> Diagnostic:
    """A note, shown with `--pedantic`."""
    return _made(Severity.NOTE, code, title, Label(span, label), others, why, fix, edit)


def _made(severity: Severity, code: str, title: str, primary: Label, others: Iterable[Label], why: str, fix: str,
          edit: Edit | None) -> Diagnostic:
    return Diagnostic(code, severity, _cut(title, MOST_TITLE), _cut_label(primary), tuple(map(_cut_label, others)), why, fix,
                      edit)


def _cut_label(label: Label) -> Label:
    return label if len(label.text) <= MOST_LABEL else Label(label.span, _cut(label.text, MOST_LABEL))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def sort_diagnostics(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """By position, then code; equal findings once."""
    unique = dict.fromkeys(found)
    return tuple(sorted(unique, key=lambda d: (d.primary.span, d.code, d.title)))
