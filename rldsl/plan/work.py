"""Bytes and FLOPs of an objective, step by step, and how long a machine takes for them. A model, not a measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rldsl.graph.divergences import DIVERGENCES
from rldsl.graph.model import ReadKind
from rldsl.graph.staged import HeadGroup, StagedObjective
from rldsl.plan.chunks import Chunk, chunk_for, gemm_seconds
from rldsl.plan.machines import Machine
from rldsl.plan.tiles import RowTime, RowWork, Tile, explained, row_time, tile_for
from rldsl.types import Level

LAUNCH = 4e-6   # seconds that the device waits between kernels
NUMBER = 8      # bytes of a combined value


@dataclass(frozen=True, slots=True)
class Sizes:
    """What an objective is predicted for. `hidden` None: logits are given, `width` bytes each. From hidden states logits are
    computed in fp32 and their gradient in the weight's dtype, of `width` bytes. `frozen`: the projection has no gradient."""

    tokens: int = 8192
    vocabulary: int = 151_936
    hidden: int | None = None
    width: int = 2
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of work over a whole update batch: FLOPs of GEMMs, bytes of other kernels, predicted seconds."""

    name: str
    flops: float
    moved: float
    seconds: float


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """What was chosen for the rows of one group, and its steps."""

    group: HeadGroup
    tile: Tile
    chunk: Chunk | None
    time: RowTime
    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        """Of all steps."""
        return sum(step.seconds for step in self.steps)

    @property
    def flops(self) -> float:
        """Of all GEMMs."""
        return sum(step.flops for step in self.steps)


def plan_group(staged: StagedObjective, group: HeadGroup, sizes: Sizes, machine: Machine, *, rates: RowWork | None = None,
               tile: Tile | None = None) -> GroupPlan:
    """Tile, chunk and steps of one group. `rates` are instructions and registers of the compiled kernels, if there are any;
    `tile` one that is decided already."""
    work = row_work(staged, group, sizes, rates)
    tile = tile_for(work, machine, sizes.tokens) if tile is None else explained(work, tile, machine, sizes.tokens)
    time = row_time(work, tile, machine, sizes.tokens)
    again = work.sweeps - (2 if work.apart and work.written else 1)
    passes = work.sweeps - again * (1 - time.again)
    moved = float(sizes.tokens) * sizes.vocabulary * (work.width * (1 + work.others) * passes + work.written)
    rows = Step(_row_name(staged, work), 0.0, moved, time.seconds)
    combine = _combine(staged, group, sizes, machine)
    if sizes.hidden is None:
        return GroupPlan(group, tile, None, time, (rows, combine))
    chunk = chunk_for(sizes.vocabulary, sizes.hidden, machine, frozen=sizes.frozen,
                      logit=work.width * (1 + work.others) + work.written)
    return GroupPlan(group, tile, chunk, time, (*_products(staged, sizes, machine, chunk, work), rows, combine))


def row_work(staged: StagedObjective, group: HeadGroup, sizes: Sizes, rates: RowWork | None = None) -> RowWork:
    """What the row kernels of a group do. In a chunk logits are fp32, gradients have the weight's dtype. Instructions and
    registers are about those of compiled kernels where none is given."""
    others = len(group.others)
    written = sizes.width if any(read.coefficient is not None for read in group.reads) else 0
    work = _estimated([read.read.kind for read in group.reads], others)
    if rates is not None:
        work = replace(work, reading=rates.reading, writing=rates.writing, registers=rates.registers)
    return replace(work, vocabulary=sizes.vocabulary, width=sizes.width if sizes.hidden is None else 4, written=written,
                   apart=staged.coupling is not Level.TOKEN)


def _estimated(kinds: Sequence[ReadKind], others: int) -> RowWork:
    """Instructions and registers as they were counted in kernels compiled for sm_90: those of alpha divergences compute in fp64."""
    bent = 2.0 * (ReadKind.ENTROPY in kinds)
    wide = kinds.count(ReadKind.ALPHA)
    beside = sum(kind in DIVERGENCES for kind in kinds) - wide
    return RowWork(0, 0, others, reading=9 + bent + 9 * others + 14 * beside + 130 * wide,
                   writing=11 + bent + 6 * beside + 60 * wide, registers=112 if wide else 90 if others else 64)


def limit_seconds(plan: GroupPlan, sizes: Sizes, machine: Machine) -> float:
    """What no program that computes the same can be faster than: the GEMMs that this coupling needs at the machine's rate, or,
    where logits are given, one read of each row and one write."""
    if sizes.hidden is not None:
        return plan.flops / machine.gemm
    written = any(read.coefficient is not None for read in plan.group.reads)
    bytes_moved = float(sizes.tokens) * sizes.vocabulary * sizes.width * (1 + len(plan.group.others) + written)
    return bytes_moved / machine.copy


def _row_name(staged: StagedObjective, work: RowWork) -> str:
    if not work.written:
        return "read rows"
    return "read, combine and write rows" if staged.coupling is Level.TOKEN else "read rows, write rows"


def _combine(staged: StagedObjective, group: HeadGroup, sizes: Sizes, machine: Machine) -> Step:
    """The arrays over tokens, once each way; those over coarser places are small beside them."""
    given = sum(entry.axis.level >= Level.TOKEN for entry in staged.inputs)
    read = len(group.reads)
    slopes = sum(live.coefficient is not None for live in group.reads)
    arrays = given + read if staged.coupling is Level.TOKEN else given + 2 * read + 2 * slopes
    moved = float(NUMBER * arrays * sizes.tokens)
    launches = 2 if staged.coupling is Level.TOKEN else 3
    return Step("combine", 0.0, moved, moved / machine.copy + launches * LAUNCH)


def _products(staged: StagedObjective, sizes: Sizes, machine: Machine, chunk: Chunk,
              work: RowWork) -> tuple[Step, ...]:
    """The GEMMs over all chunks."""
    assert sizes.hidden is not None
    others, gradient = work.others, work.written > 0
    once = 2.0 * sizes.tokens * sizes.hidden * sizes.vocabulary
    rows = min(chunk.rows, max(1, sizes.tokens))
    chunks = sizes.tokens / rows
    again = staged.coupling is Level.BATCH and gradient
    forward = chunks * gemm_seconds(rows, sizes.vocabulary, sizes.hidden, machine)
    found = [Step("logits", once, 0.0, forward)]
    if others:
        found.append(Step("logits of other policies", once * others, 0.0, forward * others))
    if again:
        found.append(Step("logits once more", once * (1 + others), 0.0, forward * (1 + others)))
    if gradient:
        found.append(Step("dhidden", once, 0.0, chunks * gemm_seconds(rows, sizes.hidden, sizes.vocabulary, machine)))
    if gradient and not sizes.frozen:
        summed = 8.0 * sizes.vocabulary * sizes.hidden
        found.append(Step("dW", once, summed * chunks,
                          chunks * gemm_seconds(sizes.vocabulary, sizes.hidden, rows, machine, summed)))
    return tuple(found)
