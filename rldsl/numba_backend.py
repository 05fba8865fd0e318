"""Runs a staged objective on emitted numba code: packed combine functions, and rows fused with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from rldsl.batch import GroupKey, Numbers, Run, UpdateBatch, new_batch
from rldsl.diagnostics import InternalError
from rldsl.emit.combine import Combine
from rldsl.emit.load import load_module
from rldsl.emit.parameters import Parameter
from rldsl.emit.to_head import RowShape, emit_rows, emit_sweep, row_shape
from rldsl.graph.staged import HeadGroup, StagedObjective
from rldsl.kernels.gradients import RowGradients
from rldsl.kernels.head import GroupRun, HeadKernel, RowKernel, differentiate, fits, read_rows, write_rows
from rldsl.kernels.layout import Layout
from rldsl.kernels.rows import SHARDED, Rows
from rldsl.kernels.sources import Source, source_of, source_of_rows
from rldsl.kernels.sums import Pair
from rldsl.kernels.workspace import Workspaces


class NumbaBackend:
    """The compiled functions of one objective, and the buffers they work in."""

    def __init__(self, staged: StagedObjective, chunk_bytes: int) -> None:
        self.staged, self.chunk_bytes = staged, chunk_bytes
        self.device = torch.device("cpu")
        self.workspaces = Workspaces()
        self._combine = Combine(staged)
        self._module = load_module(self._combine.text, f"numba_{staged.name}")
        self._shapes = [row_shape(group) for group in staged.groups]
        self._kernel = self._load_kernel()

    def _load_kernel(self) -> HeadKernel:
        rows = tuple(_row_kernel(shape, group.temperature)
                     for shape, group in zip(self._shapes, self.staged.groups, strict=True))
        if not rows:
            return HeadKernel(rows, self._module.coefficients, self._module.coefficients)
        names = [load_module(emit_rows(shape), "rows").__name__ for shape in self._shapes]
        text = emit_sweep(self.staged.name, self._module.__name__, names, self._shapes)
        return HeadKernel(rows, self._module.coefficients, load_module(text, f"{self.staged.name}_sweep").sweep)

    # ------------------------------------------------------------ over the whole update batch
    def begin(self, layout: Layout, inputs: Mapping[str, Numbers]) -> UpdateBatch:
        """An update batch of which nothing is read, with its normalisers."""
        return new_batch(self.staged, layout, inputs, self._combine.prepare(layout, inputs))

    def values(self, batch: UpdateBatch) -> dict[str, float]:
        """Loss, terms and metrics from the reads."""
        return self._combine.values(batch.layout, batch.inputs, batch.prepared, batch.reads)

    def release(self) -> None:
        """Give buffers back."""
        self.workspaces.clear()

    def _arguments(self, batch: UpdateBatch) -> tuple[Any, ...]:
        """What `coefficients` takes after the range of pieces."""
        keyed = {**batch.prepared, **batch.reads}
        return tuple(_argument(parameter, batch, keyed) for parameter in self._combine.parameters["coefficients"])

    # ------------------------------------------------------------ over a run
    def read(self, batch: UpdateBatch, run: Run, rows: Mapping[GroupKey, Rows], direct: Mapping[int, Tensor]) -> None:
        """Store the reads of a run."""
        _store_direct(self.staged, batch, run, direct)
        sources = [source_of_rows(rows[group.rows]) for group in self.staged.groups]
        with self.workspaces.lend() as workspace:
            groups = self._groups(batch, run, rows, sources, run.axis)
            read_rows(groups, (run.start, run.stop), self.chunk_bytes, workspace)

    def differentiate(self, batch: UpdateBatch, run: Run, rows: Mapping[GroupKey, Rows], direct: Mapping[int, Tensor],
                      in_place: bool) -> list[Pair]:
        """Reads and gradients of a run: by hidden states, logits and direct values. Projections add to `batch.sums`."""
        _store_direct(self.staged, batch, run, direct)
        gradients = RowGradients(batch.sums, in_place)
        entries = [rows[group.rows] if shape.has_gradient else rows[group.rows].detached()
                   for group, shape in zip(self.staged.groups, self._shapes, strict=True)]
        sources = gradients.sources(entries)
        arguments = self._arguments(batch)
        if run.is_whole:
            self._whole(batch, run, rows, sources, arguments)
        else:
            if not batch.combined:
                self._kernel.coefficients(0, batch.layout.size(self.staged.piece_axis.name), *arguments)
                batch.combined = True
            groups = self._groups(batch, run, rows, sources, run.axis)
            with self.workspaces.lend() as workspace:
                write_rows(groups, (run.start, run.stop), self.chunk_bytes, workspace)
        return [*gradients.pairs, *_direct_gradients(self.staged, batch, run, direct)]

    def _whole(self, batch: UpdateBatch, run: Run, rows: Mapping[GroupKey, Rows], sources: Sequence[Source],
               arguments: tuple[Any, ...]) -> None:
        """A run of whole pieces: in one pass if a chunk can hold a piece, else in two."""
        axis = self.staged.piece_axis.name
        bounds = batch.layout.bounds(axis, run.axis)
        pieces = int(bounds[run.start]), int(bounds[run.stop])
        groups = self._groups(batch, run, rows, sources, axis)
        with self.workspaces.lend() as workspace:
            if fits(groups, pieces, self.chunk_bytes):
                differentiate(self._kernel, groups, arguments, pieces, budget=self.chunk_bytes, workspace=workspace)
                return
            read_rows(groups, pieces, self.chunk_bytes, workspace)
            self._kernel.coefficients(*pieces, *arguments)
            write_rows(groups, pieces, self.chunk_bytes, workspace)

    def _groups(self, batch: UpdateBatch, run: Run, rows: Mapping[GroupKey, Rows], sources: Sequence[Source],
                axis: str) -> list[GroupRun]:
        return [self._group(batch, run, number, group, rows[group.rows], sources[number], axis)
                for number, group in enumerate(self.staged.groups)]

    def _group(self, batch: UpdateBatch, run: Run, number: int, group: HeadGroup, rows: Rows, source: Source,
               axis: str) -> GroupRun:
        if rows.given.device.type != "cpu":
            raise ValueError(f"the numba kernels run on the CPU, and these rows are on {rows.given.device}")
        if rows.shard is not None:
            raise ValueError(SHARDED.format("the numba back end"))
        others = tuple(source_of(rows.others[name], rows) for name in group.others)
        return GroupRun(
            self._kernel.groups[number], str(number), source, others, rows.targets.numpy(), rows.vocabulary,
            run.tokens[group.response].start, batch.layout.bounds(group.axis.name, axis),
            tuple(batch.reads[read.key] for read in group.reads),
            tuple(batch.slopes[read.key] for read in group.reads if read.coefficient is not None))


def _row_kernel(shape: RowShape, temperature: float) -> RowKernel:
    module = load_module(emit_rows(shape), "rows")
    alone = RowShape(tuple(replace(read, gradient=False) for read in shape.reads), shape.others)
    score = load_module(emit_rows(alone), "rows").read
    write = module.write if shape.has_gradient else None
    return RowKernel(module.read, write, score, shape.width, 1.0 / temperature, shape.parameters)


def _argument(parameter: Parameter, batch: UpdateBatch, keyed: Mapping[int, Numbers]) -> Any:
    axis, ancestor, key = parameter.axis, parameter.ancestor, parameter.key
    match parameter.kind:
        case "bounds" | "owners" if ancestor is not None:
            return getattr(batch.layout, parameter.kind)(axis, ancestor)
        case "input" if parameter.label is not None:
            return batch.inputs[parameter.label]
        case "output" if key is not None:
            return batch.slopes[key]
        case _ if key is not None:
            return keyed[key]
    raise InternalError(f"nothing to hand over for {parameter.name}")


# ------------------------------------------------------------------ reads that the model gives as they are
def _store_direct(staged: StagedObjective, batch: UpdateBatch, run: Run, direct: Mapping[int, Tensor]) -> None:
    for read in staged.direct:
        batch.reads[read.key][run.of(read)] = direct[read.key].detach().double().numpy()


def _direct_gradients(staged: StagedObjective, batch: UpdateBatch, run: Run,
                      direct: Mapping[int, Tensor]) -> list[Pair]:
    pairs = []
    for read in staged.direct:
        value = direct[read.key]
        if read.coefficient is not None and value.requires_grad:
            slope = batch.slopes[read.key][run.of(read)]
            pairs.append((value, value.new_tensor(slope)))
    return pairs
