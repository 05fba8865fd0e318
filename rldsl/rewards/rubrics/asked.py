"""How a rubric asks, as the constants of its calls: everything that a judge sees of it, and nothing that it does not.

Weights, penalties and thresholds are no part of it: they are numbers of the graph, so changing one asks the judge nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from rldsl.graph.model import Foreign, Setting
from rldsl.rewards.rubrics.scale import BINARY_SCALE, PREFERRED, Scale, interval_of
from rldsl.types import Interval

Constants = tuple[tuple[str, Setting], ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """`judge` reads; `criteria` are what it is asked about (empty where they come from the data) with their `scales`, or the one
    scale of all. `together`: one question for all criteria, else one for each. `votes` answers are drawn to each question and
    become one by `votes_by`. `shuffle`: criteria are shown in an order that follows from the texts, another one for each vote.
    `reason` and `quote` are asked for before a verdict. `orders` of two texts are both asked, or the one that is written."""

    judge: str
    criteria: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    scales: tuple[Scale, ...] = (BINARY_SCALE,)
    together: bool = True
    votes: int = 1
    votes_by: str = ""
    shuffle: bool = False
    reason: bool = False
    quote: bool = False
    instructions: str = ""
    both_orders: bool = True

    @property
    def constants(self) -> Constants:
        """As settings of a call, sorted."""
        found: dict[str, Setting] = {
            "judge": self.judge, "criteria": self.criteria, "against": self.against,
            "scales": tuple(scale.setting for scale in self.scales),
            "ask": "together" if self.together else "each", "votes": self.votes, "votes_by": self.votes_by,
            "shuffle": self.shuffle, "reason": self.reason, "quote": self.quote, "instructions": self.instructions,
            "orders": "both" if self.both_orders else "one"}
        return tuple(sorted(found.items()))

    @staticmethod
    def of(operation: Foreign) -> Asked:
        """What the constants of a call say."""
        return Asked.read(operation.settings)

    @staticmethod
    def read(constants: Constants) -> Asked:
        """What constants say."""
        found = dict(constants)
        criteria, against, scales = found["criteria"], found["against"], found["scales"]
        assert isinstance(criteria, tuple) and isinstance(against, tuple) and isinstance(scales, tuple)
        return Asked(str(found["judge"]), tuple(map(str, criteria)), tuple(map(str, against)), tuple(map(Scale.of, scales)),
                     found["ask"] == "together",
                     int(found["votes"]), str(found["votes_by"]), bool(found["shuffle"]), bool(found["reason"]),  # type: ignore[arg-type]
                     bool(found["quote"]), str(found["instructions"]), found["orders"] == "both")

    def scale_of(self, criterion: int) -> Scale:
        """The scale of a criterion by its place."""
        return self.scales[criterion] if len(self.scales) > 1 else self.scales[0]

    @property
    def interval(self) -> Interval:
        """What its verdicts can be."""
        return interval_of(self.scales, self.votes, self.votes_by)


def preferred_interval(asked: Asked) -> Interval:
    """What a preference can be: quarters where both orders are asked and one verdict counts."""
    one_order = interval_of((PREFERRED,), asked.votes, asked.votes_by)
    is_listed = one_order.values is not None and asked.both_orders
    return Interval(0.0, 1.0, values=(0.0, 0.25, 0.5, 0.75, 1.0)) if is_listed else one_order
