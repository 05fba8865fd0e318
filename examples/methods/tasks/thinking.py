"""The smallest letter of a word, thought first: `cab>` is answered by `(c)b[a]`, a thought, a sentence, an answer.

`(…)` stands for the tags around a thought, `[…]` for those around an answer.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from itertools import permutations


def problems(count: int, letters: int = 2, seed: int = 0) -> Iterator[dict[str, str]]:
    """Words, their smallest letters, and a trace; longer words are harder."""
    choose = random.Random(seed)
    words = ["".join(word) for word in permutations("abcd", letters)]
    for _ in range(count):
        word = choose.choice(words)
        trace = f"({choose.choice(word)}){choose.choice(word)}[{min(word)}]"
        yield {"question": f"{word}>", "answer": min(word), "trace": trace}


def says(text: str, answer: str) -> float:
    """1 where the answer stands in the last brackets."""
    found = re.findall(r"\[([^\[\]]*)\]", text)
    return float(bool(found) and found[-1] == answer)


def explains(text: str) -> float:
    """1 where something stands between the end of the thought and the answer."""
    return float(re.search(r"\)[^()\[\]]+\[", text) is not None)


def repeats(text: str) -> float:
    """1 where a trace says the same letter three times in a row, or stops in the middle."""
    return float(re.search(r"(.)\1\1", text) is not None or not text.endswith("]"))
