"""A JSON schema as the few pieces that its replies consist of: what is fixed, where one of several things stands, where text.

Only schemas whose every reply has one shape: objects with all their properties, arrays of one length, enums, truth values,
bounded numbers, strings. Anything else has no form, and is held to its schema by parsing alone. Knows no tokens.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

LONGEST_TEXT: Final = 200  # characters of a string without `maxLength`
_MOST_OPTIONS: Final = 1001
_SAID: Final = {"title", "description", "type"}
_KNOWN: Final = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"maxLength"},
    "boolean": set[str](),
    "integer": {"minimum", "maximum"},
    "number": {"minimum", "maximum"},
}


@dataclass(frozen=True, slots=True)
class Fixed:
    """These characters."""

    text: str


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of these; none begins another."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """Any characters of a JSON string that need no escape, at most so many. The closing quote is the next piece's."""

    most: int


Piece: TypeAlias = Fixed | OneOf | Text


class NoForm(Exception):
    """Why a schema has no form, as part of a sentence."""


def form_of(schema: Mapping[str, Any]) -> tuple[Piece, ...]:
    """The pieces of every reply that fits. Raises `NoForm`.

    Numbers are written as whole ones, or in hundredths where `type` is `number` and their range is at most 10 wide.
    """
    if schema.get("type") != "object":
        raise NoForm("it is no object")
    return tuple(_delimited(_joined(_pieces(schema))))


def _pieces(schema: Mapping[str, Any]) -> list[Piece]:
    if "const" in schema:
        return [Fixed(_written(schema["const"]))]
    if "enum" in schema:
        return [OneOf(tuple(dict.fromkeys(_written(value) for value in schema["enum"])))]
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in _KNOWN:
        raise NoForm(f"`type: {json.dumps(kind)}` is none that is known")
    unknown = sorted(set(schema) - _SAID - _KNOWN[kind])
    if unknown:
        raise NoForm(f"`{unknown[0]}` cannot be enforced token by token")
    match kind:
        case "object":
            return _object(schema)
        case "array":
            return _array(schema)
        case "string":
            return [Fixed('"'), Text(int(schema.get("maxLength", LONGEST_TEXT))), Fixed('"')]
        case "boolean":
            return [OneOf(("true", "false"))]
        case _:
            return [OneOf(_numbers(schema, kind))]


def _object(schema: Mapping[str, Any]) -> list[Piece]:
    properties: Mapping[str, Any] = schema.get("properties", {})
    missing = [name for name in schema.get("required", ()) if name not in properties]
    if missing:
        raise NoForm(f"`{missing[0]}` is required and not described")
    parts: list[Piece] = [Fixed("{")]
    for place, (name, part) in enumerate(properties.items()):
        parts += [Fixed(f"{', ' if place else ''}{_written(name)}: "), *_pieces(part)]
    return [*parts, Fixed("}")]


def _array(schema: Mapping[str, Any]) -> list[Piece]:
    least, most = schema.get("minItems"), schema.get("maxItems")
    if least is None or least != most or "items" not in schema:
        raise NoForm("an array has no fixed length")
    parts: list[Piece] = [Fixed("[")]
    for place in range(int(least)):
        parts += [*([Fixed(", ")] if place else []), *_pieces(schema["items"])]
    return [*parts, Fixed("]")]


def _numbers(schema: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None or high is None:
        raise NoForm("a number has no bounds")
    step = 100 if kind == "number" and high - low <= 10 else 1
    first, last = math.ceil(low * step), math.floor(high * step)
    if not 0 <= last - first < _MOST_OPTIONS:
        raise NoForm(f"there are not 1 to {_MOST_OPTIONS} numbers from {low:g} to {high:g}")
    whole = range(first, last + 1)
    return tuple(str(number) if step == 1 else f"{number / 100:.2f}".rstrip("0").rstrip(".") for number in whole)


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Neighbouring fixed texts as one."""
    joined: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Fixed) and joined and isinstance(joined[-1], Fixed):
            joined[-1] = Fixed(joined[-1].text + piece.text)
        else:
            joined.append(piece)
    return joined


def _delimited(pieces: list[Piece]) -> list[Piece]:
    """Each choice with the character that follows it, so that `1` does not begin `10`. An object ends with a fixed piece."""
    done: list[Piece] = []
    for piece, after in pairwise([*pieces, Fixed("")]):
        before = done[-1] if done else None
        text = piece.text[1:] if isinstance(piece, Fixed) and isinstance(before, OneOf) else None
        if isinstance(piece, OneOf):
            assert isinstance(after, Fixed)
            done.append(OneOf(tuple(option + after.text[:1] for option in piece.texts)))
        elif text is None:
            done.append(piece)
        elif text:
            done.append(Fixed(text))
    return done
