"""The code in an answer: its last fenced block, or the whole of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^\s`]*)[^`\n]*$")
_NAMES = {"python": ("python", "py", "python3"), "sql": ("sql", "sqlite", "sqlite3"), "javascript": ("javascript", "js", "node"),
          "cpp": ("cpp", "c++", "cc"), "bash": ("bash", "sh", "shell")}


def code_in(text: str, language: str, where: str) -> str | None:
    """The last closed block that says this language; where none does, the last that says nothing (beside code, that is what it
    printed). The text itself where `where` is `whole`."""
    if where == "whole":
        return text
    names = {language.lower(), *_NAMES.get(language.lower(), ())}
    named, bare = None, None
    for said, code in _blocks(text):
        if said.lower() in names:
            named = code
        elif not said:
            bare = code
    return bare if named is None else named


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and content of each fenced block that is closed, as Markdown has them."""
    fence, said, lines = "", "", list[str]()
    for line in text.split("\n"):
        if fence:
            bare = line.strip()
            if bare and set(bare) == {fence[0]} and len(bare) >= len(fence):
                yield said, "\n".join(lines)
                fence = ""
            else:
                lines.append(line)
        elif ("```" in line or "~~~" in line) and (match := _FENCE.match(line.rstrip("\r"))):
            fence, said, lines = match[1], match[2], []
