"""Plain data as JSON and back: what may pass between the tests and the code. Runs nothing of what it carries.

Exact builtin types, and the containers and numbers of the standard library, are rebuilt on the other side from data alone.
Anything else is the business of whoever calls: `unknown` makes a tag of it, `known` reads that tag.
"""

from __future__ import annotations

import datetime
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

_EXACT = (2**53, -(2**53))
_DEEPEST = 150
_CONTAINERS: dict[type, str] = {list: "l", tuple: "t", set: "s", frozenset: "f", deque: "q"}
_MAPPINGS: dict[type, str] = {dict: "d", OrderedDict: "o", Counter: "k", defaultdict: "z"}
_OF_TEXT: dict[type, str] = {Decimal: "D", Fraction: "F"}
_MAKERS: dict[str, Callable[[Any], Any]] = {tag: kind for kind, tag in {**_CONTAINERS, **_MAPPINGS}.items()}
_MAKERS["z"] = dict

Unknown = Callable[[Any], Any]


class NotPlain(Exception):
    """A value that cannot cross."""


def encode(value: Any, unknown: Unknown, depth: int = 0) -> Any:
    """What `json.dumps` takes. Raises `NotPlain` where `unknown` does, or for nesting without end."""
    kind = type(value)
    if value is None or kind in (bool, float, str):
        return value
    if kind is int:
        return value if _EXACT[1] < value < _EXACT[0] else ["i", hex(value)]
    if depth > _DEEPEST:
        raise NotPlain(f"it is nested more than {_DEEPEST} deep")
    if kind in _CONTAINERS:
        return [_CONTAINERS[kind], [encode(part, unknown, depth + 1) for part in list(value)]]
    if kind in _MAPPINGS:
        pairs = [[encode(name, unknown, depth + 1), encode(part, unknown, depth + 1)] for name, part in list(value.items())]
        return [_MAPPINGS[kind], pairs]
    if kind in (bytes, bytearray):
        return ["b" if kind is bytes else "B", value.hex()]
    if kind in _OF_TEXT:
        return [_OF_TEXT[kind], str(value)]
    if kind is complex:
        return ["c", [value.real, value.imag]]
    if kind is range:
        return ["r", [encode(part, unknown) for part in (value.start, value.stop, value.step)]]
    if kind.__module__ == "datetime":
        return _moment(value, kind, unknown)
    return unknown(value)


def _moment(value: Any, kind: type, unknown: Unknown) -> Any:
    if kind is datetime.timedelta:
        return ["T", [value.days, value.seconds, value.microseconds]]
    if kind in (datetime.date, datetime.datetime, datetime.time):
        return [{"date": "a", "datetime": "A", "time": "m"}[kind.__name__], value.isoformat()]
    return unknown(value)


def decode(value: Any, known: Callable[[str, Any], Any]) -> Any:
    """The value again. `known` reads tags that are not of this module. Raises `NotPlain` for what no `encode` wrote."""
    if not isinstance(value, list):
        if isinstance(value, dict):
            raise NotPlain("a message in another form")
        return value
    try:
        tag, held = value
        return _decoded(tag, held, known)
    except NotPlain:
        raise
    except (TypeError, ValueError, ArithmeticError, RecursionError, KeyError) as fault:
        raise NotPlain(f"a message in another form ({type(fault).__name__})") from None


def _decoded(tag: str, held: Any, known: Callable[[str, Any], Any]) -> Any:
    if tag == "i":
        return int(held, 16)
    if tag in ("l", "t", "s", "f", "q"):
        return _MAKERS[tag]([decode(part, known) for part in held])
    if tag in ("d", "o", "z", "k"):
        pairs = {decode(name, known): decode(part, known) for name, part in held}
        return pairs if tag in ("d", "z") else _MAKERS[tag](pairs)
    if tag in ("b", "B"):
        return bytes.fromhex(held) if tag == "b" else bytearray.fromhex(held)
    if tag in ("D", "F"):
        return Decimal(held) if tag == "D" else Fraction(held)
    if tag == "c":
        return complex(float(held[0]), float(held[1]))
    if tag == "r":
        return range(*(int(decode(part, known)) for part in held))
    if tag == "T":
        return datetime.timedelta(*held)
    if tag in ("a", "A", "m"):
        reader: Any = {"a": datetime.date, "A": datetime.datetime, "m": datetime.time}[tag]
        return reader.fromisoformat(held)
    return known(tag, held)
