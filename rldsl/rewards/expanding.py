"""The expanding operations that run here, by the name of the operation up to its colon. A service of that name comes first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rldsl.rewards.outcome import Failure
from rldsl.rewards.places import Places
from rldsl.rewards.pool import Job
from rldsl.rewards.rubrics.criteria import read_criteria
from rldsl.rewards.signatures import Result
from rldsl.rewards.steps import pattern_job, split_texts
from rldsl.types import Element


@dataclass(frozen=True, slots=True)
class Expanding:
    """`run(settings, *columns)` gives `Places` or a `Failure` for each item; `result` is promised of every entry. Where `job`
    makes something of the settings that runs in child processes, what it says beside its value (its evidence) or its failure is
    one column more."""

    result: Result
    run: Callable[..., list[Places | Failure]]
    job: Callable[[Mapping[str, Any]], Job | None] = lambda _: None


EXPANDING: dict[str, Expanding] = {
    "split": Expanding(Result(Element.TEXT), split_texts, pattern_job),
    "criteria": Expanding(Result(Element.JSON), lambda _, lists: [_criteria(written) for written in lists]),
}


def _criteria(written: Any) -> Places | Failure:
    found = read_criteria(written)
    return found if isinstance(found, Failure) else Places(tuple(found))
