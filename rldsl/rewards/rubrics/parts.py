"""What criteria of the data say of themselves, as numbers: answers the calls `criterion` of a graph. Asks nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rldsl.graph.model import Foreign
from rldsl.rewards.rubrics.criteria import criterion_threshold, criterion_weight
from rldsl.rewards.run import Answers
from rldsl.rewards.signatures import Result
from rldsl.rewards.tiers import Tier
from rldsl.types import Element


class CriterionService:
    """The setting `part` says what: `weight`, or from which verdict on a `veto` or `gate` holds, absent of what is neither."""

    tier = Tier.NATIVE

    def result(self, operation: Foreign) -> Result:
        """A number; a threshold may be absent."""
        return Result(Element.REAL, optional=dict(operation.settings)["part"] != "weight")

    def answer(self, operation: Foreign, columns: Sequence[list[Any]]) -> Answers:
        """One number for each criterion."""
        part = str(dict(operation.settings)["part"])
        if part == "weight":
            return Answers([criterion_weight(entry) for entry in columns[0]])
        return Answers([criterion_threshold(entry, part) for entry in columns[0]])
