"""Chooses how many rows of logits are computed at a time from hidden states: enough for the GEMMs, and within a budget of bytes.

Few rows cost twice: the fp32 sum of the projection's gradient is read and written once a chunk, and the last wave of a GEMM's
tiles leaves processors idle."""

from __future__ import annotations

from dataclasses import dataclass

from rldsl.plan.machines import Machine

LEAST_ROWS, MOST_ROWS, STEP = 1024, 8192, 128
SHARE = 1 / 40              # of the device's memory that a chunk may take
TILE_ROWS, TILE_COLUMNS = 128, 256  # of a large bf16 GEMM on these GPUs


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows a chunk, its bytes, and why."""

    rows: int
    size: int
    why: tuple[str, ...]


def occupied(rows: int, columns: int, machine: Machine) -> float:
    """The share of processors that a GEMM with a result of this shape keeps busy, in whole waves of tiles."""
    tiles = -(-rows // TILE_ROWS) * -(-columns // TILE_COLUMNS)
    return tiles / (-(-tiles // machine.processors) * machine.processors)


def gemm_seconds(rows: int, columns: int, inner: int, machine: Machine, moved: float = 0.0) -> float:
    """Of one product `rows x inner x columns`, whose result may be added to what is there (`moved` bytes)."""
    if not rows:
        return 0.0
    return max(2.0 * rows * columns * inner / machine.gemm / occupied(rows, columns, machine), moved / machine.copy)


def chunk_seconds(rows: int, vocabulary: int, hidden: int, machine: Machine, *, frozen: bool = False) -> float:
    """Of the products of one chunk, forward and back."""
    forward = gemm_seconds(rows, vocabulary, hidden, machine)
    back = gemm_seconds(rows, hidden, vocabulary, machine)
    weight = 0.0 if frozen else gemm_seconds(vocabulary, hidden, rows, machine, 8.0 * vocabulary * hidden)
    return forward + back + weight


def chunk_for(vocabulary: int, hidden: int, machine: Machine, *, logit: int = 6, frozen: bool = False,
              budget: int | None = None) -> Chunk:
    """The rows of a chunk. `logit`: bytes kept for each logit (fp32 and its gradient in bf16: 6). `budget` in bytes is a
    share of the machine's memory unless given; `LEAST_ROWS` are taken whatever it is."""
    allowed = budget if budget is not None else int(machine.memory * SHARE)
    most = max(LEAST_ROWS, min(MOST_ROWS, allowed // (vocabulary * logit)) // STEP * STEP)
    choices = range(LEAST_ROWS, most + 1, STEP)
    each = {rows: chunk_seconds(rows, vocabulary, hidden, machine, frozen=frozen) / rows for rows in choices}
    best = min(each.values())
    rows = next(rows for rows in choices if each[rows] <= 1.01 * best)  # the smallest that is as good, within one per cent
    size = rows * vocabulary * logit
    why = (f"at least {LEAST_ROWS:,} rows, and at most {most:,} by {allowed / 1e9:.1f} GB for {logit} bytes a logit",
           f"of these the fewest within 1 % of the least predicted time: {occupied(rows, hidden, machine):.0%} of the processors "
           f"work in the product for `dhidden`, and the sum of `dW` moves {8 * vocabulary * hidden / 1e9:.1f} GB a chunk")
    return Chunk(rows, size, why)
