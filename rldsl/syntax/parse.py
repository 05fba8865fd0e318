"""From a text to its syntax tree: `parse`. Pure. Reports every faulty declaration and returns all that are well formed.

Does not resolve names, check types or read other files; the words of its messages are in `mistakes`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import repeat
from typing import Any

from rldsl.diagnostics.model import Diagnostic, sort_diagnostics
from rldsl.source import Source, Span
from rldsl.syntax import build_declarations, build_expressions, tree
from rldsl.syntax.machine import Action, Limits, Machine
from rldsl.syntax.review import review
from rldsl.syntax.table import Table, load_table
from rldsl.syntax.tokens import Comment, doc_before, module_doc, read_tokens

MAX_CHARACTERS = 4_000_000
MAX_ERRORS = 20
MAX_DEPTH = 200
_MAX_STACK = 10 * MAX_DEPTH

_NESTING = ("atom", "call", "field_of", "list_of", "otherwise", "disjunction", "conjunction", "negation", "comparison",
            "given", "addition", "subtraction", "multiplication", "division", "minus", "power", "block")
LIMITS = Limits(MAX_DEPTH, _MAX_STACK, {**dict.fromkeys(_NESTING, 1), "call": 2})


def parse(source: Source) -> tuple[tree.Module | None, tuple[Diagnostic, ...]]:
    """The module of a text and what is wrong with its form; the module holds every declaration that is well formed."""
    if len(source.text) > MAX_CHARACTERS:
        from rldsl.syntax.explain import too_large

        return None, (too_large(source, MAX_CHARACTERS),)
    table = syntax_table()
    comments: list[Comment] = []
    items, found = read_items(source, Machine(table, _tree_actions(table, source.name), LIMITS), comments)
    docs = (doc_before(source.text, comments, item.span.start) for item in items) if comments else repeat("")
    items = [replace(item, doc=doc) if doc else item for item, doc in zip(items, docs, strict=False)]
    module = tree.Module(tuple(items), module_doc(source.text, comments), span=Span(source.name, 0, len(source.text)))
    return module, sort_diagnostics((*found, *review(module, source)))[:MAX_ERRORS]


@cache
def syntax_table() -> Table:
    """The tables of the grammar, read once for each process."""
    return load_table()


def read_items(source: Source, machine: Machine, comments: list[Comment]) -> tuple[list[Any], list[Diagnostic]]:
    """The values of all well formed declarations, and a diagnostic for each other, up to `MAX_ERRORS`.

    After a fault it goes on at the next line that begins a declaration and is indented no deeper than the faulty one.
    """
    items: list[Any] = []
    found: list[Diagnostic] = []
    offset: int | None = 1 if source.text.startswith("\ufeff") else 0
    while offset is not None and len(found) < MAX_ERRORS:
        tokens = read_tokens(source.text, offset, machine.table.keywords, comments)
        read, stuck = machine.run(tokens)
        items += read
        if stuck is None:
            break
        from rldsl.syntax.explain import explain  # a text without faults has no need of them
        from rldsl.syntax.recover import next_declaration

        found.append(explain(source, machine.table, stuck, MAX_DEPTH))
        offset = next_declaration(source, stuck)
    return items, found


def _tree_actions(table: Table, file: str) -> dict[str, Action]:
    return {name: _with_span(function, file) for name, function in _builders(table).items()}


def _with_span(function: Callable[..., Any], file: str) -> Action:
    def action(start: int, end: int, *parts: Any) -> Any:
        return function(Span(file, start, end), *parts)

    return action


@cache
def _builders(table: Table) -> dict[str, Callable[..., Any]]:
    """The function that builds the node of each rule."""
    known = {**vars(build_expressions), **vars(build_declarations)}
    return {rule.name: known[rule.name] for rule in table.rules if rule.name in known}
