"""Rules about texts that think first and answer with their last letter."""

from __future__ import annotations


def is_consistent(text: str) -> float:
    """1 where the answer was named in the thinking, or there was none."""
    return float(len(text) < 2 or text[-1] in text[:-1])


def repeats(text: str) -> float:
    """1 where a letter stands twice in a row."""
    return float(any(first == second for first, second in zip(text, text[1:], strict=False)))
