"""Writes a polynomial back into a graph, so that what it claims to be equal to a value can be computed and compared.

Independent of the rules that made it: each kind of atom is one operation, or two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rldsl.canonical.meaning import Meaning
from rldsl.canonical.polynomial import Atom, Polynomial
from rldsl.graph.model import Function, Graph, Leaf, Read, Reduction
from rldsl.infer import Builder
from rldsl.types import Axis

F = Function
_FUNCTIONS = {"exp": F.EXP, "log": F.LOG, "power": F.POWER, "absolute": F.ABSOLUTE, "sign": F.SIGN, "tanh": F.TANH,
              "floor": F.FLOOR, "cos": F.COS, "not": F.NOT, "is missing": F.IS_MISSING, "else": F.OTHERWISE, "where": F.SELECT}
_MANY = {"min": F.MINIMUM, "and": F.AND, "or": F.OR}
_TRUTHS = {"is negative": F.LESS, "is not positive": F.LESS_EQUAL, "is zero": F.EQUAL}
_CONDITIONS = frozenset({"not", "and", "or"})


class Rebuilder:
    """Continues the graph of a meaning with the values that its polynomials say."""

    def __init__(self, meaning: Meaning, axes: tuple[Axis, ...], atoms: Mapping[str, Atom]) -> None:
        self.atoms = atoms
        self.builder = Builder(meaning.graph)
        self.axes = {meaning.names.axis(axis): axis for axis in axes}
        self.outside: dict[str, tuple[int, bool]] = {}
        for node in meaning.graph.nodes:
            if isinstance(node.operation, Leaf | Read):
                for frozen in (True, False):
                    for atom in meaning.of(node.key, frozen).atoms:
                        self.outside[atom.digest] = node.key, frozen and node.type.is_live

    def graph(self) -> Graph:
        """Everything so far."""
        return self.builder.graph()

    def value(self, polynomial: Polynomial) -> int:
        """The key of a polynomial's value: absent where it says so."""
        total = self._of_addends(polynomial)
        for digest, _ in sorted(polynomial.marks, key=lambda mark: mark[0]):
            total = self.make(F.SELECT, self.present(digest), total, self.absent())
        return total

    def absent(self) -> int:
        """An absent number."""
        return self.builder.constant(math.nan)

    def present(self, digest: str) -> int:
        """Whether what a mark names is there, or is no count of nothing."""
        atom = self.atoms[digest]
        key = self.atom(atom)
        if atom.is_count:
            return self.make(F.GREATER, key, self.builder.constant(0.0))
        return self.make(F.NOT, self.make(F.IS_MISSING, key))

    def _of_addends(self, polynomial: Polynomial) -> int:
        total = self.builder.constant(0.0)
        for monomial, coefficient in polynomial.addends:
            product = self.builder.constant(float(coefficient))
            for atom, exponent in monomial:
                for _ in range(abs(exponent)):
                    product = self.make(F.MULTIPLY if exponent > 0 else F.DIVIDE, product, self.atom(atom))
            total = self.make(F.ADD, total, product)
        return total

    def make(self, function: Function, *keys: int) -> int:
        """A function of values on nested axes."""
        return self.builder.elementwise(function, *keys)

    def atom(self, atom: Atom) -> int:
        """The key of an atom's value."""
        if atom.digest in self.outside:
            key, frozen = self.outside[atom.digest]
            return self.builder.freeze(key) if frozen else key
        word, parts = atom.head[0], atom.parts
        if len(atom.head) == 1:
            return self._elementwise(word, parts)
        match word:
            case "size":
                return self.builder.size(self.axes[atom.head[1]], self.axes[atom.head[2]])
            case "position":
                return self.builder.position(self.axes[atom.head[1]], self.axes[atom.head[2]])
            case "scan":
                x, decay = (self.value(part) for part in parts)
                axis = atom.axis
                x, decay = self.builder.spread(x, axis), self.builder.spread(self.builder.freeze(decay), axis)
                return self.builder.scan(x, decay, self.axes[atom.head[1]], atom.head[2] == "bool True")
            case "shift":
                x, fill = (self.builder.spread(self.value(part), atom.axis) for part in parts)
                return self.builder.shift(x, fill, self.axes[atom.head[1]], int(float(atom.head[2].removeprefix("number "))))
            case "rank":
                x = self.builder.spread(self.value(parts[0]), atom.axis)
                return self.builder.rank(x, self.axes[atom.head[1]], atom.head[2] == "bool True")
            case _:
                return self._reduction(atom)

    def _elementwise(self, word: str, parts: tuple[Polynomial, ...]) -> int:
        if word == "absent":
            return self.absent()
        if word == "infinity":
            return self.builder.constant(math.inf)
        if word == "inverse of 0":
            return self.make(F.DIVIDE, self.builder.constant(1.0), self.builder.constant(0.0))
        keys = [self.value(part) for part in parts]
        if word == "sum":
            return keys[0]
        if word in _TRUTHS:
            return self.make(_TRUTHS[word], keys[0], self.builder.constant(0.0))
        if word in _CONDITIONS:
            keys = [self._condition(key) for key in keys]
        if word == "where":
            keys[0] = self._condition(keys[0])
        if word in _MANY:
            found = keys[0]
            for key in keys[1:]:
                found = self.make(_MANY[word], found, key)
            return found
        return self.make(_FUNCTIONS[word], *keys)

    def _condition(self, key: int) -> int:
        return self.make(F.NOT_EQUAL, key, self.builder.constant(0.0))

    def _reduction(self, atom: Atom) -> int:
        word, start, end, *marks = atom.head
        axis = self.axes[start]
        parts = [self.value(part) for part in atom.parts]
        x = self.builder.spread(parts[0], axis)
        conditions = [self._condition(parts[1])] if "masked" in marks else []
        conditions += [self.present(note.removeprefix("present ")) for note in marks if note.startswith("present ")]
        mask = None
        for condition in (self.builder.spread(key, axis) for key in conditions):
            mask = condition if mask is None else self.make(F.AND, mask, condition)
        if word in ("any", "all"):
            x = self._condition(x)
        return self.builder.reduce(Reduction(word), x, self.axes[end], mask, parts[-1] if "at" in marks else None)


@contextmanager
def recorded_atoms() -> Iterator[dict[str, Atom]]:
    """Every atom that is made meanwhile, by its digest; marks name atoms that no polynomial may have any more."""
    found: dict[str, Atom] = {}
    made = Atom.__post_init__

    def record(atom: Atom) -> None:
        made(atom)
        found[atom.digest] = atom

    Atom.__post_init__ = record  # type: ignore[method-assign]
    try:
        yield found
    finally:
        Atom.__post_init__ = made  # type: ignore[method-assign]
