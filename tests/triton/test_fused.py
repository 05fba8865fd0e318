"""Rows that are read, weighed and written by one kernel."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

from rldsl.diagnostics import InternalError
from rldsl.emit.parameters import Parameter
from rldsl.emit.to_head import RowRead, RowShape
from rldsl.emit.triton.fuse import Fused
from rldsl.emit.triton.rows import emit_rows_module
from tests.triton.rows import (
    FIRST,
    TILE,
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

pytestmark = pytest.mark.gpu

SHAPE = RowShape((RowRead("logp", None, True), RowRead("entropy", None, True), RowRead("kl", 0, True)), 1)
# The surrogate of a ratio to older log-probabilities, an entropy bonus, and a KL squared.
FUSED = Fused(tuple(Parameter("input", name, "token") for name in ("advantages", "older")), (
    "    advantage = tl.load(advantages + t)",
    "    logp_by = -advantage * tl.exp(logp - tl.load(older + t))",
    "    entropy_by = tl.where(advantage == 0.0, 0.0, -0.01)",
    "    kl0_by = tl.where(advantage == 0.0, 0.0, 2.0 * kl0)",
), {"advantages": "fp64", "older": "fp64"})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("out", [None, torch.float32], ids=str)
def test_a_fused_kernel_is_its_three_parts(dtype: torch.dtype, out: torch.dtype | None) -> None:
    case = make_case(SHAPE, 1300, dtype)
    reads, _ = exact(SHAPE, case)
    advantages, older = torch.tensor([1.0, -0.5, 2.0, 0.3, 0.0], dtype=torch.float64), reads[0] - 0.1
    x = case.logits.to(device()).clone()
    gradient = x if out is None else poisoned(*x.shape, dtype=out)
    found, slopes = ([poisoned(FIRST + case.count + 2) for _ in range(3)] for _ in range(2))
    module_of(SHAPE, FUSED).fused0(x, gradient, beside(case), case.targets.to(device()), None, FIRST, found, slopes,
                                   settings(SHAPE, case), (over_batch(advantages), over_batch(older)), TILE)
    assert_reads_agree(SHAPE, [trimmed(read) for read in found], reads)
    case.slopes = [-advantages * torch.exp(reads[0] - older), torch.where(advantages == 0, 0.0, -0.01),
                   torch.where(advantages == 0, 0.0, 2 * reads[2])]
    for ours, theirs in zip(slopes, case.slopes, strict=True):
        torch.testing.assert_close(trimmed(ours), theirs.double(), rtol=2e-6, atol=1e-6)
    assert_gradients_agree(SHAPE, case, gradient.cpu(), reads, exact(SHAPE, case)[1])
    assert not gradient[-1].any()


def test_parameters_that_are_called_like_the_kernels_own_are_refused() -> None:
    with pytest.raises(InternalError, match="targets"):
        emit_rows_module([SHAPE], [Fused((Parameter("input", "targets", "token"),), (), {"targets": "fp64"})])
