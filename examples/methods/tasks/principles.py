"""Binary feedback: does an answer keep a principle? `s` asks for the smallest letter of a word, `f` for the first."""

from __future__ import annotations

import random
from collections.abc import Iterator


def triples(count: int, seed: int = 0) -> Iterator[dict[str, object]]:
    """A question, an answer, a principle, the words for yes and no, and the label 1 or 0."""
    choose = random.Random(seed)
    for _ in range(count):
        word = "".join(choose.sample("abcd", 3))
        principle, answer = choose.choice("sf"), choose.choice(word)
        kept = answer == (min(word) if principle == "s" else word[0])
        yield {"question": f"{word}>", "answer": answer, "principle": principle, "yes": "Y", "no": "N", "label": float(kept)}
