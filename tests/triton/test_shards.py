"""Rows whose vocabulary is cut into pieces: partition, compare and finish, merged by hand, are one read of the whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton", reason="Triton is not installed")

from rldsl.emit.to_head import RowShape
from rldsl.emit.triton.rows import sum_names
from tests.triton.rows import (
    FIRST,
    TILE,
    Case,
    assert_gradients_agree,
    assert_reads_agree,
    beside,
    device,
    exact,
    make_case,
    module_of,
    over_batch,
    poisoned,
    settings,
    trimmed,
)
from tests.triton.shapes import SHAPES

pytestmark = pytest.mark.gpu

CUTS = (0, 300, 1001, 1400)
LOG2_E = 1.4426950408889634


def merge(parts: list[Tensor], inverse: float) -> Tensor:
    """Parts of whole rows: totals are moved to the highest logit of all."""
    table = torch.stack(parts).reshape(len(parts), len(parts[0]), -1, 4)
    tops, totals, weighted, chosen = table.unbind(-1)
    top = tops.amax(0)
    power = (tops - top) * inverse * LOG2_E
    factor = torch.exp2(power)
    found = (top, (totals * factor).sum(0), ((weighted + power * totals) * factor).sum(0), chosen.amax(0))
    return torch.stack(found, -1).reshape(parts[0].shape)


def cut(case: Case) -> list[Case]:
    """Columns of it."""
    return [replace(case, logits=case.logits[:, a:b].contiguous(), others=[rows[:, a:b].contiguous() for rows in case.others])
            for a, b in zip(CUTS, CUTS[1:], strict=False)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.wide(1)
def test_shards_are_the_whole(name: str, dtype: torch.dtype) -> None:
    agree(SHAPES[name], make_case(SHAPES[name], CUTS[-1], dtype))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["masked", "certain", "far below zero"])
def test_shards_of_extreme_rows_are_the_whole(kind: str) -> None:
    agree(SHAPES["two others"], make_case(SHAPES["two others"], CUTS[-1], kind=kind))


def test_a_shard_may_hold_nothing_but_masks() -> None:
    case = make_case(SHAPES["entropy"], CUTS[-1])
    case.logits[:, : CUTS[1]] = -torch.inf
    case.targets = case.targets.clamp(min=CUTS[1])
    agree(SHAPES["entropy"], case)


def agree(shape: RowShape, case: Case) -> None:
    """Three shards, then float64 torch."""
    module, shards, chosen = module_of(shape), cut(case), settings(shape, case)
    targets = case.targets.to(device())
    parts = [poisoned(case.count, 4 * (1 + shape.others)) for _ in shards]
    for shard, start, part in zip(shards, CUTS, parts, strict=False):
        module.partition0(shard.logits.to(device()), beside(shard), targets, None, start, part, chosen, TILE)
    whole = merge(parts, 1 / case.temperature)
    names = [name for names in sum_names(shape) for name in names]
    sums = [poisoned(case.count, len(names)) for _ in shards]
    for shard, part in zip(shards, sums, strict=True):
        if names:
            module.compare0(shard.logits.to(device()), beside(shard), targets, None, whole, part, chosen, TILE)
    reads, statistics = [over_batch(poisoned(case.count)) for _ in shape.reads], poisoned(case.count, shape.width)
    module.finish0(whole, torch.stack(sums).sum(0), FIRST, reads, statistics, chosen)
    slopes, gradients = [over_batch(slope) for slope in case.slopes], []
    for shard, start in zip(shards, CUTS, strict=False):
        x = shard.logits.to(device()).clone()
        module.write0(x, x, beside(shard), targets, None, FIRST, reads, slopes, statistics, chosen, TILE, start=start)
        gradients.append(x.cpu())
    wanted, gradient = exact(shape, case)
    assert_reads_agree(shape, [trimmed(read) for read in reads], wanted)
    assert_gradients_agree(shape, case, torch.cat(gradients, 1), wanted, gradient)
