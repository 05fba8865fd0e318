"""Cuts an update batch into runs that are computed one after the other, as `micro_batch` says or as memory asks.

The gradient is the same however it is cut. A cut that the objective's coupling forbids is refused.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from rldsl.batch import Runs, UpdateBatch, forward_axis, live_reads, run_of
from rldsl.graph.spec import Amount
from rldsl.graph.staged import StagedObjective
from rldsl.kernels.device.cuda import memory
from rldsl.program import CompiledObjective
from rldsl.rollouts.models import LoadedModel
from rldsl.types import BATCH, Axis, Level

ACTIVATION_BYTES: Final = 2 << 30  # of one run, where nothing else is said
GPU_SHARE: Final = 8           # of a GPU's memory, in place of it
NUMBERS_A_TOKEN: Final = 40        # kept for the backward pass, for each layer and unit of width
LEAST_TOKENS: Final = 512
MOST_TOKENS: Final = 1 << 16


class TooFine(Exception):
    """A micro-batch that would tear apart what the objective couples, in a sentence."""


def runs_of(objective: CompiledObjective, batch: UpdateBatch, micro_batch: Amount | None, model: LoadedModel) -> Runs:
    """The runs of an update batch."""
    staged = objective.staged
    if micro_batch is None or not live_reads(staged):
        return objective.pieces(batch, rows=token_budget(model))
    if micro_batch.unit == "tokens":
        return objective.pieces(batch, rows=int(micro_batch.number))
    axis, whole = _cutting_axis(staged, micro_batch)
    cuts = ranges(_held(staged, batch, axis, micro_batch.unit), int(micro_batch.number))
    runs = tuple(run_of(staged, batch.layout, axis.name, places, whole) for places in cuts)
    if len(runs) == 1 and not whole:
        runs = (run_of(staged, batch.layout, BATCH.name, (0, 1), True),)
    return Runs(runs, 1 if runs[0].is_whole else 2)


def token_budget(model: LoadedModel) -> int:
    """How many tokens of a model fit into `ACTIVATION_BYTES`, or into a share of a GPU's whole memory: of what is free it would
    depend on what ran before."""
    config = model.module.config.get_text_config()
    numbers = config.num_hidden_layers * config.hidden_size * NUMBERS_A_TOKEN
    room, size = (memory(model.device) // GPU_SHARE, model.body.dtype.itemsize) if model.device.type == "cuda" \
        else (ACTIVATION_BYTES, 4)
    return int(min(MOST_TOKENS, max(LEAST_TOKENS, room // (size * numbers))))


def check_micro_batch(staged: StagedObjective, micro_batch: Amount) -> None:
    """Raises `TooFine`. Before anything runs: whether the unit itself is finer than what is coupled. Where vectors are multiplied
    it does not matter: they are computed twice (`outputs`)."""
    if micro_batch.unit != "tokens" and not staged.multiplies_vectors:
        _cutting_axis(staged, micro_batch)


def _cutting_axis(staged: StagedObjective, micro_batch: Amount) -> tuple[Axis, bool]:
    """The axis whose places are dealt out, and whether each is a gradient of its own (otherwise two passes)."""
    finest = forward_axis(staged)
    wanted = next(axis for axis in finest.chain() if axis.parent is None or axis.parent == BATCH) \
        if micro_batch.unit in ("prompts", "rows") else finest
    if staged.piece_axis == BATCH and staged.coupling is Level.BATCH:
        return wanted, False
    if staged.piece_axis.is_within(wanted):
        return wanted, True
    if micro_batch.unit == "samples" and not wanted.is_within(staged.piece_axis):
        return staged.piece_axis, True
    whole = f"{staged.piece_axis.level.words}"
    raise TooFine(f"`micro_batch: {micro_batch.number:g} {micro_batch.unit}` cuts through `{staged.name}`, which couples "
                  f"values at the {staged.coupling.word} level (RL801); a micro-batch has to hold whole {whole}: "
                  f"write `micro_batch: 1 {whole}` or more")


def ranges(held: npt.NDArray[np.int64], most: int) -> list[tuple[int, int]]:
    """Runs of places that hold at most so many each, and at least one place. `held` says how many each place holds."""
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(held)])
    found, start = [], 0
    while start < len(held):
        stop = int(np.searchsorted(ends, ends[start] + most, side="right")) - 1
        stop = max(stop, start + 1)
        found.append((start, stop))
        start = stop
    return found


def _held(staged: StagedObjective, batch: UpdateBatch, axis: Axis, unit: str) -> npt.NDArray[np.int64]:
    if unit in ("prompts", "rows"):
        return np.ones(batch.layout.size(axis.name), np.int64)
    samples = {read.tokens.parent for read in live_reads(staged)}
    counts = [np.diff(batch.layout.bounds(entry.name, axis.name)) for entry in samples if entry is not None]
    found: npt.NDArray[np.int64] = np.max(counts, axis=0)
    return found
