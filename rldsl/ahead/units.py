"""One kernel to compile for one target, and the digest of all that its machine code depends on."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rldsl.ahead.excerpt import excerpt
from rldsl.emit.triton.signatures import KernelSignature

FORM = 1  # of what is kept; another one leaves what was kept before alone
DTYPES = {"bf16": 2, "fp16": 2, "fp32": 4}  # of logits, with their bytes
OURS = ("TRITON_INTERPRET", "TRITON_CACHE_DIR")  # decided by the child process, whatever the environment says


@dataclass(frozen=True, slots=True)
class Unit:
    """A kernel with its text, for a target such as `sm_90`. `aligned` arguments are multiples of 16. `counts`: whether its machine
    code is listed to count instructions, which takes half as long as to compile it; otherwise it is where there is a stack."""

    name: str
    target: str
    text: str
    arguments: tuple[tuple[str, str], ...]
    constants: tuple[tuple[str, object], ...]
    warps: int
    stages: int
    aligned: tuple[str, ...]
    counts: bool = False
    fuses: bool = True
    block: int | None = None

    @property
    def digest(self) -> str:
        """Equal for equal machine code: text, types, constants, target, and the compiler."""
        parts = (FORM, asdict(self), triton_version(), _environment())
        return sha256(json.dumps(parts, sort_keys=True).encode("utf-8")).hexdigest()[:32]

    def as_job(self) -> dict[str, Any]:
        """What the child process is told."""
        return asdict(self) | {"digest": self.digest}


def unit_of(text: str, kernel: KernelSignature, target: str, dtypes: tuple[str, str],
            tile: tuple[int, int, int] | None) -> Unit:
    """A kernel of an emitted module. `dtypes` are those of logits and of their gradient; `tile` is (block, warps, stages), for
    kernels of rows."""
    logits, gradients = dtypes
    types = kernel.types(**dict.fromkeys(open_types(kernel), logits) | {"out": gradients})
    switches = {"IN_PLACE": logits == gradients} if "IN_PLACE" in kernel.constexprs else {}
    constants = kernel.values(tile if kernel.tiled else None, **switches)
    warps, stages = (tile[1], tile[2]) if kernel.tiled and tile is not None else (kernel.warps, kernel.stages)
    given = tuple((name, kind) for name, kind in types.items() if name not in constants)
    aligned = [name for name, kind in given if kind.startswith("*") or name in kernel.aligned]  # pointers as torch allocates
    part = excerpt(text, kernel.name)
    return Unit(kernel.name, target, part.text, tuple((part.names[name], kind) for name, kind in given),
                tuple((part.names[name], value) for name, value in constants.items()), warps, stages,
                tuple(part.names[name] for name in aligned), kernel.tiled, kernel.fuses,
                tile[0] if kernel.tiled and tile is not None else _number(constants.get("BLOCK")))


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def open_types(kernel: KernelSignature) -> set[str]:
    """The names in braces of a kernel's types: what has the dtype of logits."""
    return {kind.partition("{")[2].partition("}")[0] for kind in kernel.arguments.values() if "{" in kind}


@cache
def triton_version() -> str | None:
    """Of the installed one; None where there is none."""
    try:
        return version("triton")
    except PackageNotFoundError:
        return None


def environment() -> dict[str, str]:
    """Of the child process: never interpreted; products and sums are fused, as Triton does on a GPU unless told otherwise."""
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    return {"TRITON_DEFAULT_FP_FUSION": "1"} | kept


def _environment() -> dict[str, str]:
    """What of it may change machine code."""
    return {name: value for name, value in environment().items() if name.startswith("TRITON_")}
