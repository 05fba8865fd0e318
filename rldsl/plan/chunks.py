"""Chooses how many rows a chunk from hidden states has, and how many of its logits lie there at a time: enough for the GEMMs, and
within a budget of bytes.

Few rows a chunk cost twice: the fp32 sum of the projection's gradient is read and written once a chunk, and the last wave of a
GEMM's tiles leaves processors idle. Few rows of logits at a time cost the latter alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rldsl.plan.machines import LAUNCH, Machine

LEAST_ROWS, STEP = 1024, 128
LEAST_BLOCK = 512           # rows of logits at a time: with a third of them a product reads the weight for as long as it computes
TYPICAL_TOKENS = 8192       # of an update batch, which is cut into equal parts
SHARE = 1 / 40              # of the device's memory that a chunk may take
EAGER = 20, 4               # bytes a logit that eager torch has at its peak, more for each other policy: benchmarks/gpu/memory.py
PROMISED = 1 / 20           # of what eager torch takes beyond the gradients
UNMISSED = 256 << 20        # bytes that no promise saves
TOLERANCE = 0.01            # so much slower is as good
LAUNCHES = 4                # of a chunk that logits do not count: two products, the mask, what moves rows
FILLING = 2048              # rows of a chunk of whole pieces: they never fill it
TILE_ROWS, TILE_COLUMNS = 128, 256  # of a large bf16 GEMM on these GPUs


@dataclass(frozen=True, slots=True)
class Buffers:
    """Bytes that are kept for each logit: `logits` (of all policies), and `gradient` where it has a buffer of its own.
    `is_passing`: the logits of a few rows suffice at a time, since no coefficient waits for those of other rows."""

    logits: int = 4
    gradient: int = 2
    is_passing: bool = False
    others: int = 0

    def size(self, rows: int, block: int, vocabulary: int) -> int:
        """Of a chunk. Rows of buffers begin at multiples of 64 elements."""
        return -(-vocabulary // 64) * 64 * (rows * self.gradient + block * self.logits)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows a chunk, rows of its logits at a time, its bytes, and why."""

    rows: int
    block: int
    size: int
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Products:
    """The products of a head: `frozen` means none for the weight. Operands of `width` bytes, results of `out` bytes."""

    vocabulary: int
    hidden: int
    machine: Machine
    frozen: bool = False

    def logits(self, rows: int, block: int) -> float:
        """Seconds of the forward products of a chunk, and of the launches that a block more takes: a product and a row kernel."""
        whole, rest = divmod(rows, block)
        blocks = [block] * whole + [rest] * bool(rest)
        each = (gemm_seconds(count, self.vocabulary, self.hidden, self.machine, self._moved(count)) for count in blocks)
        return sum(each) + 2 * LAUNCH * (len(blocks) - 1)

    def by_hidden(self, rows: int) -> float:
        """Seconds of the product for the hidden states' gradient."""
        return gemm_seconds(rows, self.hidden, self.vocabulary, self.machine)

    def by_weight(self, rows: int) -> float:
        """Seconds of the product for the weight's, which is added to what is there."""
        return 0.0 if self.frozen else gemm_seconds(self.vocabulary, self.hidden, rows, self.machine, self.summed)

    @property
    def summed(self) -> float:
        """Bytes that the fp32 sum of the weight's gradient moves for each chunk."""
        return 8.0 * self.vocabulary * self.hidden

    def chunk(self, rows: int, block: int, others: int = 0) -> float:
        """Seconds of all products of a chunk; of `others` only logits."""
        return (1 + others) * self.logits(rows, block) + self.by_hidden(rows) + self.by_weight(rows)

    def _moved(self, rows: int) -> float:
        """Bytes that a forward product moves at least: the weight, and fp32 logits."""
        return self.vocabulary * (2.0 * self.hidden + 4.0 * rows)


def occupied(rows: int, columns: int, machine: Machine) -> float:
    """The share of processors that a GEMM with a result of this shape keeps busy, in whole waves of tiles."""
    tiles = -(-rows // TILE_ROWS) * -(-columns // TILE_COLUMNS)
    return tiles / (-(-tiles // machine.processors) * machine.processors)


def gemm_seconds(rows: int, columns: int, inner: int, machine: Machine, moved: float = 0.0) -> float:
    """Of one product `rows x inner x columns`, in whole tiles; it moves `moved` bytes at least."""
    if not rows:
        return 0.0
    held = -(-rows // TILE_ROWS) * -(-columns // TILE_COLUMNS) * TILE_ROWS * TILE_COLUMNS
    return max(2.0 * held * inner / machine.gemm / occupied(rows, columns, machine), moved / machine.copy)


def chunk_for(products: Products, buffers: Buffers, *, budget: int | None = None) -> Chunk:
    """The rows of a chunk, and those of its logits at a time. `budget` in bytes is a share of the machine's memory unless given,
    and, where logits pass, of what eager torch takes; `LEAST_ROWS` and `LEAST_BLOCK` are taken whatever it is."""
    allowed = budget if budget is not None else _allowed(products, buffers)
    beside = 4 * products.hidden if budget is None else 0  # bytes a row of fp32 gradients by hidden states
    sizes = {(rows, block): buffers.size(rows, block, products.vocabulary) for rows, block in _pairs(buffers)}
    within = [(rows, block) for (rows, block), size in sizes.items() if size + rows * beside <= allowed]
    times = {(rows, block): parts_of(TYPICAL_TOKENS, rows) * (products.chunk(rows, block, buffers.others) + LAUNCHES * LAUNCH)
             for rows, block in within or [min(sizes, key=lambda pair: sizes[pair])]}
    good = [pair for pair, time in times.items() if time <= (1 + TOLERANCE) * min(times.values())]
    rows, block = min(good, key=lambda pair: (-pair[0] if buffers.is_passing else pair[0] < FILLING, sizes[pair]))
    held = "within" if within else "the fewest rows there are, and more than"
    limit = f"{held} {allowed / 1e9:.2f} GB, {'as given' if budget is not None else _limit(buffers)}"
    return Chunk(rows, block, sizes[rows, block], tuple(_reasons(products, buffers, (rows, block), limit)))


def parts_of(tokens: int, rows: int) -> int:
    """How many chunks of at most so many rows an update batch is cut into."""
    return -(-tokens // rows)


def eager_bytes(products: Products, others: int = 0) -> int:
    """What eager torch takes for a typical update batch at its peak, beyond its gradients, of two bytes an entry."""
    own, more = EAGER
    logits = TYPICAL_TOKENS * products.vocabulary * (own + more * others)
    return logits - 2 * products.hidden * (TYPICAL_TOKENS + products.vocabulary)


def _allowed(products: Products, buffers: Buffers) -> int:
    """Bytes of a chunk. Where few logits are kept, also a twentieth of what eager torch takes; where all of a chunk's are, a piece
    may be as long as the chunk, and that cannot be held to."""
    share = int(products.machine.memory * SHARE)
    promised = max(UNMISSED, int(PROMISED * eager_bytes(products, buffers.others)))
    return min(share, promised) if buffers.is_passing else share


def _limit(buffers: Buffers) -> str:
    share = f"{SHARE:.1%} of the device"
    eager = EAGER[0] + EAGER[1] * buffers.others
    return f"{share}, or a twentieth of what eager torch takes, {eager} bytes a logit" if buffers.is_passing else share


def _pairs(buffers: Buffers) -> Iterator[tuple[int, int]]:
    """Rows of chunks that cut a typical update batch into equal parts, and of their blocks."""
    for parts in range(1, TYPICAL_TOKENS // LEAST_ROWS + 1):
        rows = parts_of(TYPICAL_TOKENS, parts)
        if buffers.is_passing:
            yield from ((rows, block) for block in range(LEAST_BLOCK, rows, STEP))
        yield rows, rows


def _reasons(products: Products, buffers: Buffers, pair: tuple[int, int], limit: str) -> Iterator[str]:
    rows, block = pair
    if buffers.is_passing:
        gradient, logits = buffers.gradient, buffers.logits
        yield f"{gradient} bytes a logit for the gradient of a chunk, {logits} for the logits of {block:,} rows at a time"
        yield limit
        chosen = "the most rows, for the sum of `dW`, and then the fewest bytes"
    else:
        yield f"{buffers.logits + buffers.gradient} bytes a logit, {limit}"
        chosen = f"the fewest rows, from {FILLING:,} on, since whole pieces never fill a chunk"
    yield f"of {TYPICAL_TOKENS:,} tokens in equal parts, predicted within {TOLERANCE:.0%} of the fastest: {chosen}"
    yield (f"{occupied(rows, products.hidden, products.machine):.0%} of the processors work in the product for `dhidden`, "
           f"and the sum of `dW` moves {products.summed / 1e9:.1f} GB a chunk")
