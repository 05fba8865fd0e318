"""Chooses the tile of a row kernel: how many columns at a time, by how many warps, loaded how far ahead.

Three times are predicted for each candidate: moving bytes, issuing instructions, and waiting for loads and for the other warps of
the program. They overlap, but not wholly: their fourth powers are added. A row that is read twice comes from the L2 cache the
second time only where all rows in flight fit there. A model: on a device, `search` measures the few best."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rldsl.plan.machines import Machine

WARPS = (4, 8, 16, 32)
STAGES = 1           # loads of a loop go to registers, and no warp waits for another: see `PIPELINED`
PIPELINED = 3        # loads go to shared memory two steps ahead, with two barriers a step; two stages would have no load ahead
AHEAD = 2.0          # so much shorter a load is for a warp whose neighbours compute meanwhile, or that is loaded a step ahead
LANE = 16            # columns of one thread at a time: four fp32 or two bf16 accesses of 16 bytes, under 64 registers
LEAST_BLOCK = 128
FIXED = 44           # registers of a thread beside those of its columns
LOAD, MEET = 800.0, 3000.0  # cycles that a load takes, and what is done once a row over all warps, in fp64
REGISTERS, THREADS = 65_536, 2_048  # of one processor
FITS, LOST = 0.6, 1.2      # of L2: up to here rows in flight are read again from there, from here on none is


@dataclass(frozen=True, slots=True)
class RowWork:
    """What the row kernels of a group do: `width` bytes a logit, `others` rows of other policies beside each, whether they read
    statistics, whether they write gradients, in bytes a logit (0: not at all), and whether in another launch (`apart`).
    `reading` and `writing` are instructions of single threads for each column, `registers` those of a thread with `LANE`
    columns at a time. `launched` rows are launched at once (0: all of them)."""

    vocabulary: int
    width: int
    others: int = 0
    reads: bool = True
    written: int = 0
    apart: bool = False
    reading: float = 11.0
    writing: float = 13.0
    registers: int = 64
    launched: int = 0

    @property
    def is_fused(self) -> bool:
        """Whether one program reads a row and writes its gradient."""
        return self.reads and self.written > 0 and not self.apart

    @property
    def sweeps(self) -> int:
        """How often one program goes over its rows: for the sums, once more beside other policies, and for the gradient."""
        return (2 if self.others else 1) * self.reads + (self.written > 0)

    @property
    def instructions(self) -> float:
        """For each column, over all sweeps."""
        return (self.reading if self.reads else 0.0) + (self.writing if self.written else 0.0)

    def registers_of(self, tile: Tile) -> int:
        """Of a thread: `registers` are those with `LANE` columns at a time."""
        columns = max(1, tile.block // (tile.warps * 32))
        return round(FIXED + (self.registers - FIXED) * columns / LANE)


@dataclass(frozen=True, slots=True)
class RowTime:
    """Seconds of a row kernel over all rows, of each thing that may bound it. `again` is the share of what is read again that
    memory serves; `resident` programs share a processor."""

    memory: float
    issue: float
    latency: float
    again: float
    resident: int

    @property
    def seconds(self) -> float:
        """All three together: hardly more than the longest, unless another is nearly as long."""
        return float((self.memory**4 + self.issue**4 + self.latency**4) ** 0.25)

    @property
    def bound(self) -> str:
        """What that is, in words."""
        return {self.memory: "moving bytes", self.issue: "issuing instructions",
                self.latency: "waiting for loads and barriers"}[max(self.memory, self.issue, self.latency)]


@dataclass(frozen=True, slots=True)
class Tile:
    """Columns a step, warps, stages; and why these, in sentences."""

    block: int
    warps: int
    stages: int
    why: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """As kernels take it."""
        return self.block, self.warps, self.stages


def candidates(vocabulary: int) -> tuple[Tile, ...]:
    """Every tile that is worth a look, small ones first. A vocabulary that one step holds has one block."""
    widest = max(LEAST_BLOCK, 1 << max(vocabulary - 1, 0).bit_length())
    found = dict[tuple[int, int, int], Tile]()
    for warps in WARPS:
        for lane in (LANE // 2, LANE):
            tile = Tile(min(widest, warps * 32 * lane), warps, STAGES)
            if tile.block >= warps * 32 or warps == WARPS[0]:
                found.setdefault(tile.shape, tile)
    return tuple(found.values())


def row_time(work: RowWork, tile: Tile, machine: Machine, rows: int) -> RowTime:
    """The model, for a tile. No rows take no time."""
    if work.apart and work.reads and work.written:
        first, second = (row_time(part, tile, machine, rows) for part in (replace(work, written=0), replace(work, reads=False)))
        return RowTime(first.memory + second.memory, first.issue + second.issue, first.latency + second.latency, first.again,
                       first.resident)
    most = -(-work.launched // machine.processors)  # rows of one processor in a launch
    resident = max(1, min(THREADS // (tile.warps * 32), REGISTERS // (work.registers_of(tile) * tile.warps * 32), 32, most or 32))
    again = _again(work, machine, resident) if work.sweeps > 1 else 0.0
    passes = 1.0 + (work.sweeps - 1) * again
    logits = float(rows) * work.vocabulary
    bytes_moved = logits * (work.width * (1 + work.others) * passes + work.written)
    turns = -(-work.vocabulary // tile.block) * work.sweeps
    issue = work.instructions * work.vocabulary / 128
    waiting = turns * LOAD / AHEAD * (1 + work.others) + MEET + issue
    rounds = rows / machine.processors
    uneven = most * machine.processors / work.launched if work.launched else 1.0  # some processors have a row less
    return RowTime(uneven * bytes_moved / machine.copy, uneven * logits * work.instructions / machine.lanes,
                   uneven * rounds * waiting / resident / machine.clock, again, resident)


def _again(work: RowWork, machine: Machine, resident: int) -> float:
    """The share of second reads that finds its row gone from L2."""
    flight = machine.processors * resident * work.vocabulary * work.width * (1 + work.others)
    return min(1.0, max(0.0, (flight / machine.cache - FITS) / (LOST - FITS)))


def ranked(work: RowWork, machine: Machine, rows: int) -> list[tuple[RowTime, Tile]]:
    """The candidates whose registers are there, the best first; of equal ones the smallest first."""
    every = candidates(work.vocabulary)
    held = [tile for tile in every if work.registers_of(tile) * tile.warps * 32 <= REGISTERS]
    timed = [(row_time(work, tile, machine, rows), tile) for tile in held or every[:1]]
    return sorted(timed, key=lambda entry: (round(entry[0].seconds, 9), entry[1].shape))


def tile_for(work: RowWork, machine: Machine, rows: int = 8192) -> Tile:
    """The tile with the least predicted time, with its reasons."""
    return explained(work, ranked(work, machine, rows)[0][1], machine, rows)


def explained(work: RowWork, tile: Tile, machine: Machine, rows: int) -> Tile:
    """The tile with its reasons, unless it has some."""
    if tile.why:
        return tile
    is_first = ranked(work, machine, rows)[0][1].shape == tile.shape
    return Tile(*tile.shape, why=_reasons(work, tile, row_time(work, tile, machine, rows), machine, is_first))


def _reasons(work: RowWork, tile: Tile, time: RowTime, machine: Machine, is_first: bool) -> tuple[str, ...]:
    steps = -(-work.vocabulary // tile.block)
    row = f"a row of {work.vocabulary:,} is {steps} step{'s' if steps > 1 else ''} of {tile.block:,}"
    each = f"each of {tile.warps * 32} threads has {max(1, tile.block // (tile.warps * 32))} logits of {work.width} bytes"
    found = "to be the fastest of those that registers hold" if is_first else f"{time.seconds * 1e3:.3g} ms for these rows"
    bound = f"predicted {found} on {machine.name}; {time.bound} bounds it"
    if work.sweeps - (work.apart and work.written > 0) < 2:
        return f"{row}: {each}", bound
    flight = machine.processors * time.resident * work.vocabulary * work.width * (1 + work.others) / (1 << 20)
    served = "from L2" if time.again == 0 else "from memory" if time.again == 1 else f"from memory for {time.again:.0%}"
    programs = f"{time.resident} program{'s' if time.resident > 1 else ''} a processor"
    return (f"{row}: {each}", f"{programs} keep {flight:,.0f} MB of rows in flight beside {machine.cache >> 20} MB of L2: "
            f"what is read of a row again comes {served}", bound)
