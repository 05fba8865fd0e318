"""Loads imported modules and gives each its scope. Files are read by the caller's `Loader`, never here."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from rldsl.diagnostics import Diagnostic, Label, error
from rldsl.resolve.names import declared_name, did_you_mean, listed, word_for
from rldsl.source import Source, Span
from rldsl.syntax import tree
from rldsl.syntax.parse import parse
from rldsl.syntax.tree import Item


@dataclass(frozen=True, slots=True)
class LoadFailure:
    """Why a module could not be had, and what to write instead."""

    title: str
    why: str = ""
    fix: str = ""


_DECLARES = re.compile(r"\b(?:param|data|policy|critic|scorer|embedder|judge|rollout|response|rubric|reward|let|fn|state"
                       r"|sampler|buffer|objective|eval)\s+([A-Za-z_]\w*)")
Loader = Callable[[str, bool, str], Source | LoadFailure]
"""`(module, is_path, importing source's name) -> Source`; paths are relative to the importing file's folder."""


@dataclass(slots=True)
class Scope:
    """A module's names. `bindings` maps a name to the scope and declaration it stands for; `modules` the `as` names;
    `missing` are names whose import failed, so that nothing more is said of them."""

    source: Source
    tree: tree.Module
    bindings: dict[str, tuple[Scope, Item]] = field(default_factory=dict)
    modules: dict[str, Scope] = field(default_factory=dict)
    imported: dict[str, Span] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    _listed: str = ""

    @property
    def name(self) -> str:
        """As messages call it."""
        return self.source.name

    @property
    def listed_names(self) -> str:
        """The names that the module declares or imports, as a list for messages. Asked for when all are bound."""
        if not self._listed:
            self._listed = listed(sorted(self.bindings)) if self.bindings else "no names"
        return self._listed


class ModuleTable:
    """All modules of one compilation, each loaded once."""

    def __init__(self, load: Loader, prelude: str | None = "std.prelude") -> None:
        self.load = load
        self.found: list[Diagnostic] = []
        self.sources: dict[str, Source] = {}
        self.scopes: dict[str, Scope] = {}
        self.unread: set[str] = set()
        self.loading: dict[str, None] = {}
        self.prelude: Scope | None = None
        if prelude is not None:
            loaded = load(prelude, False, "")
            if isinstance(loaded, Source):
                self.prelude = self.open(loaded)

    def open(self, source: Source) -> Scope | None:
        """Parse `source`, bind its names and its imports. None if nothing of it could be parsed. Iterative: any depth."""
        scope = self._enter(source)
        if scope is None:
            return None
        opened = [_Opened(scope, _imports(scope))]
        while opened:
            current = opened[-1]
            if not current.pending:
                self.loading.popitem()
                opened.pop()
                continue
            target = self._module(current.scope, current.pending[0])
            if isinstance(target, Source):
                entered = self._enter(target)
                if entered is not None:
                    opened.append(_Opened(entered, _imports(entered)))
                continue  # the import is bound when its module is
            self._bind_import(current.scope, current.pending.popleft(), target)
        return scope

    def _enter(self, source: Source) -> Scope | None:
        self.sources[source.name] = source
        parsed, faults = _parse_once(source)
        self.found.extend(faults)
        if parsed is None:
            self.unread.add(source.name)
            return None
        if faults:
            parsed = replace(parsed, items=_whole(source, parsed.items, [fault.primary.span.start for fault in faults]))
        scope = self.scopes[source.name] = Scope(source, parsed)
        if faults:
            scope.missing.update(_lost_names(source, parsed))
        self.loading[source.name] = None
        self._bind_own(scope)
        return scope

    def _bind_own(self, scope: Scope) -> None:
        for item in scope.tree.items:
            name = declared_name(item)
            if name is None:
                continue
            if name in scope.bindings:
                first = scope.bindings[name][1]
                self.found.append(error(
                    "RL012", f"`{name}` is declared twice"[:60], item.span, "the second declaration",
                    others=[Label(first.span, "the first one")],
                    why="a name stands for one thing in a file.", fix=f"rename one of them, for example `{name[:30]}_2`"))
                continue
            scope.bindings[name] = (scope, item)

    def _bind_import(self, scope: Scope, item: tree.Import, target: Scope | None) -> None:
        alias = item.alias or (item.module.rsplit(".", 1)[-1] if not item.names and not item.is_path else None)
        if target is None:
            scope.missing.update(name.text for name in item.names)
            scope.missing.update(() if alias is None else (alias,))
            return
        if alias is not None:
            self._bind_alias(scope, item, target, alias)
        elif not item.names:
            self.found.append(error(
                "RL013", "this import brings in no name", item.span, "this import",
                why="what a file declares is used by its name, or after the name of the module.",
                fix=f"`import \"{item.module}\" as name`, or `import \"{item.module}\" (name)`"))
        for name in item.names:
            self._bind_name(scope, item, target, name)

    def _bind_alias(self, scope: Scope, item: tree.Import, target: Scope, alias: str) -> None:
        other = scope.modules.get(alias)
        own = scope.bindings.get(alias)
        if (other is None or other is target) and own is None:
            scope.modules[alias] = target
            return
        others = [Label(own[1].span, f"this {word_for(own[1])} has the same name")] if own is not None else []
        self.found.append(error(
            "RL012", f"`{alias}` stands for two things"[:60], item.span, "this import", others=others,
            why="a name stands for one thing in a file.", fix=f"`as {alias[:30]}_2`"))

    def _bind_name(self, scope: Scope, item: tree.Import, target: Scope, name: tree.Name) -> None:
        found = target.bindings.get(name.text)
        bound = scope.bindings.get(name.text)
        if found is None and name.text in target.missing:
            scope.missing.add(name.text)
        elif found is None:
            scope.missing.add(name.text)
            near = did_you_mean(name.text, target.bindings)
            self.found.append(error(
                "RL014", f"`{item.module[:24]}` has no `{name.text[:20]}`", name.span, "this name is not declared there",
                why=f"`{item.module}` declares {target.listed_names}.", fix=near or "import one of those"))
        elif bound is None or bound[1] is found[1]:
            scope.bindings[name.text] = found
            scope.imported[name.text] = name.span
        else:
            is_own = bound[0] is scope
            place = Label(bound[1].span, f"this {word_for(bound[1])} has the same name") if is_own \
                else Label(scope.imported[name.text], "imported here from elsewhere")
            self.found.append(error(
                "RL012", f"`{name.text[:24]}` is {'declared and imported' if is_own else 'imported twice'}", name.span,
                "imported here", others=[place], why="a name stands for one thing in a file.",
                fix="rename the declaration, or drop the import" if is_own else "import one of them by `as` instead"))

    def _module(self, scope: Scope, item: tree.Import) -> Scope | Source | None:
        """The module of an import; its text where it is to be opened first; None after a report."""
        loaded = self.load(item.module, item.is_path, scope.name)
        if isinstance(loaded, LoadFailure):
            self.found.append(error("RL013", loaded.title, item.span, "this import", why=loaded.why, fix=loaded.fix))
            return None
        if loaded.name in self.loading:
            names = list(self.loading)
            circle = names[names.index(loaded.name):]
            shown = circle if len(circle) <= 6 else [*circle[:3], "…", *circle[-2:]]
            self.found.append(error(
                "RL015", "this file imports itself" if len(circle) == 1 else "these files import each other", item.span,
                "this import closes the circle", why=" -> ".join([*shown, loaded.name]) + ".",
                fix="delete it: a file knows its own names" if len(circle) == 1 else "move what both need into a third file"))
            return None
        if loaded.name in self.unread:
            return None
        return self.scopes.get(loaded.name) or loaded


@lru_cache(maxsize=64)
def _parse_once(source: Source) -> tuple[tree.Module | None, tuple[Diagnostic, ...]]:
    """Trees cannot be changed, and the library's modules are asked for again by whatever looks at a spec after its elaboration."""
    return parse(source)


def _whole(source: Source, items: tuple[Item, ...], faults: list[int]) -> tuple[Item, ...]:
    """The declarations that end where they should: without those that a fault goes on with on the same line."""
    broken = set()
    for fault in faults:
        place = fault
        while place > 0 and source.text[place - 1] in " \t":
            place -= 1
        broken.add(place)
    return tuple(item for item in items if item.span.end not in broken)


def _lost_names(source: Source, parsed: tree.Module) -> Iterator[str]:
    """Names of declarations that could not be read: their uses are no further mistakes."""
    place = 0
    for start, end in (*((item.span.start, item.span.end) for item in parsed.items), (len(source.text), 0)):
        for found in _DECLARES.finditer(source.text, place, start):
            yield found[1]
        place = max(place, end)


@dataclass(slots=True)
class _Opened:
    """A module whose imports are being bound."""

    scope: Scope
    pending: deque[tree.Import]


def _imports(scope: Scope) -> deque[tree.Import]:
    return deque(item for item in scope.tree.items if isinstance(item, tree.Import))
