"""Code completion with context from the rest of a repository: `f` is completed by what the block that defines it says.

A row has what stands before the cursor, the completion, and four blocks of which one defines the name; for some names no block
is needed, since the completion follows from the name alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

NAMES = "fghk"


def files(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Rows with the blocks in a random order."""
    choose = random.Random(seed)
    for _ in range(count):
        values = {name: choose.choice("12") for name in NAMES}
        values["k"] = "0"
        blocks = [f"{name}={value};" for name, value in values.items()]
        choose.shuffle(blocks)
        name = choose.choice(NAMES)
        yield {"before": f"{name}>", "completion": values[name],
               **{f"block_{letter}": block for letter, block in zip("abcd", blocks, strict=True)}}
