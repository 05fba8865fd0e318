"""`check` and `fmt` over files: reads, calls the library, prints findings. The rim of the front end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rldsl.compiler import CheckResult, check_source
from rldsl.diagnostics import Diagnostic, Severity
from rldsl.diagnostics.render import render_diagnostics
from rldsl.diagnostics.to_json import diagnostics_to_json
from rldsl.loading import library_source, project_loader, read_source
from rldsl.resolve.modules import LoadFailure
from rldsl.source import Source


def wants_color(stream: object) -> bool:
    """Whether to colour: a terminal, and `NO_COLOR` unset."""
    return bool(getattr(stream, "isatty", lambda: False)()) and "NO_COLOR" not in os.environ


def open_source(path: Path | str) -> Source | LoadFailure:
    """A spec by its path, `-` for the standard input, or `std.name` for a library module."""
    text = str(path)
    if text == "-":
        return Source("<stdin>", sys.stdin.buffer.read().decode("utf-8", "replace"))
    if text.startswith("std.") and not Path(text).exists():
        return library_source(text)
    return read_source(Path(text))


def folder_of(path: Path | str) -> Path:
    """The project of a spec: the folder it lies in."""
    text = str(path)
    return Path.cwd() if text == "-" or text.startswith("std.") else Path(text).parent


def check_path(path: Path | str, overrides: Mapping[str, str]) -> CheckResult | LoadFailure:
    """Read and check one spec."""
    source = open_source(path)
    if isinstance(source, LoadFailure):
        return source
    folder = folder_of(path)
    return check_source(source, project_loader(folder, Path() if str(path) == "-" else folder), overrides)


def check_files(paths: Sequence[Path], overrides: Mapping[str, str], *, as_json: bool, pedantic: bool) -> int:
    """The `check` command; 1 where there is an error."""
    documents: list[dict[str, object]] = []
    worst = 0
    for path in paths:
        result = check_path(path, overrides)
        if isinstance(result, LoadFailure):
            worst = 1
            documents.append({"file": str(path), "unreadable": result.title, "why": result.why, "fix": result.fix})
            if not as_json:
                print_failure(path, result)
            continue
        shown = visible(result.diagnostics, pedantic)
        worst = max(worst, 1 if result.errors else 0)
        documents.append({"file": str(path), "diagnostics": diagnostics_to_json(shown, result.sources)})
        if not as_json:
            print_findings(path, shown, result.sources)
    if as_json:
        print(json.dumps(documents, indent=2, ensure_ascii=False))
    return worst


def visible(found: Sequence[Diagnostic], pedantic: bool) -> tuple[Diagnostic, ...]:
    """Notes only where they are asked for."""
    return tuple(entry for entry in found if pedantic or entry.severity is not Severity.NOTE)


def print_failure(path: Path | str, failure: LoadFailure) -> None:
    """A spec that cannot be read."""
    print(f"error: {failure.title}\n  --> {path}\n why: {failure.why}\n fix: {failure.fix}", file=sys.stderr)


def print_findings(path: Path | str, found: Sequence[Diagnostic], sources: Mapping[str, Source]) -> None:
    """The findings of one spec and a line that counts them."""
    if found:
        sys.stdout.write(render_diagnostics(found, sources, color=wants_color(sys.stdout)))
    errors = sum(entry.severity is Severity.ERROR for entry in found)
    warnings = sum(entry.severity is Severity.WARNING for entry in found)
    if errors or warnings:
        print(f"\n{path}: {counted(errors, 'error')}, {counted(warnings, 'warning')}")
    else:
        print(f"{path}: fine")


def counted(number: int, word: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def format_files(paths: Sequence[Path], *, check_only: bool) -> int:
    """The `fmt` command; 1 where something is wrong, or would change under `--check`."""
    from rldsl.syntax.format import format_module
    worst = 0
    for path in paths:
        source = open_source(path)
        if isinstance(source, LoadFailure):
            print_failure(path, source)
            worst = 1
            continue
        text, faults = format_module(source)
        if text is None or faults:
            sys.stdout.write(render_diagnostics(faults, {source.name: source}, color=wants_color(sys.stdout)))
            worst = 1
        elif str(path) == "-" and not check_only:
            sys.stdout.write(text)
        elif text != source.text:
            worst = max(worst, 1 if check_only else 0)
            print(f"{path}: {'would change' if check_only else 'formatted'}")
            if not check_only:
                path.write_text(text, encoding="utf-8", newline="\n")
    return worst
