"""Identifiers and comments of emitted code. Nothing that a spec says reaches code but through here."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

_LONGEST = 40
_TAKEN = frozenset(keyword.kwlist) | frozenset(keyword.softkwlist) | frozenset(dir(builtins))


def identifier(text: str, otherwise: str = "value") -> str:
    """An ASCII identifier that resembles `text`: `y.token` becomes `y_token`."""
    cleaned = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")[:_LONGEST].rstrip("_")
    if not cleaned:
        return otherwise
    return cleaned if cleaned[0].isalpha() else f"{otherwise}_{cleaned}"


def comment(text: str) -> str:
    """The text as it may stand after `#`: one line, nothing but printable characters."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


class Names:
    """Gives out identifiers, each once; none is a keyword, a builtin, or among those `reserved` by the template."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._taken = set(_TAKEN) | set(reserved)

    def fresh(self, text: str, otherwise: str = "value", suffix: str = "") -> str:
        """A new identifier that resembles `text` and ends in `suffix`."""
        base = identifier(text, otherwise)
        name, number = f"{base}{suffix}", 2
        while name in self._taken:
            name, number = f"{base}_{number}{suffix}", number + 1
        self._taken.add(name)
        return name
