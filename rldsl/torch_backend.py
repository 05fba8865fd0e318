"""Runs a staged objective in plain torch: any dtype, no fusion. It is what the kernels must agree with.

From reads to hidden states, autograd. From the loss to reads, autograd on the spec's own graph where that is at hand, so
that nothing of the compiler is trusted; else the emitted torch module: a staged graph no longer says what was frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rldsl.batch import GroupKey, Numbers, Run, UpdateBatch, live_reads, new_batch
from rldsl.emit.combine import Combine
from rldsl.emit.to_head import row_shape
from rldsl.graph.model import ReadKind
from rldsl.graph.staged import HeadGroup, LiveRead, StagedObjective
from rldsl.kernels.dense import dense_reads
from rldsl.kernels.layout import Layout
from rldsl.kernels.rows import SHARDED, Other, Rows
from rldsl.kernels.sums import Pair
from rldsl.meaning import Meaning

Arrays = Mapping[int, Numbers]


@dataclass(frozen=True, slots=True)
class _Leaves:
    """Copies of what was handed over in the dtype of the reference: `pairs` of the original and its copy."""

    logits: Tensor
    pairs: tuple[tuple[Tensor, Tensor], ...]


class TorchBackend:
    """The reference of one objective."""

    def __init__(self, staged: StagedObjective, dtype: torch.dtype, meaning: Meaning | None = None) -> None:
        self.staged, self.dtype, self.meaning = staged, dtype, meaning
        self.device = torch.device("cpu")
        self.disturb: Callable[[ReadKind, Numbers], Numbers] | None = None  # how `certify` learns what rounding does
        self._combine = Combine(staged, "torch")

    # ------------------------------------------------------------ over the whole update batch
    def begin(self, layout: Layout, inputs: Mapping[str, Numbers]) -> UpdateBatch:
        """An update batch of which nothing is read, with its normalisers."""
        return new_batch(self.staged, layout, inputs, self._combine.prepare(layout, inputs))

    def values(self, batch: UpdateBatch) -> dict[str, float]:
        """Loss, terms and metrics from the reads."""
        found = self._combine.values(batch.layout, batch.inputs, batch.prepared, batch.reads)
        if self.meaning is not None:
            reads = {key: torch.from_numpy(value) for key, value in batch.reads.items()}
            found["loss"] = float(self.meaning.loss(self.staged, batch.layout, batch.inputs, reads))
        return found

    def release(self) -> None:
        """There are no buffers."""

    # ------------------------------------------------------------ over a run
    def read(self, batch: UpdateBatch, run: Run, rows: Mapping[GroupKey, Rows], direct: Mapping[int, Tensor]) -> None:
        """Store the reads of a run."""
        for group in self.staged.groups:
            entry = rows[group.rows]
            for read, value in zip(group.reads, self._reads(group, entry, self._leaves(entry).logits), strict=True):
                _store(batch, run, read, value)
        for read in self.staged.direct:
            _store(batch, run, read, direct[read.key])

    def differentiate(self, batch: UpdateBatch, run: Run, rows: Mapping[GroupKey, Rows], direct: Mapping[int, Tensor],
                      in_place: bool) -> list[Pair]:
        """Reads and gradients of a run. Rows are never changed, whatever `in_place` says."""
        pairs: list[Pair] = []
        with torch.enable_grad():
            kept = []
            for group in self.staged.groups:
                leaves = self._leaves(rows[group.rows])
                kept.append((leaves, self._reads(group, rows[group.rows], leaves.logits)))
            for (_, values), group in zip(kept, self.staged.groups, strict=True):
                for read, value in zip(group.reads, values, strict=True):
                    _store(batch, run, read, value)
            for read in self.staged.direct:
                _store(batch, run, read, direct[read.key])
            self._differentiate_loss(batch, run)
            for (leaves, values), group in zip(kept, self.staged.groups, strict=True):
                pairs += self._group_gradients(batch, run, group, rows[group.rows], leaves, values)
        for read in self.staged.direct:
            if read.coefficient is not None and direct[read.key].requires_grad:
                pairs.append((direct[read.key], direct[read.key].new_tensor(_of_run(batch.slopes, run, read))))
        return pairs

    def _differentiate_loss(self, batch: UpdateBatch, run: Run) -> None:
        """The derivatives of the loss by the reads; kept for the places of the run."""
        if self.disturb is not None:
            for read in live_reads(self.staged):
                batch.reads[read.key][:] = self.disturb(read.read.kind, batch.reads[read.key])
        slopes = self._slopes(batch)
        for read in live_reads(self.staged):
            if read.coefficient is not None:
                batch.slopes[read.key][run.of(read)] = slopes[read.key][run.of(read)]

    def _slopes(self, batch: UpdateBatch) -> Mapping[int, Numbers]:
        if self.meaning is not None:
            return self.meaning.slopes(self.staged, batch.layout, batch.inputs, batch.reads)
        pieces = batch.layout.size(self.staged.piece_axis.name)
        return self._combine.coefficients(batch.layout, 0, pieces, batch.inputs, prepared=batch.prepared,
                                          reads=batch.reads)

    def _group_gradients(self, batch: UpdateBatch, run: Run, group: HeadGroup, rows: Rows, leaves: _Leaves,
                         values: Sequence[Tensor]) -> list[Pair]:
        """From derivatives by reads to those by what was handed over; a row whose derivatives are all 0 gives zeros."""
        total = leaves.logits.new_zeros(())
        active = torch.zeros(len(leaves.logits), dtype=torch.bool)
        for read, value in zip(group.reads, values, strict=True):
            if read.coefficient is not None:
                slope = torch.from_numpy(_of_run(batch.slopes, run, read)).to(self.dtype)
                active |= slope != 0
                total = total + (value[slope != 0] * slope[slope != 0]).sum()
        if not leaves.pairs or not total.requires_grad:
            return []
        by_logits, = torch.autograd.grad(total, [leaves.logits], retain_graph=True)
        by_logits = torch.where(active[:, None], by_logits, 0.0)
        copies = [copy for _, copy in leaves.pairs]
        gradients = torch.autograd.grad(leaves.logits, copies, by_logits, allow_unused=True)
        return self._sorted_out(batch, rows, [(given, gradient) for (given, _), gradient
                                              in zip(leaves.pairs, gradients, strict=True) if gradient is not None])

    def _sorted_out(self, batch: UpdateBatch, rows: Rows, pairs: Sequence[Pair]) -> list[Pair]:
        """Gradients by projections are added to the sums of the batch; the others go back at once."""
        returned: list[Pair] = []
        for given, gradient in pairs:
            if given is rows.hidden or given is rows.logits:
                returned.append((given, gradient.to(given.dtype)))
            elif (total := batch.sums.of(given)) is not None:
                total.add(gradient)
        return returned

    def _reads(self, group: HeadGroup, rows: Rows, logits: Tensor) -> list[Tensor]:
        others = [_within(self._other(rows.others[name], rows.places), rows) for name in group.others]
        kinds = [(read.kind, read.other, read.parameter) for read in row_shape(group).reads]
        return dense_reads(_within(logits, rows), others, rows.targets, group.temperature, kinds)

    def _leaves(self, rows: Rows) -> _Leaves:
        if rows.shard is not None:
            raise ValueError(SHARDED.format("the torch reference"))
        low_rank = (None, None) if rows.adapter is None else (rows.adapter.down, rows.adapter.up)
        given = [tensor for tensor in (rows.hidden, rows.weight, rows.bias, rows.logits, *low_rank) if tensor is not None]
        copies = {id(tensor): tensor.detach().to(self.dtype, copy=True).requires_grad_(tensor.requires_grad)
                  for tensor in given}
        pairs = tuple((tensor, copies[id(tensor)]) for tensor in given if tensor.requires_grad)
        if rows.logits is not None:
            logits = copies[id(rows.logits)]
        else:
            assert rows.weight is not None
            weight = copies[id(rows.weight)]
            if rows.adapter is not None:
                weight = weight + rows.adapter.scale * copies[id(rows.adapter.up)] @ copies[id(rows.adapter.down)]
            logits = copies[id(rows.hidden)] @ weight.t()
            logits = logits if rows.bias is None else logits + copies[id(rows.bias)]
        chosen = logits.clone() if rows.places is None else logits[rows.places]
        return _Leaves(chosen, pairs)

    def _other(self, other: Other, places: Tensor | None) -> Tensor:
        if isinstance(other, Tensor):
            logits = other.detach().to(self.dtype)
        else:
            hidden, weight, *bias = (part if part is None else part.detach().to(self.dtype) for part in other)
            assert hidden is not None and weight is not None
            logits = hidden @ weight.t()
            logits = logits + bias[0] if bias and bias[0] is not None else logits
        return logits if places is None else logits[places]


def _within(logits: Tensor, rows: Rows) -> Tensor:
    """Through the soft cap, and within the support."""
    capped = logits if rows.softcap is None else rows.softcap * torch.tanh(logits / rows.softcap)
    return capped if rows.support is None else rows.support.restricted(capped)


def _store(batch: UpdateBatch, run: Run, read: LiveRead, value: Tensor) -> None:
    batch.reads[read.key][run.of(read)] = value.detach().double().numpy()


def _of_run(arrays: Arrays, run: Run, read: LiveRead) -> Numbers:
    return np.ascontiguousarray(arrays[read.key][run.of(read)])
