"""Counts what the loops of a kernel do to each element, in Triton's own intermediate text, before anything is unrolled.

An element is one lane of the widest block that a loop loads or stores. Operations are counted as written: what a compiler merges
(a product and a sum into one instruction) counts twice. Knows nothing of machines."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

_OPERATION = re.compile(r'^\s*(?:%[\w:#]+\s*=\s*)?"?([a-z]+\.[a-z_0-9]+)"?')
_NUMBERS = re.compile(r"tensor<((?:\d+x)+)(?:f64|f32|f16|bf16)>")
_REDUCED = re.compile(r"^\s*}\)(?: \{.*\})? : \((.*)\) ->")  # where the types of a reduction or scan stand
_POINTERS = re.compile(r"tensor<((?:\d+x)+)!tt\.ptr<(\w+)>>")
_BITS = re.compile(r"\d+")
_SPECIAL = frozenset({"math.exp2", "math.exp", "math.log2", "math.log", "math.rsqrt", "math.sqrt", "math.erf",
                      "math.sin", "math.cos"})
_ARITHMETIC = frozenset({"arith.addf", "arith.subf", "arith.mulf", "arith.divf", "arith.maxnumf", "arith.minnumf",
                         "arith.maximumf", "arith.minimumf", "arith.negf", "math.fma", "math.absf"})


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop that touches memory. `width`: elements an iteration; `read` and `written`: bytes an element; `operations`:
    floating-point operations an element, of which `special` are exponentials and their kind. `is_aside`: it stands in a branch
    that is not the usual one: the other branch has no such loop, or a heavier one."""

    width: int
    read: float
    written: float
    operations: float
    special: float
    is_aside: bool = False

    @property
    def moved(self) -> float:
        """Bytes an element, both ways."""
        return self.read + self.written


@dataclass(slots=True)
class _Region:
    """A loop or an `if` that is being read. `branches`: places in the list of loops that have ended, of each branch."""

    is_loop: bool
    depth: int
    place: int
    branches: list[list[int]] = field(default_factory=lambda: [[]])
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, what: str, amount: int) -> None:
        self.counts[what] = self.counts.get(what, 0) + amount

    def closed(self) -> Loop:
        """Per element of the widest load or store."""
        width = self.counts["width"]
        read, written, operations, special = (self.counts.get(name, 0) / width
                                              for name in ("read", "written", "operations", "special"))
        return Loop(width, read, written, operations, special)


def loops_of(text: str) -> tuple[Loop, ...]:
    """The loops of a kernel that load or store blocks, in the order in which they begin; an inner loop counts for itself."""
    reader = _Reader()
    for place, line in enumerate(text.splitlines()):
        reader.take(line, place)
    return tuple(loop for _, loop in sorted(zip(reader.begins, reader.loops, strict=True), key=lambda entry: entry[0]))


class _Reader:
    """Holds the regions that are open and the loops that have ended."""

    def __init__(self) -> None:
        self.loops: list[Loop] = []
        self.begins: list[int] = []
        self._open: list[_Region] = []
        self._depth = 0

    def take(self, line: str, place: int) -> None:
        """One line more."""
        found = _OPERATION.match(line)
        name = found[1] if found is not None else ""
        opens = line.count("{") - line.count("}")
        if name in ("scf.for", "scf.while", "scf.if") and opens > 0:
            self._open.append(_Region(name != "scf.if", self._depth, place))
        elif loop := next((region for region in reversed(self._open) if region.is_loop), None):
            _count(loop, name, line)
        if "} else {" in line and self._open and self._depth == self._open[-1].depth + 1:
            self._open[-1].branches.append([])
        self._depth += opens
        while self._open and self._depth <= self._open[-1].depth:
            self._close(self._open.pop())

    def _close(self, region: _Region) -> None:
        inner = [place for branch in region.branches for place in branch]
        if not region.is_loop:
            self._set_aside(region.branches)
        elif region.counts.get("width"):
            inner.append(len(self.loops))
            self.loops.append(region.closed())
            self.begins.append(region.place)
        if self._open:
            self._open[-1].branches[-1].extend(inner)

    def _set_aside(self, branches: list[list[int]]) -> None:
        """All branches but the heaviest; that one as well where it is the only one with loops."""
        weights = [sum(self.loops[place].moved for place in branch) for branch in branches]
        usual = weights.index(max(weights)) if sum(weight > 0 for weight in weights) > 1 else None
        for number, branch in enumerate(branches):
            for place in branch if number != usual else ():
                self.loops[place] = replace(self.loops[place], is_aside=True)


def _count(loop: _Region, operation: str, line: str) -> None:
    if operation in ("tt.load", "tt.store"):
        pointers = _POINTERS.search(line)
        if pointers is not None:  # otherwise a single number
            elements = _elements(pointers[1])
            loop.counts["width"] = max(loop.counts.get("width", 0), elements)
            loop.count("read" if operation == "tt.load" else "written", elements * _size(pointers[2]))
    elif operation in _SPECIAL or operation in _ARITHMETIC:
        numbers = _NUMBERS.search(line)
        elements = _elements(numbers[1]) if numbers is not None else 0
        loop.count("operations", elements)
        loop.count("special", elements if operation in _SPECIAL else 0)
    elif reduced := _REDUCED.match(line):
        loop.count("operations", sum(_elements(shape) for shape in _NUMBERS.findall(reduced[1])))


def _elements(shape: str) -> int:
    count = 1
    for part in shape.rstrip("x").split("x"):
        count *= int(part)
    return count


def _size(element: str) -> int:
    bits = _BITS.search(element)
    return max(1, int(bits[0]) // 8) if bits is not None else 8
