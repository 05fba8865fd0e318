"""Chains of models, one letter each: `c` captions, `t` translates, `q` answers questions, `u` undoes noise. `2ut>` is a task.

A task names the models that solve it, mixed up. A chain is valid if no model stands in it twice; only a valid one is run, and its
metric is the share of places at which it agrees with the models in alphabetical order.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

MODELS = "cqtu"


def tasks(count: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Tasks of two or three models, and the chain that is best."""
    choose = random.Random(seed)
    for _ in range(count):
        models = choose.sample(MODELS, choose.choice([2, 3]))
        yield {"task": f"{len(models)}{''.join(models)}>", "best": "".join(sorted(models))}


def is_valid(text: str) -> float:
    """1 where a chain names models, each once."""
    return float(bool(text) and all(letter in MODELS for letter in text) and len(set(text)) == len(text))


def metric(text: str, best: str) -> float:
    """How good the outcome of a chain is, in [0, 1]; a chain that is not valid is never run, and worth 0."""
    if not is_valid(text):
        return 0.0
    return sum(own == right for own, right in zip(text, best, strict=False)) / max(len(text), len(best))
