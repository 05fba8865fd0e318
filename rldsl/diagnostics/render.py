"""Diagnostics as text for people: the one place where the error value becomes prose. Decides nothing about meaning.

Whatever a source holds is shown safely: tabs as spaces, control and direction characters escaped, wide characters counted
as two columns, long lines cut around what is labelled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from unicodedata import category, combining, east_asian_width

from rldsl.diagnostics.model import Diagnostic, Label, Severity
from rldsl.source import Source, Span

WIDTH = 100
TAB = "    "
_BEFORE = 40  # columns kept to the left of a label where a line is cut
_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_STYLES = {Severity.ERROR: "1;31", Severity.WARNING: "1;33", Severity.NOTE: "1;36"}
_BOLD, _QUIET = "1", "34"


def render_diagnostics(diagnostics: Sequence[Diagnostic], sources: Mapping[str, Source], *, color: bool,
                       limit: int = 20) -> str:
    """The first `limit` findings in their order, a blank line between two, and how many more there are."""
    shown = ["".join(f"{line}\n" for line in _lines(diagnostic, sources, _Paint(color)))
             for diagnostic in diagnostics[:limit]]
    if len(diagnostics) > limit:
        shown.append(f"and {len(diagnostics) - limit} more\n")
    return "\n".join(shown)


@dataclass(frozen=True, slots=True)
class _Paint:
    color: bool

    def __call__(self, style: str, text: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.color and text else text


@dataclass(frozen=True, slots=True)
class _Mark:
    """One row of carets: under line `line`, from column `start` to `end` (from 0), with its text."""

    line: int
    start: int
    end: int
    text: str
    is_primary: bool


# ------------------------------------------------------------------ one finding
def _lines(diagnostic: Diagnostic, sources: Mapping[str, Source], paint: _Paint) -> Iterator[str]:
    style = _STYLES[diagnostic.severity]
    yield paint(style, f"{diagnostic.severity}[{diagnostic.code}]") + paint(_BOLD, f": {shown_safely(diagnostic.title)}")
    labels = [(diagnostic.primary, True), *((label, False) for label in diagnostic.others)]
    groups = {file: [pair for pair in labels if pair[0].span.file == file]
              for file in dict.fromkeys(label.span.file for label, _ in labels)}
    marks = {file: _marks(sources[file], group) for file, group in groups.items() if file in sources}
    gutter = max([2, *(len(str(mark.line)) for found in marks.values() for mark in found)])
    for file, group in groups.items():
        arrow = "-->" if file == diagnostic.primary.span.file else ":::"
        yield paint(_QUIET, f"{' ' * gutter}{arrow} ") + _place(group[0][0].span, sources)
        if file in sources:
            yield from _excerpt(sources[file], marks[file], gutter, style, paint)
    yield from _prose(diagnostic, paint)


def _place(span: Span, sources: Mapping[str, Source]) -> str:
    if span.file not in sources:
        return shown_safely(span.file)
    source = sources[span.file]
    line, column = source.position(min(span.start, len(source.text)))
    return f"{shown_safely(span.file)}:{line}:{column}"


def _prose(diagnostic: Diagnostic, paint: _Paint) -> Iterator[str]:
    for head, text in (("why", diagnostic.why), ("fix", diagnostic.fix)):
        for number, line in enumerate(_wrapped(text)):
            yield (paint(_BOLD, f" {head}: ") if number == 0 else " " * 6) + line
    yield f"      rldsl explain {diagnostic.code}"


def _wrapped(text: str) -> list[str]:
    """Lines of at most `WIDTH` columns; lines that are indented, code mostly, are left as they are."""
    found: list[str] = []
    for line in shown_safely(text, keep="\n").split("\n") if text else []:
        is_code = line.startswith(" ")
        found += [line] if is_code else wrap(line, WIDTH - 6, break_long_words=False, break_on_hyphens=False) or [""]
    return found


# ------------------------------------------------------------------ source lines
def _marks(source: Source, labels: Sequence[tuple[Label, bool]]) -> list[_Mark]:
    found = [mark for label, is_primary in labels for mark in _label_marks(source, label, is_primary)]
    return sorted(found, key=lambda mark: (mark.line, -mark.start, not mark.is_primary))


def _label_marks(source: Source, label: Label, is_primary: bool) -> Iterator[_Mark]:
    """One mark; two where the label spans lines: to the end of the first, from the start of the last, which has the text."""
    size = len(source.text)
    start, end = min(label.span.start, size), min(max(label.span.start, label.span.end), size)
    line, column = source.position(start)
    last, end_column = source.position(max(start, end - 1))
    if last == line:
        yield _Mark(line, column - 1, column - 1 + max(1, end - start), label.text, is_primary)
        return
    yield _Mark(line, column - 1, max(column, source.line_starts[line] - source.line_starts[line - 1] - 1), "", is_primary)
    last_start = source.line_starts[last - 1]
    blanks = re.compile(r"[ \t]*").match(source.text, last_start)
    indent = blanks.end() - last_start if blanks else 0
    yield _Mark(last, min(indent, end_column - 1), end_column, label.text, is_primary)


def _excerpt(source: Source, marks: Sequence[_Mark], gutter: int, style: str, paint: _Paint) -> Iterator[str]:
    bar = paint(_QUIET, f"{' ' * gutter} |")
    yield bar
    for line in sorted({mark.line for mark in marks}):
        under = [mark for mark in marks if mark.line == line]
        first = min(mark.start for mark in under)
        window = _window(source, line, first)
        yield f"{paint(_QUIET, f'{line:>{gutter}} |')} {window.text}".rstrip()
        for mark in under:
            yield f"{bar} {_carets(window, mark, style, paint)}"
    yield bar


def _carets(window: _Window, mark: _Mark, style: str, paint: _Paint) -> str:
    start, end = window.column(mark.start), window.column(mark.end)
    carets = ("^" if mark.is_primary else "-") * max(1, end - start)
    text = f"{carets} {shown_safely(mark.text)}".rstrip()
    return " " * start + paint(style if mark.is_primary else _QUIET, text)


@dataclass(frozen=True, slots=True)
class _Window:
    """The shown part of a line: its text, the first column of the line in it, and the width of what is before each."""

    text: str
    first: int
    columns: tuple[int, ...]

    def column(self, place: int) -> int:
        """Where the character in column `place` of the line is shown."""
        return self.columns[min(max(place - self.first, 0), len(self.columns) - 1)]


def _window(source: Source, line: int, label_start: int) -> _Window:
    begin = source.line_starts[line - 1]
    end = source.line_starts[line] - 1 if line < len(source.line_starts) else len(source.text)
    end -= end > begin and source.text[end - 1] == "\r"
    first = 0 if end - begin <= WIDTH else max(0, min(label_start - _BEFORE, end - begin - WIDTH))
    pieces, columns = ["…"] if first else [], [1 if first else 0]
    for char in source.text[begin + first : min(end, begin + first + WIDTH + 1)]:
        shown = TAB if char == "\t" else shown_safely(char)
        width = cells(shown)
        if columns[-1] + width > WIDTH:
            pieces.append("…")
            break
        pieces.append(shown)
        columns.append(columns[-1] + width)
    columns.append(columns[-1] + 1)
    return _Window("".join(pieces), first, tuple(columns))


# ------------------------------------------------------------------ characters
def shown_safely(text: str, keep: str = "") -> str:
    """The text with every character that would not print as itself escaped (`\\x1b`, `\\u202e`), but those in `keep`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char in keep or category(char) not in _ESCAPED else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)
