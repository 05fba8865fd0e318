"""Which functions from elsewhere a declaration is made of: those of the library and of imported files, as the spec calls them.

The declarations that an objective needs are walked, its advantages and rewards among them; what an imported function calls in turn
is part of its own meaning. Works from the sources that a spec was made of; reads no file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from posixpath import dirname, join, normpath

from rldsl.canonical.definitions import Definition, definition_of
from rldsl.diagnostics import InternalError
from rldsl.graph.spec import ObjectiveSpec, Spec
from rldsl.resolve.modules import Loader, LoadFailure, ModuleTable, Scope
from rldsl.resolve.names import declared_name
from rldsl.resolve.uses import Use, names_below, uses_of
from rldsl.source import Source
from rldsl.syntax import tree


class LibraryUses:
    """The imported functions of each objective of one spec, by name. Each definition is worked out once."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.modules, self.root = modules_of(spec)
        self._known: dict[tuple[str, str], Definition] = {}

    def of(self, objective: ObjectiveSpec) -> tuple[Definition, ...]:
        """What an objective reduces to, sorted by name."""
        found = {self._definition(*use) for use in self._functions(self.root.bindings[objective.name])}
        return tuple(sorted(found, key=lambda entry: entry.name))

    def _definition(self, scope: Scope, item: tree.Function) -> Definition:
        key = (scope.name, item.name)
        if key not in self._known:
            self._known[key] = definition_of(self.modules, scope, item)
        return self._known[key]

    def _functions(self, start: Use) -> Iterator[tuple[Scope, tree.Function]]:
        """The functions of other modules that a declaration needs; the walk ends at each."""
        waiting, seen = [start], {self._key(start)}
        while waiting:
            scope, item = waiting.pop()
            if isinstance(item, tree.Function) and scope is not self.root:
                yield scope, item
                continue
            for use in (*uses_of(scope, item), *self._of_prelude(scope, item), *self._assignments(scope, item)):
                if self._key(use) not in seen:
                    seen.add(self._key(use))
                    waiting.append(use)

    def _of_prelude(self, scope: Scope, item: tree.Item) -> Iterator[Use]:
        """Names that no import brings in."""
        prelude = self.modules.prelude
        if prelude is None:
            return
        hidden = set(_own_names(item))
        for name in names_below(item):
            if name.text in prelude.bindings and name.text not in scope.bindings and name.text not in hidden:
                yield prelude.bindings[name.text]

    def _assignments(self, scope: Scope, item: tree.Item) -> Iterator[Use]:
        """What gives a state its next value."""
        if isinstance(item, tree.State):
            yield from ((scope, entry) for entry in scope.tree.items
                        if isinstance(entry, tree.Assign) and entry.name == item.name)

    @staticmethod
    def _key(use: Use) -> tuple[str, str, int]:
        return use[0].name, declared_name(use[1]) or "", use[1].span.start


def modules_of(spec: Spec) -> tuple[ModuleTable, Scope]:
    """The modules that a spec was made of, and its own."""
    modules = ModuleTable(_loader(spec.sources))
    root = modules.open(spec.source)
    if root is None:
        raise InternalError("a spec that was elaborated cannot be parsed")
    return modules, root


def own_functions(spec: Spec) -> dict[str, tuple[tree.Function, Definition]]:
    """The functions that a spec declares itself, by name, as they are written and what they mean."""
    modules, root = modules_of(spec)
    return {item.name: (item, definition_of(modules, root, item)) for item in root.tree.items if isinstance(item, tree.Function)}


def _own_names(item: tree.Item) -> Iterator[str]:
    """Names that a declaration gives itself: parameters and the lets within it."""
    match item:
        case tree.Function(parameters=parameters, lets=lets):
            yield from (parameter.name for parameter in parameters)
            yield from (let.name for let in lets)
        case tree.Objective(items=items):
            yield from (entry.name for entry in items if isinstance(entry, tree.Let))
        case _:
            pass


def _loader(sources: Mapping[str, Source]) -> Loader:
    """The modules that a spec was made of, by the names that they had then."""

    def load(module: str, is_path: bool, importer: str) -> Source | LoadFailure:
        names = (normpath(join(dirname(importer), module)), normpath(module)) if is_path else (module,)
        return next((sources[name] for name in names if name in sources), LoadFailure("this module was not loaded"))

    return load
