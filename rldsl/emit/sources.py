"""What emitted text says of the spec it comes from: the header, and the line that a node was written on."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from rldsl.emit.names import comment
from rldsl.graph.staged import StagedObjective
from rldsl.source import Source, Span


def source_line(span: Span | None, sources: Mapping[str, Source]) -> str | None:
    """`file:line: text` of the line on which a span starts; None where its text is not at hand."""
    if span is None or span.file not in sources:
        return None
    source = sources[span.file]
    number, _ = source.position(span.start)
    return f"{source.name}:{number}: {source.line(number).strip()}"


def header(staged: StagedObjective, sources: Mapping[str, Source]) -> list[str]:
    """Lines of the header: what this is, of which text, and how its parts couple."""
    named = [f"{source.name} ({source.digest[:16]})" for source in sources.values()]
    lines = [f"Objective {staged.name} for {staged.model}.",
             f"Coupling level: {staged.coupling.word}. A piece is a run of places of {staged.piece_axis.name}."]
    if named:
        lines.append(f"From {', '.join(named)}.")
    return [comment(line) for line in lines]


def digest(text: str) -> str:
    """SHA-256 of a text, as hexadecimal."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
