"""Buffers that are allocated once and used again: a fresh allocation of such a size costs more than its arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class Workspace:
    """Named flat buffers that only grow. What is taken under a name lasts until the next taking of that name."""

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device if device is not None else torch.device("cpu")
        self._buffers: dict[str, Tensor] = {}

    @property
    def bytes(self) -> int:
        """How much memory it holds."""
        return sum(buffer.numel() * buffer.element_size() for buffer in self._buffers.values())

    def take(self, name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """An uninitialised contiguous tensor."""
        count = 1
        for size in shape:
            count *= size
        buffer = self._buffers.get(name)
        if buffer is None or buffer.numel() < count or buffer.dtype is not dtype:
            self._buffers.pop(name, None)
            del buffer
            buffer = self._buffers[name] = self._allocate(name, count, dtype)
        return buffer[:count].view(shape)

    def _allocate(self, name: str, count: int, dtype: torch.dtype) -> Tensor:
        try:
            return torch.empty(count, dtype=dtype, device=self.device)
        except torch.OutOfMemoryError as fault:
            raise MemoryError(f"no memory on {self.device} for the {name} of one chunk, {count * dtype.itemsize / 2**30:.2f} GiB "
                              f"beside {self.bytes / 2**30:.2f} GiB of other buffers: hand over fewer tokens at a time "
                              "(`pieces(batch, rows=...)`), or give `chunk_bytes` and `least_rows` that are smaller") from fault


class Workspaces:
    """Lends each caller a workspace of its own, so that two threads may run the same objective."""

    def __init__(self, device: torch.device | None = None) -> None:
        self.device = device
        self._free: list[Workspace] = []

    @contextmanager
    def lend(self) -> Iterator[Workspace]:
        """A workspace, for the length of a `with` block."""
        try:
            workspace = self._free.pop()
        except IndexError:
            workspace = Workspace(self.device)
        yield workspace
        self._free.append(workspace)

    def clear(self) -> None:
        """Give the memory back."""
        self._free.clear()
