"""Texts that are to have parts in tags, as `<think>…</think> <answer>…</answer>`, or to be XML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.parsers import expat

_DECLARED = re.compile(r"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def tags_in_order(text: str, tags: Sequence[str]) -> int:
    """How many of the tags are there as they should be: opened once, closed once, and after the end of those before it."""
    end, count = 0, 0
    for tag in tags:
        span = _span(text, tag)
        if span is not None and span[0] >= end:
            end, count = span[1], count + 1
    return count


def nothing_outside(text: str, tags: Sequence[str]) -> bool:
    """Whether only white space stands outside of the tags, all of which are there in order."""
    end = 0
    for tag in tags:
        span = _span(text, tag)
        if span is None or text[end:span[0]].strip():
            return False
        end = span[1]
    return not text[end:].strip()


def is_xml(text: str) -> bool:
    """Whether the text is one well-formed XML element. Document types and entities of its own are refused."""
    if _DECLARED.search(text):
        return False
    parser = expat.ParserCreate("utf-8")
    try:
        parser.Parse(text.strip().encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError:
        return False
    return True


def _span(text: str, tag: str) -> tuple[int, int] | None:
    opening, closing = f"<{tag}>", f"</{tag}>"
    if text.count(opening) != 1 or text.count(closing) != 1:
        return None
    start, end = text.index(opening), text.index(closing)
    return (start, end + len(closing)) if start < end else None
