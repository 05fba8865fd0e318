"""What each elementwise function makes of polynomials. Rules hold wherever both sides are defined; rounding is no difference.

Stable forms (`log_sigmoid`, `expm1`, `softplus`) are said by `exp` and `log`, maxima by minima, clips by both, so that a value is
the same however it is written. Gradients at ties are not told apart: `min(a, b)` is `min(b, a)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import isqrt

from rldsl.canonical import polynomial as poly
from rldsl.canonical.polynomial import NEVER, ONE, ZERO, Atom, Marks, Polynomial
from rldsl.graph.model import Function

MOST_POWER = 16
MINUS = Fraction(-1)


def function_of(function: Function, inputs: Sequence[Polynomial], *, may_be_absent: bool = True) -> Polynomial:
    """The polynomial of an elementwise function, absent where an input is. `may_be_absent` is asked of the first input of `else`
    and `is_missing`."""
    marks = NEVER.union(*(part.marks for part in inputs))
    match function:
        case Function.OTHERWISE:
            return _otherwise(*inputs) if may_be_absent or inputs[0].marks else inputs[0]
        case Function.IS_MISSING:
            return _atom("is missing", *inputs, marks=NEVER) if may_be_absent or inputs[0].marks else ZERO
        case Function.SELECT:
            return _select(*inputs)
        case _:
            return poly.absent_with(_RULES[function](*inputs), marks)


def _atom(head: str, *parts: Polynomial, marks: Marks | None = None, is_optional: bool = False) -> Polynomial:
    absent_with = NEVER.union(*(part.marks for part in parts)) if marks is None else marks
    return poly.of_atom(Atom((head,), parts, poly.finest(part.axis for part in parts), absent_with, is_optional))


# ------------------------------------------------------------------ arithmetic
def _divide(x: Polynomial, y: Polynomial) -> Polynomial:
    return poly.multiply(x, poly.inverse(y))


def _power(base: Polynomial, exponent: Polynomial) -> Polynomial:
    number = exponent.number
    if number is not None and number.denominator == 1 and abs(number) <= MOST_POWER:
        return poly.power(base, int(number))
    return _root(base) if number == Fraction(1, 2) else _atom("power", base, exponent)


def _root(x: Polynomial) -> Polynomial:
    """`sqrt(c x)` with the root of c in front where that is a fraction."""
    lead = x.lead
    if x.number == 0:
        return x
    if lead > 0 and isqrt(lead.numerator) ** 2 == lead.numerator and isqrt(lead.denominator) ** 2 == lead.denominator:
        factor = Fraction(isqrt(lead.numerator), isqrt(lead.denominator))
        return poly.number(factor) if x.number is not None else poly.scale(_atom("power", poly.monic(x), _HALF), factor)
    return _atom("power", x, _HALF)


_HALF = poly.number(Fraction(1, 2))


def _absolute(x: Polynomial) -> Polynomial:
    if x.number is not None:
        return poly.number(abs(x.number))
    return poly.scale(_atom("absolute", poly.monic(x)), abs(x.lead))


def _sign(x: Polynomial) -> Polynomial:
    if x.number is not None:
        return poly.number(Fraction((x.number > 0) - (x.number < 0)))
    return poly.scale(_atom("sign", poly.monic(x)), Fraction(1 if x.lead > 0 else -1))


def _odd(head: str) -> Callable[[Polynomial], Polynomial]:
    def rule(x: Polynomial) -> Polynomial:
        return _atom(head, x) if x.lead > 0 else poly.scale(_atom(head, poly.scale(x, MINUS)), MINUS)

    return rule


# ------------------------------------------------------------------ exponentials
def _log(x: Polynomial) -> Polynomial:
    """`log(c a^k / b)` is `log c + k log a - log b`, and `log(exp(x))` is x."""
    factor = poly.as_factor(x)
    if not factor.addends:
        return _atom("log", x)
    [(monomial, coefficient)] = factor.addends
    parts = [_log_of_power(atom, exponent) for atom, exponent in monomial]
    if coefficient < 0:
        parts = [_atom("log", poly.scale(x, 1 / abs(coefficient)))]
    size = abs(coefficient)
    return poly.add(*parts) if size == 1 else poly.add(_atom("log", poly.number(size)), *parts)


def _log_of_power(atom: Atom, exponent: int) -> Polynomial:
    inner = atom.parts[0] if atom.head in (("exp",), ("sum",)) else poly.of_atom(atom)
    logarithm = inner if atom.head == ("exp",) else _atom("log", inner)
    return poly.scale(logarithm, Fraction(exponent))


def _sigmoid(x: Polynomial) -> Polynomial:
    return poly.inverse(poly.add(ONE, poly.exponential(poly.scale(x, MINUS))))


def _softplus(x: Polynomial) -> Polynomial:
    return _log(poly.add(ONE, poly.exponential(x)))


# ------------------------------------------------------------------ bounds
def _minimum(*inputs: Polynomial) -> Polynomial:
    """Of several values in whatever order and nesting, a common positive factor in front."""
    options = {option for part in inputs for option in _options(part)}
    if len(options) == 1:
        return options.pop()
    numbers = [option.number for option in options if option.number is not None]
    kept = [option for option in options if option.number is None] + ([poly.number(min(numbers))] if numbers else [])
    ordered = sorted(kept, key=lambda option: (poly.monic(option).digest, option.lead))
    factor = abs(ordered[0].lead)
    if len(ordered) == 1:
        return ordered[0]
    return poly.scale(_atom("min", *(poly.scale(option, 1 / factor) for option in ordered)), factor)


def _options(x: Polynomial) -> list[Polynomial]:
    """What a minimum is taken of: `min(a, min(b, c))` is of three."""
    if len(x.addends) == 1:
        [(monomial, coefficient)] = x.addends
        if len(monomial) == 1 and monomial[0][1] == 1 and monomial[0][0].head == ("min",) and coefficient > 0:
            return [poly.scale(part, coefficient) for part in monomial[0][0].parts]
    return [x]


def _maximum(*inputs: Polynomial) -> Polynomial:
    return poly.scale(_minimum(*(poly.scale(part, MINUS) for part in inputs)), MINUS)


def _clip(x: Polynomial, low: Polynomial, high: Polynomial) -> Polynomial:
    return _minimum(_maximum(x, low), high)


# ------------------------------------------------------------------ truth
def _negative(x: Polynomial, head: str) -> Polynomial:
    """Whether x < 0 (or x <= 0); a positive factor makes no difference."""
    if x.number is not None:
        return ONE if x.number < 0 or (x.number == 0 and head == "is not positive") else ZERO
    return _atom(head, poly.scale(x, 1 / abs(x.lead)))


def _less(x: Polynomial, y: Polynomial) -> Polynomial:
    return _negative(poly.subtract(x, y), "is negative")


def _less_equal(x: Polynomial, y: Polynomial) -> Polynomial:
    return _negative(poly.subtract(x, y), "is not positive")


def _equal(x: Polynomial, y: Polynomial) -> Polynomial:
    difference = poly.subtract(x, y)
    if difference.number is not None:
        return ZERO if difference.number else ONE
    return _atom("is zero", poly.monic(difference))


def _not(x: Polynomial) -> Polynomial:
    if x.number is not None:
        return ZERO if x.number else ONE
    atom = _only_atom(x)
    match None if atom is None else atom.head[0]:
        case "is negative":
            return _negative(poly.scale(_part(atom), MINUS), "is not positive")
        case "is not positive":
            return _negative(poly.scale(_part(atom), MINUS), "is negative")
        case "not":
            return _part(atom)
        case _:
            return _atom("not", x)


def _only_atom(x: Polynomial) -> Atom | None:
    """The atom that it is, alone."""
    if len(x.addends) == 1 and x.addends[0][1] == 1 and len(x.addends[0][0]) == 1 and x.addends[0][0][0][1] == 1:
        return x.addends[0][0][0][0]
    return None


def _part(atom: Atom | None) -> Polynomial:
    assert atom is not None
    return atom.parts[0]


def _connective(head: str) -> Callable[..., Polynomial]:
    def rule(*inputs: Polynomial) -> Polynomial:
        parts: set[Polynomial] = set()
        for part in inputs:
            atom = _only_atom(part)
            parts.update(atom.parts if atom is not None and atom.head == (head,) else (part,))
        return parts.pop() if len(parts) == 1 else _atom(head, *sorted(parts, key=lambda part: part.digest))

    return rule


# ------------------------------------------------------------------ choices
def _select(condition: Polynomial, chosen: Polynomial, other: Polynomial) -> Polynomial:
    """Of the branch that is not taken nothing is asked, so that where a choice is absent is its own matter."""
    if condition.number is not None:
        return chosen if condition.number else other
    if chosen == other:
        return poly.absent_with(chosen, condition.marks)
    atom = _only_atom(condition)
    if atom is not None and atom.head in (("not",), ("is not positive",)):
        return _select(_not(condition), other, chosen)
    if chosen == ONE and other == ZERO:
        return condition
    factor = chosen.lead if chosen.addends else other.lead
    parts = condition, poly.scale(chosen, 1 / factor), poly.scale(other, 1 / factor)
    return poly.scale(_atom("where", *parts, marks=condition.marks, is_optional=bool(chosen.marks | other.marks)), factor)


def _otherwise(x: Polynomial, alternative: Polynomial) -> Polynomial:
    return _atom("else", x, alternative, marks=NEVER, is_optional=bool(alternative.marks))


_RULES: Mapping[Function, Callable[..., Polynomial]] = {
    Function.ADD: poly.add, Function.SUBTRACT: poly.subtract, Function.MULTIPLY: poly.multiply,
    Function.GATED_MULTIPLY: poly.multiply, Function.DIVIDE: _divide, Function.POWER: _power,
    Function.NEGATE: lambda x: poly.scale(x, MINUS), Function.MINIMUM: _minimum, Function.MAXIMUM: _maximum,
    Function.CLIP: _clip, Function.ABSOLUTE: _absolute, Function.SIGN: _sign, Function.EXP: poly.exponential,
    Function.LOG: _log, Function.EXPM1: lambda x: poly.subtract(poly.exponential(x), ONE),
    Function.LOG1P: lambda x: _log(poly.add(ONE, x)), Function.SQRT: _root, Function.SIGMOID: _sigmoid,
    Function.LOG_SIGMOID: lambda x: poly.scale(_softplus(poly.scale(x, MINUS)), MINUS), Function.SOFTPLUS: _softplus,
    Function.TANH: _odd("tanh"), Function.RELU: lambda x: _maximum(x, ZERO), Function.FLOOR: lambda x: _atom("floor", x),
    Function.COS: lambda x: _atom("cos", x),
    Function.LESS: _less, Function.LESS_EQUAL: _less_equal, Function.GREATER: lambda x, y: _less(y, x),
    Function.GREATER_EQUAL: lambda x, y: _less_equal(y, x), Function.EQUAL: _equal,
    Function.NOT_EQUAL: lambda x, y: _not(_equal(x, y)), Function.AND: _connective("and"), Function.OR: _connective("or"),
    Function.NOT: _not}
