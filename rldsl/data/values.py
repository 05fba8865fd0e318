"""One value of a row against the declared element of its field: the value to keep, or `WrongValue`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, TypeAlias

from rldsl.types import Element

Value: TypeAlias = Any

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class WrongValue(Exception):
    """Says in a few words what stands there instead of what was declared."""


def as_text(value: Value) -> str:
    """A text; of a chat that is one message of a user, its content."""
    if type(value) is str:
        return value
    if isinstance(value, list) and _is_chat(value):
        return _only_message(value)
    value = plain(value)
    if isinstance(value, str):
        return str(value)
    raise WrongValue(f"expected Text, found {_describe(value)}")


def as_real(value: Value) -> float:
    """A finite number."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise WrongValue(f"expected Real, found {_describe(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        found = "a number beyond 1.8e308" if isinstance(value, int) else str(value)
        raise WrongValue(f"expected Real, found {found}")
    return number


def as_int(value: Value) -> int:
    """A whole number of 64 bits; 3.0 is one."""
    value = plain(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongValue(f"expected Int, found {_describe(value)}")
    if not _LOWEST <= value <= _HIGHEST:
        raise WrongValue("expected Int, found a number beyond 64 bits")
    return value


def as_bool(value: Value) -> bool:
    """True or false, not 1 or 0."""
    value = plain(value)
    if isinstance(value, bool):
        return value
    raise WrongValue(f"expected Bool, found {_describe(value)}")


def as_json(value: Value) -> str:
    """Anything that JSON can say, as JSON text."""
    try:
        return _JSON.encode(plain(value))
    except (TypeError, RecursionError):
        pass
    except ValueError:
        raise WrongValue("expected Json, found NaN or an infinite number in it") from None
    try:
        return _JSON.encode(_plain_tree(value, 0))
    except ValueError:
        raise WrongValue("expected Json, found NaN or an infinite number in it") from None


CONVERTERS: dict[Element, Callable[[Value], Value]] = {
    Element.TEXT: as_text, Element.REAL: as_real, Element.INT: as_int, Element.BOOL: as_bool, Element.JSON:
    as_json, }


def plain(value: Value) -> Value:
    """A number or array of numpy or torch as Python's own; anything else as it is."""
    if hasattr(value, "tolist") and callable(value.tolist):
        return value.tolist()
    return value


def from_cell(text: str, element: Element) -> Value:
    """The cell of a csv file as the value that its text means; None for an empty cell that is no Text."""
    if element is Element.TEXT:
        return text
    stripped = text.strip()
    if not stripped:
        return None
    try:
        if element is Element.INT:
            return int(stripped)
        if element is Element.REAL:
            return float(stripped)
        if element is Element.JSON:
            return json.loads(stripped)
    except ValueError:
        raise WrongValue(f"expected {element.value}, found {_shown(text)}") from None
    known = {"true": True, "false": False, "1": True, "0": False}
    if stripped.lower() not in known:
        raise WrongValue(f"expected Bool (true or false), found {_shown(text)}")
    return known[stripped.lower()]


def _plain_tree(value: Value, depth: int) -> Value:
    if depth > 200:
        raise WrongValue("expected Json, found something nested more than 200 deep")
    value = plain(value)
    if isinstance(value, dict):
        return {_key(name): _plain_tree(part, depth + 1) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_tree(part, depth + 1) for part in value]
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise WrongValue(f"expected Json, found {_describe(value)} in it")


def _key(name: Value) -> Value:
    if isinstance(name, (str, int, float)):
        return name
    raise WrongValue(f"expected Json, found {_describe(name)} as a key in it")


def _is_chat(value: list[Any]) -> bool:
    return bool(value) and all(isinstance(message, dict) and "role" in message and "content" in message
                               for message in value)


def _only_message(messages: list[Any]) -> str:
    roles = [str(message["role"]) for message in messages]
    content = messages[0]["content"]
    if roles == ["user"] and isinstance(content, str):
        return content
    raise WrongValue(f"expected Text, found a chat of {len(messages)} messages ({', '.join(roles[:4])}); "
                     "declare it `Json`")


def _describe(value: Value) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return f"a Bool ({str(value).lower()})"
        case int():
            return f"an Int ({_shown(str(value))[1:-1]})" if abs(value) < 10**30 else "a huge Int"
        case float():
            return f"a Real ({value!r})"
        case str():
            return f"a Text ({_shown(value)})"
        case list() | tuple():
            return f"a list of {len(value)}; declare it `Json`"
        case dict():
            return f"an object ({', '.join(str(name) for name in list(value)[:4])}); declare it `Json`"
        case _:
            return f"a Python `{type(value).__name__}`"


def _shown(text: str) -> str:
    return json.dumps(text if len(text) <= 30 else text[:29] + "…", ensure_ascii=False)
