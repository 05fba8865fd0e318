"""Where the gradients of rows on a device go: buffers beside hidden states and logits, sums for projections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from rldsl.kernels.device.checks import Faults
from rldsl.kernels.device.projection import DeviceProjection
from rldsl.kernels.device.shards import Partners
from rldsl.kernels.device.sources import DeviceSource, Hidden, LogitsCopied, LogitsInPlace, Shape
from rldsl.kernels.gradients import clear_others, shared_logits
from rldsl.kernels.projection import ProjectionSums
from rldsl.kernels.rows import Other, Rows
from rldsl.kernels.sums import Pair, Sums


@dataclass(slots=True)
class DeviceGradients:
    """The sources of the rows of one run, and the gradients by hidden states and logits. `exact`: logits of hidden states are
    float32, not in the dtype of the projection. `faults`: what is looked at when the update batch is finished."""

    sums: Sums
    in_place: bool
    faults: Faults
    exact: bool = True
    pairs: list[Pair] = field(default_factory=list)

    def sources(self, rows: Sequence[Rows]) -> list[DeviceSource]:
        """One for each."""
        resident = [entry for entry in rows if entry.logits is not None]
        shared = shared_logits(resident, self.pairs, self.faults.repeated) if self.in_place else {}
        return [self._logits(entry, entry.logits, shared) if entry.logits is not None else self._hidden(entry) for entry in rows]

    def _hidden(self, rows: Rows) -> DeviceSource:
        assert rows.hidden is not None and rows.weight is not None
        by_hidden = None
        if rows.hidden.requires_grad:
            by_hidden = torch.zeros_like(rows.hidden, memory_format=torch.contiguous_format, requires_grad=False)
            self.pairs.append((rows.hidden, by_hidden))
        sums = ProjectionSums.of(self.sums, rows.weight, rows.bias, rows.adapter)
        return Hidden(projection_of(rows), rows.places, shape_of(rows), _dtype(rows.weight, self.exact), by_hidden, sums)

    def _logits(self, rows: Rows, logits: Tensor, shared: Mapping[int, Tensor]) -> DeviceSource:
        plain = logits.detach()
        if rows.support is not None:
            gradient = self._beside(logits, shared)
            return LogitsCopied(plain, rows.places, shape_of(rows), gradient)
        if not logits.requires_grad:
            return LogitsInPlace(plain, rows.places)
        if self.in_place:
            return LogitsInPlace(shared[id(logits)], rows.places, shared[id(logits)])
        if rows.places is None:
            gradient = torch.empty_like(plain, memory_format=torch.contiguous_format)
            self.pairs.append((logits, gradient))
            return LogitsInPlace(plain, None, gradient)
        gradient = plain.clone(memory_format=torch.contiguous_format)
        clear_others(gradient, [rows.places])
        self.pairs.append((logits, gradient))
        return LogitsInPlace(gradient, rows.places, gradient)

    def _beside(self, logits: Tensor, shared: Mapping[int, Tensor]) -> Tensor | None:
        if not logits.requires_grad:
            return None
        if self.in_place:
            return shared[id(logits)]
        gradient = torch.zeros_like(logits, requires_grad=False, memory_format=torch.contiguous_format)
        self.pairs.append((logits, gradient))
        return gradient


def plain_source(rows: Rows, exact: bool) -> DeviceSource:
    """The rows themselves, without a gradient."""
    if rows.hidden is None or rows.weight is None:
        return other_source(rows.given, rows, exact)
    return Hidden(projection_of(rows), rows.places, shape_of(rows), _dtype(rows.weight, exact))


def other_source(other: Other, rows: Rows, exact: bool) -> DeviceSource:
    """Rows of another policy beside some rows. They have no gradient."""
    if isinstance(other, Tensor):
        logits = other.detach()
        return LogitsInPlace(logits, rows.places) if rows.support is None else \
            LogitsCopied(logits, rows.places, shape_of(rows))
    hidden, weight, *bias = (part if part is None else part.detach() for part in other)
    assert hidden is not None and weight is not None
    return Hidden(DeviceProjection(hidden, weight, bias[0] if bias else None), rows.places, shape_of(rows), _dtype(weight, exact))


def projection_of(rows: Rows) -> DeviceProjection:
    """The projection of rows that are hidden states."""
    assert rows.hidden is not None and rows.weight is not None
    return DeviceProjection(rows.hidden.detach(), rows.weight.detach(), None if rows.bias is None else rows.bias.detach(),
                            None if rows.adapter is None else rows.adapter.detached(), Partners.of(rows.shard))


def shape_of(rows: Rows) -> Shape:
    """What lies between the logits of some rows and the kernels."""
    partners = Partners.of(rows.shard)
    if rows.shard is None or partners is None:
        return Shape(rows.support, rows.softcap)
    return Shape(rows.support, rows.softcap, rows.shard.start, -(-rows.shard.size // partners.count))


def _dtype(weight: Tensor, exact: bool) -> torch.dtype:
    return torch.float32 if exact else weight.dtype
