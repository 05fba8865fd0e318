"""Finds what would make the host wait for a CUDA device, on a machine that has none: by the operations that torch is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_LOOKING = (torch.ops.aten._local_scalar_dense, torch.ops.aten.nonzero, torch.ops.aten.bincount, torch.ops.aten.masked_select,
            torch.ops.aten.equal)
_INDEXING = (torch.ops.aten.index, torch.ops.aten.index_put, torch.ops.aten.index_put_)


class Waiting(TorchDispatchMode):
    """While it is entered, `found` fills with the names of operations that wait: for a size or a number that the device has, or
    for a number of the host, which `where` and `index_put` copy to the device at once (pytorch#186486)."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Sequence[type], arguments: tuple[Any, ...] = (),
                           keywords: Mapping[str, Any] | None = None) -> Any:
        packet = function._overloadpacket
        tensors = [entry for entry in arguments if isinstance(entry, Tensor)]
        if packet in _LOOKING or (packet is torch.ops.aten.repeat_interleave and not (keywords or {}).get("output_size")):
            self.found.append(str(packet))
        elif packet is torch.ops.aten.where and any(entry.ndim == 0 for entry in tensors):
            self.found.append("where with a number")
        elif packet in _INDEXING:
            mask = any(entry is not None and entry.dtype is torch.bool for entry in arguments[1])
            number = len(arguments) > 2 and arguments[2].ndim == 0
            self.found += ["index with a mask"] * mask + ["index_put of a number"] * number
        return function(*arguments, **dict(keywords or {}))
