"""Renders what was compiled ahead of time. For people; decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from rldsl.ahead.results import Compiled

_HEADS = ("kernel", "block", "warps", "registers", "shared", "spills", "bytes an element", "operations", "instructions")


def kernel_table(kernels: Sequence[tuple[Compiled, int | None]]) -> list[str]:
    """One line a kernel, with the block it was compiled for. Bytes, operations and instructions are those of its loops over
    blocks, for each of their elements (a column, for kernels of rows)."""
    rows = [_HEADS, *(_row(kernel, block) for kernel, block in kernels)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _row(kernel: Compiled, block: int | None) -> tuple[str, ...]:
    traffic, listing = kernel.traffic, kernel.listing
    spills = f"{listing.spilled} B" if listing is not None and kernel.spills else "none"
    moved = "" if traffic is None else f"{traffic.read:.4g} read, {traffic.written:.4g} written"
    operations = "" if traffic is None else f"{traffic.operations:.3g}"
    issued = "" if traffic is None or traffic.instructions is None else f"{traffic.instructions:.3g}"
    return (kernel.name, "" if block is None else f"{block:,}", str(kernel.warps), str(kernel.usage.registers),
            f"{kernel.usage.shared:,} B", spills, moved, operations, issued)
