"""The text functions and cheap verifiers, over columns, in process. Only a reference can make one fail."""

from __future__ import annotations

import math
import operator
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, TypeAlias

from rldsl.graph.model import Setting
from rldsl.rewards.choices import settled_choice
from rldsl.rewards.normal import normalized, overlap, repetition
from rldsl.rewards.outcome import Failure, FailureKind
from rldsl.rewards.tags import is_xml, nothing_outside, tags_in_order
from rldsl.rewards.units import PURE, Quantity, last_quantity, unit_of

Texts: TypeAlias = Sequence[str]
Settings: TypeAlias = Mapping[str, Setting]
Answers: TypeAlias = list[Any]

# A number as it is written, without its sign: thousands with commas, decimals, an exponent.
_NUMBER = re.compile(r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
                     r"|(?<![\w)])\.[0-9]+(?:[eE][-+]?[0-9]+)?")
_SIGNS_OF_NUMBERS = "0123456789.,eE+-\u2212"
_MINUS = re.compile(r"(?<![\w.)\]])[-\u2212]")
_BRACES = re.compile(r"\\boxed\s*\{|\\fbox\s*\{|\\.|[{}]", re.DOTALL)
_BLANK = re.compile(r"\S")


# ------------------------------------------------------------------ numbers and answers in a text
def last_number(text: str) -> str | None:
    """The last number of a text as Python writes it; None if there is none."""
    end = max(map(text.rfind, "0123456789")) + 1
    if not end:
        return None
    # Nothing before the run of signs that may stand in numbers has a part in the last of them.
    run = len(text[:end].rstrip(_SIGNS_OF_NUMBERS))
    last = deque(_NUMBER.finditer(text, run, end), maxlen=1)[0]
    start = last.start()
    # A minus that follows a letter, a digit or a closing bracket is a subtraction.
    sign = "-" if start and _MINUS.match(text, start - 1) else ""
    return sign + last.group().replace(",", "")


def number_in(text: str) -> float | None:
    """The value of the last number; None if there is none, or it is beyond the range of a double."""
    written = last_number(text)
    value = None if written is None else float(written)
    return None if value is None or math.isinf(value) else value


def final_answer(text: str, where: str = "anywhere") -> str | None:
    """The final answer: `boxed`, after the `marker` ####, on the last `line`, or the first that is there."""
    if where in ("anywhere", "boxed") and (found := _last_box(text)) is not None:
        return found
    if where in ("anywhere", "marker") and (found := _after_marker(text)) is not None:
        return found
    return _last_line(text) if where in ("anywhere", "line") else None


def _last_box(text: str) -> str | None:
    if "\\boxed" not in text and "\\fbox" not in text:
        return None
    open_at: list[int | None] = []
    last: str | None = None
    for match in _BRACES.finditer(text):
        sign = match.group()
        if sign.endswith("{") and sign != "\\{":
            open_at.append(match.end() if len(sign) > 1 else None)
        elif sign == "}" and open_at and (start := open_at.pop()) is not None:
            last = text[start:match.start()]
    return last.strip() or None if last is not None else None


def _after_marker(text: str) -> str | None:
    _, marker, after = text.rpartition("####")
    return after.split("\n", 1)[0].strip() or None if marker else None


def _last_line(text: str) -> str | None:
    return text.rstrip().rpartition("\n")[2].strip() or None


# ------------------------------------------------------------------ verifiers
def _equal(settings: Settings, texts: Texts, answers: Texts) -> Answers:
    return [1.0 if normalized(text, settings) == normalized(answer, settings) else 0.0
            for text, answer in zip(texts, answers, strict=True)]


def _number(settings: Settings, texts: Texts, answers: Sequence[str | float]) -> Answers:
    compare = _same_number if settings.get("units", "ignore") == "ignore" else _same_quantity
    return [compare(text, answer, settings) for text, answer in zip(texts, answers, strict=True)]


def _same_number(text: str, answer: str | float, settings: Settings) -> float | Failure:
    wanted = last_number(answer) if isinstance(answer, str) else repr(answer)
    expected = None if wanted is None else _decimal(wanted)
    if expected is None:
        return _without_number(answer)
    written = last_number(text)
    if written is None or (found := _decimal(written)) is None:
        return 0.0
    if found == expected:
        return 1.0
    absolute, relative = Decimal(repr(settings.get("tolerance", 0.0))), Decimal(repr(settings.get("relative", 0.0)))
    return 1.0 if abs(found - expected) <= max(absolute, relative * abs(expected)) else 0.0


def _same_quantity(text: str, answer: str | float, settings: Settings) -> float | Failure:
    """Numbers with units, both in base units. The tolerance is in the answer's unit."""
    expected = last_quantity(answer) if isinstance(answer, str) else Quantity(Fraction(repr(answer)), None)
    if expected is None:
        return _without_number(answer)
    unit = expected.unit or unit_of(str(settings.get("unit") or "")) or PURE
    found = last_quantity(text)
    if found is None:
        return 0.0
    own = found.unit or (unit if settings["units"] == "optional" else PURE)
    if unit == PURE and own.dimension:
        own = PURE  # the answer says nothing of a unit
    if own.dimension != unit.dimension:
        return 0.0
    wanted = expected.under(unit)
    absolute = Fraction(repr(settings.get("tolerance", 0.0))) * unit.factor
    relative = Fraction(repr(settings.get("relative", 0.0))) * abs(wanted)
    return 1.0 if abs(found.under(own) - wanted) <= max(absolute, relative) else 0.0


def _without_number(answer: str | float) -> Failure:
    return Failure(FailureKind.REFERENCE, f"there is no number in the answer {str(answer)[:40]!r}")


def _choice(settings: Settings, texts: Texts, answers: Texts) -> Answers:
    letters = str(settings.get("of", "ABCDE"))
    found: Answers = []
    for text, answer in zip(texts, answers, strict=True):
        wanted = answer.strip(" \t\n.:()[]").upper()
        if len(wanted) == 1 and wanted in letters:
            found.append(1.0 if _chosen(text, letters) == wanted else 0.0)
        else:
            found.append(Failure(FailureKind.REFERENCE, f"the answer {answer[:40]!r} is none of {', '.join(letters)}"))
    return found


def _chosen(text: str, letters: str) -> str | None:
    return settled_choice(text, letters, _last_box(text))


def _verify_tags(settings: Settings, texts: Texts) -> Answers:
    tags, alone = str(settings["tags"]).split(), settings.get("outside", "anything") == "nothing"
    return [1.0 if tags_in_order(text, tags) == len(tags) and (not alone or nothing_outside(text, tags)) else 0.0
            for text in texts]


def _decimal(written: str) -> Decimal | None:
    """The exact value; None beyond the range of a double, where nobody means it."""
    try:
        value = Decimal(written)
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value.adjusted()) <= 308 else None


# ------------------------------------------------------------------ text functions
def _matching_places(text: str, answer: str) -> float:
    if len(text) != len(answer):
        return 0.0
    return sum(map(operator.eq, text, answer)) / len(text) if text else 1.0


def _count(text: str, part: str) -> float:
    return float(text.count(part)) if part else 0.0


def _lines(text: str) -> float:
    return float(sum(1 for line in text.splitlines() if _BLANK.search(line)))


def _prefix(text: str, share: float) -> str:
    return text[: math.floor(len(text) * min(max(share, 0.0), 1.0))]


def _between(text: str, start: str, end: str) -> str | None:
    close = text.rfind(end)
    if close < 0:
        return None
    at = text.rfind(start, 0, close)
    if at < 0:
        return None
    begin = at + len(start)
    return text[begin:text.find(end, begin)].strip()


def _each(function: Callable[..., Any]) -> Native:
    """A function of single values as one of columns."""
    return lambda _, *columns: list(map(function, *columns))


def _holds(function: Callable[..., bool]) -> Native:
    return lambda _, *columns: [1.0 if held else 0.0 for held in map(function, *columns)]


def _answer(settings: Settings, texts: Texts) -> Answers:
    where = str(settings.get("from", "anywhere"))
    return [final_answer(text, where) for text in texts]


def _repetition(settings: Settings, texts: Texts) -> Answers:
    size, by_words = round(float(str(settings.get("n", 3)))), settings.get("of", "words") == "words"
    return [repetition(text, size, by_words) for text in texts]


def _tags(settings: Settings, texts: Texts) -> Answers:
    tags = str(settings["tags"]).split()
    return [tags_in_order(text, tags) / len(tags) for text in texts]


Native: TypeAlias = Callable[..., Answers]

NATIVE: dict[str, Native] = {
    "verify.equal": _equal,
    "verify.number": _number,
    "verify.choice": _choice,
    "verify.tags": _verify_tags,
    "verify.xml": _holds(is_xml),
    "text.normalize": lambda settings, texts: [normalized(text, settings) for text in texts],
    "text.overlap": _each(overlap),
    "text.repetition": _repetition,
    "text.choice": lambda settings, texts: [_chosen(text, str(settings.get("of", "ABCDE"))) for text in texts],
    "text.tags": _tags,
    "text.length": _each(len),
    "text.words": _each(lambda text: len(text.split())),
    "text.lines": _each(_lines),
    "text.count": _each(_count),
    "text.number": _each(number_in),
    "text.matching_places": _each(_matching_places),
    "text.equal": _holds(operator.eq),
    "text.contains": _holds(operator.contains),
    "text.starts_with": _holds(str.startswith),
    "text.ends_with": _holds(str.endswith),
    "text.lower": _each(str.lower),
    "text.strip": _each(str.strip),
    "text.concat": _each(operator.add),
    "text.prefix": _each(_prefix),
    "text.between": _each(_between),
    "answer": _answer,
}
