"""Objectives under comparison: terms, their directions and weights, and which are versions of each other.

What an objective optimises is the sum of its terms: how it is split into terms, and what they are called, is for the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from rldsl.canonical import polynomial as poly
from rldsl.canonical.polynomial import Atom, Marks, Polynomial
from rldsl.difference.aggregation import has_sum
from rldsl.difference.least import LIKE, ONE, Comparison
from rldsl.difference.model import Change, PartDifference, Status
from rldsl.difference.side import Part, Ref, Side, show_number
from rldsl.graph.spec import ObjectiveSpec, TermSpec


@dataclass(frozen=True, slots=True)
class Weight:
    """What a term is multiplied by: a number (below 0 where it is minimised) and frozen values of the batch."""

    number: Fraction
    factors: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """A term, or an addend of one: its label, its weight, and what is weighed."""

    label: str
    weight: Weight
    core: Ref
    value: Polynomial


def terms_of(side: Side, objective: ObjectiveSpec) -> list[Term]:
    """The terms of an objective, each with its weight."""
    return [_term(side, term.label, _sign(term), Ref(term.key)) for term in objective.terms]


def _sign(term: TermSpec) -> Fraction:
    return Fraction(1 if term.maximize else -1)


def _term(side: Side, label: str, sign: Fraction, ref: Ref) -> Term:
    number, addends = side.addends(ref)
    value = poly.scale(side.of(ref), sign)
    if number != 0 or len(addends) != 1:
        return Term(label, Weight(sign), ref, value)
    sign *= addends[0].by
    factor, factors = side.factors(side.bare(addends[0].ref))
    weights = tuple(part for part in factors if side.is_weight(part.ref))
    rest = [part for part in factors if part not in weights]
    if len(rest) != 1 or rest[0].by != 1:
        return Term(label, Weight(sign), addends[0].ref, value)
    return Term(label, Weight(sign * factor, weights), rest[0].ref, value)


def total_of(side: Side, objective: ObjectiveSpec) -> Polynomial:
    """What an objective maximises. A term that is absent adds nothing: terms that are absent together are one."""
    together: dict[Marks, list[Polynomial]] = {}
    for term in objective.terms:
        value = poly.scale(side.of(Ref(term.key)), _sign(term))
        together.setdefault(value.marks, []).append(value)
    sums = (poly.add(*values) for values in together.values())
    return poly.add(*(poly.of_atom(Atom(("term",), (value,))) if value.marks else value for value in sums))


# ------------------------------------------------------------------ pairing
def paired(before: Side, after: Side, first: Sequence[Term], second: Sequence[Term]
           ) -> tuple[list[tuple[Term, Term]], list[Term], list[Term]]:
    """Terms that are versions of each other, and those that are alone; equal ones are in neither."""
    left, right = list(first), list(second)
    _drop_equal(left, right)
    pairs: list[tuple[Term, Term]] = []
    same_core = _matching(left, right, lambda term, other: before.of(term.core) == after.of(other.core))
    same_label = _matching(left, right, lambda term, other: term.label == other.label)
    comparison = Comparison(before, after)
    alike = _matching(left, right, lambda term, other: comparison.likeness(term.core, other.core) >= LIKE)
    pairs += same_core + same_label + alike
    order = {id(term): index for index, term in enumerate(first)}
    return sorted(pairs, key=lambda pair: order[id(pair[0])]), left, right


def _drop_equal(left: list[Term], right: list[Term]) -> None:
    _matching(left, right, lambda term, other: term.value == other.value)


def _matching(left: list[Term], right: list[Term], is_match: Callable[[Term, Term], bool]) -> list[tuple[Term, Term]]:
    """Takes pairs out of both lists, the first match of each."""
    found = []
    for term in list(left):
        other = next((entry for entry in right if is_match(term, entry)), None)
        if other is not None:
            left.remove(term)
            right.remove(other)
            found.append((term, other))
    return found


# ------------------------------------------------------------------ differences
def term_differences(before: Side, after: Side, first: ObjectiveSpec, second: ObjectiveSpec) -> list[PartDifference]:
    """Terms that were added, removed or changed."""
    pairs, left, right = paired(before, after, terms_of(before, first), terms_of(after, second))
    found = [_changed(before, after, *pair) for pair in pairs]
    found += [PartDifference("term", term.label, Status.REMOVED, (Change("", shown(before, term), None),)) for term in left]
    return found + [PartDifference("term", term.label, Status.ADDED, (Change("", None, shown(after, term)),)) for term in right]


def _changed(before: Side, after: Side, term: Term, other: Term) -> PartDifference:
    comparison = Comparison(before, after)
    summed = has_sum(before, term.core), has_sum(after, other.core)
    if summed[0] != summed[1]:  # a length that sums are divided by is no weight: it is said with the sums
        ratio = abs(other.weight.number / term.weight.number)
        comparison.scales = (1 / ratio, ONE) if summed[0] else (ONE, ratio)
    below = comparison.changes(term.core, other.core)
    found = [*_weights(before, after, term, other, summed[0] == summed[1]), *below]
    if not found and not comparison.through:
        found = [comparison.replaced(term.core, other.core)]
    return PartDifference("term", other.label, Status.CHANGED, tuple(found), tuple(comparison.through))


def _weights(before: Side, after: Side, term: Term, other: Term, are_numbers_said: bool) -> list[Change]:
    """Direction and weight; of the latter the number only if asked for."""
    found = []
    numbers = term.weight.number, other.weight.number
    if (numbers[0] > 0) != (numbers[1] > 0):
        words = ["maximised" if number > 0 else "minimised" for number in numbers]
        found.append(Change(f"{words[0]} → {words[1]}"))
    texts = [_weight(side, entry.weight, side.described) for side, entry in ((before, term), (after, other))]
    values = [_value(side, entry.weight, are_numbers_said) for side, entry in ((before, term), (after, other))]
    if values[0] != values[1]:
        found.append(Change(f"weight {texts[0]} → {texts[1]}"))
    return found


def _value(side: Side, weight: Weight, with_number: bool) -> Polynomial:
    found = poly.number(abs(weight.number)) if with_number else poly.ONE
    for part in weight.factors:
        found = poly.multiply(found, side.of(part.ref) if part.by > 0 else poly.inverse(side.of(part.ref)))
    return found


def _weight(side: Side, weight: Weight, word: Callable[[Ref], str]) -> str:
    text = show_number(abs(weight.number))
    up = [word(part.ref) for part in weight.factors if part.by > 0]
    down = [word(part.ref) for part in weight.factors if part.by < 0]
    words = ([text] if abs(weight.number) != 1 or not up else []) + up
    return " * ".join(words) + "".join(f" / {entry}" for entry in down)


def shown(side: Side, term: Term) -> str:
    """`maximize 0.01 * mean_{y.token}(entropy(pi_actor, y))`."""
    direction = "maximize" if term.weight.number > 0 else "minimize"
    text = _weight(side, term.weight, side.equation)
    return f"{direction} {'' if text == '1' else text + ' * '}{side.equation(term.core)}"
