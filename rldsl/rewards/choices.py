"""Multiple choice: the one letter on which an answer settles. Compares nothing."""

from __future__ import annotations

import re
from functools import lru_cache

# What is said after the choice is not the choice: "B because A is too small", "B, not A".
_ASIDE = re.compile(r"[.;!?](?=\s|$)|\n|\b(?:because|since|as|not|rather|instead|whereas|while|but)\b", re.IGNORECASE)
_STATED = re.compile(r"(?:####|\banswers?\b\W{0,4}(?:\b(?:is|are|must be|should be|would be|will be)\b|:|=))", re.IGNORECASE)
_MARKUP = re.compile(r"\\(?:text|textbf|mathrm|mathbf|boldsymbol)\s*(?=\{)|[*_`${}\\]")


def settled_choice(text: str, letters: str, place: str | None) -> str | None:
    """The letter (one of `letters`, in upper case) that stands in the deciding place: `place` if it is given (the last box),
    else what follows the last "answer is", "answer:" or ####, else the last line. None where no letter or two stand there.
    """
    if place is None:
        stated = max(_STATED.finditer(text), key=re.Match.end, default=None)
        rest = text[stated.end():].lstrip() if stated is not None else text.rstrip().rpartition("\n")[2]
        place = _before_aside(_MARKUP.sub("", rest))
    else:
        place = _MARKUP.sub("", place)
    bare = place.strip(" \t\n.,:()[]").upper()
    if len(bare) == 1:
        return bare if bare in letters else None
    named = {match.group(match.lastindex or 0).upper() for match in _standing(letters).finditer(place)}
    return named.pop() if len(named) == 1 else None


def _before_aside(text: str) -> str:
    """What is said first. A full stop ends it: `B. The others …`; so do reasons and what is not chosen."""
    text = text.removeprefix(":").lstrip()
    found = _ASIDE.search(text)
    return text if found is None else text[:found.start()]


@lru_cache(maxsize=64)
def _standing(letters: str) -> re.Pattern[str]:
    """A letter by itself: in brackets, of either case; or bare. `A cat` and `I think` are words of a sentence."""
    words = "".join(letter for letter in letters if letter in "AI")
    bare = rf"(?<![\w'’])([{re.escape(letters)}])(?![\w'’])"
    if words:
        bare += rf"(?!(?<=[{words}])\s+(?!(?:is|and|or)\b)[a-z])"
    return re.compile(rf"[(\[]\s*([{re.escape(letters + letters.lower())}])\s*[)\]]|{bare}")
