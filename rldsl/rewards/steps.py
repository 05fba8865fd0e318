"""Cuts texts into steps: at a separator, where a pattern matches, by a tag. Knows nothing of tokens.

A step is a stretch of the text, from where it starts to where the next one does: what separates two steps belongs to the one
before, what precedes the first to the first. Its value is what it says, without the separator and the white space around it.
Every text has at least one step; a piece that holds nothing but white space is none, and belongs to the step before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from rldsl.rewards.outcome import Failure
from rldsl.rewards.places import Places
from rldsl.rewards.pool import Job

Separators: TypeAlias = Sequence[Sequence[int]]  # where each starts and ends


def split_texts(settings: Mapping[str, Any], texts: Sequence[str],
                separators: Sequence[Separators | Failure] | None = None) -> list[Places | Failure]:
    """The steps of each text. `separators` are what a pattern matched in it, which is found elsewhere (`pattern_job`)."""
    if settings.get("tag") is not None:
        return [_tagged(text, str(settings["tag"])) for text in texts]
    if separators is None:
        separators = [_occurrences(text, str(settings["at"])) for text in texts]
    return [found if isinstance(found, Failure) else _between(text, found) for text, found in zip(texts, separators, strict=True)]


def cut_at(text: str, starts: Sequence[int]) -> Places:
    """The steps of a text that begin at the characters `starts`, and the one that begins the text."""
    bounds = [0, *starts, len(text)]
    return _steps(text, ((start, start, stop) for start, stop in pairwise(bounds)))


def pattern_job(settings: Mapping[str, Any]) -> Job | None:
    """What finds the separators of a pattern: a pattern may backtrack for ever, and runs in a child process with a deadline."""
    if settings.get("pattern") is None:
        return None
    given = {"pattern": settings["pattern"]}
    return Job(f"separators {settings['pattern']} {settings['timeout']}", "separators", given, float(settings["timeout"]))


def _occurrences(text: str, separator: str) -> list[tuple[int, int]]:
    return [(found.start(), found.end()) for found in re.finditer(re.escape(separator), text)]


def _between(text: str, separators: Separators) -> Places:
    ends = [*(start for start, _ in separators), len(text)]
    starts = [0, *(stop for _, stop in separators)]
    return _steps(text, ((start, start, stop) for start, stop in zip(starts, ends, strict=True)))


def _tagged(text: str, tag: str) -> Places:
    """The contents of `<tag>…</tag>`; the last one may lack its end."""
    name = re.escape(tag)
    found = re.finditer(rf"<{name}>(.*?)(?:</{name}>|(?=<{name}>)|\Z)", text, re.DOTALL)
    pieces = [(match.start(), match.start(1), match.end(1)) for match in found]
    return _steps(text, pieces or [(0, 0, len(text))])


def _steps(text: str, pieces: Iterable[tuple[int, int, int]]) -> Places:
    """From where each piece starts, and where what it says starts and stops."""
    kept = [(place, text[start:stop].strip()) for place, start, stop in pieces]
    steps = [(place, said) for place, said in kept if said] or [(0, text.strip() if not kept else "")]
    return Places(tuple(said for _, said in steps), (0, *(place for place, _ in steps[1:])))
