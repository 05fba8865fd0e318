"""Runs the vocabulary head of an objective over pieces: rows are read, combined, and written as gradients, by chunks.

A chunk holds whole pieces, so that its gradient is known before its logits are dropped: three GEMMs a chunk. Where no
chunk can hold a piece, two passes: `read_rows` over everything, the coefficients, `write_rows` over what has a
gradient. Knows nothing of the compiler: it is given compiled functions and arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from rldsl.kernels.projection import Selection
from rldsl.kernels.sources import Active, Logits, Places, Source
from rldsl.kernels.threads import Range, parallel, split
from rldsl.kernels.workspace import Workspace

Numbers = npt.NDArray[np.float64]
Function = Callable[..., Any]

BLOCK = 2048               # of a row, as in codegen/numba/head.py.jinja
CACHE_BYTES = 512 << 10    # rows that are read, combined and written together
SMALL = 1 << 17            # logits that one thread does before another would have started
LEAST_ROWS = 256           # of a chunk, whatever its budget: below that GEMMs slow down
GROWTH = 4                 # a chunk may be this many times its budget, to hold a piece in one pass
TASKS = 8                  # ranges for each thread, so that none waits long for another


@dataclass(frozen=True, slots=True)
class RowKernel:
    """The compiled rows of one group. `read` may leave exponentials in the row for `write`; `score` reads alone.
    `parameters` are those of divergences that have one."""

    read: Function
    write: Function | None
    score: Function
    width: int
    inverse: float
    parameters: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class HeadKernel:
    """The compiled head of an objective."""

    groups: tuple[RowKernel, ...]
    coefficients: Function
    sweep: Function


@dataclass(frozen=True, slots=True)
class GroupRun:
    """Rows of one group in a run of pieces: where they come from, and the arrays of the whole update batch.

    `first` is the token of row 0. `starts[i]` is the first token of piece `i` of the update batch. `others` are
    the sources of other policies; `reads` and `slopes` (derivatives of the loss) are arrays over all tokens.
    """

    kernel: RowKernel
    name: str
    source: Source
    others: tuple[Source, ...]
    targets: Places
    vocabulary: int
    first: int
    starts: Places
    reads: tuple[Numbers, ...]
    slopes: tuple[Numbers, ...]

    @property
    def row_bytes(self) -> int:
        """Of buffers, for each row of a chunk."""
        return self.source.row_bytes + sum(other.row_bytes for other in self.others)

    def active(self, tokens: slice | Places) -> Active:
        """Which tokens have a gradient."""
        found: Active = np.any([slope[tokens] != 0.0 for slope in self.slopes], axis=0)
        return found


# ------------------------------------------------------------------ one pass
def differentiate(kernel: HeadKernel, groups: Sequence[GroupRun], arguments: tuple[Any, ...], run: Range, *,
                  budget: int, workspace: Workspace) -> None:
    """Reads, coefficients and gradients of the pieces `run`, a chunk of whole pieces at a time."""
    for first, last in _chunks(groups, run, budget):
        loaded = [_load(group, int(group.starts[first]), int(group.starts[last]), workspace) for group in groups]
        _work(kernel, groups, loaded, arguments, (first, last))
        for group, chunk in zip(groups, loaded, strict=True):
            if group.kernel.write is not None:
                rows = slice(chunk.start - group.first, chunk.stop - group.first)
                gradient = torch.from_numpy(chunk.logits)
                group.source.store(rows, group.active(slice(chunk.start, chunk.stop)), gradient, workspace)


def _chunks(groups: Sequence[GroupRun], run: Range, budget: int) -> Iterator[Range]:
    """Runs of whole pieces of about equally many bytes, which the budget holds: at least one piece, or `LEAST_ROWS`."""
    used = _below(groups, run, [group.row_bytes for group in groups])
    rows = _below(groups, run, [1] * len(groups))
    limit = max(budget, LEAST_ROWS * -(-int(used[-1]) // max(1, int(rows[-1]))))
    share = -(-int(used[-1]) // max(1, -(-int(used[-1]) // limit)))
    start = 0
    while start < len(used) - 1:
        stop = max(int(np.searchsorted(used, used[start] + share, side="right")) - 1, start + 1)
        yield run[0] + start, run[0] + stop
        start = stop


def _below(groups: Sequence[GroupRun], run: Range, weights: Sequence[int]) -> Places:
    """How many rows, weighted, lie before each piece of the run."""
    total = np.zeros(run[1] - run[0] + 1, np.int64)
    for group, weight in zip(groups, weights, strict=True):
        total += weight * (group.starts[run[0] : run[1] + 1] - group.starts[run[0]])
    return total


def fits(groups: Sequence[GroupRun], run: Range, budget: int) -> bool:
    """Whether every piece fits into a chunk, which may grow for it."""
    used = np.diff(_below(groups, run, [group.row_bytes for group in groups]))
    rows = np.diff(_below(groups, run, [1] * len(groups)))
    return bool(np.all((used <= GROWTH * budget) | (rows <= LEAST_ROWS)))


# ------------------------------------------------------------------ two passes
def read_rows(groups: Sequence[GroupRun], run: Range, budget: int, workspace: Workspace) -> None:
    """First pass: the reads alone."""
    for group in groups:
        for start, stop in _steps(group, int(group.starts[run[0]]), int(group.starts[run[1]]), budget):
            chunk = _load(group, start, stop, workspace)
            _each_row(group, chunk, group.kernel.score, chunk.reading(group, group.reads))


def write_rows(groups: Sequence[GroupRun], run: Range, budget: int, workspace: Workspace) -> None:
    """Second pass, when the coefficients are known: the logits once more, of the tokens that need it."""
    for group in groups:
        if group.kernel.write is None:
            continue
        begin, end = int(group.starts[run[0]]), int(group.starts[run[1]])
        needed = np.arange(begin, end)
        if group.source.skips_zeros:
            needed = needed[group.active(slice(begin, end))]
        for start, stop in _steps(group, 0, len(needed), budget):
            _write_again(group, group.kernel.write, needed[start:stop], workspace)


def _steps(group: GroupRun, start: int, stop: int, budget: int) -> list[Range]:
    if stop <= start or not group.row_bytes:
        return [(start, stop)] if start < stop else []
    return split(start, stop, -(-(stop - start) // max(LEAST_ROWS, budget // group.row_bytes)))


def _write_again(group: GroupRun, write: Function, tokens: Places, workspace: Workspace) -> None:
    """What the first pass knew of the rows is gone: load, read and write. Tokens are numbered among themselves."""
    rows = torch.from_numpy(tokens - group.first)
    chunk = _load_rows(group, rows, 0, len(tokens), workspace)
    reading = chunk.reading(group, tuple(np.empty(len(tokens)) for _ in group.reads))
    slopes = tuple(slope[tokens] for slope in group.slopes)
    _each_row(group, chunk, group.kernel.read, reading)
    _each_row(group, chunk, write, (*reading, *slopes))
    group.source.store(rows, group.active(tokens), torch.from_numpy(chunk.logits), workspace)


# ------------------------------------------------------------------ a chunk
@dataclass(frozen=True, slots=True)
class _Chunk:
    """Tokens `start` to `stop` of a group, loaded."""

    start: int
    stop: int
    logits: Logits
    places: Places
    targets: Places
    highs: Logits
    statistics: Numbers
    others: tuple[Logits | Places, ...]

    def reading(self, group: GroupRun, reads: tuple[Numbers, ...]) -> tuple[Any, ...]:
        """What the compiled `read` takes after the range of tokens."""
        return (self.start, self.logits, self.highs, self.statistics, self.targets, self.places, group.kernel.inverse,
                *group.kernel.parameters, *self.others, *reads)


def _load(group: GroupRun, start: int, stop: int, workspace: Workspace) -> _Chunk:
    return _load_rows(group, slice(start - group.first, stop - group.first), start, stop, workspace)


def _load_rows(group: GroupRun, rows: Selection, start: int, stop: int, workspace: Workspace) -> _Chunk:
    logits, places = group.source.load(rows, workspace, f"logits of {group.name}")
    others = [other.load(rows, workspace, f"other {number} of {group.name}")
              for number, other in enumerate(group.others)]
    blocks = -(-group.vocabulary // BLOCK)
    highs = workspace.take(f"highs of {group.name}", stop - start, blocks)
    statistics = workspace.take(f"statistics of {group.name}", stop - start, group.kernel.width, dtype=torch.float64)
    targets = group.targets[rows if isinstance(rows, slice) else rows.numpy()]
    return _Chunk(start, stop, logits, places, targets, highs.numpy(), statistics.numpy(),
                 tuple(array for other in others for array in other))


def _work(kernel: HeadKernel, groups: Sequence[GroupRun], loaded: Sequence[_Chunk], arguments: tuple[Any, ...],
          pieces: Range) -> None:
    """Many small pieces: each thread sweeps over some of them. Few big ones: all threads share the rows of all."""
    if groups and _is_even(groups, pieces):
        _sweep(kernel, groups, loaded, arguments, pieces)
        return
    for group, chunk in zip(groups, loaded, strict=True):
        _each_row(group, chunk, group.kernel.read, chunk.reading(group, group.reads))
    kernel.coefficients(*pieces, *arguments)
    for group, chunk in zip(groups, loaded, strict=True):
        if group.kernel.write is not None:
            _each_row(group, chunk, group.kernel.write, (*chunk.reading(group, group.reads), *group.slopes))


def _is_even(groups: Sequence[GroupRun], pieces: Range) -> bool:
    """Whether no piece is so large that a thread would be left alone with it."""
    threads = torch.get_num_threads()
    sizes = np.diff(_below(groups, pieces, [1] * len(groups)))
    return threads == 1 or int(sizes.max(initial=0)) * 2 * threads <= int(sizes.sum())


def _sweep(kernel: HeadKernel, groups: Sequence[GroupRun], loaded: Sequence[_Chunk], arguments: tuple[Any, ...],
           pieces: Range) -> None:
    held: list[Any] = []
    for group, chunk in zip(groups, loaded, strict=True):
        held += [group.starts, chunk.reading(group, group.reads)]
        if group.kernel.write is not None:
            held.append((*chunk.reading(group, group.reads), *group.slopes))
    limit = max(1, CACHE_BYTES // max(4 * group.vocabulary * (1 + len(group.others)) for group in groups))
    parallel(lambda first, last: kernel.sweep(first, last, limit, arguments, *held), _runs(groups, pieces))


def _runs(groups: Sequence[GroupRun], pieces: Range) -> list[Range]:
    """Pieces in ranges of about equally many rows, a few for each thread."""
    before = _below(groups, pieces, [1] * len(groups))
    logits = int(before[-1]) * max(group.vocabulary for group in groups)
    parts = min(pieces[1] - pieces[0], TASKS * torch.get_num_threads(), 1 + logits // SMALL)
    wanted = np.linspace(0, before[-1], parts + 1)[1:-1]
    cuts = np.unique(np.searchsorted(before, wanted))
    ends = [pieces[0], *(pieces[0] + int(cut) for cut in cuts if 0 < cut < len(before) - 1), pieces[1]]
    return list(pairwise(ends))


def _each_row(group: GroupRun, chunk: _Chunk, function: Function, arguments: tuple[Any, ...]) -> None:
    count = chunk.stop - chunk.start
    parts = min(TASKS * torch.get_num_threads(), 1 + count * group.vocabulary // SMALL)
    parallel(lambda first, last: function(first, last, *arguments), split(chunk.start, chunk.stop, parts))
