"""A pretty-printer over small documents: lines that break together, indentation, comments that are never lost.

Knows nothing of the grammar. Does not recurse: documents may be as deep as the text they came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

WIDTH = 100
INDENT = 2


@dataclass(frozen=True, slots=True)
class Remark:
    """A comment on a line of its own; `blank` says that a blank line was before it."""

    text: str
    blank: bool


@dataclass(frozen=True, slots=True)
class Leaf:
    """A piece of text with the comments above it and the one behind it."""

    text: str
    above: tuple[Remark, ...] = ()
    behind: str = ""
    blank: bool = False

    @property
    def breaks(self) -> bool:
        """Whether a line must break inside."""
        return bool(self.above)

    @property
    def trails(self) -> bool:
        """Whether a line must break behind."""
        return bool(self.behind)


@dataclass(frozen=True, slots=True)
class Line:
    """`flat` where its group fits on the line, else a line break."""

    flat: str = " "
    breaks: bool = False
    trails: bool = False


@dataclass(frozen=True, slots=True)
class FlatOnly:
    """Text that stands only where its group fits on the line."""

    text: str
    breaks: bool = False
    trails: bool = False


@dataclass(frozen=True, slots=True)
class Between:
    """A line break between statements: after it a blank line if `blank`, or if the user has one and `keeps`."""

    blank: bool = False
    keeps: bool = True
    breaks: bool = True
    trails: bool = False


@dataclass(frozen=True, slots=True)
class Joined:
    """Parts one behind the other."""

    parts: tuple[Doc, ...]
    breaks: bool
    trails: bool


@dataclass(frozen=True, slots=True)
class Indented:
    """Its line breaks are indented by one more step."""

    part: Doc
    breaks: bool
    trails: bool


@dataclass(frozen=True, slots=True)
class Group:
    """On one line if it fits, else all of its own lines break."""

    part: Doc
    breaks: bool
    trails: bool


Doc: TypeAlias = Leaf | Line | FlatOnly | Between | Joined | Indented | Group

SPACE = Leaf(" ")
SOFT = Line("")
NOTHING = Leaf("")


def joined(*parts: Doc) -> Joined:
    """Parts one behind the other."""
    breaks = trails = False
    for part in parts:
        if part is NOTHING:
            continue
        breaks = breaks or trails or part.breaks
        trails = part.trails
    return Joined(parts, breaks, trails)


def indented(*parts: Doc) -> Doc:
    """Parts whose line breaks are indented."""
    inner = joined(*parts)
    return Indented(inner, inner.breaks, inner.trails)


def group(*parts: Doc) -> Doc:
    """Parts whose lines break together."""
    inner = joined(*parts)
    return Group(inner, inner.breaks, inner.trails)


def print_doc(doc: Doc) -> str:
    """The document as text, without blanks at line ends."""
    page = _Page()
    stack: list[tuple[int, bool, Doc]] = [(0, False, doc)]
    while stack:
        indent, flat, here = stack.pop()
        match here:
            case Leaf():
                page.leaf(here, indent)
            case Line():
                page.text(here.flat, indent) if flat else page.new_line(indent)
            case FlatOnly():
                page.text(here.text if flat else "", indent)
            case Between():
                page.between(here, indent)
            case Joined():
                stack.extend((indent, flat, part) for part in reversed(here.parts))
            case Indented():
                stack.append((indent + INDENT, flat, here.part))
            case Group():
                fits = flat or (not here.breaks and _fits(here.part, stack, WIDTH - page.column))
                stack.append((indent, fits, here.part))
    return page.finished()


def _fits(doc: Doc, rest: list[tuple[int, bool, Doc]], room: int) -> bool:
    """Whether `doc` on one line, and what follows up to the first place where it may break, fit into `room` columns."""
    todo: list[tuple[bool, Doc]] = [(True, doc)]
    below = len(rest)
    while room >= 0:
        if not todo:
            if below == 0:
                return True
            below -= 1
            todo.append(rest[below][1:])
        flat, here = todo.pop()
        match here:
            case Leaf():
                room -= len(here.text)
                if here.breaks or here.trails:
                    return room >= 0 or here.breaks
            case Line() if flat:
                room -= len(here.flat)
            case FlatOnly():
                room -= len(here.text) if flat else 0
            case Line() | Between():
                return True
            case Joined():
                todo.extend((flat, part) for part in reversed(here.parts))
            case Indented() | Group():
                todo.append((flat, here.part))
    return False


class _Page:
    """The text so far, and what is owed to it: a line break after a comment, a blank, a blank line."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self._owes_break = False
        self._owes_space = False
        self._may_blank = True
        self.column = 0

    def text(self, text: str, indent: int) -> None:
        """Put a text on the line; blanks only when something follows them."""
        if text == " ":
            self._owes_space = bool(self._line) and not self._owes_break
            return
        if not text:
            return
        self._owes_space = self._owes_space and not text.startswith(" ")
        if self._owes_break:
            self.new_line(indent)
        piece = " " * indent if not self._line else " " if self._owes_space else ""
        self._line += [piece, text]
        self.column = (self.column if len(self._line) > 2 else 0) + len(piece) + len(text)
        self._owes_space = self._may_blank = False

    def new_line(self, indent: int) -> None:
        """Begin a line, unless one has just begun."""
        if self._line:
            self._lines.append("".join(self._line).rstrip(" "))
        self._line, self.column = [], indent
        self._owes_break = self._owes_space = False

    def between(self, between: Between, indent: int) -> None:
        """Begin a line of a new statement."""
        self.new_line(indent)
        self._may_blank = between.keeps
        if between.blank:
            self._blank()

    def leaf(self, leaf: Leaf, indent: int) -> None:
        """Put a leaf with its comments."""
        for remark in leaf.above:
            may_blank = self._may_blank
            self.new_line(indent)
            if remark.blank and may_blank:
                self._blank()
            self.text(remark.text, indent)
            self._owes_break, self._may_blank = True, may_blank
        if leaf.blank and self._may_blank and leaf.text:
            self.new_line(indent)
            self._blank()
        self.text(leaf.text, indent)
        if leaf.behind:
            self.text(f"  {leaf.behind}" if self._line and not self._owes_break else leaf.behind, indent)
            self._owes_break = True

    def _blank(self) -> None:
        if self._lines and self._lines[-1]:
            self._lines.append("")

    def finished(self) -> str:
        """The whole text, with a line end if there is any."""
        self.new_line(0)
        return "".join(f"{line}\n" for line in self._lines)
