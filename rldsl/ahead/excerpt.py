"""Cuts out of an emitted module what one kernel needs: itself, the functions and constants it names, and their imports.

Kernels of two modules that read alike but for the names of variables become one text, so that they are compiled once; what
launches kernels, and what it imports (torch), stays behind. Comments go as well. Does not check the code."""

from __future__ import annotations

import ast
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from rldsl.diagnostics import InternalError


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The text of a module with one kernel, and what each of the kernel's parameters is called in it."""

    text: str
    names: Mapping[str, str]


@lru_cache(maxsize=256)
def excerpt(module: str, name: str) -> Excerpt:
    """The text of a module that defines the function `name` and all that it names, transitively."""
    statements = _statements(module)
    needed = {name}
    kept: set[int] = set()
    found = False
    while not found:  # until nothing new is named
        found = True
        for place, statement in enumerate(statements):
            if place not in kept and statement.bound & needed:
                kept.add(place)
                needed |= statement.named
                found = False
    several = [statements[place] for place in sorted(kept)]
    chosen = ast.parse("".join(statement.text for statement in several)).body
    kernel = next((entry for entry in chosen if isinstance(entry, ast.FunctionDef) and entry.name == name), None)
    if kernel is None:
        raise InternalError(f"the emitted module defines no kernel `{name}`")
    parameters = [entry.arg for entry in kernel.args.args]
    fixed = {word for statement in several for word in statement.bound | statement.keywords}
    text = "\n\n".join(ast.unparse(_renamed(_without_docstring(statement), fixed)) for statement in chosen) + "\n"
    return Excerpt(text, dict(zip(parameters, [entry.arg for entry in kernel.args.args], strict=True)))


@dataclass(frozen=True, slots=True)
class _Statement:
    """At the top of a module, with the names that it binds, takes from the module, and hands arguments over by."""

    text: str
    bound: frozenset[str]
    named: frozenset[str]
    keywords: frozenset[str]


@lru_cache(maxsize=4)
def _statements(module: str) -> tuple[_Statement, ...]:
    """Of a module that all its kernels are cut out of. Their text is parsed again for each: that is faster than to copy a tree."""
    lines = io.StringIO(module, newline="").readlines()  # as Python counts them: no line ends at U+2028 or a form feed
    return tuple(_statement(statement, lines) for statement in ast.parse(module).body)


def _statement(statement: ast.stmt, lines: list[str]) -> _Statement:
    nodes = list(ast.walk(statement))
    first = min(entry.lineno for entry in (statement, *getattr(statement, "decorator_list", ())))
    text = "".join(lines[first - 1:statement.end_lineno])
    return _Statement(text, frozenset(_bound(statement, nodes)), frozenset(_named(statement, nodes)),
                      frozenset(_keywords(statement, nodes)))


class _Renaming(ast.NodeTransformer):
    """Gives variables and parameters other names."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        """A variable where it is read or written."""
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """A parameter."""
        node.arg = self.names.get(node.arg, node.arg)
        return node


def _renamed(statement: ast.stmt, fixed: set[str]) -> ast.stmt:
    """A function with its own variables numbered in the order in which they appear; `fixed` names stay."""
    if not isinstance(statement, ast.FunctionDef):
        return statement
    stored = [node for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    own = dict.fromkeys([*(entry.arg for entry in statement.args.args),
                         *(node.id for node in sorted(stored, key=lambda node: (node.lineno, node.col_offset)))])
    names = {name: f"_{number}" for number, name in enumerate(name for name in own if name not in fixed)}
    statement.body = [_Renaming(names).visit(entry) for entry in statement.body]
    statement.args = _Renaming(names).visit(statement.args)
    return statement


def _keywords(statement: ast.stmt, nodes: Iterable[ast.AST]) -> Iterable[str]:
    """The names by which arguments are handed over, and by which a decorator means parameters."""
    yield from (node.arg for node in nodes if isinstance(node, ast.keyword) and node.arg is not None)
    if isinstance(statement, ast.FunctionDef):
        yield from (node.value for entry in statement.decorator_list for node in ast.walk(entry)
                    if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _bound(statement: ast.stmt, nodes: Iterable[ast.AST]) -> Iterable[str]:
    """The names that a statement at the top of a module binds."""
    match statement:
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from ((entry.asname or entry.name).partition(".")[0] for entry in names)
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case _:
            yield from (node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))


def _named(statement: ast.stmt, nodes: Iterable[ast.AST]) -> set[str]:
    """The names that a statement takes from the module: not those of a function's own variables."""
    names = [node for node in nodes if isinstance(node, ast.Name)]
    own: set[str] = set()
    if isinstance(statement, ast.FunctionDef):
        own = {entry.arg for entry in nodes if isinstance(entry, ast.arg)}
        own |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
    return {node.id for node in names if isinstance(node.ctx, ast.Load)} - own


def _without_docstring(statement: ast.stmt) -> ast.stmt:
    if isinstance(statement, ast.FunctionDef) and ast.get_docstring(statement) is not None and len(statement.body) > 1:
        statement.body = statement.body[1:]
    return statement
