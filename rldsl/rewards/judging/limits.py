"""Rates and budgets as pure bookkeeping: who may go when, and what is left. Waits for nothing, sends nothing."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import Enum

from rldsl.rewards.judging.settings import JudgeSettings
from rldsl.rewards.outcome import Cost


class Bucket:
    """A leaky bucket: it holds a minute's allowance and refills evenly. What was taken too much comes back by `give`."""

    def __init__(self, per_minute: float, now: float) -> None:
        self.size, self.left, self.at = float(per_minute), float(per_minute), now

    def wait(self, amount: float, now: float) -> float:
        """Seconds until `amount` may be taken; more than a whole minute's allowance goes once the bucket is full."""
        self._refill(now)
        return max(0.0, (min(amount, self.size) - self.left) / self.size * 60)

    def take(self, amount: float, now: float) -> None:
        """Take it, into debt where more than the bucket holds goes."""
        self._refill(now)
        self.left -= amount

    def give(self, amount: float) -> None:
        """Bring back what was not used; a negative amount takes what was used beside."""
        self.left = min(self.size, self.left + amount)

    def _refill(self, now: float) -> None:
        self.left = min(self.size, self.left + max(0.0, now - self.at) * self.size / 60)
        self.at = max(now, self.at)


class Window:
    """How many calls may be under way: halved when the server says that it is busy, one more for each round of answers.

    Additive increase, multiplicative decrease (Chiu and Jain 1989), as TCP does it. Several refusals of one moment count once.
    """

    def __init__(self, most: int, quiet: float = 1.0) -> None:
        self.most, self.size, self.quiet, self._cut_at = most, float(most), quiet, float("-inf")

    def answered(self) -> None:
        """A call was answered."""
        self.size = min(float(self.most), self.size + 1.0 / self.size)

    def busy(self, now: float) -> None:
        """A call was refused because there are too many."""
        if now - self._cut_at >= self.quiet:
            self.size, self._cut_at = max(1.0, self.size / 2), now

    @property
    def calls(self) -> int:
        """Calls that may be under way now."""
        return int(self.size)


class Room(Enum):
    """Whether a budget has room for a call."""

    YES = "yes"
    LATER = "later"  # calls under way have reserved what they may not need
    NO = "no"


@dataclass(frozen=True, slots=True)
class Most:
    """The limits of a budget; None: no limit."""

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None

    @staticmethod
    def of(settings: JudgeSettings) -> Most:
        """Those of a judge."""
        return Most(settings.most_calls, settings.most_tokens, settings.most_money)

    @property
    def is_limited(self) -> bool:
        """Whether anything is limited."""
        return self != Most()

    def exceeded(self, cost: Cost) -> str | None:
        """Which setting is passed."""
        tokens = cost.tokens_in + cost.tokens_out
        if self.calls is not None and cost.calls > self.calls:
            return f"`most_calls: {self.calls}`"
        if self.tokens is not None and tokens > self.tokens:
            return f"`most_tokens: {self.tokens}`"
        if self.money is not None and cost.money > self.money * (1 + 1e-12):  # sums of prices are rounded
            return f"`most_money: {self.money:g}`"
        return None


class Budget:
    """What a judge has spent and reserved in a run; shared by all threads. A call reserves the most that it can cost before it
    is sent, and what it did cost replaces that afterwards: calls at the same time cannot overspend together."""

    def __init__(self, most: Most) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._spent, self._reserved = Cost(), Cost()

    @property
    def spent(self) -> Cost:
        """What calls took so far."""
        with self._lock:
            return self._spent

    def reserve(self, bound: Cost) -> Room:
        """Reserve for a call, if there is room."""
        with self._lock:
            if self.most.exceeded(self._spent + bound) is not None:
                return Room.NO
            if self.most.exceeded(self._spent + self._reserved + bound) is not None:
                return Room.LATER
            self._reserved += bound
            return Room.YES

    def settle(self, bound: Cost, cost: Cost) -> None:
        """A call that had reserved `bound` has taken `cost`."""
        with self._lock:
            self._reserved = less(self._reserved, bound)
            self._spent += cost

    def shortfall(self, bound: Cost) -> str | None:
        """Why it may not last for calls that cost at most `bound` together, as a sentence; None if it does."""
        passed = self.most.exceeded(self.spent + bound)
        return None if passed is None else (f"{passed} may not last: {bound.calls} calls of at most "
                                            f"{bound.tokens_in + bound.tokens_out} tokens are to come")

    def refusal(self, bound: Cost) -> str:
        """Why there is no room for a call, as a sentence."""
        spent = self.spent
        passed = self.most.exceeded(spent + bound) or "its budget"
        return (f"not asked: {passed} is reached; spent so far: {spent.calls} calls, {spent.tokens_in + spent.tokens_out} tokens"
                + (f", {spent.money:.6g} money" if spent.money else "")
                + f"; this call may take {bound.tokens_in + bound.tokens_out} tokens")


def less(total: Cost, part: Cost) -> Cost:
    """What is left of a sum of costs without one of them."""
    return Cost(total.calls - part.calls, total.tokens_in - part.tokens_in, total.tokens_out - part.tokens_out,
                max(0.0, total.money - part.money))
