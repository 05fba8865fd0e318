"""Where reading goes on after a fault: the next line that begins a declaration. Says nothing to the user."""

from __future__ import annotations

import re

from rldsl.source import Source
from rldsl.syntax.machine import Stuck
from rldsl.syntax.tokens import Token

DECLARATIONS = ("import", "param", "data", "policy", "critic", "scorer", "embedder", "judge", "rollout", "response", "rubric",
                "reward", "let", "fn", "extern", "state", "sampler", "buffer", "objective", "guard", "eval", "test",
                "train", "plan")
_BEGINNING = re.compile(rf"""
    (?:^[ \t]*\#\#[^\n]*\n)*                                # its documentation
    ^([ \t]*) (?: (?:{'|'.join(DECLARATIONS)})\b (?![ \t]*(?::|<-)) | [A-Za-z_]\w*[ \t]*<- )""", re.MULTILINE | re.VERBOSE)


def next_declaration(source: Source, stuck: Stuck) -> int | None:
    """The offset of the next declaration that is indented no deeper than the faulty one; None if there is none.

    It may be the very text at fault, where what came before was not closed.
    """
    indent = indent_of(source, stuck.seen[0] if stuck.seen else stuck.token)
    token = stuck.seen[-1] if begins_next(source, stuck.seen) else stuck.token
    line, _ = source.position(token.start)
    if not (stuck.seen and begins_line(source, token)):
        line += 1
    if line > len(source.line_starts):
        return None
    for match in _BEGINNING.finditer(source.text, source.line_starts[line - 1]):
        if len(match[1]) <= indent:
            return match.start()
    return None


def begins_next(source: Source, seen: tuple[Token, ...]) -> bool:
    """Whether the last token seen begins the next declaration, taken for a name because a value was missing."""
    return len(seen) > 1 and seen[-1].text in DECLARATIONS and begins_line(source, seen[-1])


def begins_line(source: Source, token: Token) -> bool:
    """Whether nothing but blanks stands before a token on its line."""
    return not source.text[source.text.rfind("\n", 0, token.start) + 1 : token.start].strip()


def indent_of(source: Source, token: Token) -> int:
    """How many blanks begin the line of a token."""
    blanks = _BLANKS.match(source.text, source.text.rfind("\n", 0, token.start) + 1)
    return len(blanks[0]) if blanks else 0


_BLANKS = re.compile(r"[ \t]*+")
