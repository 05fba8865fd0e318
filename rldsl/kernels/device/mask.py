"""Which rows of a chunk have a gradient: decided on the device, needed by the host, which must not wait for more than that."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rldsl.kernels.device.cuda import to_host


class ActiveRows:
    """Begins to travel when it is made, behind what is queued so far; arrives while what is queued later runs."""

    def __init__(self, slopes: Sequence[Tensor]) -> None:
        active = slopes[0] != 0.0
        for slope in slopes[1:]:
            active |= slope != 0.0
        self._event: torch.cuda.Event | None = None
        if active.is_cuda:
            self._host, self._event = to_host(active)
        else:
            self._host = active

    def host(self) -> Tensor:
        """One truth value a row. The only place where the host waits for the device inside of an update, if it has not arrived."""
        if self._event is not None:
            self._event.synchronize()
            self._event = None
        return self._host
