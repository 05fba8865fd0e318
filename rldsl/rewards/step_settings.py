"""How a scorer is shown the steps of an answer, as the constants of its call. Imports no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rldsl.graph.model import Foreign, Setting

CUT: Final = "split."
"""Before the names of what says where steps end."""


@dataclass(frozen=True, slots=True)
class StepsShown:
    """`split` is what cut the answer (settings of `steps.pieces_of`, or a judge that said where); `tag` stands behind each step.
    `join` stands between two steps; None: what the answer itself has there."""

    split: Mapping[str, Any]
    tag: str = ""
    join: str | None = None

    @property
    def is_judged(self) -> bool:
        """Whether a judge cut the answer: where its steps end is seen from what they say alone."""
        return "judge" in self.split

    @property
    def constants(self) -> tuple[tuple[str, Setting], ...]:
        """As settings of a call, sorted."""
        found: dict[str, Setting] = {CUT + name: value for name, value in self.split.items()}
        found |= {"tag": self.tag} if self.tag else {}
        found |= {} if self.join is None else {"join": self.join}
        return tuple(sorted(found.items()))

    @staticmethod
    def of(operation: Foreign) -> StepsShown:
        """What the constants of a call say."""
        found = dict(operation.settings)
        split = {name.removeprefix(CUT): value for name, value in found.items() if name.startswith(CUT)}
        join = found.get("join")
        return StepsShown(split, str(found.get("tag", "")), None if join is None else str(join))
