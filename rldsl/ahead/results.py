"""What came out of one compilation, as it is kept beside the cubin."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rldsl.ahead.sass import CodeLoop, Listing, Usage
from rldsl.ahead.ttir import Loop

PTX, CUBIN, REPORT = "kernel.ptx", "kernel.cubin", "report.json"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a kernel does to each element over all its usual loops. `instructions`: of a thread, in the machine code; None where
    loops of the code cannot be told apart. `widest`: bytes of the widest access in them."""

    read: float
    written: float
    operations: float
    instructions: float | None
    widest: int


@dataclass(frozen=True, slots=True)
class Compiled:
    """A kernel for a target. `loops` are those of its text, `listing` is its machine code, where that was looked at."""

    name: str
    target: str
    warps: int
    stages: int
    usage: Usage
    listing: Listing | None
    loops: tuple[Loop, ...]

    @property
    def spills(self) -> bool:
        """Whether registers go to memory and back."""
        return self.listing is not None and self.listing.local_stores + self.listing.local_loads > 0

    @property
    def traffic(self) -> Traffic | None:
        """None for a kernel without loops over blocks."""
        usual = [place for place, loop in enumerate(self.loops) if not loop.is_aside]
        if not usual:
            return None
        loops = [self.loops[place] for place in usual]
        listed = () if self.listing is None else self.listing.loops
        matched = len(self.loops) == len(listed)
        codes = [listed[place] for place in usual] if matched else []
        issued = [_lane_instructions(loop, code) for loop, code in zip(loops, codes, strict=True)] if matched else [None]
        read, written, operations = (sum(getattr(loop, name) for loop in loops) for name in ("read", "written", "operations"))
        return Traffic(read, written, operations, None if None in issued else sum(filter(None, issued)),
                       max((code.widest for code in codes), default=0))

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Compiled:
        """From `to_json`. Raises KeyError or TypeError where it is not that."""
        return cls(data["name"], data["target"], data["warps"], data["stages"], Usage(**data["usage"]), _listing(data["listing"]),
                   tuple(Loop(**entry) for entry in data["loops"]))


@dataclass(frozen=True, slots=True)
class Refused:
    """A kernel that did not compile. `is_target`: because this compiler makes nothing for the target."""

    name: str
    target: str
    message: str
    is_target: bool = False


def _listing(data: dict[str, Any] | None) -> Listing | None:
    return None if data is None else Listing(**data | {"loops": tuple(CodeLoop(**entry) for entry in data["loops"])})


def _lane_instructions(loop: Loop, code: CodeLoop) -> float | None:
    """Instructions of a thread for each of its elements: one turn of the code may do several of the text's."""
    if not loop.moved or not code.read + code.written:
        return None
    return code.instructions * loop.moved / (code.read + code.written)
