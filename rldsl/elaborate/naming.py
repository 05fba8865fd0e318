"""By which name the tables, the run and the emitted code know a declaration. Names stay identifiers, each unique."""

from __future__ import annotations

from itertools import count

from rldsl.resolve.modules import Scope


class Naming:
    """Its own name where the spec itself has or imports a declaration, else one after the name of its module."""

    def __init__(self, root: Scope) -> None:
        self._root = root
        self._given: dict[tuple[str, str], str] = {}
        self._taken = set(root.bindings)

    def of(self, scope: Scope, word: str) -> str:
        """The name of the declaration that `scope` calls `word`."""
        bound = self._root.bindings.get(word)
        if bound is not None and bound[0] is scope:
            return word
        key = (scope.name, word)
        if key not in self._given:
            self._given[key] = self._fresh(f"{_stem(scope.name)}_{word}")
            self._taken.add(self._given[key])
        return self._given[key]

    def _fresh(self, name: str) -> str:
        if name not in self._taken:
            return name
        return next(other for number in count(2) if (other := f"{name}_{number}") not in self._taken)


def _stem(module: str) -> str:
    """`lib/mine.rl` and `std.mine` to `mine`."""
    last = module.removesuffix(".rl").replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[-1]
    plain = "".join(char if char.isascii() and char.isalnum() else "_" for char in last)
    return plain if plain[:1].isalpha() else f"module_{plain}"
