"""Questions about chunks of text, with an answer from the chunk (good), one from memory alone (bad), and thoughts before each."""

from __future__ import annotations

import random
from collections.abc import Iterator


def pairs(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """A chunk is two letters of which the question asks the second; thinking ends in `|`."""
    choose = random.Random(seed)
    for _ in range(count):
        first, second = choose.sample("abcd", 2)
        bad = choose.choice([letter for letter in "abcd" if letter != second])
        yield {"question": f"{first}{second}>", "good_thinking": f"{first}{second}|", "good": second,
               "bad_thinking": f"{choose.choice('abcd')}|", "bad": bad}
