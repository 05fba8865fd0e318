"""A few persistent threads for functions that release the GIL. Knows nothing of what they compute.

numba's own threading layers are not used: their threads would spin against torch's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Lock

import torch

Range = tuple[int, int]


class _Shared:
    """The pool of this process; a forked child starts its own."""

    pool: ThreadPoolExecutor | None = None
    lock = Lock()


def parallel(work: Callable[[int, int], object], ranges: Sequence[Range]) -> None:
    """Call `work(start, stop)` for every range, on as many threads as torch uses, each taking the next range."""
    helpers = min(torch.get_num_threads(), len(ranges)) - 1
    pending, lock = iter(ranges), Lock()
    if helpers < 1:
        _drain(work, pending, lock)
        return
    pool = _pool()
    waiting = [pool.submit(_drain, work, pending, lock) for _ in range(helpers)]
    try:
        _drain(work, pending, lock)
    finally:
        late = [future for future in waiting if not future.cancel()]
        for future in late:
            future.result()


def split(start: int, stop: int, parts: int) -> list[Range]:
    """`start:stop` in at most `parts` nearly equal ranges."""
    parts = max(1, min(parts, stop - start))
    cuts = [start + (stop - start) * part // parts for part in range(parts + 1)]
    return list(pairwise(cuts))


def _drain(work: Callable[[int, int], object], pending: Iterator[Range], lock: Lock) -> None:
    while True:
        with lock:
            taken = next(pending, None)
        if taken is None:
            return
        work(*taken)


def _pool() -> ThreadPoolExecutor:
    with _Shared.lock:
        if _Shared.pool is None:
            _Shared.pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="rldsl")
        return _Shared.pool


def _forget() -> None:
    _Shared.pool, _Shared.lock = None, Lock()


os.register_at_fork(after_in_child=_forget)
