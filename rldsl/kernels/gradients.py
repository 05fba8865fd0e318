"""Where the gradients of rows go: buffers beside hidden states and logits, sums for projections.

Also the bridge to autograd: a loss whose gradients were formed while it was computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rldsl.kernels.projection import ProjectionSums
from rldsl.kernels.rows import Rows
from rldsl.kernels.sources import Converted, Projected, Resident, Source, is_resident, projection_of, shaped
from rldsl.kernels.sums import Pair, Sums


@dataclass(slots=True)
class RowGradients:
    """The sources of the rows of one run, and the gradients by hidden states and logits."""

    sums: Sums
    in_place: bool
    pairs: list[Pair] = field(default_factory=list)

    def sources(self, rows: Sequence[Rows]) -> list[Source]:
        """One for each."""
        resident = [entry for entry in rows if entry.logits is not None]
        shared = shared_logits(resident, self.pairs) if self.in_place else {}
        return [self._logits(entry, entry.logits, shared) if entry.logits is not None else self._hidden(entry)
                for entry in rows]

    def _hidden(self, rows: Rows) -> Source:
        assert rows.hidden is not None and rows.weight is not None
        by_hidden = None
        if rows.hidden.requires_grad:
            by_hidden = torch.zeros_like(rows.hidden, memory_format=torch.contiguous_format, requires_grad=False)
            self.pairs.append((rows.hidden, by_hidden))
        sums = ProjectionSums.of(self.sums, rows.weight, rows.bias, rows.adapter)
        return shaped(Projected(projection_of(rows), rows.places, by_hidden, sums), rows, has_gradient=True)

    def _logits(self, rows: Rows, logits: Tensor, shared: Mapping[int, Tensor]) -> Source:
        plain = logits.detach()
        if rows.support is not None or rows.softcap is not None:
            return shaped(Converted(plain, rows.places, self._beside(logits, shared)), rows, has_gradient=True)
        if not logits.requires_grad:  # the kernel overwrites what it reads: work on a copy
            copy = plain.clone(memory_format=torch.contiguous_format)
            return Resident(copy, rows.places) if is_resident(copy) else Converted(plain, rows.places, copy)
        if self.in_place:
            gradient = shared[id(logits)]
            return Resident(plain, rows.places) if is_resident(plain) else Converted(plain, rows.places, gradient)
        if not is_resident(plain):
            gradient = torch.zeros_like(plain)
            self.pairs.append((logits, gradient))
            return Converted(plain, rows.places, gradient)
        gradient = plain.clone()
        if rows.places is not None:
            clear_others(gradient, [rows.places])
        self.pairs.append((logits, gradient))
        return Resident(gradient, rows.places)

    def _beside(self, logits: Tensor, shared: Mapping[int, Tensor]) -> Tensor:
        """Where the gradient of logits goes that are read from a copy: over them, or into an array of its own."""
        if self.in_place and logits.requires_grad:
            return shared[id(logits)]
        gradient = torch.zeros_like(logits, requires_grad=False)
        if logits.requires_grad:
            self.pairs.append((logits, gradient))
        return gradient


def shared_logits(rows: Iterable[Rows], pairs: list[Pair], later: Callable[[Tensor], None] | None = None) -> dict[int, Tensor]:
    """Logits that become their gradient, once each though several groups may lie in them; they are added to `pairs`. `later`: see
    `clear_others`."""
    users: dict[int, list[Rows]] = {}
    for entry in rows:
        if entry.given.requires_grad:
            users.setdefault(id(entry.logits), []).append(entry)
    found = {}
    for identity, entries in users.items():
        plain = entries[0].given.detach()
        if len(entries) > 1 or entries[0].places is not None:
            clear_others(plain, [torch.arange(len(plain), device=plain.device) if entry.places is None else entry.places
                                 for entry in entries], later)
        pairs.append((entries[0].given, plain))
        found[identity] = plain
    return found


def clear_others(logits: Tensor, places: Sequence[Tensor], later: Callable[[Tensor], None] | None = None) -> None:
    """Zeros in the rows at which nothing is scored. Raises `ValueError` where a row is scored twice. On a device nobody waits to
    see: `later` is handed how often that is so, where it may be by several groups."""
    named = torch.cat(list(places))
    unnamed = torch.ones(len(logits), dtype=torch.bool, device=logits.device)
    unnamed.index_fill_(0, named, False)  # `unnamed[named] = False` would wait for the device
    repeated = len(named) - len(logits) + unnamed.sum()
    if named.device.type == "cpu":
        if int(repeated):
            raise ValueError("a row of logits is scored twice and cannot become two gradients in place")
    elif later is not None and len(places) > 1:
        later(repeated)
    logits.masked_fill_(unnamed[:, None], 0.0)


class _Formed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor, gradients: list[Tensor | None], *tensors: Tensor) -> Tensor:
        ctx.gradients = gradients
        return loss

    @staticmethod
    def backward(ctx: Any, *by_outputs: Any) -> Any:
        scale, = by_outputs
        if ctx.gradients is None:
            raise RuntimeError("this loss formed its gradients while it was computed: it can be differentiated once")
        gradients, ctx.gradients = ctx.gradients, None
        if float(scale) != 1.0:
            for gradient in gradients:
                gradient.mul_(scale.to(gradient.dtype))
        return None, None, *gradients


def formed_loss(loss: float, dtype: torch.dtype, pairs: Sequence[Pair]) -> Tensor:
    """A scalar whose gradients are those of the pairs, times what comes from above. It can be differentiated once."""
    value = torch.tensor(loss, dtype=dtype)
    if not pairs or not torch.is_grad_enabled():
        return value
    gradients = [gradient for _, gradient in pairs]
    result: Tensor = _Formed.apply(value, gradients, *(tensor for tensor, _ in pairs))  # type: ignore[no-untyped-call]
    return result
