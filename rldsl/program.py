"""What `compile` returns: a spec whose objectives can be called from any training loop.

Trains nothing, samples nothing: a trainer hands over packed tokens, frozen inputs, and what the model computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import torch
from torch import Tensor

from rldsl.batch import (
    ArrayLike,
    GroupKey,
    Numbers,
    Run,
    Runs,
    UpdateBatch,
    check_layout,
    cut,
    named_inputs,
    needed_axes,
    require_all,
    whole,
)
from rldsl.graph.spec import Spec
from rldsl.graph.staged import StagedObjective
from rldsl.kernels.adapter import Adapter
from rldsl.kernels.gradients import formed_loss
from rldsl.kernels.layout import Layout
from rldsl.kernels.rows import Other, Rows
from rldsl.kernels.sums import Pair
from rldsl.meaning import Meaning
from rldsl.passes import compile_objective

if TYPE_CHECKING:
    from rldsl.rewarding import CompiledReward
    from rldsl.triton_module import TritonOptions

BackendName: TypeAlias = Literal["numba", "torch", "triton"]
BACKENDS: tuple[BackendName, ...] = ("numba", "torch", "triton")
GivenRows: TypeAlias = "Rows | Mapping[GroupKey, Rows]"
CHUNK_BYTES = 128 << 20


class Backend(Protocol):
    """What runs a staged objective, on tensors of `device`."""

    device: torch.device

    def begin(self, layout: Layout, inputs: Mapping[str, Numbers]) -> UpdateBatch:
        """An update batch of which nothing is read, with its normalisers."""
        ...

    def read(self, batch: UpdateBatch, run: Run, rows: Mapping[GroupKey, Rows],
             direct: Mapping[int, Tensor]) -> None:
        """Store the reads of a run."""
        ...

    def differentiate(self, batch: UpdateBatch, run: Run, rows: Mapping[GroupKey, Rows], direct: Mapping[int, Tensor],
                      in_place: bool) -> list[Pair]:
        """Reads and gradients of a run."""
        ...

    def values(self, batch: UpdateBatch) -> dict[str, float]:
        """Loss, terms and metrics."""
        ...

    def release(self) -> None:
        """Give buffers back."""
        ...


@dataclass(frozen=True, slots=True)
class PieceGradient:
    """The gradients of one run: `pairs` of a tensor that was handed over and the gradient by it."""

    pairs: tuple[Pair, ...]

    def by(self, tensor: Tensor) -> Tensor:
        """The gradient by a hidden state, a logit or a direct value."""
        found = [gradient for given, gradient in self.pairs if given is tensor]
        if not found:
            raise KeyError("no gradient flows to this tensor")
        return found[0] if len(found) == 1 else torch.stack(found).sum(0)

    def backward(self) -> None:
        """Through the model, into `.grad`. The projection's own gradient waits for `finish`."""
        if self.pairs:
            torch.autograd.backward([tensor for tensor, _ in self.pairs], [gradient for _, gradient in self.pairs])


class CompiledObjective:
    """One objective of a spec, ready to be computed.

    At once, as a scalar for `backward()`: `from_hidden`, `from_logits`. In runs, for batches that no memory holds::

        batch = objective.batch(layout, inputs)
        for run in objective.pieces(batch, rows=8192):
            objective.piece(batch, run, Rows(targets, hidden, weight)).backward()
        metrics = objective.finish(batch)

    The gradient does not depend on how a batch is cut. By logits it is the same bits; by hidden states and projections, GEMMs
    of another shape differ by float32 rounding, at most (16 + 2 sqrt V) 2^-24 of the largest entry (of the largest part,
    where parts of a gradient cancel).
    """

    def __init__(self, staged: StagedObjective, backend: BackendName = "numba", *, chunk_bytes: int = CHUNK_BYTES,
                 dtype: torch.dtype = torch.float32, meaning: Meaning | None = None, options: TritonOptions | None = None) -> None:
        """`chunk_bytes` of logits at a time (numba). `dtype` of the arithmetic (torch). `options`: sizes and device (triton).
        `meaning` is the objective in its spec, from which the torch backend differentiates."""
        self.staged, self.backend, self.meaning = staged, backend, meaning
        self.runner = _backend(self, chunk_bytes, dtype, options)

    @property
    def inputs(self) -> dict[str, str]:
        """The frozen inputs that a batch takes, each with the axis of which it has one number for each place."""
        return {entry.name: entry.axis.name for entry in self.staged.inputs}

    @property
    def axes(self) -> dict[str, str]:
        """The axes that a batch's layout takes, each with its parent, coarse to fine: the first argument of `Layout.of`."""
        return needed_axes(self.staged)

    # ------------------------------------------------------------ in runs
    def batch(self, layout: Layout, inputs: Mapping[str, ArrayLike] | None = None) -> UpdateBatch:
        """An update batch: its layout (of `axes`), and the frozen inputs by name (of `inputs`), packed. Normalisers are computed
        here, once. Raises `ValueError` for an axis or an input that is missing, is not one, or has another length."""
        check_layout(self.staged, layout)
        return self.runner.begin(layout, named_inputs(self.staged, inputs or {}))

    def pieces(self, batch: UpdateBatch, *, rows: int) -> Runs:
        """The batch cut into runs of at most `rows` tokens where possible. If a value couples more tokens than that, the
        runs need two passes: `read_piece` for each, then `piece` for each."""
        return cut(self.staged, batch.layout, rows)

    def read_piece(self, batch: UpdateBatch, run: Run, rows: GivenRows,
                   direct: Mapping[int, Tensor] | None = None) -> None:
        """First of two passes: only remembers what is read of the rows."""
        with torch.no_grad():
            self.runner.read(batch, run, self._rows(run, rows), direct or {})
        batch.note_read(run)

    def piece(self, batch: UpdateBatch, run: Run, rows: GivenRows, direct: Mapping[int, Tensor] | None = None, *,
              in_place: bool = False) -> PieceGradient:
        """The gradients of a run by what requires one. Those of projections are summed in the batch until `finish`.

        `direct` holds values that the model gives as they are, by key of the read. `in_place`: logits become their
        gradient.
        """
        checked = self._rows(run, rows)
        if not run.is_whole:
            require_all(batch.seen, "read: `read_piece` comes first")
        batch.note_done(run)
        with torch.no_grad():
            pairs = self.runner.differentiate(batch, run, checked, direct or {}, in_place)
        return PieceGradient(tuple(pairs))

    def finish(self, batch: UpdateBatch) -> dict[str, float]:
        """Add the gradients of projections to `.grad`; loss, terms and metrics of the whole batch."""
        self.deliver(batch)
        return self.values(batch)

    def deliver(self, batch: UpdateBatch) -> None:
        """The first half of `finish`: gradients of projections go to `.grad`. What is computed on a GPU is only queued."""
        require_all(batch.done, "in any `piece` so far")
        for tensor, gradient in batch.sums.take():
            _deliver(tensor, gradient)

    def values(self, batch: UpdateBatch) -> dict[str, float]:
        """The second half: loss, terms and metrics of the whole batch. A GPU is waited for."""
        return self.runner.values(batch)

    def release(self) -> None:
        """Give back the buffers that are kept for the next update."""
        self.runner.release()

    # ------------------------------------------------------------ at once
    def from_hidden(self, layout: Layout, inputs: Mapping[str, ArrayLike], hidden: Tensor, weight: Tensor,
                    targets: Tensor, *, bias: Tensor | None = None, places: Tensor | None = None,
                    others: Mapping[str, Other] | None = None, adapter: Adapter | None = None,
                    softcap: float | None = None) -> tuple[Tensor, dict[str, float]]:
        """Loss and values from hidden states [T, H] and the vocabulary projection [V, H]; for one response."""
        rows = Rows(targets, hidden, weight, bias, None, places, others or {}, adapter=adapter, softcap=softcap)
        return self.loss(self.batch(layout, inputs), rows)

    def from_logits(self, layout: Layout, inputs: Mapping[str, ArrayLike], logits: Tensor, targets: Tensor, *,
                    in_place: bool = False, places: Tensor | None = None, others: Mapping[str, Other] | None = None,
                    softcap: float | None = None) -> tuple[Tensor, dict[str, float]]:
        """Loss and values from logits [T, V]; for one response. `in_place` overwrites them with their gradient."""
        rows = Rows(targets, logits=logits, places=places, others=others or {}, softcap=softcap)
        return self.loss(self.batch(layout, inputs), rows, in_place=in_place)

    def loss(self, batch: UpdateBatch, rows: GivenRows, direct: Mapping[int, Tensor] | None = None, *,
             in_place: bool = False) -> tuple[Tensor, dict[str, float]]:
        """Loss, for `backward()`, and values of a whole update batch. Gradients are formed here; they scale with what
        comes from above. Without autograd (`torch.no_grad()`) nothing is differentiated."""
        run = whole(self.staged, batch.layout)
        if not torch.is_grad_enabled():
            self.read_piece(batch, run, rows, direct)
            values = self.runner.values(batch)
            return formed_loss(values["loss"], torch.float32, []), values
        gradient = self.piece(batch, run, rows, direct, in_place=in_place)
        values = self.runner.values(batch)
        return formed_loss(values["loss"], torch.float32, [*gradient.pairs, *batch.sums.take()]), values

    def _rows(self, run: Run, rows: GivenRows) -> Mapping[GroupKey, Rows]:
        """Checked against what the objective reads."""
        wanted = [group.rows for group in self.staged.groups]
        if isinstance(rows, Rows):
            if len(set(wanted)) != 1:
                raise ValueError(f"objective `{self.staged.name}` reads rows of {wanted}: give a mapping")
            rows = {wanted[0]: rows}
        for group in self.staged.groups:
            entry = rows.get(group.rows)
            if entry is None:
                raise ValueError(f"objective `{self.staged.name}` reads `{group.response}` under `{group.model}`: "
                                 "no rows of it are given")
            _check_rows(entry, group.response, run.tokens[group.response], group.others)
        return rows


def _deliver(weight: Tensor, gradient: Tensor) -> None:
    """Into `.grad`, through autograd so that hooks run; where there is nothing to add to and no hook, without a copy."""
    hooks = weight._backward_hooks or getattr(weight, "_post_accumulate_grad_hooks", None)
    if weight.is_leaf and weight.grad is None and not hooks:
        weight.grad = gradient
    else:
        torch.autograd.backward([weight], [gradient])


def _check_rows(rows: Rows, response: str, tokens: slice, others: tuple[str, ...]) -> None:
    if len(rows.targets) != tokens.stop - tokens.start:
        raise ValueError(f"`{response}` has {tokens.stop - tokens.start} tokens in this run, not {len(rows.targets)}")
    missing = [name for name in others if name not in rows.others]
    if missing:
        raise ValueError(f"exact divergences need the rows of {missing} beside those of `{response}`")


def _backend(objective: CompiledObjective, chunk_bytes: int, dtype: torch.dtype, options: TritonOptions | None) -> Backend:
    match objective.backend:
        case "numba":
            from rldsl.numba_backend import NumbaBackend
            return NumbaBackend(objective.staged, chunk_bytes)
        case "torch":
            from rldsl.torch_backend import TorchBackend
            return TorchBackend(objective.staged, dtype, objective.meaning)
        case "triton":
            from rldsl.triton_backend import TritonBackend
            return TritonBackend(objective.staged, options)
        case _:
            raise ValueError(f"backend is `numba`, `triton` or `torch`, not `{objective.backend}`")


class Program:
    """A checked spec. Objectives are compiled when they are first asked for."""

    def __init__(self, spec: Spec, backend: BackendName = "numba", project: Path | None = None) -> None:
        if backend not in BACKENDS:
            raise ValueError(f"backend is `numba`, `triton` or `torch`, not `{backend}`")
        self.spec, self.backend = spec, backend
        self.project = project if project is not None else Path.cwd()
        self._compiled: dict[str, CompiledObjective] = {}

    def objective(self, name: str | None = None) -> CompiledObjective:
        """The objective of that name; without a name, the only one."""
        named = {objective.name: objective for objective in self.spec.objectives}
        if name is None and len(named) == 1:
            name = next(iter(named))
        if name not in named:
            raise KeyError(f"the spec has the objectives {', '.join(map(repr, named)) or 'none'}, not {name!r}")
        if name not in self._compiled:
            staged = compile_objective(self.spec, named[name])
            self._compiled[name] = CompiledObjective(staged, self.backend, meaning=Meaning(self.spec, named[name]))
        return self._compiled[name]

    def reward(self, name: str | None = None) -> CompiledReward:
        """A reward as a function of texts; without a name, the last one declared. Raises `RewardError` where a reward needs
        more than texts and columns (a model, several rollouts)."""
        from rldsl.rewarding import CompiledReward
        named = {reward.name: reward for reward in self.spec.rewards}
        if name is None and named:
            name = next(reversed(named))
        if name not in named:
            raise KeyError(f"the spec has the rewards {', '.join(map(repr, named)) or 'none'}, not {name!r}")
        return CompiledReward(self.spec, named[name], self.project)
