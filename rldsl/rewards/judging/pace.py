"""When the next call of a judge may be sent: connections, pauses, rates and the budget, first come, first served."""

from __future__ import annotations

import asyncio
import time

from rldsl.rewards.judging.limits import Bucket, Budget, Room, Window
from rldsl.rewards.judging.settings import JudgeSettings
from rldsl.rewards.outcome import Cost, Failure, FailureKind


class Pace:
    """One for each endpoint, on its event loop. `enter` before a call, `leave` after it."""

    def __init__(self, settings: JudgeSettings, budget: Budget) -> None:
        now = time.monotonic()
        self.budget, self.window = budget, Window(settings.connections)
        self._calls = Bucket(settings.requests_per_minute, now) if settings.requests_per_minute is not None else None
        self._tokens = Bucket(settings.tokens_per_minute, now) if settings.tokens_per_minute is not None else None
        self._under_way, self._paused_until = 0, now
        self._door, self._changed = asyncio.Lock(), asyncio.Event()

    async def enter(self, bound: Cost) -> Failure | None:
        """Wait until a call that costs at most `bound` may be sent, and reserve for it; or why it may never be."""
        async with self._door:  # whoever is first waits for all conditions; the others wait for it
            while True:
                self._changed.clear()
                if self._under_way >= self.window.calls:
                    await self._changed.wait()
                    continue
                seconds = self._seconds(bound, time.monotonic())
                if seconds > 0:
                    await asyncio.sleep(seconds)
                    continue
                match self.budget.reserve(bound):
                    case Room.NO:
                        return Failure(FailureKind.BUDGET, self.budget.refusal(bound))
                    case Room.LATER:
                        await self._changed.wait()
                    case Room.YES:
                        self._take(bound)
                        return None

    def leave(self, bound: Cost, cost: Cost) -> None:
        """A call that entered with `bound` has ended and took `cost`."""
        self._under_way -= 1
        self.budget.settle(bound, cost)
        if self._tokens is not None:
            self._tokens.give(_tokens(bound) - _tokens(cost))
        if cost.calls:
            self.window.answered()
        self._changed.set()

    def pause(self, seconds: float, *, is_busy: bool) -> None:
        """Nobody sends for so long; where the server is busy, fewer send at once afterwards."""
        now = time.monotonic()
        self._paused_until = max(self._paused_until, now + seconds)
        if is_busy:
            self.window.busy(now)

    def _seconds(self, bound: Cost, now: float) -> float:
        waits = [self._paused_until - now]
        if self._calls is not None:
            waits.append(self._calls.wait(1, now))
        if self._tokens is not None:
            waits.append(self._tokens.wait(_tokens(bound), now))
        return max(waits)

    def _take(self, bound: Cost) -> None:
        now = time.monotonic()
        self._under_way += 1
        if self._calls is not None:
            self._calls.take(1, now)
        if self._tokens is not None:
            self._tokens.take(_tokens(bound), now)


def _tokens(cost: Cost) -> int:
    return cost.tokens_in + cost.tokens_out
