"""What the device head can be given, said before anything is launched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from rldsl.kernels.rows import Rows

SERVED = (torch.float32, torch.bfloat16, torch.float16)


def check_rows(name: str, rows: Rows, device: torch.device) -> None:
    """Raise `ValueError` for rows that the kernels cannot take."""
    for what, tensor in _tensors(rows):
        if tensor.device != device:
            raise ValueError(f"{what} of {name} is on {tensor.device}, and the kernels run on {device}: "
                             f"move it, `.to(\"{device}\")`")
    for what, tensor in _floats(rows):
        if tensor.dtype not in SERVED:
            raise ValueError(f"{what} of {name} is {tensor.dtype}, and the kernels take float32, bfloat16 or float16: "
                             "convert it, or compile with `backend=\"torch\"`")
    for what, logits in _logits(rows):
        if logits.shape[1] > 1 and logits.stride(1) != 1:
            raise ValueError(f"{what} of {name} have strides {tuple(logits.stride())}, and a row has to lie in one piece: "
                             "hand over `.contiguous()`")
        if len(logits) > 1 and logits.stride(0) < logits.shape[1]:
            raise ValueError(f"rows of {what} of {name} overlap (strides {tuple(logits.stride())}): hand over `.contiguous()`")
    for what, hidden, weight in _projected(rows):
        if torch.promote_types(hidden.dtype, weight.dtype) is not weight.dtype:
            raise ValueError(f"{what} of {name} are {hidden.dtype} and their projection is {weight.dtype}, which would round them: "
                             "give both one dtype")


def _tensors(rows: Rows) -> Iterator[tuple[str, Tensor]]:
    yield "targets", rows.targets
    if rows.places is not None:
        yield "places", rows.places
    yield from _floats(rows)


def _floats(rows: Rows) -> Iterator[tuple[str, Tensor]]:
    named = {"hidden": rows.hidden, "weight": rows.weight, "bias": rows.bias, "logits": rows.logits}
    if rows.adapter is not None:
        named |= {"the adapter's down": rows.adapter.down, "the adapter's up": rows.adapter.up}
    for policy, other in rows.others.items():
        given = (other,) if isinstance(other, Tensor) else other
        named |= {f"part {number} of `{policy}`": part for number, part in enumerate(given)}
    yield from ((what, tensor) for what, tensor in named.items() if tensor is not None)


def _logits(rows: Rows) -> Iterator[tuple[str, Tensor]]:
    if rows.logits is not None:
        yield "logits", rows.logits
    yield from ((f"logits of `{policy}`", other) for policy, other in rows.others.items() if isinstance(other, Tensor))


def _projected(rows: Rows) -> Iterator[tuple[str, Tensor, Tensor]]:
    if rows.hidden is not None and rows.weight is not None:
        yield "hidden states", rows.hidden, rows.weight
    for policy, other in rows.others.items():
        if not isinstance(other, Tensor):
            yield f"hidden states of `{policy}`", other[0], other[1]


@dataclass(slots=True)
class Faults:
    """Token ids and places outside of their ranges, and places that are named twice, on a device: looked at when the update batch
    is finished, since a look waits for all that is queued. Until then they are held within, so that no kernel reads what is not
    there. Each entry holds what is said, and two numbers and their bounds."""

    found: list[tuple[str, Tensor, int]] = field(default_factory=list)

    def within(self, rows: Rows) -> Rows:
        """The rows with targets and places that lie in their ranges. Those on a CPU were looked at when they were given."""
        if rows.targets.device.type == "cpu" or not len(rows.targets):
            return rows
        targets = self.held("targets", rows.targets, rows.vocabulary)
        if rows.places is None:
            return replace(rows, targets=targets)
        places = self.held("places", rows.places, len(rows.given))
        named = torch.zeros(len(rows.given), dtype=torch.int64, device=places.device)
        most = named.index_add_(0, places, torch.ones_like(places)).max()
        self.found.append(("a row is named {1} times in `places`", torch.stack([most * 0, most]), 2))
        return replace(rows, targets=targets, places=places)

    def held(self, what: str, values: Tensor, size: int) -> Tensor:
        """The ids, none below 0, none from `size` on."""
        said = f"{what} lie in 0 .. {size - 1}, not in {{0}} .. {{1}}"
        self.found.append((said, torch.stack(values.aminmax()), size))
        return values.clamp(0, size - 1)

    def repeated(self, count: Tensor) -> None:
        """So many rows of logits are scored by two groups."""
        said = "{1} rows of logits are scored twice and cannot become two gradients in place"
        self.found.append((said, torch.stack([count * 0, count]), 1))

    def check(self) -> None:
        """Raise `ValueError` for the first that lay outside."""
        found, self.found = self.found, []
        if not found:
            return
        ends = torch.stack([entry for _, entry, _ in found]).tolist()
        for (said, _, size), (low, high) in zip(found, ends, strict=True):
            if low < 0 or high >= size:
                raise ValueError(f"{said.format(low, high)}; gradients of this update are wrong")
