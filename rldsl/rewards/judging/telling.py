"""An `Estimate` in lines for people. Prints nothing."""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.rewards.judging.forecast import Estimate, Forecast
from rldsl.rewards.outcome import Cost


def short_lines(estimate: Estimate) -> list[str]:
    """One for each judge that may be asked, and one more where its budget may not last."""
    found: list[str] = []
    for entry in estimate.judges:
        if entry.asks:
            found.append(f"judge `{entry.judge}`: {_amount(entry)}")
        if entry.shortfall is not None:
            found.append(f"judge `{entry.judge}`: {entry.shortfall}")
    return found


def whole_lines(estimate: Estimate) -> list[str]:
    """Everything of an estimate."""
    found = [line for entry in estimate.judges for line in _whole(entry)]
    if estimate.not_run and any(entry.is_bound or entry.untold for entry in estimate.judges):
        names = ", ".join(f"`{name}`" for name in estimate.not_run)
        found.append(f"not run for this estimate: {names}; what they may spare counts as asked")
    return found or ["no judge is asked"]


def _whole(entry: Forecast) -> Iterator[str]:
    yield f"judge `{entry.judge}`: {_amount(entry)}"
    if entry.rounds is not None and entry.connections is not None and entry.most.calls:
        answers, connections = _counted(entry.rounds, "answer"), _counted(entry.connections, "connection")
        yield f"  time: at most {answers} one after the other at each of {connections}" + (
            f"; its rates alone make that last up to {_duration(entry.seconds)}" if entry.seconds else "")
    elif entry.seconds:
        yield f"  time: its rates alone make that last up to {_duration(entry.seconds)}"
    yield f"  budget: {entry.shortfall}" if entry.shortfall is not None else "  budget: it lasts, retries aside" \
        if entry.is_limited else "  budget: none is set"


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _amount(entry: Forecast) -> str:
    least, most = entry.least.calls, entry.most.calls
    calls = f"at most {_counted(most, 'call')}, {least:,} of them at all events" if entry.is_bound else \
        _counted(most, "call") if most else "no call"
    parts = [calls]
    if most:
        parts.append(f"at most {entry.most.tokens_in:,} tokens in and {entry.most.tokens_out:,} out{_money(entry.most)}")
    if entry.kept:
        parts.append(f"{entry.kept:,} {'answer is' if entry.kept == 1 else 'answers are'} kept")
    if entry.untold:
        parts.append(f"{entry.untold:,} further values about texts that only a call gives, which are not counted")
    return "; ".join(parts)


def _money(cost: Cost) -> str:
    return f", {cost.money:.4g} money" if cost.money else ""


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
