"""Where chunks of vocabulary rows come from on a device, and where their gradients go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor

from rldsl.kernels.device.products import aligned, compact, moved_to
from rldsl.kernels.device.projection import DeviceProjection
from rldsl.kernels.projection import ProjectionSums, Selection
from rldsl.kernels.supports import Support
from rldsl.kernels.workspace import Workspace

SUPPORT_TOKENS = 1 << 22  # of supports, uploaded at a time
Mask: TypeAlias = Callable[[], Tensor]  # one truth value a row, on the host, which waits for it


@dataclass(frozen=True, slots=True)
class Chosen:
    """Some tokens in any order: their numbers, which the host knows, and the same on the device."""

    host: Tensor
    there: Tensor

    @staticmethod
    def of(tokens: Tensor, device: torch.device) -> Chosen:
        """Uploaded."""
        return Chosen(tokens, moved_to(tokens, device))


Tokens: TypeAlias = "slice | Chosen"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A chunk: token r has row `places[r]` of `x` (None: row r). `out` takes the gradient: it is `x`, or its row r is token r's."""

    x: Tensor
    places: Tensor | None
    out: Tensor | None = None


class Rest(Protocol):
    """What is left to do with the gradient of a chunk, and is done when the host knows which rows have one. Until then the buffer
    of the gradient is in use."""

    def finish(self, workspace: Workspace) -> None:
        """Queue it; the host may wait for the mask."""
        ...


class DeviceSource(Protocol):
    """Where chunks of rows come from. `row_bytes` of buffers are needed for each row of a chunk; of these `lasting_bytes` for its
    gradient alone, where that may outlast the logits (0 where it lies over them, or needs them)."""

    row_bytes: int
    lasting_bytes: int
    skips_zeros: bool  # whether rows without a gradient need not be stored

    @property
    def wants_gradient(self) -> bool:
        """Whether anything takes one."""
        ...

    def load(self, rows: Tokens, workspace: Workspace, name: str, out: Tensor | None = None) -> Loaded:
        """The logits of some tokens. `out`: where their gradient goes, if that is decided."""
        ...

    def lasting(self, count: int, workspace: Workspace, name: str) -> Tensor:
        """Where the gradients of so many rows go while logits come and go; of a source with `lasting_bytes`."""
        ...

    def store(self, rows: Tokens, chunk: Loaded, active: Mask | None) -> Rest | None:
        """The gradient of the logits of these tokens lies in `chunk.out`; it is 0 where they are not active (None: all are). What
        needs no mask is queued at once: of the chunk the gradient alone is needed afterwards, if anything is left to do."""
        ...


@dataclass(slots=True)
class LogitsInPlace:
    """Logits that are read where they lie. `gradient` is where theirs goes: over them, beside them, or nowhere."""

    logits: Tensor
    places: Tensor | None
    gradient: Tensor | None = None
    row_bytes: int = 0
    lasting_bytes: int = 0
    skips_zeros: bool = False

    @property
    def wants_gradient(self) -> bool:
        """Whether there is a place for one."""
        return self.gradient is not None

    def lasting(self, count: int, workspace: Workspace, name: str) -> Tensor:
        """Gradients have their place."""
        raise _decided()

    def load(self, rows: Tokens, workspace: Workspace, name: str, out: Tensor | None = None) -> Loaded:
        """Nothing is copied."""
        if self.places is None and isinstance(rows, slice):
            x = self.logits[rows]
            return Loaded(x, None, x if self.gradient is self.logits else None if self.gradient is None else self.gradient[rows])
        places = _selected(self.places, rows)
        return Loaded(self.logits, places if isinstance(places, Tensor) else None, self.gradient)

    def store(self, rows: Tokens, chunk: Loaded, active: Mask | None) -> None:
        """It lies there already."""


@dataclass(slots=True)
class LogitsCopied:
    """Logits that are copied, since a support is cut out of them; the gradient goes to `gradient`, which may be the logits."""

    logits: Tensor
    places: Tensor | None
    shape: Shape
    gradient: Tensor | None = None
    row_bytes: int = 0
    lasting_bytes: int = 0
    skips_zeros: bool = False

    def __post_init__(self) -> None:
        buffers = 1 if self.gradient is None or self.shape.cap is None else 2
        self.row_bytes = buffers * self.logits.element_size() * aligned(self.shape.columns or self.logits.shape[1])

    @property
    def wants_gradient(self) -> bool:
        """Whether there is a place for one."""
        return self.gradient is not None

    def lasting(self, count: int, workspace: Workspace, name: str) -> Tensor:
        """Gradients have their place."""
        raise _decided()

    def load(self, rows: Tokens, workspace: Workspace, name: str, out: Tensor | None = None) -> Loaded:
        """A copy within the support."""
        chosen = self.logits[_selected(self.places, rows)]
        x = take_rows(workspace, name, *chosen.shape, dtype=chosen.dtype).copy_(chosen)
        self.shape.apply(x, rows)
        if self.gradient is None:
            return Loaded(x, None)
        return Loaded(x, None, self.shape.out(x, workspace, name, x.dtype))

    def store(self, rows: Tokens, chunk: Loaded, active: Mask | None) -> None:
        """To its place."""
        assert self.gradient is not None and chunk.out is not None
        self.shape.return_through(chunk.x, chunk.out)
        self.gradient[_selected(self.places, rows)] = chunk.out


@dataclass(slots=True)
class Hidden:
    """Logits of hidden states, computed by chunks in `dtype`; gradients of hidden states, weight, bias and adapter."""

    projection: DeviceProjection
    places: Tensor | None
    shape: Shape
    dtype: torch.dtype
    by_hidden: Tensor | None = None
    sums: ProjectionSums = field(default_factory=ProjectionSums)
    row_bytes: int = 0
    lasting_bytes: int = 0
    skips_zeros: bool = True

    def __post_init__(self) -> None:
        columns = aligned(self.shape.columns or len(self.projection.weight))
        beside = self.dtype is not self.projection.gradient_dtype or self.shape.cap is not None
        apart = self.projection.gradient_dtype.itemsize * columns if self.wants_gradient and beside else 0
        self.row_bytes = self.dtype.itemsize * columns + apart
        self.lasting_bytes = apart if self.shape.cap is None else 0

    @property
    def wants_gradient(self) -> bool:
        """Whether anything takes one."""
        sums = self.sums
        return any(taker is not None for taker in (self.by_hidden, sums.weight, sums.bias, sums.down, sums.up))

    def lasting(self, count: int, workspace: Workspace, name: str) -> Tensor:
        """In the dtype of the products back."""
        return take_rows(workspace, f"{name}, gradient", count, len(self.projection.weight), dtype=self.projection.gradient_dtype)

    def load(self, rows: Tokens, workspace: Workspace, name: str, out: Tensor | None = None) -> Loaded:
        """The projection of the hidden states."""
        chosen = _selected(self.places, rows)
        count = _count(chosen, len(self.projection.hidden))
        x = take_rows(workspace, name, count, len(self.projection.weight), dtype=self.dtype)
        self.projection.forward(chosen, x)
        self.shape.apply(x, rows)
        if not self.wants_gradient:
            return Loaded(x, None)
        return Loaded(x, None, self.shape.out(x, workspace, name, self.projection.gradient_dtype) if out is None else out)

    def store(self, rows: Tokens, chunk: Loaded, active: Mask | None) -> Rest:
        """Through the projection, without the rows that have no gradient."""
        assert chunk.out is not None
        self.shape.return_through(chunk.x, chunk.out)
        return _Products(self, rows, chunk.out, active)


@dataclass(frozen=True, slots=True)
class _Products:
    """Of a chunk of gradients [rows, V]: with the projection, and with hidden states. Rows without a gradient leave before: copying
    a row costs a hundredth of multiplying it."""

    source: Hidden
    rows: Tokens
    gradient: Tensor
    active: Mask | None

    def finish(self, workspace: Workspace) -> None:
        """The host waits for the mask, if it has not arrived yet, and for nothing else."""
        gradient, kept = self.gradient, _selected(None, self.rows)
        if self.active is not None:
            marked = self.active()
            count = int(marked.sum())
            if count < len(marked):
                order = moved_to(compact(gradient, marked), gradient.device)
                gradient, kept = gradient[:count], order + kept.start if isinstance(kept, slice) else kept[order]
        if len(gradient):
            places = kept if self.source.places is None else self.source.places[kept]
            self.source.projection.backward(gradient, places, self.source.by_hidden, self.source.sums, workspace)


@dataclass(frozen=True, slots=True)
class Shape:
    """What is done to a chunk of logits before the kernels read it. The kernels cap what has no support; else the cap comes first
    and is applied here: beyond the support logits are minus infinity, which no cap may lift."""

    support: Support | None = None
    softcap: float | None = None
    start: int = 0  # of the columns at hand within the vocabulary
    columns: int | None = None  # by which processes with parts of the vocabulary agree how long a chunk is; None: those at hand

    @property
    def cap(self) -> float | None:
        """The cap, where it is applied here."""
        return None if self.support is None else self.softcap

    def apply(self, x: Tensor, rows: Tokens) -> None:
        """In place."""
        if self.cap is not None:
            x.div_(self.cap).tanh_().mul_(self.cap)
        if self.support is not None:
            chosen = self.support[rows if isinstance(rows, slice) else rows.host.numpy()]
            for part in _parts(chosen):
                _restrict(x[part], chosen[part], self.start)

    def out(self, x: Tensor, workspace: Workspace, name: str, dtype: torch.dtype) -> Tensor:
        """Where the gradient of a chunk may go: over it, unless its dtype is another or the capped logits are still needed."""
        if dtype is x.dtype and self.cap is None:
            return x
        return take_rows(workspace, f"{name}, gradient", *x.shape, dtype=dtype)

    def return_through(self, x: Tensor, gradient: Tensor) -> None:
        """Times 1 - tanh^2 where the cap was applied here; `x`, which holds capped logits, is used up."""
        if self.cap is not None:
            slope = x.div_(self.cap).square_().neg_().add_(1.0)
            gradient.mul_(slope.masked_fill_(torch.isinf(slope), 0.0))


def take_rows(workspace: Workspace, name: str, count: int, columns: int, *, dtype: torch.dtype) -> Tensor:
    """Rows [count, columns] of a buffer whose rows are aligned."""
    return workspace.take(name, count, aligned(columns), dtype=dtype)[:, :columns]


def _restrict(x: Tensor, support: Support, start: int) -> None:
    """Minus infinity outside of the support."""
    places = np.repeat(np.arange(len(support)), np.diff(support.offsets))
    tokens = support.ids.astype(np.int64) - start
    inside = (tokens >= 0) & (tokens < x.shape[1])
    flat = moved_to(torch.from_numpy((places * x.shape[1] + tokens)[inside]), x.device)
    outside = torch.ones(x.shape, dtype=torch.bool, device=x.device)
    outside.view(-1).index_fill_(0, flat, False)
    x.masked_fill_(outside, -torch.inf)


def _parts(support: Support) -> Iterator[slice]:
    """Places whose tokens are few enough to be uploaded at once."""
    start = 0
    while start < len(support):
        limit = support.offsets[start] + SUPPORT_TOKENS
        stop = max(start + 1, int(np.searchsorted(support.offsets, limit, side="right")) - 1)
        yield slice(start, stop)
        start = stop


def _decided() -> AssertionError:
    return AssertionError("gradients of given logits lie where they are given")


def _selected(places: Tensor | None, rows: Tokens) -> Selection:
    """Rows of the given tensor for some of the tokens."""
    numbers = rows if isinstance(rows, slice) else rows.there
    return numbers if places is None else places[numbers]


def _count(rows: Selection, size: int) -> int:
    return len(range(*rows.indices(size))) if isinstance(rows, slice) else len(rows)
