"""Sums of products of atoms with exact coefficients: the form in which values are compared. Knows no graph.

An atom is what no rule takes apart: a read, a leaf, `exp` of a polynomial, a reduction. Atoms, and so polynomials, are
equal where their digests are, which are made from digests of their parts and depend on nothing else.

Where a value may be absent is part of it: marks name what it is absent with, atoms that may be absent and counts that may be 0
and that it is divided by. What is divided by a count of nothing is taken to be absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from typing import TypeAlias

from rldsl.types import BATCH, Axis

MOST_MONOMIALS = 48  # of a product that is multiplied out; beyond it sums stay factors

Mark: TypeAlias = tuple[str, Axis]
"""The digest of what may be absent or nothing, and the axis on which it is."""
Marks: TypeAlias = frozenset[Mark]
NEVER: Marks = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Atom:
    """`head` says what it is and its constants, `parts` what it is of, `axis` where it stands. It is absent with its `marks`,
    and with one of its own if `is_optional`. `is_count`: a number of places that may be 0."""

    head: tuple[str, ...]
    parts: tuple[Polynomial, ...] = ()
    axis: Axis = BATCH
    marks: Marks = NEVER
    is_optional: bool = False
    is_count: bool = False
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", digest_of(repr(self.head), *(part.digest for part in self.parts)))
        if self.is_optional:
            object.__setattr__(self, "marks", self.marks | {(self.digest, self.axis)})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Atom) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


Monomial: TypeAlias = tuple[tuple[Atom, int], ...]
"""Atoms with exponents other than 0, sorted by digest; empty for a number."""


@dataclass(frozen=True, slots=True, eq=False)
class Polynomial:
    """Monomials with their coefficients, none 0, sorted by the digests of the atoms: numbers first. Absent with its marks."""

    addends: tuple[tuple[Monomial, Fraction], ...]
    marks: Marks = NEVER
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        words = (f"{coefficient} {_name(monomial)}" for monomial, coefficient in self.addends)
        object.__setattr__(self, "digest", digest_of("sum", *words, "absent with", *sorted(digest for digest, _ in self.marks)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polynomial) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def number(self) -> Fraction | None:
        """The number that it is, or None."""
        if self.marks:
            return None
        if not self.addends:
            return Fraction(0)
        monomial, coefficient = self.addends[0]
        return coefficient if len(self.addends) == 1 and not monomial else None

    @property
    def lead(self) -> Fraction:
        """The coefficient of its first monomial that is no number; its number, or 1 for 0, where there is none."""
        for monomial, coefficient in self.addends:
            if monomial:
                return coefficient
        return self.addends[0][1] if self.addends else Fraction(1)

    @property
    def atoms(self) -> Iterable[Atom]:
        """The atoms of all monomials, with repeats."""
        return (atom for monomial, _ in self.addends for atom, _ in monomial)

    @property
    def axis(self) -> Axis:
        """The finest axis on which a part of it stands."""
        return finest(atom.axis for atom in self.atoms)


def finest(axes: Iterable[Axis]) -> Axis:
    """The finest of nested axes; of two that cover the same places, neither of which is finer, the first."""
    every = sorted(axes, key=lambda axis: len(axis.chain()), reverse=True)
    return next((axis for axis in every if all(axis.is_within(other) for other in every)), every[0] if every else BATCH)


def digest_of(*words: str) -> str:
    """SHA-256 of words, as hexadecimal."""
    return sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()


def _name(monomial: Monomial) -> str:
    return " ".join(f"{atom.digest}^{exponent}" for atom, exponent in monomial)


# ------------------------------------------------------------------ making
def polynomial(addends: Mapping[Monomial, Fraction], marks: Marks = NEVER) -> Polynomial:
    """The polynomial of these addends; those with coefficient 0 go, what they are absent with stays. Whatever is computed
    from what is absent everywhere is that."""
    if not NOTHING.isdisjoint(marks):
        return ABSENT
    kept = [(monomial, coefficient) for monomial, coefficient in addends.items() if coefficient]
    return Polynomial(tuple(sorted(kept, key=lambda addend: _name(addend[0]))), marks)


def number(value: float | Fraction) -> Polynomial:
    """A number, exactly as it is written: 0.1 is a tenth. Infinities and NaN are atoms."""
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return scale(of_atom(Atom(("infinity",))), Fraction(1 if value > 0 else -1))
    if value != value:
        return ABSENT
    exact = value if isinstance(value, Fraction) else Fraction(repr(value) if isinstance(value, float) else int(value))
    return polynomial({(): exact})


def of_atom(atom: Atom) -> Polynomial:
    """An atom alone."""
    return of_monomial(((atom, 1),))


def of_monomial(monomial: Monomial, coefficient: Fraction = Fraction(1)) -> Polynomial:
    """One addend."""
    return polynomial({monomial: coefficient}, marks_of(monomial))


def marks_of(monomial: Monomial) -> Marks:
    """What a product is absent with: its factors, and counts that it is divided by."""
    counts = {(atom.digest, atom.axis) for atom, exponent in monomial if exponent < 0 and atom.is_count}
    return NEVER.union(*(atom.marks for atom, _ in monomial), counts)


def absent_with(x: Polynomial, marks: Marks) -> Polynomial:
    """The same, absent with more."""
    return x if marks <= x.marks else polynomial(dict(x.addends), x.marks | marks)


_ABSENT = Atom(("absent",), is_optional=True)
NOTHING = _ABSENT.marks
ABSENT = Polynomial(((((_ABSENT, 1),), Fraction(1)),), NOTHING)
ZERO = polynomial({})
ONE = polynomial({(): Fraction(1)})


# ------------------------------------------------------------------ arithmetic
def add(*parts: Polynomial) -> Polynomial:
    """The sum."""
    addends: dict[Monomial, Fraction] = {}
    for part in parts:
        for monomial, coefficient in part.addends:
            addends[monomial] = addends.get(monomial, Fraction(0)) + coefficient
    return polynomial(addends, NEVER.union(*(part.marks for part in parts)))


def scale(x: Polynomial, by: Fraction) -> Polynomial:
    """A multiple."""
    return x if by == 1 else polynomial({monomial: coefficient * by for monomial, coefficient in x.addends}, x.marks)


def subtract(x: Polynomial, y: Polynomial) -> Polynomial:
    """The difference."""
    return add(x, scale(y, Fraction(-1)))


def monic(x: Polynomial) -> Polynomial:
    """The multiple whose lead is 1."""
    return scale(x, 1 / x.lead)


def as_factor(x: Polynomial) -> Polynomial:
    """The same as one monomial: a sum becomes an atom of its own."""
    if len(x.addends) < 2:
        return x
    return scale(of_atom(Atom(("sum",), (monic(x),), x.axis, x.marks)), x.lead)


def multiply(x: Polynomial, y: Polynomial) -> Polynomial:
    """The product, multiplied out where that stays small."""
    if len(x.addends) * len(y.addends) > MOST_MONOMIALS:
        x, y = as_factor(x), as_factor(y)
    addends: dict[Monomial, Fraction] = {}
    for first, one in x.addends:
        for second, other in y.addends:
            joined = _joined(first, second)
            addends[joined] = addends.get(joined, Fraction(0)) + one * other
    return polynomial(addends, x.marks | y.marks)


def product(factors: Iterable[tuple[Polynomial, int]]) -> Polynomial:
    """The product of powers, 1 or -1, multiplied out if all of it stays small: the same in whatever order and nesting."""
    parts = [x if exponent > 0 else inverse(x) for x, exponent in factors]
    size = 1
    for part in parts:
        size *= max(1, len(part.addends))
    if size > MOST_MONOMIALS:
        parts = [as_factor(part) for part in parts]
    found = _product_of_monomials([part for part in parts if len(part.addends) == 1])
    for part in parts:
        if len(part.addends) != 1:
            found = multiply(found, part)
    return found


def _product_of_monomials(parts: list[Polynomial]) -> Polynomial:
    """Joined at once, since there may be very many."""
    coefficient = Fraction(1)
    for part in parts:
        coefficient *= part.addends[0][1]
    joined = _joined(*(part.addends[0][0] for part in parts))
    return polynomial({joined: coefficient}, NEVER.union(*(part.marks for part in parts)))


def inverse(x: Polynomial) -> Polynomial:
    """`1 / x`, equal wherever x is not 0."""
    if not x.addends:
        return absent_with(of_atom(Atom(("inverse of 0",))), x.marks)
    [(monomial, coefficient)] = as_factor(x).addends
    inverted = of_monomial(_joined(tuple((atom, -exponent) for atom, exponent in monomial)), 1 / coefficient)
    counts = {(atom.digest, atom.axis) for atom, exponent in monomial if exponent > 0 and atom.is_count}
    return absent_with(inverted, x.marks | counts)


def power(x: Polynomial, exponent: int) -> Polynomial:
    """A whole power."""
    found = absent_with(ONE, x.marks)
    for _ in range(abs(exponent)):
        found = multiply(found, x)
    return found if exponent >= 0 else inverse(found)


def exponential(x: Polynomial) -> Polynomial:
    """`exp(x)`; of a sum it is one atom, so that products of exponentials are exponentials of sums."""
    rest, powers = dict[Monomial, Fraction](), absent_with(ONE, x.marks)
    for monomial, coefficient in x.addends:
        logarithm = _logarithm_in(monomial)
        if logarithm is not None and coefficient.denominator == 1 and abs(coefficient) <= MOST_MONOMIALS:
            powers = multiply(powers, power(logarithm, int(coefficient)))
        else:
            rest[monomial] = coefficient
    return multiply(_of_exponent(polynomial(rest, x.marks)), powers) if rest else powers


def _of_exponent(x: Polynomial) -> Polynomial:
    return of_atom(Atom(("exp",), (x,), x.axis, x.marks))


def _logarithm_in(monomial: Monomial) -> Polynomial | None:
    """x where the monomial is `log(x)`."""
    if len(monomial) == 1 and monomial[0][1] == 1 and monomial[0][0].head == ("log",):
        return monomial[0][0].parts[0]
    return None


def _joined(*monomials: Monomial) -> Monomial:
    """The product of monomials, with one exponential at most."""
    exponents: dict[Atom, int] = {}
    for monomial in monomials:
        for atom, exponent in monomial:
            exponents[atom] = exponents.get(atom, 0) + exponent
    kept = {atom: exponent for atom, exponent in exponents.items() if exponent}
    exponentials = {atom: exponent for atom, exponent in kept.items() if atom.head == ("exp",)}
    if len(exponentials) > 1 or any(exponent != 1 for exponent in exponentials.values()):
        inner = add(*(scale(atom.parts[0], Fraction(exponent)) for atom, exponent in exponentials.items()))
        kept = {atom: exponent for atom, exponent in kept.items() if atom not in exponentials}
        if inner.addends:
            kept[Atom(("exp",), (inner,), inner.axis, inner.marks)] = 1
    return tuple(sorted(kept.items(), key=lambda factor: factor[0].digest))
