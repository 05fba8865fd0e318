"""Text of what a program accumulates while it runs over places: sums, extremes, the places of extremes.

Lanes accumulate by themselves, block after block; the lanes are put together when the loop is over. What a program found
can be written down and accumulated again by another one in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rldsl.graph.model import Pick, Reduce, Reduction

Kind: TypeAlias = Literal["sum", "smallest", "largest", "place_smallest", "place_largest"]


@dataclass(frozen=True, slots=True)
class Fold:
    """One accumulation. Its variables begin with `name`; `width` lanes accumulate."""

    kind: Kind
    name: str
    width: str = "BLOCK"

    @property
    def parts(self) -> tuple[tuple[str, str], ...]:
        """What is kept of it, and the Triton type of each."""
        match self.kind:
            case "sum":
                return ((self.name, "float64"),)
            case "smallest" | "largest":
                return ((self.name, "float64"), (f"{self.name}_found", "int64"))
            case _:
                return ((self.name, "float64"), (f"{self.name}_place", "int64"))

    @property
    def is_place(self) -> bool:
        """Whether what it finds is where, not how much."""
        return self.kind.startswith("place")

    def start(self) -> list[str]:
        """Before the loop."""
        first = "0.0" if self.kind == "sum" else 'float("inf")' if "smallest" in self.kind else 'float("-inf")'
        found = [f"{self.name} = tl.full([{self.width}], {first}, tl.float64)"]
        if self.kind in ("smallest", "largest"):
            found.append(f"{self.name}_found = tl.zeros([{self.width}], tl.int64)")
        elif self.is_place:
            found.append(f"{self.name}_place = tl.full([{self.width}], -1, tl.int64)")
        return found

    def update(self, value: str, keep: str, place: str) -> list[str]:
        """In the loop: a block of values, of which the lanes `keep` count; they stand at the places `place`."""
        match self.kind:
            case "sum":
                return [f"{self.name} += tl.where({keep}, {value}, 0.0)"]
            case "smallest" | "largest":
                helper, bound = ("smaller", "inf") if self.kind == "smallest" else ("larger", "-inf")
                return [f'{self.name} = {helper}({self.name}, tl.where({keep}, {value}, float("{bound}")))',
                        f"{self.name}_found = tl.where({keep}, 1, {self.name}_found)"]
            case _:
                helper = "first_smallest" if self.kind == "place_smallest" else "first_largest"
                return [f"{self.name}, {self.name}_place = {helper}({self.name}, {self.name}_place, {value}, "
                        f"tl.where({keep}, {place}, -1))"]

    def finish(self) -> list[str]:
        """After the loop: the lanes put together."""
        match self.kind:
            case "sum":
                return [f"{self.name} = tl.sum({self.name}, 0)"]
            case "smallest" | "largest":
                helper = "smaller" if self.kind == "smallest" else "larger"
                return [f"{self.name} = tl.reduce({self.name}, 0, {helper})",
                        f"{self.name}_found = tl.max({self.name}_found, 0)"]
            case _:
                helper = "first_smallest" if self.kind == "place_smallest" else "first_largest"
                return [f"{self.name}, {self.name}_place = tl.reduce(({self.name}, {self.name}_place), 0, {helper})"]

    def result(self) -> str:
        """What is settled: of nothing 0 for a sum, absent for an extreme, -1 for a place."""
        match self.kind:
            case "sum":
                return self.name
            case "smallest" | "largest":
                return f'tl.where({self.name}_found > 0, {self.name}, float("nan"))'
            case _:
                return f"{self.name}_place.to(tl.float64)"


def fold_of(operation: Reduce | Pick, name: str, width: str) -> Fold:
    """How a reduction, or the pick of one, is accumulated."""
    kinds: dict[tuple[bool, Reduction], Kind] = {
        (False, Reduction.SUM): "sum", (False, Reduction.MINIMUM): "smallest", (False, Reduction.MAXIMUM): "largest",
        (True, Reduction.MINIMUM): "place_smallest", (True, Reduction.MAXIMUM): "place_largest"}
    return Fold(kinds[isinstance(operation, Pick), operation.reduction], name, width)
