"""By which words declarations enter digests. Two specs are compared under words that say which declarations are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rldsl.types import BATCH, Axis


@dataclass(frozen=True, slots=True)
class Names:
    """Words for data sets, responses, models, states and the like by their names; what is not listed keeps its own name.

    Data sets and responses share one mapping: they own axes, and no two of them have one name.
    """

    owners: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    externs: Mapping[str, str] = field(default_factory=dict)

    def axis(self, axis: Axis) -> str:
        """`token of y within sample of y within prompt of problems`."""
        return " within ".join(self._place(part) for part in axis.chain() if part != BATCH) or "batch"

    def _place(self, axis: Axis) -> str:
        among = f" among those of one {self.axis(axis.among)}" if axis.among is not None else ""
        own, _, what = axis.maker.partition(" ")
        maker = " ".join(filter(None, [self.externs.get(own, own), what]))
        said = [word for word in (maker, "" if axis.size is None else str(axis.size)) if word]
        parts = f" ({' '.join(said)})" if said else ""
        return f"{axis.level.word}{parts} of {self.owners.get(axis.owner, axis.owner)}{among}"
