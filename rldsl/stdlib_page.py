"""docs/stdlib.md: every module and function of the standard library, from its comments, its definitions and its tests.

What a function gives, at which level, and its hash come from its definition; worked values are those of its `test` blocks. Each
function stands by itself, so that functions added at the same time meet in no line. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from rldsl.assets import asset_names
from rldsl.canonical.definitions import Definition, definition_of
from rldsl.diagnostics import InternalError
from rldsl.loading import library_only, library_source
from rldsl.resolve.modules import LoadFailure, ModuleTable, Scope
from rldsl.resolve.uses import names_below
from rldsl.rewards.signatures import PRIMITIVES
from rldsl.syntax import tree
from rldsl.types import Level, Type

MOST_TESTS = 3  # that are shown of a function
MOST_EXPECTS = 3  # that are shown of a test


@dataclass(frozen=True, slots=True)
class Entry:
    """A function of the library."""

    scope: Scope
    function: tree.Function
    definition: Definition


def stdlib_page(mark: str) -> str:
    """The page; `mark` stands on top."""
    table = ModuleTable(library_only)
    names = [f"std.{name.removesuffix('.rl')}" for name in asset_names("stdlib", ".rl")]
    modules = {name: _entries(table, name) for name in names}
    alike = _alike(entry.definition for _, entries in modules.values() for entry in entries)
    lines = [mark, "# The standard library\n\n", *_introduction(), "| module | what | functions |\n|---|---|---|\n"]
    lines += [_row(name, scope, entries) for name, (scope, entries) in modules.items()]
    for name, (scope, entries) in modules.items():
        lines += ["\n", *_module(name, scope, entries, alike)]
    return "".join([*lines, "\n", *_on_the_host()])


def _introduction() -> Iterator[str]:
    yield "Written in `.rl`, on what the [language](language.md) itself has. `import std.surrogate (clipped)` brings a function "
    yield "in; those of `std.prelude` need no import.\n\n"
    yield "Under each function stand what it gives, a hash of what it means, and values worked out by hand, which are tests: "
    yield "`rldsl test std.surrogate` runs all of a module. The hash is the same for the same mathematics, whatever its layout and "
    yield "its names, and changes when that changes; `rldsl explain` prints it for the functions that an objective uses.\n\n"


def _entries(table: ModuleTable, name: str) -> tuple[Scope, list[Entry]]:
    """A module with its functions, in their order."""
    source = library_source(name)
    if isinstance(source, LoadFailure):
        raise InternalError(f"{name}: {source.title}")
    scope = table.scopes.get(name) or table.open(source)
    if scope is None or table.found:
        raise InternalError(f"{name} does not parse: {[entry.title for entry in table.found]}")
    functions = [item for item in scope.tree.items if isinstance(item, tree.Function)]
    return scope, [Entry(scope, function, definition_of(table, scope, function)) for function in functions]


def _alike(definitions: Iterable[Definition]) -> dict[str, list[str]]:
    """The names of the functions of each hash."""
    found: dict[str, list[str]] = {}
    for definition in definitions:
        if definition.digest is not None:
            found.setdefault(definition.digest, []).append(definition.name)
    return found


# ------------------------------------------------------------------ modules
def _row(name: str, scope: Scope, entries: list[Entry]) -> str:
    listed = ", ".join(f"`{entry.function.name}`" for entry in entries)
    return f"| [{name}](#{name.replace('.', '')}) | {_cell(first_sentence(scope.tree.doc))} | {listed} |\n"


def first_sentence(doc: str) -> str:
    """Up to the first full stop at the end of a word and before a capital, or the first paragraph."""
    text = " ".join(doc.split("\n\n", maxsplit=1)[0].split())
    end = next((index for index in range(1, len(text) - 2) if text[index:index + 2] == ". " and text[index + 2].isupper()), None)
    return text if end is None else text[:end + 1]


def _module(name: str, scope: Scope, entries: list[Entry], alike: dict[str, list[str]]) -> Iterator[str]:
    yield f"## {name}\n\n{_paragraphs(scope.tree.doc)}"
    worked = _worked(scope, [entry.function for entry in entries])
    for entry in entries:
        yield f"\n### {entry.function.name}\n\n```rl\n{_text(scope, entry.function)}\n```\n\n"
        yield _paragraphs(entry.function.doc)
        yield f"\n{_gives(entry)}{_also(entry.definition, alike)}\n"
        if worked.get(entry.function.name):
            yield "\n```rl\n" + "\n".join(worked[entry.function.name]) + "\n```\n"


def _paragraphs(doc: str) -> str:
    parts = (" ".join(part.split()) for part in doc.split("\n\n"))
    return "".join(f"{part}\n" if index == 0 else f"\n{part}\n" for index, part in enumerate(part for part in parts if part))


def _text(scope: Scope, node: tree.Node) -> str:
    """A declaration as it is written, without what follows it."""
    return scope.source.text[node.span.start:node.span.end].strip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


# ------------------------------------------------------------------ what a function gives
def _gives(entry: Entry) -> str:
    definition = entry.definition
    if not definition.results:
        return f"Hash: {definition.short}."
    kinds = [kind for _, kind in definition.results]
    shown = _type(kinds)
    level = _level(entry.function, definition)
    return f"Gives `{shown}`{', ' + level if level else ''}. Hash `{definition.short}`."


def _type(kinds: list[Type]) -> str:
    """The element, the range if it is the same for all arguments, and whether it may be absent for some."""
    text = kinds[0].element.value
    ranges = {kind.interval for kind in kinds}
    if len(ranges) == 1 and not kinds[0].interval.is_everything and text != "Bool":
        low, high = (float(f"{end:.6g}") for end in (kinds[0].interval.low, kinds[0].interval.high))
        text += f" in {replace(kinds[0].interval, low=low, high=high)}"
    return f"{text} or absent" if any(kind.optional for kind in kinds) else text


def _level(function: tree.Function, definition: Definition) -> str:
    """Where the result stands: as its arguments do, at a level that an argument names, or always at one."""
    found = [(arrangement, kind.axis.level) for arrangement, kind in definition.results]
    written = function.result.level if function.result is not None else None
    if written is not None:
        return f"one for each {written}"
    if len({level for _, level in found}) == 1 and not (len(found) == 1 and found[0][0].places):
        level = found[0][1]
        return "one number for the batch" if level is Level.BATCH else f"one for each {level.word}"
    if all(arrangement.places and set(arrangement.places) == {level} for arrangement, level in found):
        return "at the level of its arguments"
    names = [parameter.name for parameter in function.parameters
             if parameter.type is not None and parameter.type.element == "Level"]
    if names and all(arrangement.levels[0] is level for arrangement, level in found):
        return f"at the level `{names[0]}`"
    return ""


def _also(definition: Definition, alike: dict[str, list[str]]) -> str:
    others = [f"`{name}`" for name in alike.get(definition.digest or "", []) if name != definition.name]
    return f" As a function of its arguments it is {', '.join(others)}." if others else ""


# ------------------------------------------------------------------ worked values
def _worked(scope: Scope, functions: list[tree.Function]) -> dict[str, list[str]]:
    """The first worked values of each function as lines: what each shows as a comment, the values that it needs, expectations."""
    names = {function.name for function in functions}
    found: dict[str, list[str]] = {}
    shown: dict[str, int] = {}
    for test in scope.tree.items:
        if isinstance(test, tree.Test):
            for name, expects in _by_function(test, names).items():
                shown[name] = shown.get(name, 0) + 1
                if shown[name] <= MOST_TESTS:
                    found.setdefault(name, []).extend(_lines(scope, test, expects[:MOST_EXPECTS]))
    return found


def _by_function(test: tree.Test, names: set[str]) -> dict[str, list[tree.Expect]]:
    """The expectations of a test, each under the first function of the module that it calls, through values that it names."""
    lets = {item.name: item for item in test.items if isinstance(item, tree.Let)}
    found: dict[str, list[tree.Expect]] = {}
    for expect in test.items:
        if isinstance(expect, tree.Expect):
            nodes: list[tree.Node] = [expect, *_needed(expect, lets)]
            called = next((name.text for node in nodes for name in names_below(node) if name.text in names), None)
            if called is not None:
                found.setdefault(called, []).append(expect)
    return found


def _needed(node: tree.Node, lets: dict[str, tree.Let]) -> list[tree.Let]:
    """The values that an expression names, and those that they name, in the order of the test."""
    waiting, needed = [node], set[str]()
    while waiting:
        for name in names_below(waiting.pop()):
            if name.text in lets and name.text not in needed:
                needed.add(name.text)
                waiting.append(lets[name.text])
    return [let for name, let in lets.items() if name in needed]


def _lines(scope: Scope, test: tree.Test, expects: list[tree.Expect]) -> Iterator[str]:
    lets = {item.name: item for item in test.items if isinstance(item, tree.Let)}
    needed = {let.name for expect in expects for let in _needed(expect, lets)}
    yield f"# {test.name}"
    for item in (*(let for name, let in lets.items() if name in needed), *expects):
        text = _text(scope, item).removeprefix("expect ")
        yield from (line.removeprefix("  ") for line in text.splitlines())


# ------------------------------------------------------------------ the host
def _on_the_host() -> Iterator[str]:
    yield "## On the host\n\n"
    yield "Verifiers and text functions, run once for each iteration. `?` marks arguments that may be left out.\n\n"
    yield "| call | gives | what |\n|---|---|---|\n"
    for primitive in PRIMITIVES.values():
        arguments = ", ".join(parameter.name + ("" if parameter.is_required else "?") for parameter in primitive.parameters)
        gives = primitive.result.value + (" or absent" if primitive.optional else "")
        yield f"| `{primitive.name}({arguments})` | {gives} | {_cell(primitive.doc)} |\n"
