"""Calls side by side: each on a thread of its own, with their results in the order in which they end."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ended(Generic[T]):
    """What one call gave, or what it raised."""

    key: int
    value: T | None
    fault: BaseException | None

    def result(self) -> T:
        """What it gave; raises what it raised."""
        if self.fault is not None:
            raise self.fault
        assert self.value is not None
        return self.value


@dataclass(slots=True)
class Together(Generic[T]):
    """Threads are daemons: whoever is interrupted leaves them behind, and ends what they wait for by closing it."""

    running: set[int] = field(default_factory=set)
    _ended: queue.SimpleQueue[Ended[T]] = field(default_factory=queue.SimpleQueue)

    def start(self, key: int, call: Callable[[], T]) -> None:
        """Begin a call."""
        self.running.add(key)
        threading.Thread(target=self._run, args=(key, call), daemon=True, name=f"rldsl-call-{key}").start()

    def wait(self) -> Ended[T]:
        """The next call that ends."""
        ended = self._ended.get()
        self.running.discard(ended.key)
        return ended

    def _run(self, key: int, call: Callable[[], T]) -> None:
        try:
            self._ended.put(ended(key, call))
        except BaseException as fault:  # whoever waits has to hear of it
            self._ended.put(Ended(key, None, fault))


def ended(key: int, call: Callable[[], T]) -> Ended[T]:
    """A call made here and now."""
    try:
        return Ended(key, call(), None)
    except Exception as fault:
        return Ended(key, None, fault)
