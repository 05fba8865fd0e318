"""The arrays of an update batch on a device, as the host sees them and as kernels take them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rldsl.kernels.device.products import moved_to
from rldsl.kernels.layout import Layout

Numbers = npt.NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)


class DeviceArrays(Mapping[Key, Numbers], Generic[Key]):
    """Tensors on a device that read as arrays on the host: copied when they are asked for, and kept until they change."""

    def __init__(self, tensors: Mapping[Key, Tensor]) -> None:
        self.tensors = dict(tensors)
        self._copies: dict[Key, Numbers] = {}

    def __getitem__(self, key: Key) -> Numbers:
        if key not in self._copies:
            self._copies[key] = np.array(self.tensors[key].cpu().numpy())
        return self._copies[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def forget(self) -> None:
        """The tensors have changed."""
        self._copies.clear()


class DeviceLayout:
    """The bounds and owners of a layout on a device, each uploaded once."""

    def __init__(self, layout: Layout, device: torch.device) -> None:
        self.layout, self.device = layout, device
        self._bounds: dict[tuple[str, str], Tensor] = {}
        self._owners: dict[tuple[str, str], Tensor] = {}

    def bounds(self, axis: str, ancestor: str) -> Tensor:
        """As of the layout."""
        if (axis, ancestor) not in self._bounds:
            self._bounds[axis, ancestor] = moved_to(torch.from_numpy(self.layout.bounds(axis, ancestor)), self.device)
        return self._bounds[axis, ancestor]

    def owners(self, axis: str, ancestor: str) -> Tensor:
        """As of the layout, in int32; made on the device, from the bounds."""
        if (axis, ancestor) not in self._owners:
            bounds = self.bounds(axis, ancestor)
            places = torch.arange(self.layout.size(ancestor), dtype=torch.int32, device=self.device)
            self._owners[axis, ancestor] = torch.repeat_interleave(places, bounds.diff(),
                                                                   output_size=self.layout.size(axis))
        return self._owners[axis, ancestor]
