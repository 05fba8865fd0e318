"""Seeds by counting: each use of chance has its own, so a resumed run needs no generator's state.

Draws nothing.
"""

from __future__ import annotations

from hashlib import sha256
from operator import index

BITS = 63  # what torch, numpy and random all take


def seed_for(run_seed: int, *purpose: str | int) -> int:
    """The seed of one use of chance, in `0 .. 2**63 - 1`: `seed_for(7, "rollout", "y", iteration, prompt)`.

    The first 63 bits of the SHA-256 of the run's seed and the purpose, each part with its kind and length,
    so that `("a", "b")`, `("ab",)`, `(1,)` and `("1",)` have nothing in common.
    """
    digest = sha256(b"rldsl seed 1")
    for part in (run_seed, *purpose):
        digest.update(_encode(part))
    return int.from_bytes(digest.digest()[:8], "big") >> (64 - BITS)


def _encode(part: str | int) -> bytes:
    if isinstance(part, str):
        kind, text = b"s", part.encode("utf-8", "surrogatepass")
    else:
        kind, text = b"i", str(index(part)).encode()
    return kind + len(text).to_bytes(8, "big") + text
