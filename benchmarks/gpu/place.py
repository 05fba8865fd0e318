"""Where a run measures: on a GPU, or, to rehearse it, on a CPU under Triton's interpreter."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Shapes:
    """Sizes of all work. `hidden` are pairs of width and vocabulary; a sample has `length` tokens."""

    tokens: int
    length: int
    logits: int
    hidden: tuple[tuple[int, int], tuple[int, int]]
    combined: tuple[int, int]  # samples, and the longest of them; the mean is a quarter of it
    chunks: tuple[int, ...]    # rows, of the sweep
    square: int                # of the product and of the copy that the limits come from
    rounds: int


FULL = Shapes(8192, 1024, 151_936, ((4096, 128_256), (1536, 151_936)), (4096, 1024), (512, 1024, 2048, 4096, 8192), 8192, 9)
TINY = Shapes(8, 2, 320, ((128, 256), (128, 320)), (16, 24), (4, 8), 64, 1)


@dataclass(frozen=True, slots=True)
class Place:
    """A device and the sizes that suit it. Whatever `rehearses` has no times."""

    device: torch.device
    rehearses: bool

    @property
    def shapes(self) -> Shapes:
        """Of the work."""
        return TINY if self.rehearses else FULL

    @property
    def name(self) -> str:
        """As the driver names the device."""
        return "a CPU, interpreted" if self.rehearses else torch.cuda.get_device_name(self.device)

    def wait(self) -> None:
        """Until the device has done all that is queued."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def forget(self) -> None:
        """Give cached memory back."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def normal(self, *size: int, scale: float = 1.0, seed: int = 0, dtype: torch.dtype = torch.bfloat16) -> Tensor:
        """Drawn on the device, a few rows at a time so that no float32 copy of all is made."""
        drawn = torch.Generator(self.device).manual_seed(seed)
        found = torch.empty(size, dtype=dtype, device=self.device)
        for part in found.split(1024):
            part.copy_(torch.randn(part.shape, generator=drawn, device=self.device).mul_(scale))
        return found


def here(rehearses: bool) -> Place:
    """The current GPU, or the CPU for a rehearsal. Raises `RuntimeError` where there is no GPU."""
    if rehearses:
        return Place(torch.device("cpu"), True)
    if not torch.cuda.is_available():
        raise RuntimeError("there is no CUDA device here; `python -m benchmarks gpu --rehearse` runs everything on tiny shapes")
    return Place(torch.device("cuda", torch.cuda.current_device()), False)
