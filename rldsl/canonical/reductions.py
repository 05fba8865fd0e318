"""What reductions make of polynomials: means are sums over counts, sums go through sums, and what does not change leaves them.

Sums are taken apart only where no part may be absent, since absent values are left out. That a group may hold nothing at all
is no difference: a mean of nothing is absent, a sum of nothing over a count of nothing is undefined.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from rldsl.canonical import polynomial as poly
from rldsl.canonical.polynomial import ONE, Atom, Monomial, Polynomial
from rldsl.graph.model import Reduction
from rldsl.types import Axis

_TWO_NEEDED = frozenset({Reduction.STD, Reduction.VAR})
_SPREADS = frozenset({Reduction.STD, Reduction.VAR, Reduction.STD_POPULATION, Reduction.VAR_POPULATION})


@dataclass(frozen=True, slots=True)
class Span:
    """From which axis to which a reduction goes, their digestible names, which values take part (None: all), and how many
    there are at least in each group."""

    start: Axis
    end: Axis
    names: Mapping[Axis, str]
    mask: Polynomial | None = None
    least: int = 0

    @property
    def words(self) -> tuple[str, str]:
        """The names of both axes."""
        return self.names[self.start], self.names[self.end]

    def starting_at(self, start: Axis) -> Span:
        """From another axis to the same."""
        return Span(start, self.end, self.names, self.mask)


def reduced(reduction: Reduction, x: Polynomial, span: Span, level: Polynomial | None, is_truth: bool) -> Polynomial:
    """The polynomial of a reduction. `level` is that of a quantile, `is_truth` says that x is true or false."""
    if span.start == span.end and span.mask is None and reduction not in (*_SPREADS, Reduction.COUNT):
        return x
    match reduction:
        case Reduction.SUM:
            return total(x, span)
        case Reduction.MEAN:
            return _mean(x, span)
        case Reduction.COUNT:
            return total(x, span) if is_truth else count(x, span)
        case Reduction.MAXIMUM:
            return poly.scale(_other(Reduction.MINIMUM, poly.scale(x, Fraction(-1)), span, level), Fraction(-1))
        case _:
            return _other(reduction, x, span, level)


def total(x: Polynomial, span: Span) -> Polynomial:
    """The sum of the values that are present."""
    if x.optional:
        return poly.scale(_atom("sum", poly.monic(x), span, None, optional=False), x.lead)
    return poly.add(*(poly.scale(_total_of(monomial, span), coefficient) for monomial, coefficient in x.addends))


def count(x: Polynomial, span: Span) -> Polynomial:
    """How many values are present."""
    if x.optional:
        return _atom("count", poly.monic(x), span, None, optional=False)
    return size(span) if span.mask is None else _atom("sum", ONE, span, None, optional=False)


def size(span: Span) -> Polynomial:
    """How many places there are in each."""
    return ONE if span.start == span.end else poly.of_atom(Atom(("size", *span.words), (), span.end))


def _mean(x: Polynomial, span: Span) -> Polynomial:
    """A factor that is the same throughout a group stands before its mean, though it may be absent there."""
    if x.optional and len(x.addends) == 1:
        [(monomial, coefficient)] = x.addends
        outer, inner = _parted(monomial, span.end)
        if not any(atom.optional for atom, _ in inner):
            return poly.multiply(poly.of_monomial(outer, coefficient), _mean(poly.of_monomial(inner), span))
    return poly.multiply(total(x, span), poly.inverse(count(x, span)))


def _parted(monomial: Monomial, end: Axis) -> tuple[Monomial, Monomial]:
    """The factors that stand at `end` or above it, and the others."""
    outer = tuple(factor for factor in monomial if end.is_within(factor[0].axis))
    return outer, tuple(factor for factor in monomial if factor not in outer)


def _total_of(monomial: Monomial, span: Span) -> Polynomial:
    """The sum of a product, none of whose factors may be absent."""
    outer, inner = _parted(monomial, span.end)
    if not inner:
        return poly.multiply(poly.of_monomial(outer), count(ONE, span))
    return poly.multiply(poly.of_monomial(outer), _inner_total(inner, span))


def _inner_total(monomial: Monomial, span: Span) -> Polynomial:
    if span.mask is not None:
        return _atom("sum", poly.of_monomial(monomial), span, None, optional=False)
    axis = poly.finest(atom.axis for atom, _ in monomial)
    if axis != span.start:  # the same value in all places of a finer axis: once, times their number
        places = size(Span(span.start, axis, span.names))
        return total(poly.multiply(poly.of_monomial(monomial), places), span.starting_at(axis))
    joined = _through(monomial, span)
    return joined if joined is not None else _atom("sum", poly.of_monomial(monomial), span, None, optional=False)


def _through(monomial: Monomial, span: Span) -> Polynomial | None:
    """A sum of sums, or of sizes, is one."""
    if len(monomial) > 1 or monomial[0][1] != 1:
        return None
    atom = monomial[0][0]
    start, end = span.words
    if atom.head[0] == "size" and atom.head[2] == start:
        return poly.of_atom(Atom(("size", atom.head[1], end), (), span.end))
    if atom.head[0] == "sum" and len(atom.head) == 3 and atom.head[2] == start and len(atom.parts) == 1:
        return poly.of_atom(Atom(("sum", atom.head[1], end), atom.parts, span.end))
    return None


def _other(reduction: Reduction, x: Polynomial, span: Span, level: Polynomial | None) -> Polynomial:
    """Deviations know no sign, and what they are of at least two values is never absent; a positive factor leaves all."""
    factor = abs(x.lead)
    if reduction in (Reduction.ANY, Reduction.ALL):
        return _atom(reduction.value, x, span, level, optional=False)
    is_optional = x.optional or span.mask is not None or (reduction in _TWO_NEEDED and span.least < 2)
    if reduction not in _SPREADS:
        return poly.scale(_atom(reduction.value, poly.scale(x, 1 / factor), span, level, optional=is_optional), factor)
    is_variance = reduction in (Reduction.VAR, Reduction.VAR_POPULATION)
    atom = _atom(reduction.value, poly.monic(x), span, level, optional=is_optional)
    return poly.scale(atom, factor ** 2 if is_variance else factor)


def _atom(head: str, x: Polynomial, span: Span, level: Polynomial | None, *, optional: bool) -> Polynomial:
    parts = tuple(part for part in (x, span.mask, level) if part is not None)
    marks = (*(("masked",) if span.mask is not None else ()), *(("at",) if level is not None else ()))
    return poly.of_atom(Atom((head, *span.words, *marks), parts, span.end, optional))
