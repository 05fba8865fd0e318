"""How long to wait before a call is made again: exponential, with full jitter, and as `Retry-After` says. Waits for nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: a uniform share of `first * 2^attempt` seconds, at most `most`. (Brooker 2015, "Exponential backoff and
    jitter": the form that spreads the calls of many clients best.)"""

    first: float = 0.5
    most: float = 30.0

    def wait(self, attempt: int, share: float) -> float:
        """Seconds before the call after attempt `attempt` (from 0); `share` is drawn from [0, 1)."""
        return share * min(self.most, self.first * 2.0 ** min(attempt, 60))


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a `Retry-After` header asks for, written as seconds or as an HTTP date; None where it says neither."""
    if header is None:
        return None
    try:
        seconds = float(header)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())
