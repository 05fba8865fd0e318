"""Queries and identifiers of documents: two letters, of which the first says the subject of the query and the second its kind.

A negative is what another retriever would have found: a document of the same subject and another kind.
"""

from __future__ import annotations

import random
from collections.abc import Iterator


def queries(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """A query, the relevant document and one that is not."""
    choose = random.Random(seed)
    for _ in range(count):
        subject, kind = choose.choice("abcd"), choose.choice("xyz")
        other = choose.choice([letter for letter in "xyz" if letter != kind])
        yield {"query": f"{kind}{subject}>", "relevant": subject + kind, "irrelevant": subject + other}
