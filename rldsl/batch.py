"""One update batch of a compiled objective: its arrays, how it may be cut into runs, and what was computed so far.

Computes no gradient itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rldsl.graph.staged import LiveRead, StagedObjective
from rldsl.kernels.layout import Layout
from rldsl.kernels.sums import Sums
from rldsl.types import BATCH, Axis, Level

Numbers = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]
ArrayLike: TypeAlias = "Tensor | npt.NDArray[np.generic] | list[float] | float | int | bool"
GroupKey = tuple[str, str]  # model and response


@dataclass(frozen=True, slots=True)
class Run:
    """Places `start` to `stop` of `axis`, with everything below them: a micro-batch.

    `tokens` says which packed tokens of each response that is, `places` the same by axis, for every axis that something
    is read at. `is_whole`: no value outside decides the run's gradient; otherwise every run has to be read before the
    gradient of any is computed.
    """

    axis: str
    start: int
    stop: int
    tokens: Mapping[str, slice]
    places: Mapping[str, slice]
    is_whole: bool = True

    def __len__(self) -> int:
        return self.stop - self.start

    def of(self, read: LiveRead) -> slice:
        """Where the values of a read lie that belong to this run."""
        return self.places[read.axis.name]


@dataclass(frozen=True, slots=True)
class Runs:
    """An update batch cut into runs. With two `passes`, all runs are read first."""

    runs: tuple[Run, ...]
    passes: int

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)


@dataclass(slots=True)
class UpdateBatch:
    """The packed arrays of one update batch: inputs by name, all others by the keys of the staged graph's nodes.

    `reads` and `slopes` (the derivatives of the loss by them) are filled run by run; where they lie on a device, what is seen
    here are copies. `sums` holds the float32 gradients of vocabulary projections until `finish`.
    """

    staged: StagedObjective
    layout: Layout
    inputs: Mapping[str, Numbers]
    prepared: Mapping[int, Numbers]
    reads: Mapping[int, Numbers]
    slopes: Mapping[int, Numbers]
    sums: Sums = field(default_factory=Sums)
    seen: dict[str, Marks] = field(default_factory=dict)
    done: dict[str, Marks] = field(default_factory=dict)
    combined: bool = False
    own: Any = None  # what the back end keeps of this batch

    def note_read(self, run: Run) -> None:
        """Remember that the tokens of a run were read."""
        for response, tokens in run.tokens.items():
            self.seen[response][tokens] = True

    def note_done(self, run: Run) -> None:
        """Remember that the gradient of a run was formed; raise `ValueError` if it was before."""
        for response, tokens in run.tokens.items():
            if self.done[response][tokens].any():
                raise ValueError(f"tokens {tokens.start} .. {tokens.stop - 1} of `{response}` were in a run before")
            self.done[response][tokens] = True
        self.note_read(run)


def require_all(marks: Mapping[str, Marks], what: str) -> None:
    """Raise `ValueError` where a token was left out."""
    for response, marked in marks.items():
        if not marked.all():
            raise ValueError(f"{int((~marked).sum())} of {len(marked)} tokens of `{response}` were not {what}")


def new_batch(staged: StagedObjective, layout: Layout, inputs: Mapping[str, Numbers],
              prepared: Mapping[int, Numbers]) -> UpdateBatch:
    """A batch of which nothing is read."""
    live = live_reads(staged)
    reads = {read.key: np.zeros(layout.size(read.axis.name)) for read in live}
    slopes = {read.key: np.zeros(layout.size(read.axis.name)) for read in live if read.coefficient is not None}
    return marked_batch(staged, layout, inputs, prepared, reads, slopes)


def marked_batch(staged: StagedObjective, layout: Layout, inputs: Mapping[str, Numbers], prepared: Mapping[int, Numbers],
                 reads: Mapping[int, Numbers], slopes: Mapping[int, Numbers], own: Any = None) -> UpdateBatch:
    """A batch whose arrays are there already."""
    live = live_reads(staged)
    seen, done = ({read.read.response: np.zeros(layout.size(read.tokens.name), np.bool_) for read in live} for _ in range(2))
    return UpdateBatch(staged, layout, inputs, prepared, reads, slopes, seen=seen, done=done, own=own)


def live_reads(staged: StagedObjective) -> tuple[LiveRead, ...]:
    """All reads: of vocabulary rows, and those that the model gives as they are."""
    return (*(read for group in staged.groups for read in group.reads), *staged.direct)


# ------------------------------------------------------------------ cutting
def cut(staged: StagedObjective, layout: Layout, rows: int) -> Runs:
    """Runs of at most `rows` tokens where possible, of whole pieces if that is possible at the same time."""
    if not live_reads(staged) or staged.multiplies_vectors:
        return Runs((whole(staged, layout),), 1)
    finest = forward_axis(staged)
    if finest.is_within(staged.piece_axis) and finest != staged.piece_axis:
        if int(_tokens_below(staged, layout, staged.piece_axis.name).max(initial=0)) > rows:
            return Runs(_cut_along(staged, layout, finest.name, rows, is_whole=False), 2)
        finest = staged.piece_axis
    return Runs(_cut_along(staged, layout, finest.name, rows, is_whole=True), 1)


def whole(staged: StagedObjective, layout: Layout) -> Run:
    """The update batch as one run."""
    return run_of(staged, layout, BATCH.name, (0, 1), is_whole=True)


def forward_axis(staged: StagedObjective) -> Axis:
    """The finest axis whose places a model can be run on by themselves: samples, or what holds one of each response."""
    chains = [[axis for axis in read.axis.chain() if axis.level <= Level.SAMPLE] for read in live_reads(staged)]
    return next(axis for axis in chains[0] if all(axis in chain for chain in chains))


def _tokens_below(staged: StagedObjective, layout: Layout, axis: str) -> npt.NDArray[np.int64]:
    counts = np.zeros(layout.size(axis), np.int64)
    for tokens in _token_axes(staged).values():
        counts += np.diff(layout.bounds(tokens, axis))
    return counts


def _token_axes(staged: StagedObjective) -> dict[str, str]:
    return {read.read.response: read.tokens.name for read in live_reads(staged)}


def _cut_along(staged: StagedObjective, layout: Layout, axis: str, rows: int, is_whole: bool) -> tuple[Run, ...]:
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(_tokens_below(staged, layout, axis))])
    runs, start = [], 0
    while start < len(ends) - 1:
        stop = max(int(np.searchsorted(ends, ends[start] + rows, side="right")) - 1, start + 1)
        runs.append(run_of(staged, layout, axis, (start, stop), is_whole))
        start = stop
    return tuple(runs)


def run_of(staged: StagedObjective, layout: Layout, axis: str, places: tuple[int, int], is_whole: bool) -> Run:
    """The run of places `places[0]` to `places[1]` of an axis."""
    def below(name: str) -> slice:
        bounds = layout.bounds(name, axis)
        return slice(int(bounds[places[0]]), int(bounds[places[1]]))

    tokens = {response: below(name) for response, name in _token_axes(staged).items()}
    read = {live.axis.name: below(live.axis.name) for live in live_reads(staged)}
    return Run(axis, *places, tokens, read, is_whole)


# ------------------------------------------------------------------ layouts
def needed_axes(staged: StagedObjective) -> dict[str, str]:
    """The parent of each axis that a layout has to give: those of inputs and reads with their ancestors, coarse to fine. Pairs and
    fixed parts follow from these by their names."""
    levels = (Level.PAIR, Level.CRITERION, Level.MEMBER)
    chains = [axis.chain() for axis in (*(entry.axis for entry in staged.inputs), *(read.axis for read in live_reads(staged)))]
    return {axis.name: axis.parent.name for chain in chains for axis in reversed(chain)
            if axis.parent is not None and axis.level not in levels}


def check_layout(staged: StagedObjective, layout: Layout) -> None:
    """Raise `ValueError` for a layout without an axis that the objective needs, or with another parent of it."""
    needed = needed_axes(staged)
    wrong = [f"`{axis}` of `{parent}` is not there" if axis not in layout.parents else
             f"`{axis}` lies below `{layout.parents[axis]}`, not below `{parent}`"
             for axis, parent in needed.items() if layout.parents.get(axis) != parent]
    if wrong:
        parents = ", ".join(f'"{axis}": "{parent}"' for axis, parent in needed.items())
        raise ValueError(f"objective `{staged.name}` takes Layout.of({{{parents}}}, …): {', '.join(wrong)}")


# ------------------------------------------------------------------ inputs
def named_inputs(staged: StagedObjective, given: Mapping[str, ArrayLike]) -> dict[str, Numbers]:
    """The frozen inputs as float64 arrays. Raises `ValueError` for a name that is missing or that nothing reads."""
    named = [entry.name for entry in staged.inputs]
    missing, unknown = sorted(set(named) - given.keys()), sorted(given.keys() - set(named))
    if missing or unknown:
        wrong = [*(f"`{name}` is missing" for name in missing), *(f"`{name}` is not an input" for name in unknown)]
        raise ValueError(f"objective `{staged.name}` takes {', '.join(named) or 'nothing'}: {', '.join(wrong)}")
    return {name: as_numbers(given[name]) for name in named}


def as_numbers(given: ArrayLike) -> Numbers:
    """One-dimensional float64; a number becomes an array of one."""
    if isinstance(given, Tensor):
        given = given.detach().to("cpu", torch.float64).numpy()
    array = np.ascontiguousarray(np.asarray(given, dtype=np.float64))
    return array.reshape(-1) if array.ndim == 0 else array
