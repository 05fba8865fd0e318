"""Where the standard library keeps each name, for the fix of an unknown one. Reads names from the text; parses nothing."""

from __future__ import annotations

import re
from functools import cache

from rldsl.assets import asset_names, asset_text

_DECLARED = re.compile(r"^(?:fn|param|extern fn)\s+([A-Za-z_]\w*)", re.MULTILINE)


@cache
def library_index() -> dict[str, str]:
    """Function name -> module (`std.divergence`)."""
    found: dict[str, str] = {}
    for file in asset_names("stdlib", ".rl"):
        module = file.removesuffix(".rl")
        if module != "prelude":
            for name in _DECLARED.findall(asset_text("stdlib", file)):
                found.setdefault(name, f"std.{module}")
    return found
