"""The kernels of an emitted module for a target, with the tiles that they are compiled for: of each group of rows the best
predicted one whose kernels do not spill. Where one kernel does all, those that read and write rows apart have a tile of their own;
so have those of rows that processes share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rldsl.ahead.asked import Asked
from rldsl.ahead.pool import Result, compile_all
from rldsl.ahead.results import Compiled
from rldsl.ahead.units import Unit, unit_of
from rldsl.emit.triton import TritonSource
from rldsl.emit.triton.signatures import FUSED_ROWS, ROWS_APART, SHARED_ROWS, KernelSignature
from rldsl.graph.staged import StagedObjective
from rldsl.plan.machines import Machine
from rldsl.plan.spills import TRIED, Shape, Taken
from rldsl.plan.tiles import FIXED, LANE, RowWork, Tile, ranked
from rldsl.plan.work import planned_work


@dataclass(frozen=True, slots=True)
class Made:
    """What came of the kernels of one group, or of those that belong to none (`group` and `tile` are None)."""

    group: int | None
    tile: Tile | None
    units: tuple[Unit, ...]
    results: tuple[Result, ...]
    passed: tuple[tuple[Shape, int | None], ...] = ()  # tiles before it, and the bytes of a thread that they spill

    @property
    def why(self) -> tuple[str, ...]:
        """What was passed over, in sentences."""
        return () if self.tile is None else Taken(self.tile.shape, 0, self.passed).why

    @property
    def spilled(self) -> int:
        """Bytes of a thread, of the kernel that spills most."""
        return max((kernel.listing.spilled for kernel in self.compiled if kernel.listing is not None), default=0)

    @property
    def compiled(self) -> tuple[Compiled, ...]:
        """What is not refused."""
        return tuple(result for result in self.results if isinstance(result, Compiled))

    @property
    def spills(self) -> bool:
        """Whether any kernel does."""
        return any(kernel.spills for kernel in self.compiled)


@dataclass(frozen=True, slots=True)
class Job:
    """The module of one objective for one target."""

    staged: StagedObjective
    source: TritonSource
    target: str
    machine: Machine


@dataclass(frozen=True, slots=True)
class _Trial:
    """Kernels that are launched with one tile."""

    job: Job
    group: int | None
    kernels: tuple[KernelSignature, ...]
    tiles: tuple[Tile | None, ...]

    def units(self, turn: int, asked: Asked) -> tuple[Unit, ...]:
        tile = self.tiles[turn]
        return tuple(unit_of(self.job.source.text, kernel, self.job.target, asked.dtypes, None if tile is None else tile.shape)
                     for kernel in self.kernels)


def make(jobs: Sequence[Job], asked: Asked) -> list[tuple[Made, ...]]:
    """Compile everything, for each job the kernels of its groups first that an update launches, then all others."""
    trials = [tuple(_trials(job, asked)) for job in jobs]
    found: dict[tuple[int, int], Made] = {}
    passed: dict[tuple[int, int], tuple[tuple[Shape, int | None], ...]] = {}
    waiting = {(row, column): trial for row, several in enumerate(trials) for column, trial in enumerate(several)}
    for turn in range(TRIED):
        made = _round(waiting, turn, asked)
        found |= {place: replace(entry, passed=passed.get(place, ())) for place, entry in made.items()
                  if turn == 0 or not entry.spills}
        passed |= {place: (*passed.get(place, ()), (entry.tile.shape, entry.spilled)) for place, entry in made.items()
                   if entry.spills and entry.tile is not None}
        waiting = {place: waiting[place] for place, entry in made.items()
                   if entry.spills and turn + 1 < len(waiting[place].tiles)}
    return [tuple(found[row, column] for column in range(len(several))) for row, several in enumerate(trials)]


def _round(trials: dict[tuple[int, int], _Trial], turn: int, asked: Asked) -> dict[tuple[int, int], Made]:
    units = {place: trial.units(turn, asked) for place, trial in trials.items()}
    results = iter(compile_all([unit for several in units.values() for unit in several]))
    return {place: Made(trial.group, trial.tiles[turn], units[place], tuple(next(results) for _ in units[place]))
            for place, trial in trials.items()}


def _trials(job: Job, asked: Asked) -> Iterator[_Trial]:
    named = {kernel.name: kernel for kernel in job.source.kernels if kernel.tiled}
    fused = [f"{FUSED_ROWS[0]}{number}" in named for number, _ in enumerate(job.staged.groups)]
    usual = [(number, FUSED_ROWS if is_fused else ROWS_APART) for number, is_fused in enumerate(fused)]
    others = [(number, ROWS_APART) for number, is_fused in enumerate(fused) if is_fused]
    for number, stems in (*usual, *others, *((number, SHARED_ROWS) for number, _ in usual)):
        kernels = tuple(named[f"{stem}{number}"] for stem in stems if f"{stem}{number}" in named)
        sizes = replace(asked.sizes, apart=stems is not FUSED_ROWS)
        work, _ = planned_work(job.staged, job.staged.groups[number], sizes, job.machine)
        tiles = [tile for _, tile in ranked(work, job.machine, asked.sizes.tokens)]
        yield _Trial(job, number, kernels, tuple(tiles[:TRIED]))
    yield _Trial(job, None, tuple(kernel for kernel in job.source.kernels if not kernel.tiled), (None,))


def measured_work(made: Made, others: int) -> RowWork | None:
    """Registers and instructions of the kernels of a group, as compiled; None where loops of their code cannot be told apart."""
    assert made.tile is not None
    named = {kernel.name.removesuffix(str(made.group)): kernel for kernel in made.compiled}
    stems = ("fuse_rows",) if "fuse_rows" in named else ("read_rows", "write_rows")
    parts = [named[stem] for stem in stems if stem in named]
    issued = [kernel.traffic.instructions if kernel.traffic is not None else None for kernel in parts]
    if not parts or None in issued:
        return None
    most = max(kernel.usage.registers for kernel in parts)
    columns = max(1, made.tile.block // (made.tile.warps * 32))
    reading, *writing = (amount or 0.0 for amount in issued)
    registers = round(FIXED + (most - FIXED) * LANE / columns)
    return RowWork(0, 0, others, reading=reading, writing=sum(writing), registers=registers)
