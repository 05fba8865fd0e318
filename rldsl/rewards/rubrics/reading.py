"""What a reply says, strictly: every verdict that was asked for, in the form that was asked for, and nothing else.

What one part lacks has failed for that part alone; a part that nobody asked for makes the whole doubtful and fails it. That a
reply is one JSON object, which says nothing twice, is what a judge sees to (`judging.replies`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rldsl.rewards.judging.question import Answered
from rldsl.rewards.outcome import Failure, FailureKind
from rldsl.rewards.rubrics.scale import Scale

LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge said of one thing: its `value` in [0, 1], the word or number that it `said`, and what stood beside it."""

    value: float
    said: str | int | float
    beside: Mapping[str, str]


def read_verdicts(answered: Answered, scales: Sequence[Scale], beside: Sequence[str]) -> list[Verdict | Failure] | Failure:
    """One verdict for each number from 1, with the texts named in `beside`."""
    numbers = [str(number + 1) for number in range(len(scales))]
    trouble = _trouble(answered, numbers)
    if trouble is not None:
        return trouble
    return [read_verdict(answered.value.get(number), scale, beside, number)
            for number, scale in zip(numbers, scales, strict=True)]


def read_choice(answered: Answered, scale: Scale, beside: Sequence[str]) -> Verdict | Failure:
    """The one verdict of a reply, under the name `better`."""
    trouble = _trouble(answered, ["better", *beside])
    return trouble if trouble is not None else read_verdict(answered.value, scale, beside, "", "better")


def read_verdict(part: object, scale: Scale, beside: Sequence[str], number: str, name: str = "verdict") -> Verdict | Failure:
    """One verdict with what stands beside it."""
    where = f" on {number}" if number else ""
    if part is None:
        return _malformed(f"the reply says nothing{where}")
    if not isinstance(part, Mapping):
        return _malformed(f"the reply{where} is {_shown(part)}, not an object with {_names([*beside, name])}")
    unasked = [word for word in part if word not in (name, *beside)]
    if unasked:
        return _malformed(f"the reply{where} has {_shown(unasked[0])}, which was not asked for")
    lacking = [word for word in (*beside, name) if word not in part]
    if lacking:
        return _malformed(f"the reply{where} has no {lacking[0]}")
    for word in beside:
        if not isinstance(part[word], str):
            return _malformed(f"the {word}{where} is {_shown(part[word])}, not a text")
    value = scale.value(part[name])
    if value is None:
        return _malformed(f"the verdict{where} is {_shown(part[name])}, which is not on the scale ({scale.said()})")
    return Verdict(value, part[name], {word: part[word] for word in beside})


def _trouble(answered: Answered, names: Sequence[str]) -> Failure | None:
    """What makes all of a reply doubtful; None if nothing does."""
    unasked = [name for name in answered.value if name not in names]
    return _malformed(f"the reply has {_shown(unasked[0])}, which was not asked for") if unasked else None


def _malformed(message: str) -> Failure:
    return Failure(FailureKind.MALFORMED, message)


def _names(words: Sequence[str]) -> str:
    return " and ".join(f'"{word}"' for word in words)


def _shown(value: object) -> str:
    said = json.dumps(value, ensure_ascii=True, default=str)
    return said if len(said) <= LONGEST_SHOWN else said[:LONGEST_SHOWN] + "…"
