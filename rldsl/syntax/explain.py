"""From where the parser stopped to a diagnostic in the user's words. The known mistakes themselves are in `mistakes`.

Runs only where there is a fault. The order: brackets that do not pair, then known mistakes of text, words that are nearly a
keyword, known mistakes of form, statements in the wrong block, a missing value, and at last what could have stood there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from rldsl.diagnostics.model import Diagnostic, Edit, Label, error
from rldsl.source import Source, Span
from rldsl.syntax.codes import BRACKET, DEPTH, FORM, MISFIT, NUMBER, SIZE, SPELLING, TEXT
from rldsl.syntax.machine import Stuck, accepts
from rldsl.syntax.mistakes import FORMS, MISTAKES, WHYS, Mistake
from rldsl.syntax.recover import DECLARATIONS, begins_line, begins_next, indent_of
from rldsl.syntax.table import Table
from rldsl.syntax.tokens import BAD, END, Token

_CLOSING = {"(": ")", "[": "]", "{": "}", "call": ")"}
_HOMES = {**dict.fromkeys(("repeat", "stage", "every", "when", "draw", "update", "reset", "evaluate", "save"), "train { … }"),
          **dict.fromkeys(("maximize", "minimize"), "objective name for actor { … }"),
          "expect": 'test "name" { … }', "report": "eval name on data { … }"}
_EXAMPLES = {
    "KEY": {"data": "a field such as `answer: Text`", "param": "a name with its type, as in `beta: Real`",
            "state": "a name with its type, as in `total: Real`", "": "a setting such as `samples: 8`"},
    "NAME": {"": "a name"}, "STRING": {"": 'a text in `"`'}, "STATE": {"": "a new value such as `total <- 0`"},
}
_OPERATORS = frozenset({"+", "*", "/", "^", "==", "!=", "<", "<=", ">", ">=", "and", "or", "given", "..", "->"})
_UNITS = frozenset({"batch", "batches", *(word + end for end in ("", "s") for word in (
    "prompt", "sample", "turn", "step", "token", "update", "row", "epoch", "iteration", "device", "node"))})
_SHOWN = 24  # characters of the user's text that fit into a title
_LONG = 80
_PLAIN = re.compile(r"\s*=?\s*(\"[^\"\n]*\"|[-\w.+]+)(?=\s*(?:[,)}\n]|$))")


@dataclass(frozen=True, slots=True)
class _Place:
    """Everything about the place of a fault that the messages depend on."""

    source: Source
    found: Token
    seen: tuple[Token, ...]
    before: Token | None
    item: str
    name: str
    opening: tuple[Token, str] | None
    begins_line: bool
    indented: bool
    swallowed: Token | None
    fits: frozenset[str]

    @property
    def span(self) -> Span:
        """What is marked: the text at fault; at the end of the file, where the text before it ends."""
        if self.found.kind == END and self.before is not None:
            return Span(self.source.name, self.before.end, self.before.end)
        return Span(self.source.name, self.found.start, self.found.end)

    @property
    def inside(self) -> str:
        """The innermost open bracket: `call`, `(`, `[`, `{`, or `top`."""
        return self.opening[1] if self.opening else "top"


def explain(source: Source, table: Table, stuck: Stuck, depth: int) -> Diagnostic:
    """What is wrong where the parser stopped. `depth` is how deep a text may nest."""
    place = _place(source, table, stuck)
    if stuck.too_deep:
        return error(DEPTH, "this is nested too deeply", place.span, f"more than {depth} levels",
                     why=f"an expression may be {depth} levels deep; a term of `a + b + …` counts one, a call two.",
                     fix="name parts of it with `let`, or use a reduction such as `sum(x)`.")
    if place.swallowed:
        return _missing_value(place) or _misfit(place)
    return (_unclosed(place) or _wrong_closing(place) or _known(place, texts=True) or _missing_unit(place)
            or _misspelt(place) or _known(place, texts=False) or _elsewhere(place)
            or _missing_value(place) or _misfit(place))


def too_large(source: Source, limit: int) -> Diagnostic:
    """The text is longer than the compiler reads."""
    return error(SIZE, "this file is too large", Span(source.name, 0, 0), "the file begins here",
                 why=f"a spec may have {limit:,} characters; this one has {len(source.text):,}.",
                 fix="split it and `import` the parts; keep data in data files.")


def _place(source: Source, table: Table, stuck: Stuck) -> _Place:
    found, seen = stuck.token, stuck.seen
    kinds = table.actions[stuck.states[-1]]
    fits = frozenset() if stuck.too_deep else frozenset(kind for kind in kinds if accepts(table, stuck.states, kind))
    column = source.position(found.start)[1] - 1
    return _Place(source, found, seen, seen[-1] if seen else None, seen[0].text if seen else "",
                  seen[1].text if len(seen) > 1 else "", _innermost(seen), begins_line(source, found),
                  column > indent_of(source, seen[0] if seen else found), _swallowed(source, seen), fits)


def _swallowed(source: Source, seen: tuple[Token, ...]) -> Token | None:
    return seen[-2] if begins_next(source, seen) else None


def _innermost(seen: tuple[Token, ...]) -> tuple[Token, str] | None:
    open_brackets: list[tuple[Token, str]] = []
    for token in seen:
        if token.text in ("(", "[", "{"):
            open_brackets.append((token, "call" if token.kind == "CALL" else token.text))
        elif token.text in (")", "]", "}") and open_brackets:
            open_brackets.pop()
    return open_brackets[-1] if open_brackets else None


# ------------------------------------------------------------------ brackets
def _unclosed(place: _Place) -> Diagnostic | None:
    begins_declaration = place.begins_line and not place.indented and place.found.text in DECLARATIONS
    if place.opening is None or not (begins_declaration or place.found.kind == END):
        return None
    opening, bracket = place.opening
    closing = _CLOSING[bracket]
    what = "the file ends" if place.found.kind == END else f"`{place.found.text}` begins"
    return error(BRACKET, f"this `{opening.text}` is never closed", Span(place.source.name, opening.start, opening.end),
                 "opened here", others=[Label(place.span, f"still open where {what}")],
                 why="all that follows would be read as a part of it.",
                 fix=f"write `{closing}` where what it opens ends.")


def _wrong_closing(place: _Place) -> Diagnostic | None:
    found = place.found.text
    if found not in (")", "]", "}"):
        return None
    if place.opening is None:
        return error(BRACKET, f"this `{found}` closes nothing", place.span, "no bracket is open here",
                     why=WHYS[BRACKET],
                     fix="delete it, or open its bracket earlier.", edit=Edit(place.span, ""))
    opening, bracket = place.opening
    if _CLOSING[bracket] == found or (")" in place.fits and bracket == "["):  # `in [0, 1)` is an interval
        return None
    return error(BRACKET, f"`{opening.text}` is closed by `{found}`", place.span, f"write `{_CLOSING[bracket]}` before this",
                 others=[Label(Span(place.source.name, opening.start, opening.end), "opened here")],
                 why=WHYS[BRACKET],
                 fix=f"close each bracket by its own kind: here `{_CLOSING[bracket]}`.")


# ------------------------------------------------------------------ known mistakes
def _known(place: _Place, *, texts: bool) -> Diagnostic | None:
    for mistake in MISTAKES:
        if (mistake.code in (TEXT, NUMBER)) == texts and _matches(mistake, place):
            return _filled(mistake, place)
    return None


def _matches(mistake: Mistake, place: _Place) -> bool:
    before = place.before.text if place.before else ""
    after = place.source.text[place.found.end : place.found.end + _LONG]
    return (_full(mistake.found, place.found.text) and _full(mistake.before, before) and _full(mistake.inside, place.inside)
            and _full(mistake.item, place.item) and _full(mistake.kind, place.found.kind)
            and (not mistake.fits or mistake.fits in place.fits)
            and (not mistake.then or re.match(mistake.then, after) is not None)
            and (not mistake.begins_line or place.begins_line))


def _full(pattern: str, text: str) -> bool:
    return not pattern or re.fullmatch(pattern, text, re.DOTALL) is not None


def _filled(mistake: Mistake, place: _Place) -> Diagnostic:
    words = {"$found": _short(place.found.text), "$before": _short(place.before.text) if place.before else "",
             "$item": place.item or "let", "$name": _short(place.name) or "name", "$value": _value_after(place)}

    def filled(text: str) -> str:
        return re.sub(r"\$[a-z]+", lambda match: words[match[0]], text)

    edit = None if mistake.instead is None else Edit(place.span, mistake.instead)
    why = filled(mistake.why) or (_form(place) if mistake.code == FORM else WHYS[mistake.code])
    return error(mistake.code, filled(mistake.title), place.span, filled(mistake.label), why=why,
                 fix=filled(mistake.fix), edit=edit)


def _value_after(place: _Place) -> str:
    """The number, name or text that follows, behind a `=` or not, if nothing else stands there; else `…`."""
    found = _PLAIN.match(place.source.text, place.found.end, place.found.end + _LONG)
    return _short(found[1]) if found is not None else "…"


def _form(place: _Place) -> str:
    """How the declaration at fault is written."""
    form = FORMS.get(place.item)
    return f"`{place.item}` is written {form}." if form else WHYS[FORM]


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


# ------------------------------------------------------------------ words
def _misspelt(place: _Place) -> Diagnostic | None:
    word = place.found.text
    is_keyword = word in DECLARATIONS or word in _HOMES
    if len(word) < 4 or place.found.kind == BAD or not word.isidentifier() or (is_keyword and place.begins_line):
        return None
    if re.match(r"\s*(?:=(?!=)|[(.:])", place.source.text[place.found.end : place.found.end + _LONG]):
        return None
    near = get_close_matches(word.lower(), sorted(kind for kind in place.fits if kind.isalpha() and kind.islower()), 1, 0.66)
    if not near:
        return None
    return error(SPELLING, f"there is no `{_short(word)}` here", place.span, f"did you mean `{near[0]}`?",
                 why=f"possible here: {_listed(_expected(place))}.", fix=f"write `{near[0]}`.", edit=Edit(place.span, near[0]))


def _missing_unit(place: _Place) -> Diagnostic | None:
    """`draw 16` with the next statement after it, whose word may be a unit too: `update` was taken for one."""
    since = next((index for index, token in enumerate(reversed(place.seen), 1) if token.text in ("draw", "{", "}")), 0)
    drawn = place.seen[-since:] if since else ()
    if place.item != "train" or len(drawn) < 2 or drawn[0].text != "draw":
        return None
    if drawn[-1].text == "update" and len(drawn) > 2:
        drawn = drawn[:-1]
    elif "prompts" not in place.fits or not (place.begins_line or place.found.text in ("}", "from", "using", *_HOMES)):
        return None
    if any(token.text in _UNITS for token in drawn[2:]):
        return None
    amount = place.source.text[drawn[1].start : drawn[-1].end]
    is_plain = len(amount) <= _SHOWN and "\n" not in amount and amount not in _UNITS
    written = f"draw {amount}" if is_plain else "draw 16"
    return error(FORM, "a draw says what it counts", Span(place.source.name, drawn[0].start, drawn[-1].end),
                 "prompts, or rows?", why=_form(place), fix=f"write `{written} prompts` or `{written} rows from data`.")


def _elsewhere(place: _Place) -> Diagnostic | None:
    word = place.found.text
    if word in _HOMES:
        home = _HOMES[word]
        return error(FORM, f"`{word}` does not stand here", place.span, "a statement of another block",
                     why="a statement has its meaning from the block around it.",
                     fix=f"put it inside `{home}`.")
    if word in DECLARATIONS and place.opening is not None and place.begins_line:
        opening = place.opening[0]
        return error(FORM, f"`{word}` stands at the top of a file", place.span, "a declaration inside a block",
                     others=[Label(Span(place.source.name, opening.start, opening.end), "the block begins here")],
                     why="declarations are the parts of the whole spec; a block may use them, not hold them.",
                     fix="move it out of the block, or close the block before it.")
    return None


def _missing_value(place: _Place) -> Diagnostic | None:
    before = place.swallowed or place.before
    if before is None or not ("NUMBER" in place.fits or place.swallowed):
        return None
    return error(FORM, f"a value is missing after `{_short(before.text)}`", Span(place.source.name, before.start, before.end),
                 "nothing that it could take follows", others=[Label(place.span, _found_label(place))],
                 why=f"`{before.text}` stands between two values." if before.text in _OPERATORS else _form(place),
                 fix="write a number, a name, a call such as `mean(x)`, or `(` … `)` there.")


def _found_label(place: _Place) -> str:
    if place.swallowed:
        return "the next declaration begins here"
    return "the file ends here" if place.found.kind == END else "not a value"


# ------------------------------------------------------------------ all else
def _misfit(place: _Place) -> Diagnostic:
    expected = _expected(place)
    title = "the file ends too early" if place.found.kind == END else f"`{_short(_one_line(place))}` does not fit here"
    after = f" after `{_short(place.before.text)}`" if place.before else ""
    label = f"expected here: {expected[0]}"
    label = label if len(expected) == 1 and len(label) <= 40 else "something else is expected here"
    return error(MISFIT, title, place.span, label, why=_form(place), fix=f"expected{after}: {_listed(expected)}.")


def _one_line(place: _Place) -> str:
    return place.found.text.split("\n")[0]


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"


def _expected(place: _Place) -> list[str]:
    """What could stand here, in the words of the documentation, the most particular first."""
    fits, found = place.fits, list[str]()
    if "NUMBER" in fits:
        found.append("a value")
        fits -= {"NUMBER", "NAME", "DURATION", "STRING", "(", "[", "-", "not", "true", "false"}
    if "prompts" in fits:
        found.append("a unit such as `prompts`")
        fits -= _UNITS
    for kind in ("KEY", "NAME", "STRING"):
        if kind in fits:
            examples = _EXAMPLES[kind]
            found.append(examples.get(place.item, examples[""]))
    if fits >= {"import", "reward", "train"}:
        found.append("a declaration such as `let name = …`")
        fits -= {*DECLARATIONS, "STATE", END}
    if fits >= {"+", "*"}:
        found.append("an operator such as `+`")
        fits -= {"+", "-", "*", "/", "^", "<", "<=", ">", ">=", "==", "!=", ".", "CALL", "and", "or", "given",
                 *(() if place.item == "guard" else ("else",))}
    rest = sorted(kind for kind in fits if not kind.isupper() and kind != END)
    return found + [f"`{kind}`" for kind in rest[:8]] or ["the end of the file"]
