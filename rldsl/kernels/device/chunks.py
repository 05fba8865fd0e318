"""Runs the vocabulary head of an objective over pieces on a device: rows are read, combined and written as gradients, by chunks.

Where the coefficients of a token need nothing beyond it, one kernel does all three, over chunks of any rows. Else a chunk holds
whole pieces, and the coefficients are computed while it lies there: three GEMMs a chunk. Where no chunk can hold a piece, two
passes. While the host waits for the mask of a chunk, the device has the forward product of the next one to do. Knows nothing
of the compiler: it is given launch functions and tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rldsl.kernels.device.mask import ActiveRows
from rldsl.kernels.device.products import chunk_ends
from rldsl.kernels.device.shards import Partners, merged
from rldsl.kernels.device.sources import Chosen, DeviceSource, Loaded, Mask, Rest, Tokens
from rldsl.kernels.layout import Indices
from rldsl.kernels.workspace import Workspace

LEAST_ROWS = 1024  # of a chunk, whatever its budget: below that GEMMs slow down, and the sum of dW is read and written too often
GROWTH = 4         # a chunk may be this many times its budget, to hold a piece in one pass
Range = tuple[int, int]
Tile = tuple[int, int, int]  # block, warps, stages
Launch = Callable[..., Any]
Coefficients = Callable[[Range], None]  # of the pieces from the first to before the last


@dataclass(frozen=True, slots=True)
class RowLaunches:
    """The launch functions of one group, as emitted. `width` numbers of a row are kept between reading and writing it; rows in
    shards form `sums` beside other policies."""

    read: Launch
    write: Launch | None
    fused: Launch | None
    partition: Launch
    compare: Launch | None
    finish: Launch
    width: int
    sums: int
    tile: Tile


@dataclass(frozen=True, slots=True)
class Shares:
    """The columns `start` and on of a vocabulary that other processes hold the rest of."""

    partners: Partners
    start: int


@dataclass(frozen=True, slots=True)
class DeviceGroup:
    """Rows of one group in a run: where they come from, and the tensors of the whole update batch.

    `first` is the token of row 0. `starts[i]` (on the host) is the first token of piece `i`. `others` are the sources of other
    policies; `reads` and `slopes` are float64 over all tokens. `settings` are 1 / temperature, the soft cap that the kernels
    apply (0: none, as `capped` says), and parameters of divergences. `arguments` are what `fused` takes besides. `pulls_all`: no
    row is without a gradient, whatever the numbers.
    """

    rows: RowLaunches
    name: str
    source: DeviceSource
    others: tuple[DeviceSource, ...]
    targets: Tensor
    first: int
    starts: Indices
    reads: tuple[Tensor, ...]
    slopes: tuple[Tensor, ...]
    settings: Tensor
    capped: bool
    arguments: tuple[Any, ...] | None = None
    shares: Shares | None = None
    pulls_all: bool = False

    @property
    def row_bytes(self) -> int:
        """Of buffers, for each row of a chunk."""
        return self.source.row_bytes + sum(other.row_bytes for other in self.others)

    @property
    def passing_bytes(self) -> int:
        """Of these, what a row needs until its gradient is written, where that outlasts its logits."""
        return self.row_bytes - self.source.lasting_bytes if self.source.lasting_bytes else 0

    @property
    def buffer(self) -> str:
        """Under which name its logits lie."""
        return f"logits of {self.name}"

    @property
    def writes(self) -> bool:
        """Whether a gradient flows back through these rows to something that takes it."""
        return self.rows.write is not None and self.source.wants_gradient

    @property
    def drops(self) -> bool:
        """Whether rows without a gradient leave before the products back: the host has to know which these are."""
        return self.writes and self.source.skips_zeros and not self.pulls_all

    @property
    def is_fused(self) -> bool:
        """Whether one kernel can read, weigh and write a row."""
        return self.writes and self.rows.fused is not None and self.arguments is not None and self.shares is None


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a chunk is: its buffers fit into `bytes`, unless it has `least_rows` rows then or one piece. `block`: rows whose
    logits are there at a time, where no coefficient waits for other rows (None: those of the chunk)."""

    bytes: int
    least_rows: int = LEAST_ROWS
    block: int | None = None


# ------------------------------------------------------------------ one pass
def fused_rows(groups: Sequence[DeviceGroup], run: Range, budget: Budget, workspace: Workspace) -> None:
    """Reads, coefficients and gradients of groups whose tokens need nothing of each other. Their mask is known behind the kernel
    that does all three: the host asks for it when the logits of the next chunk are queued."""
    left = _Left(workspace)
    for group in groups:
        block = budget.block if group.passing_bytes else None
        for start, stop in _steps(group, *_tokens(group, run), budget, block):
            own = _fused_chunk(group, (start, stop), block, left)
            left.add(group, slice(start - group.first, stop - group.first), own, _active(group, start, stop - start))
    left.finish()


def _fused_chunk(group: DeviceGroup, tokens: Range, block: int | None, left: _Left) -> Loaded:
    """The gradients of the tokens, those of a block at a time: its logits give way to those of the next. What the chunk before left
    is queued behind the first of them."""
    assert group.rows.fused is not None and tokens[1] > tokens[0]
    start, stop = tokens
    step = stop - start if block is None else block
    lasting = None if block is None else group.source.lasting(stop - start, left.workspace, group.buffer)
    left.free_logits([group])
    for first in range(start, stop, step):
        last = min(first + step, stop)
        chunk = _load(group, slice(first - group.first, last - group.first), first, left.workspace,
                      None if lasting is None else lasting[first - start : last - start])
        left.finish()
        group.rows.fused(*chunk.before(group), group.slopes, group.settings, group.arguments, group.rows.tile, capped=group.capped)
    return chunk.own if lasting is None else Loaded(chunk.own.x, None, lasting)


def differentiate(groups: Sequence[DeviceGroup], coefficients: Coefficients, run: Range, budget: Budget,
                  workspace: Workspace) -> None:
    """Reads, coefficients and gradients of the pieces `run`, a chunk of whole pieces at a time. All masks of a chunk set out before
    anything is written, so that they arrive while kernels run."""
    left, runs = _Left(workspace), list(_chunks(groups, run, budget))
    for group in groups:  # no buffer of gradients grows while one is in use
        if group.passing_bytes:
            tokens = [_tokens(group, entry) for entry in runs]
            group.source.lasting(max((stop - start for start, stop in tokens), default=0), workspace, group.buffer)
    for first, last in runs:
        left.free_logits(groups)
        chunks = []
        for group in groups:
            start, stop = _tokens(group, (first, last))
            chunks.append(_load(group, slice(start - group.first, stop - group.first), start, workspace))
            _read(group, chunks[-1], workspace)
        coefficients((first, last))
        masks = [_active(group, chunk.first, len(chunk.targets)) for group, chunk in zip(groups, chunks, strict=True)]
        left.finish()
        for group, chunk, active in zip(groups, chunks, masks, strict=True):
            _write(group, chunk, group.slopes)
            left.add(group, chunk.rows, chunk.own, active)
    left.finish()


def fits(groups: Sequence[DeviceGroup], run: Range, budget: Budget) -> bool:
    """Whether every piece fits into a chunk, which may grow for it."""
    used, rows = (np.diff(_below(groups, run, weights)) for weights in
                  ([group.row_bytes for group in groups], [1] * len(groups)))
    return bool(np.all((used <= GROWTH * budget.bytes) | (rows <= budget.least_rows)))


# ------------------------------------------------------------------ two passes
Lying = tuple["_Chunk | None", ...]  # by group: what of it was read last


def read_rows(groups: Sequence[DeviceGroup], run: Range, budget: Budget, workspace: Workspace) -> Lying:
    """First pass: the reads alone. The last chunk of each group still lies in its buffers afterwards."""
    last: list[_Chunk | None] = []
    for group in groups:
        chunk = None
        for start, stop in _steps(group, *_tokens(group, run), budget):
            chunk = _load(group, slice(start - group.first, stop - group.first), start, workspace)
            _read(group, chunk, workspace)
        last.append(chunk)
    return tuple(last)


@dataclass(frozen=True, slots=True)
class Marks:
    """Which tokens from `first` on have a gradient."""

    first: int
    active: ActiveRows

    def of(self, start: int, stop: int) -> Mask:
        """Of some of the tokens."""
        return lambda: self.active.host()[start - self.first : stop - self.first]


def marks_of(groups: Sequence[DeviceGroup], run: Range) -> tuple[Marks | None, ...]:
    """For each group whose rows may leave; they set out, behind the coefficients."""
    found: list[Marks | None] = []
    for group in groups:
        begin, end = _tokens(group, run)
        found.append(Marks(begin, ActiveRows([slope[begin:end] for slope in group.slopes])) if group.drops else None)
    return tuple(found)


def write_rows(groups: Sequence[DeviceGroup], run: Range, budget: Budget, workspace: Workspace,
               marks: Sequence[Marks | None], lying: Lying = ()) -> None:
    """Second pass, when the coefficients are known: what still lies there first, while the host waits for the marks; then the
    logits once more, of the tokens that need it."""
    left = _Left(workspace)
    todo = []
    for group, chunk, mark in zip(groups, lying or (None,) * len(groups), marks, strict=True):
        begin, end = _tokens(group, run)
        known = mark if group.drops else None
        todo.append((group, (begin, end if chunk is None else chunk.first), known))
        if chunk is not None:
            _write(group, chunk, group.slopes)
            left.add(group, chunk.rows, chunk.own, None if known is None else known.of(chunk.first, end))
    for group, tokens, known in todo:
        for rows, first, slopes in _again(group, tokens, budget, known):
            left.free_logits([group])
            chunk = _load(group, rows, first, workspace)
            left.finish()
            chunk = chunk if isinstance(rows, slice) else chunk.among_themselves(group)
            _read(group, chunk, workspace)
            _write(group, chunk, slopes)
            left.add(group, chunk.rows, chunk.own, None)
    left.finish()


def _again(group: DeviceGroup, tokens: Range, budget: Budget,
           known: Marks | None) -> Iterator[tuple[Tokens, int, tuple[Tensor, ...]]]:
    """Rows whose logits are formed once more, by chunks; the token of the first, and slopes from token 0 on. Tokens out of order
    are numbered among themselves."""
    if not group.writes:
        return
    if known is None:
        for start, stop in _steps(group, *tokens, budget):
            yield slice(start - group.first, stop - group.first), start, group.slopes
        return
    needed = tokens[0] - group.first + torch.nonzero(known.of(*tokens)())[:, 0]
    for start, stop in _steps(group, 0, len(needed), budget):
        rows = Chosen.of(needed[start:stop], group.targets.device)
        yield rows, 0, tuple(slope[rows.there + group.first] for slope in group.slopes)


# ------------------------------------------------------------------ a chunk
@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some rows of a group, loaded. `first` is the token of the first; `reads` is where the reads of token 0 stand."""

    rows: Tokens
    first: int
    own: Loaded
    others: tuple[tuple[Tensor, Tensor | None], ...]
    targets: Tensor
    reads: tuple[Tensor, ...]
    statistics: Tensor

    def rows_given(self) -> tuple[Any, ...]:
        """What every launch function takes of the rows."""
        return self.others, self.targets, self.own.places

    def before(self, group: DeviceGroup) -> tuple[Any, ...]:
        """What a function takes that writes, up to the reads."""
        return (self.own.x, self.own.out, *self.rows_given(), self.first, self.reads)

    def among_themselves(self, group: DeviceGroup) -> _Chunk:
        """The rows as tokens 0 and on of arrays of their own."""
        reads = tuple(read.new_empty(len(self.targets)) for read in group.reads)
        return _Chunk(self.rows, 0, self.own, self.others, self.targets, reads, self.statistics)


def _active(group: DeviceGroup, first: int, count: int) -> Mask | None:
    """Which of so many tokens have a gradient, where somebody asks. It sets out when this is called."""
    if not group.drops:
        return None
    return ActiveRows([slope[first : first + count] for slope in group.slopes]).host


@dataclass(slots=True)
class _Left:
    """What chunks left to do until their masks arrive: it is queued as late as their buffers allow. The buffers of logits are
    free as soon as a gradient was written elsewhere; those of gradients when this is done."""

    workspace: Workspace
    held: list[tuple[str, bool, Rest]] = field(default_factory=list)  # the group, and whether the gradient lies over the logits

    def add(self, group: DeviceGroup, rows: Tokens, own: Loaded, active: Mask | None) -> None:
        """The gradient of a chunk was written, if there is any."""
        if group.writes and own.out is not None and len(own.out):
            rest = group.source.store(rows, own, active)
            self.held += [] if rest is None else [(group.name, not group.passing_bytes, rest)]

    def free_logits(self, groups: Sequence[DeviceGroup]) -> None:
        """The buffers of logits of these groups are about to be written over."""
        names = {group.name for group in groups}
        if any(over and name in names for name, over, _ in self.held):
            self.finish()

    def finish(self) -> None:
        """All of it."""
        held, self.held = self.held, []
        for _, _, rest in held:
            rest.finish(self.workspace)


def _load(group: DeviceGroup, rows: Tokens, first: int, workspace: Workspace, out: Tensor | None = None) -> _Chunk:
    own = group.source.load(rows, workspace, group.buffer, out)
    others = [other.load(rows, workspace, f"other {number} of {group.name}") for number, other in enumerate(group.others)]
    targets = group.targets[rows if isinstance(rows, slice) else rows.there]
    statistics = workspace.take(f"statistics of {group.name}", len(targets), group.rows.width, dtype=torch.float64)
    return _Chunk(rows, first, own, tuple((other.x, other.places) for other in others), targets, group.reads, statistics)


def _read(group: DeviceGroup, chunk: _Chunk, workspace: Workspace) -> None:
    if group.shares is None:
        group.rows.read(chunk.own.x, *chunk.rows_given(), chunk.first, chunk.reads, chunk.statistics, group.settings,
                        group.rows.tile, capped=group.capped)
        return
    count, policies = len(chunk.targets), 1 + len(group.others)
    parts = workspace.take(f"parts of {group.name}", count, 4 * policies, dtype=torch.float64)
    sums = workspace.take(f"sums of {group.name}", count, max(1, group.rows.sums), dtype=torch.float64)
    group.rows.partition(chunk.own.x, *chunk.rows_given(), group.shares.start, parts, group.settings, group.rows.tile,
                         capped=group.capped)
    gathered = group.shares.partners.gather(parts).view(-1, count, policies, 4)
    parts.copy_(merged(gathered, group.settings[0]).view(count, 4 * policies))
    if group.rows.compare is not None:
        group.rows.compare(chunk.own.x, *chunk.rows_given(), parts, sums, group.settings, group.rows.tile, capped=group.capped)
        group.shares.partners.add(sums)
    group.rows.finish(parts, sums, chunk.first, chunk.reads, chunk.statistics, group.settings)


def _write(group: DeviceGroup, chunk: _Chunk, slopes: tuple[Tensor, ...]) -> None:
    if not group.writes or not len(chunk.targets):
        return
    assert group.rows.write is not None
    start = 0 if group.shares is None else group.shares.start
    group.rows.write(*chunk.before(group), slopes, chunk.statistics, group.settings, group.rows.tile, capped=group.capped,
                     start=start)


# ------------------------------------------------------------------ how long
def _tokens(group: DeviceGroup, run: Range) -> Range:
    return int(group.starts[run[0]]), int(group.starts[run[1]])


def _chunks(groups: Sequence[DeviceGroup], run: Range, budget: Budget) -> Iterator[Range]:
    """Runs of whole pieces, of all groups together."""
    rows = _below(groups, run, [1] * len(groups))
    used = _below(groups, run, [group.row_bytes for group in groups])
    per_row = -(-int(used[-1]) // max(1, int(rows[-1])))
    start = run[0]
    for end in chunk_ends(torch.from_numpy(rows), per_row, budget.bytes, budget.least_rows):
        yield start, run[0] + end
        start = run[0] + end


def _below(groups: Sequence[DeviceGroup], run: Range, weights: Sequence[int]) -> Indices:
    """How many rows, weighted, lie before each piece of the run."""
    total = np.zeros(run[1] - run[0] + 1, np.int64)
    for group, weight in zip(groups, weights, strict=True):
        total += weight * (group.starts[run[0] : run[1] + 1] - group.starts[run[0]])
    return total


def _steps(group: DeviceGroup, start: int, stop: int, budget: Budget, block: int | None = None) -> list[Range]:
    """Rows in chunks of about equal length, none longer than the first, whatever pieces they belong to. `block` rows of logits are
    there at a time."""
    count = stop - start
    if count <= 0:
        return []
    once, each = (0, group.row_bytes) if block is None else (block * group.passing_bytes, group.source.lasting_bytes)
    most = max(budget.least_rows, (budget.bytes - once) // each) if each else count
    parts = -(-count // most)
    ends = [start - -count * part // parts for part in range(parts + 1)]
    return list(zip(ends[:-1], ends[1:], strict=True))
