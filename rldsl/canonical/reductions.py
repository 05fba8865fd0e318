"""What reductions make of polynomials: means are sums over counts, sums go through sums, and what does not change leaves them.

Absent values are left out: a sum says in its head with what its values are absent, and a mean is absent with its count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from rldsl.canonical import polynomial as poly
from rldsl.canonical.polynomial import NEVER, ONE, Atom, Marks, Monomial, Polynomial
from rldsl.graph.model import Reduction
from rldsl.infer.levels import may_be_empty
from rldsl.types import Axis

_TWO_NEEDED = frozenset({Reduction.STD, Reduction.VAR})
_OF_ONE = frozenset({Reduction.SUM, Reduction.MEAN, Reduction.MINIMUM, Reduction.MAXIMUM, Reduction.FIRST, Reduction.LAST,
                     Reduction.QUANTILE})
_SPREADS = frozenset({Reduction.STD, Reduction.VAR, Reduction.STD_POPULATION, Reduction.VAR_POPULATION})


@dataclass(frozen=True, slots=True)
class Span:
    """From which axis to which a reduction goes, their names, which values take part (None: all; those with `marks` only where
    present), and how many places there are at least in each group."""

    start: Axis
    end: Axis
    names: Mapping[Axis, str]
    mask: Polynomial | None = None
    marks: Marks = NEVER
    least: int = 0

    @property
    def words(self) -> tuple[str, str]:
        """The names of both axes."""
        return self.names[self.start], self.names[self.end]

    @property
    def is_full(self) -> bool:
        """Whether all values take part."""
        return self.mask is None and not self.marks


def reduced(reduction: Reduction, x: Polynomial, span: Span, level: Polynomial | None, is_truth: bool) -> Polynomial:
    """The polynomial of a reduction. `level` is that of a quantile, `is_truth` says that x is true or false."""
    span = replace(span, marks=x.marks)
    is_kept = reduction is not Reduction.SUM or not x.marks  # a sum of an absent value is 0
    if span.start == span.end and span.mask is None and reduction in _OF_ONE and is_kept:
        return x
    match reduction:
        case Reduction.SUM:
            return total(x, span)
        case Reduction.MEAN:
            return _mean(x, span)
        case Reduction.COUNT:
            return total(x, span) if is_truth else count(span)
        case Reduction.MAXIMUM:
            return poly.scale(_other(Reduction.MINIMUM, poly.scale(x, Fraction(-1)), span, level), Fraction(-1))
        case _:
            return _other(reduction, x, span, level)


def total(x: Polynomial, span: Span) -> Polynomial:
    """The sum of the values that take part."""
    return poly.add(*(poly.scale(_total_of(monomial, span), coefficient) for monomial, coefficient in x.addends))


def count(span: Span) -> Polynomial:
    """How many values take part."""
    return _total_of((), span)


def size(span: Span) -> Polynomial:
    """How many places there are in each."""
    if span.start == span.end:
        return ONE
    return poly.of_atom(Atom(("size", *span.words), (), span.end, is_count=may_be_empty(span.start, span.end)))


def _mean(x: Polynomial, span: Span) -> Polynomial:
    """What is absent throughout a group makes its mean absent, and is not looked for in each place."""
    outer = frozenset(mark for mark in x.marks if span.end.is_within(mark[1]))
    inner = replace(span, marks=span.marks - outer)
    return poly.absent_with(poly.multiply(total(x, inner), poly.inverse(count(inner))), outer)


def _total_of(monomial: Monomial, span: Span) -> Polynomial:
    """The sum of a product; factors that are the same throughout a group, and there if it is, stand before it."""
    outer = tuple((atom, exponent) for atom, exponent in monomial
                  if span.end.is_within(atom.axis) and not poly.marks_of(((atom, exponent),)) & span.marks)
    inner = tuple(factor for factor in monomial if factor not in outer)
    return poly.multiply(poly.of_monomial(outer), _inner_total(inner, span))


def _inner_total(monomial: Monomial, span: Span) -> Polynomial:
    if span.mask is not None:
        return _sum(monomial, span)
    axis = poly.finest((span.end, *(atom.axis for atom, _ in monomial), *(axis for _, axis in span.marks)))
    is_coarser = axis != span.start and span.start.is_within(axis) and _all_above(axis, monomial, span)
    if is_coarser:  # the same value in all places of a finer axis: once, times their number
        [places] = size(replace(span, end=axis)).addends
        return _total_of(_product(monomial, places[0]), replace(span, start=axis))
    if span.start == span.end and not span.marks:
        return poly.of_monomial(monomial)
    joined = _through(monomial, span) if not span.marks else None
    return joined if joined is not None else _sum(monomial, span)


def _all_above(axis: Axis, monomial: Monomial, span: Span) -> bool:
    """Whether all factors and marks are the same throughout each place of the axis."""
    return all(axis.is_within(above) for above in (*(atom.axis for atom, _ in monomial), *(axis for _, axis in span.marks)))


def _product(first: Monomial, second: Monomial) -> Monomial:
    [(monomial, _)] = poly.multiply(poly.of_monomial(first), poly.of_monomial(second)).addends
    return monomial


def _through(monomial: Monomial, span: Span) -> Polynomial | None:
    """A sum of sums, or of sizes, is one."""
    if len(monomial) != 1 or monomial[0][1] != 1:
        return None
    atom = monomial[0][0]
    start, end = span.words
    if len(atom.head) != 3 or atom.head[2] != start:
        return None
    if atom.head[0] == "size":
        # of places two steps below: they may be none where either step may have none
        return poly.of_atom(Atom(("size", atom.head[1], end), (), span.end, is_count=atom.is_count and span.end.parent is not None))
    return poly.of_atom(Atom(("sum", atom.head[1], end), atom.parts, span.end)) if atom.head[0] == "sum" else None


def _sum(monomial: Monomial, span: Span) -> Polynomial:
    is_number = all(atom.head[0] == "size" for atom, _ in monomial)
    may_be_none = not span.is_full or any(atom.is_count for atom, _ in monomial) or may_be_empty(span.start, span.end)
    return _atom("sum", poly.of_monomial(monomial), span, None, is_count=is_number and may_be_none)


def _other(reduction: Reduction, x: Polynomial, span: Span, level: Polynomial | None) -> Polynomial:
    """Deviations know no sign, and what they are of at least two values is never absent; a positive factor leaves all."""
    factor = abs(x.lead)
    if reduction in (Reduction.ANY, Reduction.ALL):
        return _atom(reduction.value, x, span, level)
    may_be_none = not span.is_full or may_be_empty(span.start, span.end)
    is_optional = may_be_none or (reduction in _TWO_NEEDED and span.least < 2)
    if reduction not in _SPREADS:
        return poly.scale(_atom(reduction.value, poly.scale(x, 1 / factor), span, level, is_optional=is_optional), factor)
    is_variance = reduction in (Reduction.VAR, Reduction.VAR_POPULATION)
    atom = _atom(reduction.value, poly.monic(x), span, level, is_optional=is_optional)
    return poly.scale(atom, factor ** 2 if is_variance else factor)


def _atom(head: str, x: Polynomial, span: Span, level: Polynomial | None, *, is_optional: bool = False,
          is_count: bool = False) -> Polynomial:
    parts = tuple(part for part in (x, span.mask, level) if part is not None)
    notes = (*(("masked",) if span.mask is not None else ()), *(("at",) if level is not None else ()),
             *(f"present {digest}" for digest, _ in sorted(span.marks, key=lambda mark: mark[0])))
    return poly.of_atom(Atom((head, *span.words, *notes), parts, span.end, NEVER, is_optional, is_count))
