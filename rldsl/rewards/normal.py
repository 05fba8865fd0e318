"""Texts as they are compared: what may differ between two that count as equal. Knows nothing of numbers."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Final

from rldsl.graph.model import Setting

# As in SQuAD's evaluation script, which lowers the case first.
_ARTICLES = re.compile(r"\b(?:a|an|the)\b", re.IGNORECASE)
_ASCII: Final = dict.fromkeys(map(ord, string.punctuation))


def normalized(text: str, settings: Mapping[str, Setting]) -> str:
    """The text under the flags of `verify.equal`: first `nfkc`, then case, punctuation, articles, white space."""
    if settings.get("nfkc"):
        text = unicodedata.normalize("NFKC", text)
    if settings.get("ignore_case"):
        text = text.casefold()
    if settings.get("ignore_punctuation"):
        text = _without_punctuation(text)
    if settings.get("ignore_articles"):
        text = _ARTICLES.sub(" ", text)
    if settings.get("ignore_space") or settings.get("ignore_articles"):
        return " ".join(text.split())
    return text.strip() if settings.get("strip", True) else text


def overlap(text: str, answer: str) -> float:
    """F1 of the words that two texts share, each as often as both have it; 1 for two texts without a word."""
    found, wanted = text.split(), answer.split()
    if not found or not wanted:
        return 1.0 if found == wanted else 0.0
    shared = (Counter(found) & Counter(wanted)).total()
    return 2.0 * shared / (len(found) + len(wanted))


def repetition(text: str, size: int, by_words: bool) -> float:
    """The share of the runs of `size` words (or characters) that stood in the text before: 1 - different / all."""
    parts = text.split() if by_words else text
    count = len(parts) - size + 1
    if count < 1:
        return 0.0
    if size == 1:
        return 1.0 - len(set(parts)) / count
    runs = set(zip(*(parts[start:start + count] for start in range(size)), strict=True))
    return 1.0 - len(runs) / count


def _without_punctuation(text: str) -> str:
    """ASCII's punctuation and signs, and what Unicode calls punctuation."""
    text = text.translate(_ASCII)
    if text.isascii():
        return text
    return "".join(letter for letter in text if not unicodedata.category(letter).startswith("P"))
