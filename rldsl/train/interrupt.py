"""SIGINT and SIGTERM as a wish to stop after the present iteration. A second one stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class Wish:
    """Whether the run has been asked to stop, and how."""

    reason: str = ""

    def __bool__(self) -> bool:
        return bool(self.reason)


@contextmanager
def watch_signals() -> Iterator[Wish]:
    """Within the block the first signal only sets the wish. Outside the main thread there is nothing to watch."""
    wish = Wish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return

    def note(number: int, frame: FrameType | None) -> None:
        if wish:
            raise KeyboardInterrupt
        wish.reason = signal.Signals(number).name

    watched = [signal.SIGINT, signal.SIGTERM]
    before = [signal.signal(number, note) for number in watched]
    try:
        yield wish
    finally:
        for number, handler in zip(watched, before, strict=True):
            signal.signal(number, handler)
