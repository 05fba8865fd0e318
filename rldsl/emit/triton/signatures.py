"""What compilation ahead of time needs to know of an emitted kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class KernelSignature:
    """One kernel: its name in the emitted module, the Triton type of each argument (`*{x}` for a pointer to logits of any
    dtype, `*fp64`, `*i64`, `i64`), its compile-time constants, and how it is launched."""

    name: str
    arguments: Mapping[str, str]
    constexprs: Mapping[str, int | bool] = field(default_factory=dict)
    warps: int = 4
    stages: int = 3
