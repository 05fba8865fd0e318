"""Cuts a text into tokens, lazily, and finds documentation comments. Decides nothing that depends on the grammar.

A word beside `:` is a `KEY`, a word beside `<-` a `STATE`, a `(` on the line of what stands before it a `CALL`; `others` names
what each may be instead, and the parser takes the first that fits where it stands.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from math import isinf
from typing import NamedTuple

BAD = "BAD"
END = "$END"

_GAP = r"(?:[ \t\r\n\f\v]|\#[^\n]*+)*+"
# Possessive are single characters alone: up to Python 3.11.4, a possessive group that fails halfway keeps what it has taken.
_DECIMAL = r"[0-9]++(?:\.[0-9]++|(?!\.[0-9]))"
_TOKEN = re.compile(rf"""
    [ \t\r\n\f\v]*+ (?:
      (?P<word>[A-Za-z_][A-Za-z0-9_]*+) (?! [^\W\d] ) (?={_GAP}(?P<after>:(?!=)|<-)?)
    | (?P<mark>->|<-|\.\.(?!\.)|==(?!=)|!=|<=|>=|[-+:](?!=)|/(?![/=*])|[<>](?![<>])|\*(?!\*)|=(?![=>])|\.(?!\.)
             |[\^~@,()\[\]{{}}])
    | (?P<duration>{_DECIMAL}(?:ms|s|m|h)(?!\w))
    | (?P<number>{_DECIMAL}(?:[eE][+-]?+[0-9]++|(?![eE][+-]?+[0-9]))(?!\w))
    | (?P<string>"[^"\\\n]*+(?:\\["\\nt][^"\\\n]*+)*")
    | (?P<comment>\#[^\n]*+)
    | (?P<end>\Z)
    | (?P<bad>"[^"\\\n]*+(?:\\[^\n][^"\\\n]*+)*["\\]?|'[^'\\\n]*+(?:\\[^\n][^'\\\n]*+)*'?|[0-9][\w.]*+|\w++
            |&&|\|\||\*\*|/[/*]|<>|\.\.\.|===|=>|[-+*/:]=|<<|>>|.)
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


def doc_before(text: str, comments: Sequence[Comment], start: int) -> str:
    """The documentation of what begins at `start`: the `##` lines directly above it, without the marks."""
    place = bisect_left(comments, start, key=_start_of) - 1
    block: list[Comment] = []
    while place >= 0 and _stands_above(text, comments[place], start):
        block.append(comments[place])
        start = comments[place].start
        place -= 1
    return _doc_text(reversed(block))


def module_doc(text: str, comments: Sequence[Comment]) -> str:
    """The first block of `##` lines, where no declaration stands before it and a blank line, or nothing, behind it."""
    first = next((place for place, comment in enumerate(comments) if comment.text.startswith("##")), None)
    if first is None or not _ONLY_COMMENTS.fullmatch(text, 0, comments[first].start):
        return ""
    last = first
    while last + 1 < len(comments) and _stands_above(text, comments[last], comments[last + 1].start) and (
            comments[last + 1].text.startswith("##")):
        last += 1
    after = _SPACES.match(text, comments[last].end)
    end = after.end() if after else len(text)
    followed = end < len(text) and text.count("\n", comments[last].end, end) == 1
    return "" if followed else _doc_text(comments[first : last + 1])


_SPACES = re.compile(r"[ \t\r\n\f\v]*+")
_ONLY_COMMENTS = re.compile(r"\ufeff?(?:[ \t\r\n\f\v]|#[^\n]*+)*+")


def _start_of(comment: Comment) -> int:
    return comment.start


def _stands_above(text: str, comment: Comment, start: int) -> bool:
    """Whether a comment is documentation on the line just above what begins at `start`."""
    line_start = text.rfind("\n", 0, comment.start) + 1
    between = text[comment.end : start] if start - comment.end < 1000 else "\n\n"
    return (comment.text.startswith("##") and not between.strip() and between.count("\n") == 1
            and not text[line_start : comment.start].strip(" \t\ufeff"))


def _doc_text(block: Iterable[Comment]) -> str:
    return "\n".join(comment.text[2:].removeprefix(" ").rstrip() for comment in block)
