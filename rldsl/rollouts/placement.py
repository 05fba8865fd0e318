"""Where models are and in which number format they are computed: said here, once, for everything that loads one.

A model is loaded on one device. What a spec says of a model's `dtype` goes before what is said here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch

from rldsl.kernels.device.cuda import named, unusable, use
from rldsl.rollouts.signatures import ModelError

DTYPES: Final = {"fp32": torch.float32, "bf16": torch.bfloat16}


_CPU: Final = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Placement:
    """`dtype` is that of models of which the spec says none. Weights that are trained or averaged are kept in float32 whatever
    they are computed in (`masters`)."""

    device: torch.device = _CPU
    dtype: torch.dtype = torch.float32

    @property
    def is_cuda(self) -> bool:
        """Whether it is a GPU."""
        return self.device.type == "cuda"

    @property
    def dtype_name(self) -> str:
        """As a spec writes it."""
        return next(name for name, dtype in DTYPES.items() if dtype is self.dtype)


CPU: Final = Placement()


def choose(device: str | None = None, dtype: str | None = None) -> Placement:
    """The device that is asked for, else the current CUDA device where there is one that can be used, else the CPU. `dtype` None:
    bf16 on a GPU, fp32 on a CPU. Raises `ModelError` for what is not there."""
    if dtype is not None and dtype not in DTYPES:
        raise ModelError(f"there is no number format `{dtype}`; write `--dtype bf16` or `--dtype fp32`")
    found = _default_device() if device is None else _named_device(device)
    if found.type == "cuda":
        use(found)
    return Placement(found, DTYPES[dtype or ("bf16" if found.type == "cuda" else "fp32")])


def described(placement: Placement) -> str:
    """Device and number formats, for people."""
    if not placement.is_cuda:
        return f"the CPU, models in {placement.dtype_name}"
    beside = "" if placement.dtype is torch.float32 else ", trained weights in fp32 beside"
    return f"{placement.device} ({named(placement.device)}), models in {placement.dtype_name}{beside}"


def why_not_used() -> str | None:
    """Why a GPU that is there is not taken by itself; None where none is there, or where it is."""
    return unusable(_current()) if torch.cuda.is_available() else None


def _default_device() -> torch.device:
    return _current() if torch.cuda.is_available() and unusable(_current()) is None else _CPU


def _current() -> torch.device:
    return torch.device("cuda", torch.cuda.current_device())


def _named_device(name: str) -> torch.device:
    if name == "cpu":
        return _CPU
    kind, colon, index = name.partition(":")
    if kind != "cuda" or (colon and not index.isdecimal()):
        raise ModelError(f"there is no device `{name}`; write `--device cpu`, `--device cuda` or `--device cuda:1`")
    if not torch.cuda.is_available():
        raise ModelError(f"`--device {name}`: there is no CUDA device here, or this torch ({torch.__version__}) was built without "
                         "CUDA; write `--device cpu`, or install a build of torch for CUDA")
    count = torch.cuda.device_count()
    if colon and int(index) >= count:
        raise ModelError(f"`--device {name}`: there {'is' if count == 1 else 'are'} {count} here, `cuda:0`"
                         f"{f' to `cuda:{count - 1}`' if count > 1 else ''}")
    found = torch.device("cuda", int(index)) if colon else _current()
    if (fault := unusable(found)) is not None:
        raise ModelError(f"`--device {name}`: {fault}; write `--device cpu`")
    return found
