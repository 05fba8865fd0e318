"""Cuts texts into steps: at a separator, where a pattern matches, by a tag. Knows nothing of tokens.

A step is a stretch of the text, from where it starts to where the next one does: what separates two steps belongs to the one
before, what precedes the first to the first. Its value is what it says, without the separator and the white space around it.
Every text has at least one step; a piece that holds nothing but white space is none, and belongs to the step before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeAlias

from rldsl.diagnostics import InternalError
from rldsl.rewards.outcome import Failure
from rldsl.rewards.places import Places
from rldsl.rewards.pool import Job

Separators: TypeAlias = Sequence[Sequence[int]]  # where each starts and ends


@dataclass(frozen=True, slots=True)
class Piece:
    """A step in its text: from where on it is one, what it says, and behind which character that ends."""

    start: int
    said: str
    stop: int


def split_texts(settings: Mapping[str, Any], texts: Sequence[str],
                separators: Sequence[Separators | Failure] | None = None) -> list[Places | Failure]:
    """The steps of each text. `separators` are what a pattern matched in it, which is found elsewhere (`pattern_job`)."""
    given = [None] * len(texts) if separators is None else separators
    return [found if isinstance(found, Failure) else _places(pieces_of(settings, text, found))
            for text, found in zip(texts, given, strict=True)]


def pieces_of(settings: Mapping[str, Any], text: str, separators: Separators | None = None) -> list[Piece]:
    """The steps of one text, at least one; `separators` as for `split_texts`."""
    if settings.get("tag") is not None:
        return _tagged(text, str(settings["tag"]))
    return _between(text, _occurrences(text, str(settings["at"])) if separators is None else separators)


def _places(pieces: Sequence[Piece]) -> Places:
    return Places(tuple(piece.said for piece in pieces), tuple(piece.start for piece in pieces))


def cut_at(text: str, starts: Sequence[int]) -> Places:
    """The steps of a text that begin at the characters `starts`, and the one that begins the text."""
    bounds = [0, *starts, len(text)]
    return _places(_steps(text, ((start, start, stop) for start, stop in pairwise(bounds))))


def pieces_said(text: str, steps: Sequence[str]) -> list[Piece]:
    """The steps that `cut_at` gave, found again by what they say: but for white space they are all of the text."""
    found, done = list[Piece](), 0
    for said in steps:
        start = done + len(text[done:]) - len(text[done:].lstrip()) if said else 0
        if not text.startswith(said, start):
            raise InternalError(f"the step {said!r} is not where the one before it ends")
        done = start + len(said)
        found.append(Piece(start if found else 0, said, done))
    return found


def pattern_job(settings: Mapping[str, Any]) -> Job | None:
    """What finds the separators of a pattern: a pattern may backtrack for ever, and runs in a child process with a deadline."""
    if settings.get("pattern") is None:
        return None
    given = {"pattern": settings["pattern"]}
    return Job(f"separators {settings['pattern']} {settings['timeout']}", "separators", given, float(settings["timeout"]))


def _occurrences(text: str, separator: str) -> list[tuple[int, int]]:
    return [(found.start(), found.end()) for found in re.finditer(re.escape(separator), text)]


def _between(text: str, separators: Separators) -> list[Piece]:
    ends = [*(start for start, _ in separators), len(text)]
    starts = [0, *(stop for _, stop in separators)]
    return _steps(text, ((start, start, stop) for start, stop in zip(starts, ends, strict=True)))


def _tagged(text: str, tag: str) -> list[Piece]:
    """The contents of `<tag>…</tag>`; the last one may lack its end."""
    name = re.escape(tag)
    found = re.finditer(rf"<{name}>(.*?)(?:</{name}>|(?=<{name}>)|\Z)", text, re.DOTALL)
    pieces = [(match.start(), match.start(1), match.end(1)) for match in found]
    return _steps(text, pieces or [(0, 0, len(text))])


def _steps(text: str, pieces: Iterable[tuple[int, int, int]]) -> list[Piece]:
    """From where each piece starts, and where what it says starts and stops."""
    found = [Piece(place, said, start + len(text[start:stop].rstrip())) for place, start, stop in pieces
             if (said := text[start:stop].strip())]
    return [replace(found[0], start=0), *found[1:]] if found else [Piece(0, "", 0)]
