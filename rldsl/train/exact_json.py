"""JSON that gives back exactly what went in, non-finite numbers included.

For the state of a run, not for people.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

_NUMBER = "$number"  # {"$number": "Infinity"}: JSON has no such numbers, and a text must stay a text


def dump_exactly(value: object) -> str:
    """None, truth values, numbers, texts, lists and mappings of texts to them. A tuple comes back as a list.

    Raises `TypeError`, with the place, for anything that would come back as something else.
    """
    return json.dumps(_encode(value, "state"), indent=1, ensure_ascii=True, allow_nan=False)


def load_exactly(text: str) -> object:
    """What `dump_exactly` was given."""
    return json.loads(text, object_hook=_decode)


def _encode(value: object, place: str) -> object:
    match value:
        case None | bool() | str():
            return value
        case int():
            return int(value)
        case float():
            return float(value) if math.isfinite(value) else {_NUMBER: json.dumps(float(value))}
        case list() | tuple():
            return [_encode(item, f"{place}[{index}]") for index, item in enumerate(value)]
        case Mapping():
            return {_name(name, place): _encode(item, f"{place}.{name}") for name, item in value.items()}
        case _:
            raise TypeError(
                f"{place} is a {type(value).__name__}: only plain numbers, texts, lists and mappings are kept"
            )


def _name(name: object, place: str) -> str:
    if not isinstance(name, str) or name == _NUMBER:
        raise TypeError(f"{place} has the name {name!r}: names are texts, and not {_NUMBER!r}")
    return name


def _decode(content: dict[str, object]) -> object:
    if content.keys() == {_NUMBER}:
        return float(str(content[_NUMBER]))
    return content
