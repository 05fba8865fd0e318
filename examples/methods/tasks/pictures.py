"""Pictures of three places, dark (`d`) or light (`l`), and code that draws them: `=` and then `x` for dark, `y` for light."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

SHADES = {"x": "d", "y": "l"}


def pictures(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """A picture and code that draws it."""
    choose = random.Random(seed)
    for _ in range(count):
        code = "".join(choose.choice("xy") for _ in range(3))
        yield {"picture": "".join(SHADES[sign] for sign in code) + ">", "code": "=" + code}


def rendered(text: str) -> str | None:
    """The picture of the first code in a text; none if there is no code."""
    found = re.search(r"=([xy]+)", text)
    return "".join(SHADES[sign] for sign in found[1]) if found else None


def renders(text: str) -> bool:
    """Whether a text holds code that can be drawn."""
    return rendered(text) is not None


def judge(text: str, picture: str) -> float:
    """The share of places that are the same; what is missing is wrong. A judge of nothing says 1/2."""
    drawn, meant = rendered(text), picture[:-1]
    if drawn is None:
        return 0.5
    return sum(own == other for own, other in zip(drawn, meant, strict=False)) / max(len(meant), len(drawn))


def feedback(text: str, picture: str) -> str:
    """What a model says about the difference: the places as they are and as they should be."""
    return f"({rendered(text) or '?'}){picture}"
