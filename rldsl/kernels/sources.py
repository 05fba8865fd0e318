"""Where chunks of vocabulary rows come from, and where their gradients go.

A source gives a chunk of logits as a float32 array with the row of each token in it, and takes the gradient back. It knows
nothing of what is computed of a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rldsl.kernels.projection import Projection, ProjectionSums, Selection
from rldsl.kernels.rows import Other, Rows
from rldsl.kernels.supports import Support
from rldsl.kernels.workspace import Workspace

Logits = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]
Active = npt.NDArray[np.bool_]


class Source(Protocol):
    """Where chunks of rows come from. `row_bytes` are needed for each row of a chunk, beside what is there already."""

    row_bytes: int
    skips_zeros: bool  # whether rows without a gradient need not be stored

    def load(self, rows: Selection, workspace: Workspace, name: str) -> tuple[Logits, Places]:
        """The logits of some tokens, and the row of each."""
        ...

    def store(self, rows: Selection, active: Active, gradient: Tensor, workspace: Workspace) -> None:
        """Take the gradient of the logits of these tokens, which is 0 where they are not `active`."""
        ...


@dataclass(slots=True)
class Resident:
    """Float32 logits that are read, and turned into their gradient, where they lie."""

    logits: Tensor
    places: Tensor | None
    row_bytes: int = 0
    skips_zeros: bool = False

    def load(self, rows: Selection, workspace: Workspace, name: str) -> tuple[Logits, Places]:
        """All logits, and where the tokens stand."""
        chosen = _selected(self.places, rows)
        places = np.arange(chosen.start, chosen.stop) if isinstance(chosen, slice) else chosen.numpy()
        return self.logits.numpy(), places

    def store(self, rows: Selection, active: Active, gradient: Tensor, workspace: Workspace) -> None:
        """It lies there already."""


@dataclass(slots=True)
class Converted:
    """Logits of another dtype or layout, copied by chunks; the gradient goes to `gradient`, which may be the logits."""

    logits: Tensor
    places: Tensor | None
    gradient: Tensor | None = None
    row_bytes: int = 0
    skips_zeros: bool = False

    def __post_init__(self) -> None:
        self.row_bytes = 4 * self.logits.shape[1]

    def load(self, rows: Selection, workspace: Workspace, name: str) -> tuple[Logits, Places]:
        """A float32 copy."""
        chosen = self.logits[_selected(self.places, rows)]
        buffer = workspace.take(name, *chosen.shape).copy_(chosen)
        return buffer.numpy(), np.arange(len(chosen))

    def store(self, rows: Selection, active: Active, gradient: Tensor, workspace: Workspace) -> None:
        """Converted back."""
        assert self.gradient is not None
        self.gradient[_selected(self.places, rows)] = gradient.to(self.gradient.dtype)


@dataclass(slots=True)
class Projected:
    """Logits of hidden states, computed by chunks; gradients of hidden states, weight and bias."""

    projection: Projection
    places: Tensor | None
    by_hidden: Tensor | None = None
    sums: ProjectionSums = field(default_factory=ProjectionSums)
    row_bytes: int = 0
    skips_zeros: bool = True

    def __post_init__(self) -> None:
        self.row_bytes = 4 * self.projection.weight.shape[0]

    def load(self, rows: Selection, workspace: Workspace, name: str) -> tuple[Logits, Places]:
        """The projection of the hidden states."""
        chosen = _selected(self.places, rows)
        count = chosen.stop - chosen.start if isinstance(chosen, slice) else len(chosen)
        buffer = workspace.take(name, count, self.projection.weight.shape[0])
        self.projection.forward(chosen, buffer, workspace)
        return buffer.numpy(), np.arange(count)

    def store(self, rows: Selection, active: Active, gradient: Tensor, workspace: Workspace) -> None:
        """Through the projection. Rows without a gradient leave before its GEMMs: copying a row costs a hundredth of
        multiplying it."""
        count = int(active.sum())
        if count == 0:
            return
        kept: Selection = rows
        if count < len(active):
            order = torch.from_numpy(compact(gradient.numpy(), active))
            kept = rows.start + order if isinstance(rows, slice) else rows[order]
        self.projection.backward(gradient[:count], _selected(self.places, kept), self.by_hidden, self.sums, workspace)


@dataclass(slots=True)
class Capped:
    """Rows of a source that copies them, through `cap * tanh(x / cap)`."""

    inner: Converted | Projected
    cap: float
    has_gradient: bool
    row_bytes: int = 0
    skips_zeros: bool = False
    _tangents: Tensor | None = None

    def __post_init__(self) -> None:
        self.row_bytes, self.skips_zeros = self.inner.row_bytes * (2 if self.has_gradient else 1), self.inner.skips_zeros

    def load(self, rows: Selection, workspace: Workspace, name: str) -> tuple[Logits, Places]:
        """Capped; the tangents stay for the way back, since the gradient will lie over the logits."""
        logits, places = self.inner.load(rows, workspace, name)
        held = torch.from_numpy(logits).div_(self.cap).tanh_()
        if self.has_gradient:
            self._tangents = workspace.take(f"{name}, tangents", *held.shape).copy_(held)
        held.mul_(self.cap)
        return logits, places

    def store(self, rows: Selection, active: Active, gradient: Tensor, workspace: Workspace) -> None:
        """Times 1 - tanh^2; once for each `load`."""
        assert self._tangents is not None
        gradient.mul_(self._tangents.square_().neg_().add_(1.0))
        self.inner.store(rows, active, gradient, workspace)


@dataclass(slots=True)
class Restricted:
    """Rows of a source that copies them, without what lies outside of the support of each token."""

    inner: Converted | Projected | Capped
    support: Support
    row_bytes: int = 0
    skips_zeros: bool = False

    def __post_init__(self) -> None:
        self.row_bytes, self.skips_zeros = self.inner.row_bytes, self.inner.skips_zeros

    def load(self, rows: Selection, workspace: Workspace, name: str) -> tuple[Logits, Places]:
        """Minus infinity outside."""
        logits, places = self.inner.load(rows, workspace, name)
        self.support[rows if isinstance(rows, slice) else rows.numpy()].restrict(logits[:len(places)])
        return logits, places

    def store(self, rows: Selection, active: Active, gradient: Tensor, workspace: Workspace) -> None:
        """It is 0 outside."""
        self.inner.store(rows, active, gradient, workspace)


def compact(rows: Logits, active: Active) -> Places:
    """Move the active rows to the front, into the places of those that are not; which row then stands in each."""
    count = int(active.sum())
    order = np.arange(len(active))
    holes, late = np.flatnonzero(~active[:count]), count + np.flatnonzero(active[count:])
    for hole, row in zip(holes, late, strict=True):
        rows[hole] = rows[row]
    order[holes] = late
    return order[:count]


def _selected(places: Tensor | None, rows: Selection) -> Selection:
    """Rows of the given tensor for some of the tokens."""
    return rows if places is None else places[rows]


def source_of(other: Other, rows: Rows) -> Source:
    """Rows of another policy beside some rows. They have no gradient."""
    if isinstance(other, Tensor):
        logits = other.detach()
        if is_resident(logits) and rows.support is None and rows.softcap is None:
            return Resident(logits, rows.places)
        return shaped(Converted(logits, rows.places), rows, has_gradient=False)
    hidden, weight, *bias = (part if part is None else part.detach() for part in other)
    assert hidden is not None and weight is not None
    return shaped(Projected(Projection(hidden, weight, bias[0] if bias else None), rows.places), rows, has_gradient=False)


def source_of_rows(rows: Rows) -> Source:
    """The rows themselves, without a gradient."""
    if rows.hidden is None or rows.weight is None:
        return source_of(rows.given, rows)
    return shaped(Projected(projection_of(rows), rows.places), rows, has_gradient=False)


def projection_of(rows: Rows) -> Projection:
    """The projection of rows that are hidden states."""
    assert rows.hidden is not None and rows.weight is not None
    bias = None if rows.bias is None else rows.bias.detach()
    adapter = None if rows.adapter is None else rows.adapter.detached()
    return Projection(rows.hidden.detach(), rows.weight.detach(), bias, adapter)


def shaped(source: Converted | Projected, rows: Rows, has_gradient: bool) -> Source:
    """What lies between the logits of some rows and what is read of them: the soft cap, then the support."""
    capped = source if rows.softcap is None else Capped(source, rows.softcap, has_gradient)
    return capped if rows.support is None else Restricted(capped, rows.support)


def is_resident(logits: Tensor) -> bool:
    """Whether the kernels can work on the logits where they lie."""
    return logits.dtype is torch.float32 and logits.is_contiguous()
