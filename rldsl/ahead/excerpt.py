"""Cuts out of an emitted module what one kernel needs: itself, the functions and constants it names, and their imports.

Kernels of two modules that read alike become one text, so that they are compiled once; what launches kernels, and what it
imports (torch), stays behind. Comments go as well. Does not check the code."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from rldsl.diagnostics import InternalError


def kernel_text(module: str, name: str) -> str:
    """The text of a module that defines the function `name` and all that it names, transitively."""
    tree = ast.parse(module)
    statements = [(statement, frozenset(_bound(statement))) for statement in tree.body]
    needed = {name}
    kept: set[int] = set()
    found = False
    while not found:  # until nothing new is named
        found = True
        for place, (statement, bound) in enumerate(statements):
            if place not in kept and bound & needed:
                kept.add(place)
                needed |= _named(statement)
                found = False
    chosen = [statement for place, (statement, _) in enumerate(statements) if place in kept]
    if not any(isinstance(statement, ast.FunctionDef) and statement.name == name for statement in chosen):
        raise InternalError(f"the emitted module defines no kernel `{name}`")
    return "\n\n".join(ast.unparse(_without_docstring(statement)) for statement in chosen) + "\n"


def _bound(statement: ast.stmt) -> Iterable[str]:
    """The names that a statement at the top of a module binds."""
    match statement:
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from ((entry.asname or entry.name).partition(".")[0] for entry in names)
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case _:
            yield from (node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))


def _named(statement: ast.stmt) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _without_docstring(statement: ast.stmt) -> ast.stmt:
    if isinstance(statement, ast.FunctionDef) and ast.get_docstring(statement) is not None and len(statement.body) > 1:
        statement.body = statement.body[1:]
    return statement
