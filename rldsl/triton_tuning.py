"""Measures the tiles of an objective's row kernels on the device that is there, once, and keeps the fastest on disk.

Never called by an update: the back end looks up what is kept, when it first meets a vocabulary and its dtypes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from rldsl.batch import GroupKey
from rldsl.kernels.rows import Rows
from rldsl.plan.chunks import TYPICAL_TOKENS
from rldsl.plan.search import Measured, search
from rldsl.plan.tiles import PIPELINED, Tile, ranked
from rldsl.plan.work import planned_work
from rldsl.program import CompiledObjective
from rldsl.triton_backend import TritonBackend
from rldsl.triton_choice import Question, machine_of, situation_of, sizes_of

TRIED = 6
TRIED_AHEAD = 2  # of these, with loads ahead in shared memory too: no model says which is faster
Clock = Callable[[Callable[[], None]], float]  # seconds of a call


def tune(objective: CompiledObjective, rows: Mapping[GroupKey, Rows], *, tokens: int = 2048,
         clock: Clock | None = None) -> dict[int, Measured | None]:
    """Time the few tiles that the model of the device puts first, on `tokens` random rows like those of `rows` (their vocabulary
    and dtypes, not their numbers), for each group. None where no tile ran."""
    backend = objective.runner
    if not isinstance(backend, TritonBackend):
        raise ValueError(f"tiles are those of Triton kernels, and this objective is compiled for `{objective.backend}`: "
                         "compile with `backend=\"triton\"`")
    found = {}
    for number, group in enumerate(objective.staged.groups):
        question = Question.of(number, rows[group.rows], backend.options.exact)
        measure = partial(_measured, _launches(backend, question, tokens), clock if clock is not None else _seconds)
        found[number] = search(situation_of(backend.digest, question, backend.device), _candidates(backend, question), measure)
    backend.forget_choices()
    return found


def _candidates(backend: TritonBackend, question: Question) -> list[Tile]:
    machine = machine_of(backend.device)
    work, _ = planned_work(backend.staged, backend.staged.groups[question.group], sizes_of(question), machine)
    best = [tile for _, tile in ranked(work, machine, TYPICAL_TOKENS)[:TRIED]]
    return [*best, *(replace(tile, stages=PIPELINED) for tile in best[:TRIED_AHEAD])]


def _launches(backend: TritonBackend, question: Question, tokens: int) -> Callable[[Tile], Callable[[], None]]:
    """What reads random rows once and writes them once, with a tile. A kernel that does both at once has the same loops."""
    device, shape = backend.device, backend.module.shapes[question.group]
    rows = [torch.randn(tokens, question.vocabulary, device=device, dtype=question.logits) for _ in range(1 + shape.others)]
    out = rows[0] if question.gradient is question.logits else torch.empty_like(rows[0], dtype=question.gradient)
    targets = torch.randint(question.vocabulary, (tokens,), device=device)
    settings = torch.tensor([1.0, 0.0, *shape.parameters], dtype=torch.float64, device=device)
    reads, slopes = ([torch.full((tokens,), 0.5, dtype=torch.float64, device=device) for _ in shape.reads] for _ in range(2))
    slopes = [slope for slope, read in zip(slopes, shape.reads, strict=True) if read.gradient]
    statistics = torch.empty(tokens, shape.width, dtype=torch.float64, device=device)
    given = [(row, None) for row in rows[1:]], targets, None, 0, reads

    def of_tile(tile: Tile) -> Callable[[], None]:
        kernels = backend.module.rows(question.group, tile.shape)

        def run() -> None:
            kernels.read(rows[0], *given, statistics, settings, tile.shape)
            if kernels.write is not None:
                kernels.write(rows[0], out, *given, slopes, statistics, settings, tile.shape)
        return run
    return of_tile


def _measured(launch: Callable[[Tile], Callable[[], None]], clock: Clock, tile: Tile) -> float | None:
    """None where a tile needs more of a processor than there is."""
    from triton.runtime.errors import OutOfResources
    try:
        return clock(launch(tile))
    except OutOfResources:
        return None


def _seconds(call: Callable[[], None]) -> float:
    """The median of some calls, with an empty cache before each."""
    from triton.testing import do_bench
    milliseconds: Any = do_bench(call, return_mode="median")
    return float(milliseconds) / 1e3
