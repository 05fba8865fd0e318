"""Runs a staged objective on emitted Triton kernels: on a CUDA device, or interpreted on the CPU for tests.

Arrays of an update batch lie on the device. The host waits for it where rows without a gradient are dropped, for a mask that
travels while kernels run, and in `values`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rldsl.batch import GroupKey, Numbers, Run, UpdateBatch, live_reads, marked_batch
from rldsl.diagnostics import InternalError
from rldsl.emit.combine import check_inputs
from rldsl.emit.parameters import Parameter
from rldsl.graph.staged import HeadGroup, StagedObjective
from rldsl.kernels.device.arrays import DeviceArrays, DeviceLayout
from rldsl.kernels.device.checks import Faults, check_rows
from rldsl.kernels.device.chunks import (
    Budget,
    DeviceGroup,
    Marks,
    Range,
    Shares,
    differentiate,
    fits,
    fused_rows,
    marks_of,
    read_rows,
    write_rows,
)
from rldsl.kernels.device.gradients import DeviceGradients, other_source, plain_source
from rldsl.kernels.device.mask import ActiveRows
from rldsl.kernels.device.products import aligned, moved_to
from rldsl.kernels.device.shards import Partners
from rldsl.kernels.device.sources import DeviceSource
from rldsl.kernels.layout import Layout
from rldsl.kernels.rows import Rows
from rldsl.kernels.sums import Pair
from rldsl.kernels.workspace import Workspaces
from rldsl.plan.search import kernels_digest
from rldsl.plan.tiles import Tile
from rldsl.triton_choice import Choice, Question, choose
from rldsl.triton_module import TritonModule, TritonOptions, load_objective
from rldsl.triton_spills import Specialised, row_kernels, spilled_bytes

CHUNK_BYTES = 256 << 20  # where nothing says more: under the interpreter


@dataclass(slots=True)
class _Own:
    """What is kept of an update batch on the device."""

    layout: DeviceLayout
    inputs: Mapping[str, Tensor]
    prepared: DeviceArrays[int]
    reads: DeviceArrays[int]
    slopes: DeviceArrays[int]
    values: Tensor | None = None  # where they were computed with the coefficients: by number among the outputs of `values`
    faults: Faults = field(default_factory=Faults)
    marks: tuple[Marks | None, ...] = ()  # by group, of the whole batch: where its runs are finer than what it couples

    def keyed(self, key: int) -> Tensor:
        """A prepared value or a read."""
        return self.prepared.tensors[key] if key in self.prepared.tensors else self.reads.tensors[key]


class TritonBackend:
    """The emitted kernels of one objective, and the buffers they work in."""

    def __init__(self, staged: StagedObjective, options: TritonOptions | None = None, module: TritonModule | None = None) -> None:
        """`module` is what `load_objective` gives, where it is there already."""
        self.staged, self.options = staged, options if options is not None else TritonOptions()
        self.device = self.options.chosen_device()
        self.module = module if module is not None else _loaded(staged, self.options)
        self.digest = kernels_digest(self.module.text)
        self._choices: dict[Question, Choice] = {}
        self.workspaces = Workspaces(self.device)

    # ------------------------------------------------------------ over the whole update batch
    def begin(self, layout: Layout, inputs: Mapping[str, Numbers]) -> UpdateBatch:
        """An update batch of which nothing is read: everything is uploaded, and normalisers are queued."""
        check_inputs(self.staged, layout, inputs)
        with self._computing():
            given = {name: moved_to(torch.from_numpy(np.ascontiguousarray(value)), self.device) for name, value in inputs.items()}
            live = live_reads(self.staged)
            reads = {read.key: self._zeros(layout, read.axis.name) for read in live}
            slopes = {read.key: self._zeros(layout, read.axis.name) for read in live if read.coefficient is not None}
            prepared = {parameter.key: self._zeros(layout, parameter.axis) for parameter in self.module.prepare
                        if parameter.kind == "output" and parameter.key is not None}
            own = _Own(DeviceLayout(layout, self.device), given, DeviceArrays(prepared), DeviceArrays(reads), DeviceArrays(slopes))
            self.module.functions.prepare(*(own.prepared.tensors[parameter.key or 0] if parameter.kind == "output" else
                                            _argument(parameter, own, lambda axis: (0, layout.size(axis)))
                                            for parameter in self.module.prepare))
        return marked_batch(self.staged, layout, inputs, own.prepared, own.reads, own.slopes, own)

    def values(self, batch: UpdateBatch) -> dict[str, float]:
        """Loss, terms and metrics from the reads: one copy to the host, which waits for everything."""
        own: _Own = batch.own
        found = own.values
        if found is None:
            with self._computing():
                found = self._valued(batch, self.module.functions.values, self.module.values)
        own.faults.check()
        labels = [parameter.label or "" for parameter in self.module.values if parameter.kind == "output"]
        return dict(zip(labels, found.tolist(), strict=True))

    def _valued(self, batch: UpdateBatch, function: Any, parameters: Sequence[Parameter]) -> Tensor:
        """Loss, terms and metrics, by a function that computes them for the whole update batch (and maybe slopes)."""
        own: _Own = batch.own
        labels = [parameter.label for parameter in self.module.values if parameter.kind == "output"]
        found = torch.empty(len(labels), dtype=torch.float64, device=self.device)
        places = {label: found[number : number + 1] for number, label in enumerate(labels)}
        function(*(places[parameter.label] if parameter.kind == "output" and parameter.label is not None else
                   _argument(parameter, own, lambda axis: (0, batch.layout.size(axis))) for parameter in parameters))
        return found

    def release(self) -> None:
        """Give buffers back."""
        self.workspaces.clear()

    def _zeros(self, layout: Layout, axis: str) -> Tensor:
        return torch.zeros(layout.size(axis), dtype=torch.float64, device=self.device)

    # ------------------------------------------------------------ over a run
    def read(self, batch: UpdateBatch, run: Run, rows: Mapping[GroupKey, Rows], direct: Mapping[int, Tensor]) -> None:
        """Store the reads of a run."""
        with self._computing():
            checked = self._checked(batch, rows)
            self._store_direct(batch, run, direct)
            sources = [plain_source(checked[group.rows], self.options.exact) for group in self.staged.groups]
            with self.workspaces.lend() as workspace:
                groups = self._groups(batch, run, checked, sources, run.axis, apart=True)
                read_rows(groups, (run.start, run.stop), self._budget(checked, apart=True), workspace)
            batch.combined = False
            if not run.is_whole and _is_last(batch, run):
                self._combine(batch)
        _forget(batch)

    def differentiate(self, batch: UpdateBatch, run: Run, rows: Mapping[GroupKey, Rows], direct: Mapping[int, Tensor],
                      in_place: bool) -> list[Pair]:
        """Reads and gradients of a run: by hidden states, logits and direct values. Projections add to `batch.sums`."""
        with self._computing():
            checked = self._checked(batch, rows)
            self._store_direct(batch, run, direct)
            gradients = DeviceGradients(batch.sums, in_place, batch.own.faults, self.options.exact)
            sources = gradients.sources([checked[group.rows] if shape.has_gradient else checked[group.rows].detached()
                                         for group, shape in zip(self.staged.groups, self.module.shapes, strict=True)])
            if run.is_whole:
                self._whole(batch, run, checked, sources)
            else:
                if not batch.combined:
                    self._combine(batch)
                groups = self._groups(batch, run, checked, sources, run.axis, apart=True)
                with self.workspaces.lend() as workspace:
                    write_rows(groups, (run.start, run.stop), self._budget(checked, apart=True), workspace, batch.own.marks)
        _forget(batch)
        return [*gradients.pairs, *self._direct_gradients(batch, run, direct)]

    def _whole(self, batch: UpdateBatch, run: Run, rows: Mapping[GroupKey, Rows], sources: Sequence[DeviceSource]) -> None:
        """A run of whole pieces: in one pass if a chunk can hold a piece, else in two."""
        axis = self.staged.piece_axis.name
        bounds = batch.layout.bounds(axis, run.axis)
        pieces = int(bounds[run.start]), int(bounds[run.stop])
        apart = None in self.module.fused
        groups, budget = self._groups(batch, run, rows, sources, axis, apart=apart), self._budget(rows, apart=apart)
        with self.workspaces.lend() as workspace:
            if groups and all(group.is_fused for group in groups):
                fused_rows(groups, pieces, budget, workspace)
                if any(read.coefficient is not None for read in self.staged.direct):
                    self._coefficients(batch, pieces)
            elif groups and fits(groups, pieces, budget):
                differentiate(groups, lambda chunk: self._coefficients(batch, chunk), pieces, budget, workspace)
            else:
                lying = read_rows(groups, pieces, budget, workspace)
                if pieces == (0, batch.layout.size(axis)):
                    self._combined(batch)
                else:
                    self._coefficients(batch, pieces)
                write_rows(groups, pieces, budget, workspace, marks_of(groups, pieces), lying)

    def _combine(self, batch: UpdateBatch) -> None:
        """Coefficients of the whole batch, all of which is read. Which rows have a gradient is on its way to the host from here on,
        so that no run of the second pass waits for it."""
        own: _Own = batch.own
        self._combined(batch)
        slopes = [[own.slopes.tensors[read.key] for read in group.reads if read.coefficient is not None]
                  if not self.staged.pulls_every_row(group) else [] for group in self.staged.groups]
        own.marks = tuple(Marks(0, ActiveRows(entry)) if entry else None for entry in slopes)
        batch.combined = True

    def _combined(self, batch: UpdateBatch) -> None:
        """Coefficients and values at once, since all reads are there."""
        own: _Own = batch.own
        own.values = self._valued(batch, self.module.functions.combined, self.module.combined)

    def _coefficients(self, batch: UpdateBatch, pieces: Range) -> None:
        def span(axis: str) -> Range:
            bounds = batch.layout.bounds(axis, self.staged.piece_axis.name)
            return int(bounds[pieces[0]]), int(bounds[pieces[1]])

        own: _Own = batch.own
        self.module.functions.coefficients(*(_argument(parameter, own, span) for parameter in self.module.coefficients))

    # ------------------------------------------------------------ rows
    def _checked(self, batch: UpdateBatch, rows: Mapping[GroupKey, Rows]) -> dict[GroupKey, Rows]:
        faults: Faults = batch.own.faults
        for (model, response), entry in rows.items():
            check_rows(f"`{response}` under `{model}`", entry, self.device)
        return {key: faults.within(entry) for key, entry in rows.items()}

    def choice(self, number: int, rows: Rows, *, apart: bool) -> Choice:
        """The tile and the chunk of rows of a group, which one kernel reads and writes or two (`apart`)."""
        question = Question.of(number, rows, self.options.exact, apart)
        if question not in self._choices:
            self._choices[question] = choose(self.staged, self.digest, question, self.device, self.options, self._spilled)
        return self._choices[question]

    def _spilled(self, question: Question, tile: Tile) -> int | None:
        """By the kernels that an update launches for this question, which are compiled for it."""
        stride = question.vocabulary if question.hidden is None else aligned(question.vocabulary)
        given = Specialised(question.logits, question.gradient, question.vocabulary, stride)
        with torch.cuda.device(self.device):
            kernels = row_kernels(self.module.kernels, question.group, apart=question.apart, sharded=question.sharded)
            return spilled_bytes(self.module.functions, kernels, given, tile)

    def forget_choices(self) -> None:
        """Ask anew for what was measured."""
        self._choices.clear()

    def _budget(self, rows: Mapping[GroupKey, Rows], *, apart: bool) -> Budget:
        """Of a chunk, which holds rows of all groups."""
        found = [self.choice(number, rows[group.rows], apart=apart) for number, group in enumerate(self.staged.groups)]
        sizes = [choice.chunk_bytes for choice in found if choice.chunk_bytes is not None]
        blocks = [choice.block_rows for choice in found if choice.block_rows is not None]
        return Budget(max(sizes, default=CHUNK_BYTES), self.options.least_rows, max(blocks, default=None))

    def _groups(self, batch: UpdateBatch, run: Run, rows: Mapping[GroupKey, Rows], sources: Sequence[DeviceSource],
                axis: str, *, apart: bool) -> list[DeviceGroup]:
        return [self._group(batch, run, number, group, rows[group.rows], sources[number], axis, apart)
                for number, group in enumerate(self.staged.groups)]

    def _group(self, batch: UpdateBatch, run: Run, number: int, group: HeadGroup, rows: Rows, source: DeviceSource,
               axis: str, apart: bool) -> DeviceGroup:
        own: _Own = batch.own
        capped = rows.softcap is not None and rows.support is None
        settings = [1.0 / group.temperature, rows.softcap if capped and rows.softcap is not None else 0.0,
                    *self.module.shapes[number].parameters]
        partners = Partners.of(rows.shard)
        needed = self.module.fused[number]
        return DeviceGroup(
            self.module.rows(number, self.choice(number, rows, apart=apart).tile), str(number), source,
            tuple(other_source(rows.others[name], rows, self.options.exact) for name in group.others), rows.targets,
            run.tokens[group.response].start, batch.layout.bounds(group.axis.name, axis),
            tuple(own.reads.tensors[read.key] for read in group.reads),
            tuple(own.slopes.tensors[read.key] for read in group.reads if read.coefficient is not None),
            moved_to(torch.tensor(settings, dtype=torch.float64), self.device), capped,
            None if needed is None else tuple(_argument(parameter, own, _no_span) for parameter in needed),
            None if partners is None or rows.shard is None else Shares(partners, rows.shard.start),
            self.staged.pulls_every_row(group))

    # ------------------------------------------------------------ reads that the model gives as they are
    def _store_direct(self, batch: UpdateBatch, run: Run, direct: Mapping[int, Tensor]) -> None:
        own: _Own = batch.own
        for read in self.staged.direct:
            given = direct[read.key].detach().double()
            own.reads.tensors[read.key][run.of(read)] = moved_to(given, self.device) if given.device.type == "cpu" else given

    def _direct_gradients(self, batch: UpdateBatch, run: Run, direct: Mapping[int, Tensor]) -> list[Pair]:
        own: _Own = batch.own
        return [(direct[read.key], own.slopes.tensors[read.key][run.of(read)].to(direct[read.key]))
                for read in self.staged.direct if read.coefficient is not None and direct[read.key].requires_grad]

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """On this device, in the dtypes that are said here."""
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode(False))  # else buffers made within it could never be written outside of it
            stack.enter_context(torch.no_grad())
            stack.enter_context(torch.autocast(self.device.type, enabled=False))
            if self.device.type == "cuda":
                stack.enter_context(torch.cuda.device(self.device))
            yield


def _loaded(staged: StagedObjective, options: TritonOptions) -> TritonModule:
    return load_objective(staged, fast=True) if options.fast else load_objective(staged)


def _argument(parameter: Parameter, own: _Own, span: Any) -> Any:
    axis, ancestor, key = parameter.axis, parameter.ancestor, parameter.key
    match parameter.kind:
        case "span":
            return span(axis)
        case "bounds" if ancestor is not None:
            return own.layout.bounds(axis, ancestor)
        case "owners" if ancestor is not None:
            return own.layout.owners(axis, ancestor)
        case "input" if parameter.label is not None:
            return own.inputs[parameter.label]
        case "output" if key is not None:
            return own.slopes.tensors[key]
        case _ if key is not None:
            return own.keyed(key)
    raise InternalError(f"nothing to hand over for {parameter.name}")


def _is_last(batch: UpdateBatch, run: Run) -> bool:
    """Whether all that is outside of the run was read."""
    return all(bool(batch.seen[response][: tokens.start].all() and batch.seen[response][tokens.stop :].all())
               for response, tokens in run.tokens.items())


def _no_span(axis: str) -> Range:
    raise InternalError(f"a row kernel takes no span of {axis}")


def _forget(batch: UpdateBatch) -> None:
    own: _Own = batch.own
    own.reads.forget()
    own.slopes.forget()
