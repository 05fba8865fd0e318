"""The formatter: the one way a spec is written. Keeps every token and every comment; changes blanks, line ends and commas.

The rules of layout stand here, one function a grammar rule where the plain one (a blank between two parts) does not do; the
breaking of lines is in `layout`. A text with faults of form is not formatted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from rldsl.diagnostics.model import Diagnostic
from rldsl.source import Source
from rldsl.syntax import layout
from rldsl.syntax.layout import SOFT, SPACE, Between, Doc, FlatOnly, Leaf, Line, Remark, group, indented, joined
from rldsl.syntax.machine import Action, Machine
from rldsl.syntax.parse import LIMITS, parse, syntax_table
from rldsl.syntax.tokens import Comment, Token, read_tokens

MAX_ALIGNED = 60
_MODELS = ("model", "derived_model")
_KINDS = {"derived_model": "model", "import_path": "import_from", "assign": "state"}
_COMPOUND = frozenset({"repeat", "stage", "every", "when"})


@dataclass(frozen=True, slots=True)
class _Entry:
    """A statement or declaration of a kind."""

    kind: str
    doc: Doc


@dataclass(frozen=True, slots=True)
class _Row:
    """An entry in two columns: a field and its type, a criterion and its weight."""

    head: tuple[Doc, ...]
    width: int
    gap: int
    tail: Doc


@dataclass(frozen=True, slots=True)
class _Chain:
    """Operands of operators of one strength, which break together."""

    strength: str
    first: Doc
    rest: tuple[Doc, ...]


Part: TypeAlias = Doc | _Entry | _Row | _Chain


def format_module(source: Source) -> tuple[str | None, tuple[Diagnostic, ...]]:
    """The text in its one form; None where it does not parse, with what is wrong."""
    module, found = parse(source)
    if module is None or found:
        return None, found
    comments: list[Comment] = []
    table = syntax_table()
    tokens = list(read_tokens(source.text, 1 if source.text.startswith("\ufeff") else 0, table.keywords, comments))
    leaves = _leaves(source.text, tokens, comments)
    actions = {rule.name: _laid_out(rule.name, leaves) for rule in table.rules}
    entries, _ = Machine(table, actions, LIMITS, keep_all=True).run(tokens)
    return layout.print_doc(joined(*_top(entries), Between(), leaves[tokens[-1].start])), ()


def _top(entries: Sequence[_Entry]) -> list[Doc]:
    found: list[Doc] = []
    before = ""
    for entry in entries:
        kind = _KINDS.get(entry.kind, entry.kind)
        found += [Between(blank=bool(before) and kind != before), entry.doc]
        before = kind
    return found


# ------------------------------------------------------------------ comments
def _leaves(text: str, tokens: Sequence[Token], comments: Sequence[Comment]) -> dict[int, Leaf]:
    """Each token by its start, with the comments on the lines above it and the one behind it."""
    leaves: dict[int, Leaf] = {}
    waiting = iter(comments)
    comment = next(waiting, None)
    behind, last = None, 0
    for token in tokens:
        above: list[Remark] = []
        while comment is not None and comment.start < token.start:
            if behind is not None and not above and "\n" not in text[behind.end : comment.start]:
                leaves[behind.start] = replace(leaves[behind.start], behind=comment.text.rstrip())
            else:
                above.append(Remark(comment.text.rstrip(), text.count("\n", last, comment.start) > 1))
            last = comment.end
            comment = next(waiting, None)
        leaves[token.start] = Leaf(token.text, tuple(above), "", text.count("\n", last, token.start) > 1)
        behind, last = token, token.end
    return leaves


def _without_comments(closing: Doc) -> tuple[Doc, Doc]:
    """The comments before a closing bracket, which belong to what it closes, and the bracket."""
    if not isinstance(closing, Leaf):
        return layout.NOTHING, closing
    comments = Leaf("", closing.above) if closing.above else layout.NOTHING
    return comments, replace(closing, above=(), blank=False)


# ------------------------------------------------------------------ rules
def _laid_out(name: str, leaves: dict[int, Leaf]) -> Action:
    rule = _RULES.get(name, _spaced)
    strength = _STRENGTHS.get(name)

    def action(start: int, end: int, *parts: Any) -> Part:
        docs = [leaves[part.start] if isinstance(part, Token) else part for part in parts if part is not None]
        if strength:
            return _chain(strength, *docs)
        doc = rule(*(_closed(part, flush=name in _ASSIGNMENTS) for part in docs))
        return _Entry(name, doc) if name in _ENTRIES and not isinstance(doc, _Row) else doc

    return action


def _closed(part: Part, *, flush: bool = False) -> Any:
    """A chain as a group; `flush` where it stands on lines of its own already."""
    match part:
        case _Chain():
            return group(part.first, *part.rest) if flush else group(part.first, indented(*part.rest))
        case _:
            return part


def _chain(strength: str, left: Part, operator: Part, right: Part) -> Part:
    rest = (Line(), _closed(operator), SPACE, _closed(right))
    if isinstance(left, _Chain) and left.strength == strength:
        return _Chain(strength, left.first, left.rest + rest)
    return _Chain(strength, _closed(left), rest)


def _text(part: Part) -> str:
    return part.text if isinstance(part, Leaf) else ""


def _spaced(*parts: Doc) -> Doc:
    """Parts with a blank between two, none before `:` and `,`."""
    if len(parts) == 1:
        return parts[0]
    found = [parts[0]]
    for part in parts[1:]:
        found += [part] if _text(part) in (":", ",") else [SPACE, part]
    return joined(*found)


def _tight(*parts: Doc) -> Doc:
    return joined(*parts)


def _commas(*parts: Doc) -> Doc:
    """Values with commas; a comma behind the last is dropped."""
    found: list[Doc] = []
    for place, part in enumerate(parts):
        if _text(part) != ",":
            found.append(part)
        elif place < len(parts) - 1:
            found += [part, Line()]
        elif isinstance(part, Leaf) and (part.breaks or part.trails):
            found.append(replace(part, text=""))
    return joined(*found)


def _bracketed(*parts: Doc) -> Doc:
    opening, *inner, closing = parts
    comments, bare = _without_comments(closing)
    if not inner and not comments.breaks and not opening.trails:
        return joined(opening, bare)
    return group(opening, indented(SOFT, *inner, comments), SOFT, bare)


def _bracketed_list(*parts: Doc) -> Doc:
    return _bracketed(parts[0], _commas(*parts[1:-1]), parts[-1])


def _with_brackets(*parts: Doc) -> Doc:
    """A header with a bracketed list somewhere: `fn f(a, b) -> Real = …`, `rollout y ~ actor(x) { … }`."""
    texts = [_text(part) for part in parts]
    opening, closing = texts.index("("), texts.index(")")
    called = joined(parts[opening - 1], _bracketed(*parts[opening : closing + 1]))
    return _spaced(*parts[: opening - 1], called, *parts[closing + 1 :])


def _call(callee: Doc, *rest: Doc) -> Doc:
    return joined(callee, _bracketed(*rest))


def _list_of(*parts: Doc) -> Doc:
    closing = [_text(part) for part in parts].index("]")
    return _spaced(_bracketed(*parts[: closing + 1]), *parts[closing + 1 :])


def _type_of(element: Doc, *rest: Doc) -> Doc:
    if rest and not isinstance(rest[0], Leaf):
        return _spaced(joined(element, rest[0]), *rest[1:])
    return _spaced(element, *rest)


def _assigned(*parts: Part) -> Doc:
    """`name = value`; a value that does not fit goes onto the next line. A body in braces stays."""
    *header, value = parts
    docs: list[Any] = header
    if isinstance(value, _Entry):
        return _spaced(*docs, value.doc)
    assert not isinstance(value, _Row | _Chain)
    return joined(_spaced(*docs), group(indented(Line(), value)))


def _function(*parts: Part) -> Doc:
    texts = [_text(part) for part in parts]
    equals = texts.index("=", texts.index(")"))
    header: list[Any] = list(parts[:equals])
    return _assigned(_with_brackets(*header), *parts[equals:])


# ------------------------------------------------------------------ blocks
def _settings(*parts: Part) -> Doc:
    """`{ a: 1, b: 2 }` where it fits, else a line each without commas."""
    opening, *inner, closing = parts
    return _braces(opening, _entries(inner), closing, FlatOnly(","), Line())


def _entries(parts: Sequence[Part]) -> list[Doc]:
    """The entries with the comments of the commas between them."""
    found: list[Doc] = []
    for part in parts:
        doc = part.doc if isinstance(part, _Entry) else part
        if isinstance(doc, Leaf) and doc.text == ",":
            found[-1] = joined(found[-1], replace(doc, text=""))
        else:
            assert not isinstance(doc, _Row | _Chain)
            found.append(doc)
    return found


def _braces(opening: Any, entries: Sequence[Doc], closing: Any, *between: Doc) -> Doc:
    comments, bare = _without_comments(closing)
    if not entries and not comments.breaks and not opening.trails:
        return joined(opening, bare)
    if any(isinstance(part, Between) for part in between):
        first: Doc = Between(keeps=False)
        last: Doc = Between(keeps=False)
    else:
        first = last = Line()
    inner: list[Doc] = [first]
    for place, entry in enumerate(entries):
        inner += [*between, entry] if place else [entry]
    if comments.breaks:
        inner += [Between(keeps=bool(entries)), comments]
    return group(opening, indented(*inner), last, bare)


def _with_block(*parts: Part) -> Doc:
    """A header and a body in braces, a line for each statement."""
    opening = [_text(part) for part in parts].index("{")
    header: list[Any] = list(parts[:opening])
    return _spaced(*header, _braces(parts[opening], _entries(parts[opening + 1 : -1]), parts[-1], Between()))


def _block(*parts: Part) -> Doc:
    """Statements of `train`: on one line if there is one, a plain one, and it fits."""
    opening, *body, closing = parts
    is_plain = len(body) == 1 and not (isinstance(body[0], _Entry) and body[0].kind in _COMPOUND)
    return _braces(opening, _entries(body), closing, Line() if is_plain else Between())


def _rows(*parts: Part) -> Doc:
    """A block of lines in two columns; one field alone may stand on the line of its data."""
    opening, *inner, closing = parts
    widths = [part.width for part in inner if isinstance(part, _Row)]
    column = max((width for width in widths if width <= MAX_ALIGNED), default=0)
    docs: list[Part] = [_padded(part, column) if isinstance(part, _Row) else part for part in inner]
    entries = _entries(docs)
    return _braces(opening, entries, closing, Line() if len(entries) == len(widths) == 1 else Between())


def _padded(row: _Row, column: int) -> Doc:
    return joined(*row.head, Leaf(" " * (max(0, column - row.width) + row.gap)), row.tail)


def _with_rows(*parts: Part) -> Doc:
    opening = [_text(part) for part in parts].index("{")
    header: list[Any] = list(parts[:opening])
    return _spaced(*header, _rows(*parts[opening:]))


def _field(key: Doc, colon: Doc, *rest: Doc) -> Any:
    return _Row((key, colon), len(_text(key)) + 1, 1, _spaced(*rest))


def _criterion(text: Doc, *rest: Doc) -> Any:
    return _Row((text,), len(_text(text)), 2, _spaced(*rest))


def _eval(*parts: Part) -> Doc:
    """`eval name on data { samples: 16 report mean(x) }`; a line for each where reports do not come last."""
    opening = [_text(part) for part in parts].index("{")
    header: list[Any] = list(parts[:opening])
    inner = parts[opening + 1 : -1]
    entries = _entries(inner)
    reports = [place for place, part in enumerate(inner) if isinstance(part, _Entry)]
    if reports and reports != [len(inner) - 1]:
        return _spaced(*header, _braces(parts[opening], entries, parts[-1], Between()))
    if reports and len(entries) > 1:
        entries[-2:] = [joined(entries[-2], Line(), entries[-1])]
    return _spaced(*header, _braces(parts[opening], entries, parts[-1], FlatOnly(","), Line()))


def _reports(word: Doc, *values: Doc) -> Doc:
    return joined(word, SPACE, group(indented(_commas(*values))))


def _function_body(*parts: Part) -> Any:
    return _Entry("function_body", _braces(parts[0], _entries(parts[1:-1]), parts[-1], Between()))


_STRENGTHS = {"disjunction": "or", "conjunction": "and", "addition": "sum", "subtraction": "sum",
              "multiplication": "product", "division": "product", "otherwise": "else", "comparison": "comparison",
              "given": "given"}
_ENTRIES = frozenset({
    "import_from", "import_path", "param", "data", "model", "derived_model", "rollout", "response", "rubric", "reward", "let",
    "function", "extern", "state", "assign", "sampler", "buffer", "objective", "guard", "eval_", "test", "train", "plan",
    "term", "expect", "reports", "repeat", "stage", "every", "when", "draw", "update", "reset", "evaluate", "save",
    "assign_statement"})
_ASSIGNMENTS = frozenset({"let", "reward", "param", "state", "assign", "assign_statement", "function"})
_RULES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("dotted", "callee", "field_of", "minus"), _tight),
    **dict.fromkeys(("arguments", "parameters", "items"), _commas),
    **dict.fromkeys(("imports", "extra", "closed", "closed_open", "open_closed", "open_interval", "finite"), _bracketed_list),
    **dict.fromkeys(("rollout", "extern"), _with_brackets),
    **dict.fromkeys(sorted(_ASSIGNMENTS), _assigned),
    **dict.fromkeys(("objective", "test"), _with_block),
    **dict.fromkeys(("weight", "penalty", "veto", "gate"), _criterion),
    "atom": _bracketed, "call": _call, "list_of": _list_of, "type_of": _type_of, "settings": _settings, "block": _block,
    "fields": _rows, "field": _field, "rubric": _with_rows, "eval_": _eval, "reports": _reports,
    "function": _function, "function_body": _function_body, "plan": lambda *parts: _spaced(parts[0], _settings(*parts[1:])),
}
