"""Uniform numbers that depend on (seed, prompt, sample, position) alone: Philox-4x32-10, vectorised.

Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3 (SC 2011). A counter-based generator, so the
draw of a sample does not depend on which other samples are drawn, in which order, or in which batch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_TO_UNIT = 2.0**-53


def uniforms(seed: int, prompts: npt.NDArray[np.int64], samples: npt.NDArray[np.int64],
             count: int) -> npt.NDArray[np.float64]:
    """[rows, count] numbers in [0, 1) for the positions 0 to count - 1 of each row's (prompt, sample)."""
    blocks = (count + 1) // 2
    shape = (len(prompts), blocks)
    prompt_words = prompts.astype(np.uint64)[:, None]
    first = np.broadcast_to(np.arange(blocks, dtype=np.uint64), shape)
    counter = (first, np.broadcast_to(samples.astype(np.uint64)[:, None] & _LOW, shape),
               np.broadcast_to(prompt_words & _LOW, shape), np.broadcast_to(prompt_words >> _HALF, shape))
    key = (seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF)
    a, b, c, d = philox(counter, key)
    pairs = np.stack([(a << _HALF) | b, (c << _HALF) | d], axis=-1) >> np.uint64(11)
    return (pairs.reshape(len(prompts), 2 * blocks)[:, :count]).astype(np.float64) * _TO_UNIT


def philox(counter: tuple[Words, Words, Words, Words], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Ten rounds over four 32-bit words of counter, each held in 64 bits."""
    a, b, c, d = counter
    for turn in range(10):
        low_key = np.uint64((key[0] + turn * _WEYL[0]) & 0xFFFFFFFF)
        high_key = np.uint64((key[1] + turn * _WEYL[1]) & 0xFFFFFFFF)
        first, second = _MULTIPLIERS[0] * a, _MULTIPLIERS[1] * c
        a, b, c, d = (second >> _HALF) ^ b ^ low_key, second & _LOW, (first >> _HALF) ^ d ^ high_key, first & _LOW
    return a, b, c, d
