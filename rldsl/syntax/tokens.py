"""Cuts a text into tokens, lazily, and finds documentation comments. Decides nothing that depends on the grammar.

A word beside `:` is a `KEY`, a word beside `<-` a `STATE`, a `(` on the line of what stands before it a `CALL`; `others` names
what each may be instead, and the parser takes the first that fits where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from math import isinf
from typing import NamedTuple

BAD = "BAD"
END = "$END"

_GAP = r"(?:[ \t\r\n\f\v]|\#[^\n]*+)*+"
_TOKEN = re.compile(rf"""
    [ \t\r\n\f\v]*+ (?:
      (?P<word>[A-Za-z_][A-Za-z0-9_]*+) (?! [^\W\d] ) (?={_GAP}(?P<after>:(?!=)|<-)?+)
    | (?P<mark>->|<-|\.\.(?!\.)|==(?!=)|!=|<=|>=|[-+:](?!=)|/(?![/=*])|[\^~@,()\[\]{{}}]|[<>](?![<>])|\*(?!\*)|=(?![=>])|\.(?!\.))
    | (?P<duration>[0-9]++(?:\.[0-9]++)?+(?:ms|s|m|h)(?!\w))
    | (?P<number>[0-9]++(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+(?!\w))
    | (?P<string>"(?:[^"\\\n]|\\["\\nt])*+")
    | (?P<comment>\#[^\n]*+)
    | (?P<end>\Z)
    | (?P<bad>"(?:[^"\\\n]|\\[^\n])*+["\\]?+|'(?:[^'\\\n]|\\[^\n])*+'?+|[0-9][\w.]*+|\w++|&&|\|\||\*\*|/[/*]|<>|\.\.\.|===|=>|[-+*/:]=|<<|>>|.)
    )""", re.VERBOSE | re.DOTALL)


class Token(NamedTuple):
    """A piece of text; `kind` is what it is, `others` what it may be instead, the likeliest first."""

    kind: str
    text: str
    start: int
    end: int
    others: tuple[str, ...] = ()


class Comment(NamedTuple):
    """A `# …` comment without its line end."""

    text: str
    start: int
    end: int


def read_tokens(text: str, start: int, keywords: AbstractSet[str], comments: list[Comment]) -> Iterator[Token]:
    """The tokens from offset `start` on, the last of kind `END`; comments passed on the way are put into `comments`."""
    previous_end, previous_opens = start, True
    for match in _TOKEN.finditer(text, start):
        group = match.lastgroup
        if group == "word":
            token = _plain_word(match["word"], match, keywords)
        elif group == "mark":
            begin, end = match.span("mark")
            mark = text[begin:end]
            if mark == "(" and not previous_opens and text.find("\n", previous_end, begin) < 0:
                token = Token("CALL", mark, begin, end, ("(",))
            else:
                token = Token(mark, mark, begin, end)
        elif group == "comment":
            comments.append(Comment(match["comment"], *match.span("comment")))
            continue
        else:
            token = _other_token(group, match, keywords)
        yield token
        if token.kind == END:
            return
        previous_end, previous_opens = token.end, token.text in _OPENERS


_OPENERS = frozenset("([{,")
_FOREIGN = frozenset({"True", "False", "None"})


def _plain_word(word: str, match: re.Match[str], keywords: AbstractSet[str]) -> Token:
    start, end = match.span("word")
    if word in _FOREIGN:
        return Token(BAD, word, start, end)
    if word in keywords:
        return Token(word, word, start, end, ("NAME",))
    return Token("NAME", word, start, end)


def _other_token(group: str | None, match: re.Match[str], keywords: AbstractSet[str]) -> Token:
    if group == "after":
        word = match["word"]
        kind = "KEY" if match["after"] == ":" else "STATE"
        return Token(kind, word, *match.span("word"), (word, "NAME") if word in keywords else ("NAME",))
    assert group is not None
    if group == "number" and isinf(float(match[group])):
        return Token(BAD, match[group], *match.span(group))
    kind = {"number": "NUMBER", "duration": "DURATION", "string": "STRING", "end": END}.get(group, BAD)
    return Token(kind, match[group], *match.span(group))


def read_docs(text: str, comments: list[Comment]) -> tuple[str, dict[int, str]]:
    """The module's documentation, and that of what begins at each offset.

    A block of `##` lines belongs to what stands on the next line; at the top of the file, with a blank line after it,
    it belongs to the module. Plain comments may stand before that.
    """
    module: str | None = None
    found: dict[int, str] = {}
    for block in _doc_blocks(text, comments):
        after = _first_after(text, block[-1].end)
        doc = "\n".join(comment.text[2:].removeprefix(" ").rstrip() for comment in block)
        if text.count("\n", block[-1].end, after) == 1 and after < len(text):
            found[after] = doc
        elif module is None and _ONLY_COMMENTS.fullmatch(text, 0, block[0].start):
            module = doc
    return module or "", found


def _first_after(text: str, offset: int) -> int:
    match = _SPACES.match(text, offset)
    return match.end() if match else offset


_SPACES = re.compile(r"[ \t\r\n\f\v]*+")
_ONLY_COMMENTS = re.compile(r"\ufeff?(?:[ \t\r\n\f\v]|#[^\n]*+)*+")


def _doc_blocks(text: str, comments: list[Comment]) -> Iterator[list[Comment]]:
    block: list[Comment] = []
    for comment in comments:
        if not comment.text.startswith("##"):
            continue
        between = text[block[-1].end : comment.start] if block else ""
        if block and (between.strip() or between.count("\n") != 1):
            yield block
            block = []
        line_start = text.rfind("\n", 0, comment.start) + 1
        if block or not text[line_start : comment.start].strip(" \t\ufeff"):
            block.append(comment)
    if block:
        yield block
