"""Loads imported modules and gives each its scope. Files are read by the caller's `Loader`, never here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

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


Loader = Callable[[str, bool, str], Source | LoadFailure]
"""`(module, is_path, importing source's name) -> Source`; paths are relative to the importing file's folder."""


@dataclass(slots=True)
class Scope:
    """A module's names. `bindings` maps a name to the scope and declaration it stands for; `modules` the `as` names."""

    source: Source
    tree: tree.Module
    bindings: dict[str, tuple[Scope, Item]] = field(default_factory=dict)
    modules: dict[str, Scope] = field(default_factory=dict)
    imported: dict[str, Span] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As messages call it."""
        return self.source.name


class ModuleTable:
    """All modules of one compilation, each loaded once."""

    def __init__(self, load: Loader, prelude: str | None = "std.prelude") -> None:
        self.load = load
        self.found: list[Diagnostic] = []
        self.sources: dict[str, Source] = {}
        self.scopes: dict[str, Scope] = {}
        self.loading: list[str] = []
        self.prelude: Scope | None = None
        if prelude is not None:
            loaded = load(prelude, False, "")
            if isinstance(loaded, Source):
                self.prelude = self.open(loaded)

    def open(self, source: Source) -> Scope | None:
        """Parse `source`, bind its names and its imports. None if nothing of it could be parsed."""
        self.sources[source.name] = source
        parsed, faults = parse(source)
        self.found.extend(faults)
        if parsed is None:
            return None
        scope = Scope(source, parsed)
        self.scopes[source.name] = scope
        self.loading.append(source.name)
        self._bind_own(scope)
        for item in parsed.items:
            if isinstance(item, tree.Import):
                self._bind_import(scope, item)
        self.loading.pop()
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
                    why="a name stands for one thing in a file.", fix=f"rename one of them, for example `{name}_2`"))
                continue
            scope.bindings[name] = (scope, item)

    def _bind_import(self, scope: Scope, item: tree.Import) -> None:
        target = self._module(scope, item)
        if target is None:
            return
        if item.alias is not None:
            scope.modules[item.alias] = target
        elif not item.names:
            scope.modules[item.module.rsplit(".", 1)[-1]] = target
        for name in item.names:
            self._bind_name(scope, item, target, name)

    def _bind_name(self, scope: Scope, item: tree.Import, target: Scope, name: tree.Name) -> None:
        found = target.bindings.get(name.text)
        if found is None:
            near = did_you_mean(name.text, target.bindings)
            self.found.append(error(
                "RL014", f"`{item.module}` has no `{name.text}`"[:60], name.span, "this name is not declared there",
                why=f"`{item.module}` declares {listed(sorted(target.bindings))}.", fix=near or "import one of those"))
        elif name.text in scope.bindings and scope.bindings[name.text][0] is scope:
            own = scope.bindings[name.text][1]
            self.found.append(error(
                "RL012", f"`{name.text}` is declared and imported"[:60], name.span, "imported here",
                others=[Label(own.span, f"this {word_for(own)} has the same name")],
                why="a name stands for one thing in a file.", fix="rename the declaration, or drop the import"))
        else:
            scope.bindings[name.text] = found
            scope.imported[name.text] = name.span

    def _module(self, scope: Scope, item: tree.Import) -> Scope | None:
        loaded = self.load(item.module, item.is_path, scope.name)
        if isinstance(loaded, LoadFailure):
            self.found.append(error("RL013", loaded.title, item.span, "this import", why=loaded.why, fix=loaded.fix))
            return None
        if loaded.name in self.loading:
            circle = " -> ".join([*self.loading[self.loading.index(loaded.name):], loaded.name])
            self.found.append(error("RL015", "these files import each other", item.span, "this import closes the circle",
                                    why=f"{circle}.", fix="move what both need into a third file"))
            return None
        return self.scopes.get(loaded.name) or self.open(loaded)
