"""Rows beyond 2^31 elements: tokens times vocabulary passes what 32 bits hold long before a batch is unusual."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

from tests.triton.rows import (
    FIRST,
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

VOCABULARY, ROWS = 151_936, 16_000  # 2.4e9 logits: 4.9 GB of addresses, of which two rows are ever touched


@(pytest.mark.slow if device() == "cpu" else pytest.mark.gpu)
def test_a_row_beyond_two_to_the_31_is_read_and_written() -> None:
    shape = SHAPES["entropy"]
    case = make_case(shape, VOCABULARY, torch.bfloat16, count=2)
    assert ROWS * VOCABULARY > 2**31
    x = torch.empty(ROWS, VOCABULARY, dtype=torch.bfloat16, device=device())
    far = torch.tensor([ROWS - 1, ROWS - 2], device=device())
    x[far] = case.logits.to(device())
    reads, slopes = [over_batch(poisoned(2)) for _ in shape.reads], [over_batch(slope) for slope in case.slopes]
    statistics, module, tile = poisoned(2, shape.width), module_of(shape), (16_384, 8, 1)
    targets = case.targets.to(device())
    module.read0(x, beside(case), targets, far, FIRST, reads, statistics, settings(shape, case), tile)
    module.write0(x, x, beside(case), targets, far, FIRST, reads, slopes, statistics, settings(shape, case), tile)
    wanted, gradient = exact(shape, case)
    assert_reads_agree(shape, [trimmed(read) for read in reads], wanted)
    assert_gradients_agree(shape, case, x[far].cpu(), wanted, gradient)
