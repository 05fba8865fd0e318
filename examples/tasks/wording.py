"""A reward of a project: how plain the words of an answer are. `rldsl score` and `rldsl run` call it in processes of their own."""

from __future__ import annotations

import re

SHORT = 6  # letters of a plain word


def plain_words(text: str) -> float:
    """The share of words with at most six letters; 0 of a text without words."""
    words = re.findall(r"[^\W\d_]+", text)
    return sum(len(word) <= SHORT for word in words) / len(words) if words else 0.0
