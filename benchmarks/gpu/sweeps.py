"""What was chosen, beside what else could have been: rows of a chunk, tiles of the row kernel, rows without a gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu import ours
from benchmarks.gpu.combining import argument
from benchmarks.gpu.contest import relative_error, where_it_failed
from benchmarks.gpu.figures import Found
from benchmarks.gpu.ours import Ours
from benchmarks.gpu.problems import SPREAD, make_problem
from benchmarks.gpu.situation import Situation
from benchmarks.gpu.specs import objective, staged
from benchmarks.gpu.vocabulary import Projected
from rldsl.plan.chunks import Buffers
from rldsl.plan.tiles import PIPELINED, Tile, candidates, row_time
from rldsl.plan.work import Sizes, row_work

BUFFERS = Buffers(is_passing=True)  # of a chunk: logits in float32, of a block at a time, and gradients in bf16
BLOCKS = (1, 4)    # parts of a chunk whose logits are there at a time
IDLE = (0.0, 0.5, 0.9)
CHUNK = 2048       # rows of the chunk whose tiles are tried
SAME = 1e-2        # relative difference of gradients that another tile may make
ROUNDS = 5


def sweeps(situation: Situation) -> Iterator[Found]:
    """All three; each line stands for itself."""
    for sweep in (_chunks, _tiles, _idle):
        numbers: dict[str, Any] = {}
        try:
            for line in sweep(situation, numbers):
                yield Found((), (line,), dict(numbers))
        except Exception as fault:  # the other sweeps are still worth having
            said = f"{sweep.__name__.strip('_')}: failed: {type(fault).__name__}: {str(fault)[:200]}"
            yield Found((), (said, *where_it_failed().splitlines()))
        situation.place.forget()


def _timed(situation: Situation, own: Ours) -> float | None:
    own()
    return situation.clock.interleaved({"it": own}, own.clear, ROUNDS)["it"].median


def _shown(value: float | None) -> str:
    return "rehearsed" if value is None else f"{value:.3g} ms"


def _chunks(situation: Situation, numbers: dict[str, Any]) -> Iterator[str]:
    given = Projected(situation, 0)
    problem = given.problem()
    for rows, parts in product(situation.shapes.chunks, BLOCKS):
        block = max(1, rows // parts)
        options = {"chunk_bytes": BUFFERS.size(rows, block, len(given.weight)), "least_rows": 1, "block_rows": block}
        own = ours.from_hidden(objective("token", **options), "token", problem, given.hidden, given.weight)
        time, peak = _timed(situation, own), situation.clock.peak(own, own.release)
        label = f"chunk of {rows} rows, logits of {block} at a time"
        numbers[label] = {"ms": time, "peak bytes": peak}
        yield f"{label}: {_shown(time)}" + ("" if peak is None else f", peak {peak / 1e9:.2f} GB")


def _idle(situation: Situation, numbers: dict[str, Any]) -> Iterator[str]:
    """A surrogate alone: samples whose advantage is 0 have no gradient."""
    given = Projected(situation, 0)
    whole = given.problem()
    for share in IDLE:
        idle = torch.arange(whole.samples, device=situation.place.device) < share * whole.samples
        problem = replace(whole, advantage=whole.advantage.masked_fill(idle, 0.0))
        own = ours.from_hidden(objective("surrogate"), "surrogate", problem, given.hidden, given.weight)
        time = _timed(situation, own)
        numbers[f"{share:.0%} of samples without gradient"] = time
        yield f"{share:.0%} of samples without gradient: {_shown(time)}"


def _tiles(situation: Situation, numbers: dict[str, Any]) -> Iterator[str]:
    """Of logits in place, and of a chunk of float32 logits that becomes a bf16 gradient."""
    shapes = situation.shapes
    yield from _tiles_of(situation, numbers, "logits in place", shapes.tokens, shapes.logits, torch.bfloat16)
    yield from _tiles_of(situation, numbers, "a chunk", min(CHUNK, shapes.tokens), shapes.hidden[0][1], torch.float32)


def _tiles_of(situation: Situation, numbers: dict[str, Any], label: str, rows: int, vocabulary: int,
              dtype: torch.dtype) -> Iterator[str]:
    place, in_place = situation.place, dtype is torch.bfloat16
    given = place.normal(rows, vocabulary, scale=SPREAD, seed=11, dtype=dtype)
    x = given.clone()
    out = x if in_place else torch.empty(rows, vocabulary, dtype=torch.bfloat16, device=place.device)
    launch = _launch(situation, rows, given, x, out)

    def restore() -> None:
        if in_place:
            x.copy_(given)

    sizes = Sizes(rows, vocabulary, None if in_place else situation.shapes.hidden[0][0])
    work = row_work(staged("token"), staged("token").groups[0], sizes)
    moved = rows * vocabulary * (given.element_size() + out.element_size())
    wanted: Tensor | None = None
    for tile in _tried(vocabulary)[: 3 if place.rehearses else None]:
        restore()
        try:
            launch(tile)
        except Exception as fault:  # more than a processor has
            yield f"{label}, {tile}: does not run: {type(fault).__name__}: {str(fault)[:100]}"
            continue
        if wanted is None:
            wanted = out.clone()
        elif not relative_error(out, wanted) <= SAME:
            yield f"{label}, {tile}: WRONG: another gradient than the first tile's"
            continue
        def run(tile: tuple[int, int, int] = tile) -> None:
            launch(tile)
        time = situation.clock.interleaved({"it": run}, restore, ROUNDS)["it"].median
        if time is None:
            yield f"{label}, {tile}: rehearsed"
            continue
        predicted = 1e3 * row_time(work, Tile(*tile), situation.machine, rows).seconds
        numbers[f"{label}, tile {tile}"] = {"ms": time, "predicted ms": predicted}
        ceilings = situation.ceilings
        share = "" if ceilings is None else f", {1e3 * moved / ceilings.copy / time:.0%} of the copy's rate"
        yield f"{label}, {tile}: {_shown(time)}{share}, predicted {predicted:.3g} ms"


def _tried(vocabulary: int) -> list[tuple[int, int, int]]:
    """The model's candidates, and one of the middle whose loads run ahead."""
    found = [tile.shape for tile in candidates(vocabulary)]
    block, warps, _ = found[len(found) // 2]
    return [*found, (block, warps, PIPELINED)]


def _launch(situation: Situation, rows: int, given: Tensor, x: Tensor, out: Tensor) -> Callable[[tuple[int, int, int]], None]:
    """The fused kernel of the full objective, alone."""
    length = situation.shapes.length
    problem = make_problem(situation.place, rows, length, lambda part: given[part])
    runner: Any = objective("token").runner
    own = runner.begin(problem.layout("token"), {name: values.numpy() for name, values in problem.inputs("token").items()}).own
    group = runner.staged.groups[0]
    reads = tuple(own.reads.tensors[read.key] for read in group.reads)
    slopes = tuple(own.slopes.tensors[read.key] for read in group.reads if read.coefficient is not None)
    arguments = tuple(argument(entry, own) for entry in runner.module.fused[0])
    settings = torch.tensor([1.0, 0.0], dtype=torch.float64, device=x.device)

    def launch(tile: tuple[int, int, int]) -> None:
        runner.module.functions.fused0(x, out, (), problem.targets, None, 0, reads, slopes, settings, arguments, tile)
    return launch
