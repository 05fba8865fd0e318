"""Numbers with units in a text: SI and the units in daily use beside it. A small table, exact; own words for the common ones.

What a unit is made of: a factor to the base units and their exponents. Temperatures have a zero of their own. Angles,
amounts of information and money are dimensions like any other; two currencies are two dimensions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

Dimension = tuple[tuple[str, int], ...]  # base and exponent, sorted, none 0


@dataclass(frozen=True, slots=True)
class Unit:
    """`value * factor + offset` is the value in base units. An offset is that of a temperature alone."""

    factor: Fraction
    dimension: Dimension
    offset: Fraction = Fraction(0)


PURE: Final = Unit(Fraction(1), ())


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as written, exact, and its unit; None where no unit that is known follows."""

    number: Fraction
    unit: Unit | None

    def under(self, unit: Unit) -> Fraction:
        """In base units, the number being of `unit`."""
        return self.number * unit.factor + unit.offset


_BASES: Final = ("m", "g", "s", "A", "K", "mol", "cd", "rad", "bit", "USD", "EUR", "GBP")
_PREFIXES: Final = {"E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "d": -1, "c": -2, "m": -3, "u": -6, "µ": -6,
                    "μ": -6, "n": -9, "p": -12, "f": -15}
_SMALL_PREFIXES: Final = {"h": ("m", "g", "L", "l", "Pa"), "d": ("m", "g", "L", "l"), "c": ("m", "g", "L", "l")}
_PREFIX_WORDS: Final = {"tera": 12, "giga": 9, "mega": 6, "kilo": 3, "hecto": 2, "deci": -1, "centi": -2, "milli": -3,
                        "micro": -6, "nano": -9, "pico": -12}
# Units that take prefixes, with what they are worth; their words take the prefixes' words.
_PREFIXED: Final = {
    "m": "m", "g": "g", "s": "s", "A": "A", "K": "K", "mol": "mol", "cd": "cd", "rad": "rad", "Hz": "s^-1", "N": "1000 g m s^-2",
    "Pa": "1000 g m^-1 s^-2", "J": "1000 g m^2 s^-2", "W": "1000 g m^2 s^-3", "C": "A s", "V": "1000 g m^2 s^-3 A^-1",
    "F": "0.001 g^-1 m^-2 s^4 A^2", "Ω": "1000 g m^2 s^-3 A^-2", "ohm": "1000 g m^2 s^-3 A^-2", "S": "0.001 g^-1 m^-2 s^3 A^2",
    "T": "1000 g s^-2 A^-1", "Wb": "1000 g m^2 s^-2 A^-1", "H": "1000 g m^2 s^-2 A^-2", "Bq": "s^-1", "Gy": "m^2 s^-2",
    "Sv": "m^2 s^-2", "L": "0.001 m^3", "l": "0.001 m^3", "eV": "1.602176634e-16 g m^2 s^-2", "bar": "100000000 g m^-1 s^-2",
    "cal": "4184 g m^2 s^-2", "Wh": "3600000 g m^2 s^-2", "bit": "bit", "b": "bit", "B": "8 bit", "t": "1000000 g"}
_WORDS: Final = {
    "metre": "m", "meter": "m", "gram": "g", "second": "s", "sec": "s", "ampere": "A", "kelvin": "K", "mole": "mol",
    "hertz": "Hz", "newton": "N", "pascal": "Pa", "joule": "J", "watt": "W", "volt": "V", "litre": "L", "liter": "L",
    "calorie": "cal", "byte": "B", "radian": "rad"}
# Units without prefixes: each with its spellings.
_PLAIN: Final = {
    "min minute minutes mins": "60 s", "h hr hrs hour hours": "3600 s", "day days d": "86400 s", "week weeks": "604800 s",
    "in inch inches": "0.0254 m", "ft foot feet": "0.3048 m", "yd yard yards": "0.9144 m", "mi mile miles": "1609.344 m",
    "lb lbs pound pounds": "453.59237 g", "oz ounce ounces": "28.349523125 g", "tonne tonnes": "1000000 g",
    "ha hectare hectares": "10000 m^2", "acre acres": "4046.8564224 m^2", "gal gallon gallons": "0.003785411784 m^3",
    "cc": "0.000001 m^3", "atm": "101325000 g m^-1 s^-2", "psi": "453.59237 9.80665 100000000/64516 g m^-1 s^-2",
    "mph": "0.44704 m s^-1", "kph": "5/18 m s^-1", "rpm": "1/60 s^-1", "% percent": "0.01",
    "KiB": "8192 bit", "MiB": "8388608 bit", "GiB": "8589934592 bit", "TiB": "8796093022208 bit",
    "° deg degree degrees": "0.01745329251994329576923690768 rad", "usd dollar dollars": "USD", "eur euro euros": "EUR",
    "gbp": "GBP", "cent cents": "0.01 USD"}
_TEMPERATURES: Final = {"°C ℃ degC celsius": (Fraction(1), Fraction("273.15")),
                        "°F ℉ degF fahrenheit": (Fraction(5, 9), Fraction(45967, 180))}
_SIGNS: Final = {"$": "USD", "€": "EUR", "£": "GBP"}
_SUPERSCRIPTS: Final = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_LONGEST: Final = 48  # characters that a unit may take
_LOOK_BACK: Final = 160  # characters that a number and its unit may take

_NUMBER = re.compile(r"(?P<sign>(?<![\w.)\]])[-+\u2212])?(?P<money>[$€£]\s?)?"
                     r"(?P<digits>(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|(?<![\w)])\.[0-9]+)"
                     r"(?:[eE](?P<exponent>[-+]?[0-9]{1,3})(?![\w])|\s*(?:×|x|\*|\\times|\\cdot)\s*10\s*"
                     r"(?:\^|\*\*)\s*\{?\s*(?P<power>[-+\u2212]?[0-9]{1,3})\s*\}?)?")
_FACTOR = re.compile(r"(?P<join>\s*[·⋅*/]\s*|\s*\\cdot\s*|\s*\bper\b\s*|\s+|)(?P<word>[^\W\d_⁰¹²³⁴⁵⁶⁷⁸⁹]+|°[CF]?|[%℃℉$€£])"
                     r"(?:(?:\^|\*\*)\{?(?P<power>[-\u2212]?[0-9]{1,2})\}?|(?P<superscript>[⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2})|(?P<digit>[23])(?![\w.]))?")
# `$5$` is a formula, as pandoc reads it: no space inside, no digit behind; `$5 and $6` are two amounts of money.
_FORMULA = re.compile(r"(?<!\\)\$(?=\S)([^$\n]*?[^\s\\])\$(?!\d)")
_DEGREES = re.compile(r"°\s+(?=[CF]\b)")
_LATEX = re.compile(r"\\(?:text|mathrm|rm|textrm|operatorname)\s*\{([^{}]*)\}|\\[,;:! ]|~|\\(?=[%$])|\\circ\b|\^\{?\\circ\}?")


def last_quantity(text: str) -> Quantity | None:
    """The last number of a text with the unit after it; None if there is none, or it is beyond the range of a double.
    A number within a unit (`m/s^2`) is none."""
    # What stands some lines before the last digit has no part in it; formulas end with their lines.
    text = text[text.rfind("\n", 0, max(0, max(map(text.rfind, "0123456789")) - _LOOK_BACK)) + 1:]
    text = _plain(_FORMULA.sub(r" \1 ", text))
    last, end = None, 0
    while (match := _NUMBER.search(text, end)) is not None:
        last, end = match, match.end()
        if match["money"] is None:
            end = _end_of_unit(text, end)
    if last is None or (number := _number(last)) is None:
        return None
    money = (last["money"] or "").strip()
    return Quantity(number, _made_of(_SIGNS[money] if money else text[last.end():end]))


@lru_cache(maxsize=1024)
def unit_of(text: str) -> Unit | None:
    """The unit that a text names as a whole: `km/h`, `kg m^-3`; None for one that the table does not have."""
    text = _plain(text).strip()
    return _made_of(text) if _end_of_unit(text, 0) == len(text) else None


def _plain(text: str) -> str:
    return _DEGREES.sub("°", _LATEX.sub(_plain_latex, text))


def _plain_latex(match: re.Match[str]) -> str:
    if match[1] is not None:
        return f" {match[1]}"
    return "°" if "circ" in match[0] else " " if match[0] != "\\" else ""


def _number(match: re.Match[str]) -> Fraction | None:
    exponent = int((match["exponent"] or match["power"] or "0").replace("\u2212", "-"))
    if abs(exponent) > 308 or len(match["digits"]) > 400:
        return None
    value = Fraction(Decimal(match["digits"].replace(",", ""))) * Fraction(10) ** exponent
    return -value if match["sign"] in ("-", "\u2212") else value


def _end_of_unit(text: str, start: int) -> int:
    """Where the unit ends that begins at a place; the place itself if there is none. A word that is no unit ends it."""
    end = start
    for match, _ in _factors(text, start):
        end = match.end()
    return end


@lru_cache(maxsize=4096)
def _made_of(text: str) -> Unit | None:
    """The unit that a text begins with."""
    factor, powers, offset, count = Fraction(1), dict[str, int](), Fraction(0), 0
    for match, unit in _factors(text, 0):
        power = -_power(match) if match["join"].strip() in ("/", "per") else _power(match)
        factor *= unit.factor ** power
        for base, exponent in unit.dimension:
            powers[base] = powers.get(base, 0) + power * exponent
        count += 1
        offset = unit.offset if count == power == 1 else Fraction(0)
    dimension = tuple(sorted((base, power) for base, power in powers.items() if power))
    return Unit(factor, dimension, offset) if count else None


def _factors(text: str, start: int) -> Iterator[tuple[re.Match[str], Unit]]:
    at = start
    while at - start < _LONGEST and (match := _FACTOR.match(text, at)) is not None:
        unit = _simple(match["word"])
        is_first = at == start
        is_joined = not match["join"].strip() if is_first else match["join"] != ""
        if unit is None or not is_joined or _is_prose(text, match, is_first):
            return
        yield match, unit
        at = match.end()


def _is_prose(text: str, match: re.Match[str], is_first: bool) -> bool:
    """Letters that are words are no units before a word, as in `5 in total`, nor after another unit: `5 km in all`."""
    is_word = match["word"] in ("in", "A") and not match["join"].strip()
    return is_word and (not is_first or re.match(r"\s+\w", text[match.end():match.end() + 8]) is not None)


def _power(match: re.Match[str]) -> int:
    written = match["power"] or match["digit"] or (match["superscript"] or "").translate(_SUPERSCRIPTS) or "1"
    return int(written.replace("\u2212", "-"))


@lru_cache(maxsize=4096)
def _simple(word: str) -> Unit | None:
    """One word or sign: of the table, with its prefix if it may have one."""
    if word in _TABLE:
        return _TABLE[word]
    for prefix, power in _PREFIXES.items():
        rest = word.removeprefix(prefix)
        if rest != word and rest in _SMALL_PREFIXES.get(prefix, _PREFIXED):
            return _scaled(_TABLE[rest], power)
    lower = word.lower()
    if lower in _TABLE and len(lower) > 2:
        return _TABLE[lower]
    for prefix, power in _PREFIX_WORDS.items():
        rest = lower.removeprefix(prefix)
        if rest != lower and rest in _TABLE and rest.removesuffix("s") in _WORDS:
            return _scaled(_TABLE[rest], power)
    return None


def _scaled(unit: Unit, power: int) -> Unit:
    return Unit(unit.factor * Fraction(10) ** power, unit.dimension)


def _meaning(text: str) -> Unit:
    factor, powers = Fraction(1), dict[str, int]()
    for part in text.split():
        base, _, power = part.partition("^")
        if base in _BASES:
            powers[base] = powers.get(base, 0) + int(power or 1)
        else:
            factor *= Fraction(part)
    return Unit(factor, tuple(sorted(powers.items())))


def _table() -> dict[str, Unit]:
    found = {word: _meaning(text) for word, text in _PREFIXED.items()}
    for word, symbol in _WORDS.items():
        found[word] = found[f"{word}s"] = found[symbol]
    for words, text in _PLAIN.items():
        found.update((word, _meaning(text)) for word in words.split())
    for words, (factor, offset) in _TEMPERATURES.items():
        found.update((word, Unit(factor, (("K", 1),), offset)) for word in words.split())
    found.update((word, _meaning(base)) for sign, base in _SIGNS.items() for word in (sign, base))
    return found


_TABLE: Final = _table()
