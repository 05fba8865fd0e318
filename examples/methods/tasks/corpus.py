"""Documents of short segments, cut into tasks: continue a document, or fill in a segment between what is before and after.

Segments are two letters and a full stop. A reference is the rest of the document, of which a prediction has to be a beginning.
"""

from __future__ import annotations

import random
from collections.abc import Iterator


def documents(count: int, segments: int, seed: int) -> Iterator[list[str]]:
    """Documents in which a segment is often followed by its reverse."""
    choose = random.Random(seed)
    for _ in range(count):
        found = ["".join(choose.choice("ab") for _ in range(2))]
        while len(found) < segments:
            found.append(found[-1][::-1] if choose.random() < 0.8 else "ab")
        yield found


def continuing(count: int, segments: int = 3, seed: int = 0) -> Iterator[dict[str, str]]:
    """Everything before a segment as the prompt. A document of one segment gives no task."""
    choose = random.Random(seed + 1)
    for found in documents(count, segments, seed):
        if len(found) > 1:
            place = choose.randrange(1, len(found))
            yield {"before": "".join(f"{part}." for part in found[:place]) + ">", "rest": ".".join(found[place:])}


def filling(count: int, segments: int = 3, seed: int = 0) -> Iterator[dict[str, str]]:
    """What stands before a segment and the segment after it; the reference is the segment itself."""
    for found in documents(count, segments, seed + 1):
        yield {"around": f"{found[0]}.?{found[2]}.>", "middle": found[1]}


def is_prefix(prediction: str, reference: str) -> float:
    """1 where the prediction's words are the first words of the reference, in their order; 0 for an empty one."""
    said, meant = _words(prediction), _words(reference)
    return float(bool(said) and said == meant[:len(said)])


def _words(text: str) -> list[str]:
    return text.replace(".", " ").split()
