"""What every section is given: where it measures, the ceilings of this run, the model's machine."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.gpu.clock import Clock
from benchmarks.gpu.place import FULL, Place, Shapes
from benchmarks.gpu.predicted import Ceilings, machine_of
from rldsl.plan.machines import Machine


@dataclass(slots=True)
class Situation:
    """`ceilings` are None in a rehearsal, and before they are measured."""

    place: Place
    ceilings: Ceilings | None = None
    clock: Clock = field(init=False)
    machine: Machine = field(init=False)

    def __post_init__(self) -> None:
        self.clock = Clock(self.place)
        self.machine = machine_of(self.place.name)

    @property
    def shapes(self) -> Shapes:
        """Of the work that is run."""
        return self.place.shapes

    @property
    def asked(self) -> Shapes:
        """Of the table: what is predicted is of these, in a rehearsal too."""
        return FULL
