"""Bytes and FLOPs of an objective, step by step, and how long a machine takes for them. A model, not a measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rldsl.emit.parameters import FunctionName
from rldsl.emit.triton.combine import combine_function
from rldsl.graph.model import ReadKind
from rldsl.graph.staged import HeadGroup, StagedObjective
from rldsl.plan.chunks import Buffers, Chunk, Products, chunk_for, parts_of
from rldsl.plan.machines import LAUNCH, Machine
from rldsl.plan.tiles import RowTime, RowWork, Tile, explained, row_time, tile_for
from rldsl.types import Level

NUMBER = 8      # bytes of a combined value


@dataclass(frozen=True, slots=True)
class Sizes:
    """What an objective is predicted for. `hidden` None: logits are given, `width` bytes each. From hidden states logits are
    computed in `logits` bytes (fp32), and their gradient has `width`. `frozen`: the projection has no gradient. `apart`: rows are
    read and written by kernels of their own, though nothing couples tokens: in two passes, or with processes that share columns."""

    tokens: int = 8192
    vocabulary: int = 151_936
    hidden: int | None = None
    width: int = 2
    frozen: bool = False
    logits: int = 4
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Rate:
    """Instructions of a thread for each column where a row is read and where its gradient is written, and registers."""

    reading: float
    writing: float
    registers: int = 0


OWN = Rate(6.1, 6.2, 64)     # of a row itself
BESIDE = Rate(16.0, 5.5)     # of a second policy's
UNPACK = 1.2                 # of a 16-bit logit, each time it is loaded
RATES = {                    # of each kind of read
    ReadKind.LOGP: Rate(0.0, 3.2),
    ReadKind.ENTROPY: Rate(2.6, 2.0),
    ReadKind.KL: Rate(2.8, 4.1, 6),
    ReadKind.TV: Rate(5.6, 8.2, 2),
    ReadKind.JS: Rate(48.0, 41.2, 36),
    ReadKind.ALPHA: Rate(42.4 + 15, 42.3 + 15, 52),
}


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
               tile: Tile | None = None, budget: int | None = None) -> GroupPlan:
    """Tile, chunk and steps of one group. `rates` are instructions and registers of the compiled kernels, if there are any;
    `tile` one that is decided already, `budget` the bytes of a chunk."""
    work, chunk = planned_work(staged, group, sizes, machine, rates=rates, budget=budget)
    tile = tile_for(work, machine, sizes.tokens) if tile is None else explained(work, tile, machine, sizes.tokens)
    time = row_time(work, tile, machine, sizes.tokens)
    again = work.sweeps - (2 if work.apart and work.written else 1)
    passes = work.sweeps - again * (1 - time.again)
    moved = float(sizes.tokens) * sizes.vocabulary * (work.width * (1 + work.others) * passes + work.written)
    rows = Step(_row_name(staged, work), 0.0, moved, time.seconds)
    combine = _combine(staged, group, sizes, machine)
    if chunk is None:
        return GroupPlan(group, tile, None, time, (rows, combine))
    return GroupPlan(group, tile, chunk, time, (*_products(staged, sizes, machine, chunk, work), rows, combine))


def planned_work(staged: StagedObjective, group: HeadGroup, sizes: Sizes, machine: Machine, *, rates: RowWork | None = None,
                 budget: int | None = None) -> tuple[RowWork, Chunk | None]:
    """What the row kernels of a group do, a chunk or a block of it in each launch, and that chunk."""
    work = row_work(staged, group, sizes, rates)
    if sizes.hidden is None:
        return work, None
    products = Products(sizes.vocabulary, sizes.hidden, machine, sizes.frozen)
    chunk = chunk_for(products, buffers_of(work), budget=budget)
    return replace(work, launched=min(chunk.block, sizes.tokens)), chunk


def buffers_of(work: RowWork) -> Buffers:
    """What a chunk keeps of each logit. A gradient of the logits' own size lies over them; one kernel reads and writes a row where
    nothing couples tokens: then another buffer takes the gradients, and logits are needed for a few rows at a time."""
    beside = work.written if work.written != work.width else 0
    return Buffers(work.width * (1 + work.others), beside, beside > 0 and not work.apart, work.others)


def row_work(staged: StagedObjective, group: HeadGroup, sizes: Sizes, rates: RowWork | None = None) -> RowWork:
    """What the row kernels of a group do. In a chunk logits are fp32, gradients have the weight's dtype. Instructions and
    registers are about those of compiled kernels where none is given."""
    others = len(group.others)
    written = sizes.width if any(read.coefficient is not None for read in group.reads) else 0
    width = sizes.width if sizes.hidden is None else sizes.logits
    work = estimated([read.read.kind for read in group.reads], others, width)
    if rates is not None:
        work = replace(work, reading=rates.reading, writing=rates.writing, registers=rates.registers)
    return replace(work, vocabulary=sizes.vocabulary, width=width, written=written,
                   apart=sizes.apart or staged.coupling is not Level.TOKEN)


def estimated(kinds: Sequence[ReadKind], others: int, width: int) -> RowWork:
    """Instructions and registers of the row kernels by what they read, from logits of `width` bytes.

    Counted in machine code for sm_90 as `rldsl compile --target sm_90` does it (Triton 3.9.0; `read_rows` and `write_rows` of 4,096
    columns by 8 warps; loops over whole blocks; instructions of a thread over its columns in a turn), of objectives with one read
    and with some together, of fp32 and bf16 logits. The sums here are within 5 % of each of those. The 15 fp64 instructions that an
    alpha divergence has in each loop count twice, since half as many are issued in a cycle. `fuse_rows` has one more in all.
    """
    rates = [OWN, *[BESIDE] * others, *(RATES[kind] for kind in dict.fromkeys(kinds) if kind in RATES)]
    unpacked = UNPACK * (1 + others) if width == 2 else 0.0
    return RowWork(0, 0, others, reading=unpacked * (2 if others else 1) + sum(rate.reading for rate in rates),
                   writing=unpacked + sum(rate.writing for rate in rates), registers=sum(rate.registers for rate in rates))


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
    """The arrays over tokens, once each way; those over coarser places are small beside them. Coefficients are part of the row
    kernel where tokens are not coupled."""
    given = sum(entry.axis.level >= Level.TOKEN for entry in staged.inputs)
    read = len(group.reads)
    slopes = sum(live.coefficient is not None for live in group.reads)
    arrays = given + read if staged.coupling is Level.TOKEN else given + 2 * read + 2 * slopes
    moved = float(NUMBER * arrays * sizes.tokens)
    names: tuple[FunctionName, ...] = ("prepare", "combined") if staged.coupling is Level.BATCH else (
        "prepare", "values") if staged.coupling is Level.TOKEN else ("prepare", "coefficients", "values")
    launches = sum(len(combine_function(staged, name, {}).kernels) for name in names)
    return Step("combine", 0.0, moved, moved / machine.copy + launches * LAUNCH)


def _products(staged: StagedObjective, sizes: Sizes, machine: Machine, chunk: Chunk,
              work: RowWork) -> tuple[Step, ...]:
    """The GEMMs over all chunks."""
    assert sizes.hidden is not None
    others, gradient = work.others, work.written > 0
    once = 2.0 * sizes.tokens * sizes.hidden * sizes.vocabulary
    products = Products(sizes.vocabulary, sizes.hidden, machine, sizes.frozen)
    chunks = parts_of(sizes.tokens, chunk.rows)
    rows = parts_of(sizes.tokens, max(1, chunks))
    again = staged.coupling is Level.BATCH and gradient
    forward = chunks * products.logits(rows, min(rows, chunk.block)) if rows else 0.0
    found = [Step("logits", once, 0.0, forward)]
    if others:
        found.append(Step("logits of other policies", once * others, 0.0, forward * others))
    if again and chunks > 1:
        share = (1 + others) * (chunks - 1) / chunks  # those of the last chunk are still there
        found.append(Step("logits once more", once * share, 0.0, forward * share))
    if gradient:
        found.append(Step("dhidden", once, 0.0, chunks * products.by_hidden(rows)))
    if gradient and not sizes.frozen:
        found.append(Step("dW", once, products.summed * chunks, chunks * products.by_weight(rows)))
    return tuple(found)
