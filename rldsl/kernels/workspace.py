"""Buffers that are allocated once and used again: a fresh allocation of such a size costs more than its arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class Workspace:
    """Named flat buffers that only grow. What is taken under a name lasts until the next taking of that name."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def take(self, name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """An uninitialised contiguous tensor."""
        count = 1
        for size in shape:
            count *= size
        buffer = self._buffers.get(name)
        if buffer is None or buffer.numel() < count or buffer.dtype is not dtype:
            self._buffers.pop(name, None)
            buffer = self._buffers[name] = torch.empty(count, dtype=dtype)
        return buffer[:count].view(shape)


class Workspaces:
    """Lends each caller a workspace of its own, so that two threads may run the same objective."""

    def __init__(self) -> None:
        self._free: list[Workspace] = []

    @contextmanager
    def lend(self) -> Iterator[Workspace]:
        """A workspace, for the length of a `with` block."""
        try:
            workspace = self._free.pop()
        except IndexError:
            workspace = Workspace()
        yield workspace
        self._free.append(workspace)

    def clear(self) -> None:
        """Give the memory back."""
        self._free.clear()
