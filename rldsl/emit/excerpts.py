"""Takes the functions that an emitted module needs out of `rldsl.kernels`, as text; imports nothing of it."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_FILES = ("pointwise.py", "reference.py")
LAUNCHER_FILES = ("device/cuda.py", "device/mask.py", "device/products.py", "device/carried.py")


@dataclass(frozen=True, slots=True)
class _Definition:
    name: str
    text: str
    uses: frozenset[str]


def excerpts(names: Iterable[str], paths: tuple[str, ...] = _FILES) -> tuple[str, ...]:
    """The definitions of the names and of everything that they use, in the order of the files of `rldsl.kernels`."""
    definitions = _definitions(paths)
    waiting, found = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name in definitions and name not in found:
            found.add(name)
            waiting.extend(definitions[name].uses)
    return tuple(definition.text for name, definition in definitions.items() if name in found)


def defined_names() -> frozenset[str]:
    """All names that the reference defines."""
    return frozenset(_definitions(_FILES))


@cache
def _definitions(paths: tuple[str, ...]) -> dict[str, _Definition]:
    found: dict[str, _Definition] = {}
    for path in paths:
        text = files("rldsl.kernels").joinpath(path).read_text(encoding="utf-8")
        for statement in ast.parse(text).body:
            if (defined := _name(statement)) is not None:
                segment = _segment(text, statement)
                uses = frozenset(node.id for node in ast.walk(statement) if isinstance(node, ast.Name))
                found[defined] = _Definition(defined, segment, uses)
    return found


def _segment(text: str, statement: ast.stmt) -> str:
    """The text of a statement, decorators included."""
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(decorator.lineno for decorator in decorators)])
    return "\n".join(text.splitlines()[first - 1 : statement.end_lineno])


def _name(statement: ast.stmt) -> str | None:
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case _:
            return None
