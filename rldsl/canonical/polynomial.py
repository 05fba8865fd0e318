"""Sums of products of atoms with exact coefficients: the form in which values are compared. Knows no graph.

An atom is what no rule takes apart: a read, a leaf, `exp` of a polynomial, a reduction. Atoms, and so polynomials, are
equal where their digests are, which are made from digests of their parts and depend on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from typing import TypeAlias

from rldsl.types import BATCH, Axis

MOST_MONOMIALS = 48  # of a product that is multiplied out; beyond it sums stay factors


@dataclass(frozen=True, slots=True, eq=False)
class Atom:
    """`head` says what it is and its constants, `parts` what it is of, `axis` where it stands. `optional`: it may be
    absent, so that sums of several values may not be taken apart around it."""

    head: tuple[str, ...]
    parts: tuple[Polynomial, ...] = ()
    axis: Axis = BATCH
    optional: bool = False
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", digest_of(repr(self.head), *(part.digest for part in self.parts)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Atom) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


Monomial: TypeAlias = tuple[tuple[Atom, int], ...]
"""Atoms with exponents other than 0, sorted by digest; empty for a number."""


@dataclass(frozen=True, slots=True, eq=False)
class Polynomial:
    """Monomials with their coefficients, none 0, sorted by the digests of the atoms: numbers first."""

    addends: tuple[tuple[Monomial, Fraction], ...]
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        words = (f"{coefficient} {_name(monomial)}" for monomial, coefficient in self.addends)
        object.__setattr__(self, "digest", digest_of("sum", *words))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polynomial) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def number(self) -> Fraction | None:
        """The number that it is, or None."""
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
    def optional(self) -> bool:
        """Whether it may be absent."""
        return any(atom.optional for atom in self.atoms)

    @property
    def axis(self) -> Axis:
        """The finest axis on which a part of it stands."""
        return finest(atom.axis for atom in self.atoms)


def finest(axes: Iterable[Axis]) -> Axis:
    """The finest of nested axes."""
    return max(axes, key=lambda axis: len(axis.chain()), default=BATCH)


def digest_of(*words: str) -> str:
    """SHA-256 of words, as hexadecimal."""
    return sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()


def _name(monomial: Monomial) -> str:
    return " ".join(f"{atom.digest}^{exponent}" for atom, exponent in monomial)


# ------------------------------------------------------------------ making
def polynomial(addends: Mapping[Monomial, Fraction]) -> Polynomial:
    """The polynomial of these addends; those with coefficient 0 go."""
    kept = [(monomial, coefficient) for monomial, coefficient in addends.items() if coefficient]
    return Polynomial(tuple(sorted(kept, key=lambda addend: _name(addend[0]))))


def number(value: float | Fraction) -> Polynomial:
    """A number, exactly as it is written: 0.1 is a tenth. Infinities and NaN are atoms."""
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return scale(of_atom(Atom(("infinity",))), Fraction(1 if value > 0 else -1))
    if value != value:
        return of_atom(Atom(("absent",), optional=True))
    exact = value if isinstance(value, Fraction) else Fraction(repr(value) if isinstance(value, float) else int(value))
    return polynomial({(): exact})


def of_atom(atom: Atom, exponent: int = 1) -> Polynomial:
    """A power of an atom."""
    return Polynomial(((((atom, exponent),), Fraction(1)),)) if exponent else ONE


def of_monomial(monomial: Monomial, coefficient: Fraction = Fraction(1)) -> Polynomial:
    """One addend."""
    return polynomial({monomial: coefficient})


ZERO = polynomial({})
ONE = polynomial({(): Fraction(1)})


# ------------------------------------------------------------------ arithmetic
def add(*parts: Polynomial) -> Polynomial:
    """The sum."""
    addends: dict[Monomial, Fraction] = {}
    for part in parts:
        for monomial, coefficient in part.addends:
            addends[monomial] = addends.get(monomial, Fraction(0)) + coefficient
    return polynomial(addends)


def scale(x: Polynomial, by: Fraction) -> Polynomial:
    """A multiple."""
    return x if by == 1 else polynomial({monomial: coefficient * by for monomial, coefficient in x.addends})


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
    return scale(of_atom(Atom(("sum",), (monic(x),), x.axis, x.optional)), x.lead)


def multiply(x: Polynomial, y: Polynomial) -> Polynomial:
    """The product, multiplied out where that stays small."""
    if len(x.addends) * len(y.addends) > MOST_MONOMIALS:
        x, y = as_factor(x), as_factor(y)
    addends: dict[Monomial, Fraction] = {}
    for first, one in x.addends:
        for second, other in y.addends:
            joined = _joined(first, second)
            addends[joined] = addends.get(joined, Fraction(0)) + one * other
    return polynomial(addends)


def inverse(x: Polynomial) -> Polynomial:
    """`1 / x`, equal wherever x is not 0."""
    if not x.addends:
        return of_atom(Atom(("inverse of 0",)))
    [(monomial, coefficient)] = as_factor(x).addends
    return of_monomial(_joined(tuple((atom, -exponent) for atom, exponent in monomial), ()), 1 / coefficient)


def power(x: Polynomial, exponent: int) -> Polynomial:
    """A whole power."""
    found = ONE
    for _ in range(abs(exponent)):
        found = multiply(found, x)
    return found if exponent >= 0 else inverse(found)


def exponential(x: Polynomial) -> Polynomial:
    """`exp(x)`; of a sum it is one atom, so that products of exponentials are exponentials of sums."""
    rest, powers = {}, ONE
    for monomial, coefficient in x.addends:
        logarithm = _logarithm_in(monomial)
        if logarithm is not None and coefficient.denominator == 1 and abs(coefficient) <= MOST_MONOMIALS:
            powers = multiply(powers, power(logarithm, int(coefficient)))
        else:
            rest[monomial] = coefficient
    if not rest:
        return powers
    inner = polynomial(rest)
    return multiply(of_atom(Atom(("exp",), (inner,), inner.axis, inner.optional)), powers)


def _logarithm_in(monomial: Monomial) -> Polynomial | None:
    """x where the monomial is `log(x)`."""
    if len(monomial) == 1 and monomial[0][1] == 1 and monomial[0][0].head == ("log",):
        return monomial[0][0].parts[0]
    return None


def _joined(first: Monomial, second: Monomial) -> Monomial:
    """The product of two monomials, with one exponential at most."""
    exponents: dict[Atom, int] = {}
    for atom, exponent in (*first, *second):
        exponents[atom] = exponents.get(atom, 0) + exponent
    kept = {atom: exponent for atom, exponent in exponents.items() if exponent}
    exponentials = {atom: exponent for atom, exponent in kept.items() if atom.head == ("exp",)}
    if len(exponentials) > 1 or any(exponent != 1 for exponent in exponentials.values()):
        inner = add(*(scale(atom.parts[0], Fraction(exponent)) for atom, exponent in exponentials.items()))
        kept = {atom: exponent for atom, exponent in kept.items() if atom not in exponentials}
        if inner.addends:
            kept[Atom(("exp",), (inner,), inner.axis, inner.optional)] = 1
    return tuple(sorted(kept.items(), key=lambda factor: factor[0].digest))
