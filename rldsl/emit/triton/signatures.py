"""What compilation ahead of time needs to know of an emitted kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

TILE = ("BLOCK", "WARPS", "STAGES")
FUSED_ROWS = ("fuse_rows",)                      # kernels of a group, without its number
ROWS_APART = "read_rows", "write_rows"
SHARED_ROWS = "partition_rows", "compare_parts"  # of rows whose columns other processes hold too


@dataclass(frozen=True, slots=True)
class KernelSignature:
    """One kernel: its name in the emitted module, the Triton type of each argument (`*{x}` for a pointer to logits of any
    dtype, so `*{out}`, `*{y0}` …; `*fp64`, `*i64`, `i64`), its compile-time constants, and how it is launched.

    A `tiled` kernel has the constants of `TILE` too, which its caller chooses. `aligned` are the arguments that are multiples
    of 16 where the vocabulary is one: without them a kernel has no 128-bit loads. `fuses`: whether a product
    and a sum may become one rounding. In combine kernels they may not: those have the numbers of the CPU, whatever compiles them.
    """

    name: str
    arguments: Mapping[str, str]
    constexprs: Mapping[str, int | bool | None] = field(default_factory=dict)
    warps: int = 4
    stages: int = 3
    aligned: tuple[str, ...] = ()
    tiled: bool = False
    fuses: bool = True

    def types(self, **dtypes: str) -> dict[str, str]:
        """Of all parameters, as Triton's compiler wants them; `x="bf16"`, `out="bf16"`, … for what was left open."""
        constants = dict.fromkeys((*self.constexprs, *(TILE if self.tiled else ())), "constexpr")
        return {name: kind.format(**dtypes) for name, kind in self.arguments.items()} | constants

    def values(self, tile: tuple[int, int, int] | None = None, **constants: int | bool | None) -> dict[str, int | bool | None]:
        """Of all constants; `tile` is (block, warps, stages)."""
        return {**self.constexprs, **constants, **dict(zip(TILE, tile or (), strict=False))}
