"""Reads what a cubin holds, from the listings of cuobjdump and nvdisasm: registers, stack, local memory, loops. Starts nothing.

What spills is counted here, in the code that would run: another run of ptxas may decide otherwise."""

from __future__ import annotations

import re
from dataclasses import dataclass

_USAGE = re.compile(r"REG:(\d+) STACK:(\d+) SHARED:(\d+)")
_LABEL = re.compile(r"^(\.L_x_\d+):")
_INSTRUCTION = re.compile(r"/\*[0-9a-f]+\*/\s+(@!?U?P[T\d]+ +)?([A-Z][A-Z0-9_.]*)(.*?);")
_TARGET = re.compile(r"\.L_x_\d+")
_SIZES = {"U8": 1, "S8": 1, "U16": 2, "S16": 2, "64": 8, "128": 16, "256": 32}
_LOADS, _STORES = ("LDG", "LDGSTS"), ("STG",)
_LEAVING, _LEAVES = ("EXIT", "RET"), "leaves"  # without a condition
_DOUBLE = ("DADD", "DMUL", "DFMA", "DSETP", "DMNMX")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one kernel: registers and stack bytes a thread, shared bytes a program."""

    registers: int
    stack: int
    shared: int


@dataclass(frozen=True, slots=True)
class CodeLoop:
    """An innermost loop that touches global memory. Of one thread, in one turn: instructions, bytes read and written, the widest
    access, special functions (exponentials), fp64 instructions, barriers."""

    instructions: int
    read: int
    written: int
    widest: int
    special: int
    double: int
    barriers: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The code of a kernel. Local stores and loads are instructions that move registers to memory and back, `spilled` the bytes
    of the stores, of one thread, each instruction once."""

    instructions: int
    local_stores: int
    local_loads: int
    spilled: int
    loops: tuple[CodeLoop, ...]


def usage_of(listing: str) -> Usage | None:
    """From `cuobjdump -res-usage`; None if it says nothing."""
    found = _USAGE.search(listing)
    return None if found is None else Usage(int(found[1]), int(found[2]), int(found[3]))


def listing_of(text: str) -> Listing:
    """From `nvdisasm -c`."""
    code, labels = _code(text)
    stores = [name for name, _ in code if name.partition(".")[0] == "STL"]
    loads = [name for name, _ in code if name.partition(".")[0] == "LDL"]
    loops = tuple(loop for start, stop in _innermost(code, labels)
                  if (loop := _loop([name for name, _ in code[start:stop]])).read + loop.written)
    return Listing(len(code), len(stores), len(loads), sum(map(_bytes, stores)), loops)


def _code(text: str) -> tuple[list[tuple[str, str]], dict[str, int]]:
    """Instructions with their operands, and which one each label stands before."""
    code: list[tuple[str, str]] = []
    labels: dict[str, int] = {}
    for line in text.splitlines():
        label = _LABEL.match(line)
        if label is not None:
            labels[label[1]] = len(code)
        elif (found := _INSTRUCTION.search(line)) and found[2] != "NOP":
            always = found[1] is None and found[2].partition(".")[0] in _LEAVING
            code.append((found[2], _LEAVES if always else found[3]))
    return code, labels


def _innermost(code: list[tuple[str, str]], labels: dict[str, int]) -> list[tuple[int, int]]:
    """The ranges that a jump back closes and that hold no other such range. One that the kernel leaves by all means on its way is
    none: there a part that is seldom needed stands behind the end, and jumps back."""
    ranges: dict[int, int] = {}
    for place, (name, operands) in enumerate(code):
        target = _TARGET.search(operands) if name.startswith("BRA") else None
        start = labels.get(target[0]) if target is not None else None
        if start is not None and start <= place and all(rest != _LEAVES for _, rest in code[start:place]):
            ranges[start] = max(ranges.get(start, 0), place + 1)
    found = sorted(ranges.items())
    return [(start, stop) for start, stop in found
            if not any(start <= inner and end <= stop and (inner, end) != (start, stop) for inner, end in found)]


def _loop(names: list[str]) -> CodeLoop:
    stems = [name.partition(".")[0] for name in names]
    loads = [_bytes(name) for name, stem in zip(names, stems, strict=True) if stem in _LOADS]
    stores = [_bytes(name) for name, stem in zip(names, stems, strict=True) if stem in _STORES]
    return CodeLoop(len(names), sum(loads), sum(stores), max((*loads, *stores), default=0), stems.count("MUFU"),
                    sum(stems.count(stem) for stem in _DOUBLE), stems.count("BAR"))


def _bytes(name: str) -> int:
    """Of one access of one thread: `LDG.E.128` is 16, `LDG.E` is 4."""
    return next((_SIZES[part] for part in name.split(".")[1:] if part in _SIZES), 4)
