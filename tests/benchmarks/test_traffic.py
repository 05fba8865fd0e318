"""What eager torch moves at least, counted by what it dispatches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

from benchmarks.combine import grpo
from benchmarks.gpu import combining
from benchmarks.gpu.predicted import machine_of, predicted_ms
from benchmarks.gpu.traffic import combine_ms, kernels_of, logits_bytes, logits_ms
from rldsl.plan.work import Sizes

ROOT = Path(__file__).parents[2]
H200 = machine_of("NVIDIA H200")
LOGITS = Sizes(8192, 151_936)
x, y, few = torch.ones(10, 100), torch.ones(10, 100), torch.zeros(10, 1, dtype=torch.int64)


def test_a_kernel_moves_what_it_is_given_and_what_it_gives() -> None:
    assert kernels_of(lambda: x + y) == [12_000]
    assert kernels_of(lambda: x * 2.0) == [8_000]
    assert kernels_of(lambda: x.sum(1)) == [4_040]
    assert kernels_of(lambda: x.to(torch.float64)) == [12_000]
    assert kernels_of(lambda: torch.exp(x + y)) == [12_000, 8_000]


def test_the_way_back_counts_too() -> None:
    """Two for the square and the sum, and one for their derivative: the gradient that comes is one number."""
    leaf = torch.ones(10, 100, requires_grad=True)
    assert sum(moved > 1000 for moved in kernels_of(lambda: torch.autograd.grad((leaf * leaf).sum(), leaf))) >= 3
    assert kernels_of(lambda: torch.autograd.grad(leaf.sum(), leaf))[0] == 4_004


def test_views_move_nothing_and_what_is_expanded_or_overwritten_is_moved_once() -> None:
    assert kernels_of(lambda: torch.detach(x.t()[:3])) == []
    assert kernels_of(lambda: x.t().reshape(-1)) == [4_000 + 4_000]  # a copy: what is transposed is not in order
    assert kernels_of(lambda: x.view(100, 10).expand(5, 100, 10)) == []
    assert kernels_of(lambda: x + y[:1].expand(10, 100)) == [8_000 + 4_000]
    assert kernels_of(lambda: x + torch.ones(1).expand(10, 100))[-1] == 8_004
    assert kernels_of(lambda: y.mul_(1.0)) == [4_000]


def test_of_what_is_gathered_only_the_chosen_entries_count() -> None:
    assert kernels_of(lambda: x.gather(1, few)) == [10 * (4 + 8 + 4)]


@pytest.mark.parametrize(("name", "each"), [("token", 120), ("plain", 44)])
def test_eager_torch_moves_so_many_bytes_for_each_logit(name: str, each: int) -> None:
    assert logits_bytes(name, LOGITS) == pytest.approx(each * LOGITS.tokens * LOGITS.vocabulary, rel=0.02)


def test_the_page_shows_how_many_times_faster_ours_is_predicted_to_be() -> None:
    text = " ".join((ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8").split())
    for name, asked in (("token", 8), ("plain", 0)):
        eager, ratio = logits_ms(name, LOGITS, H200), logits_ms(name, LOGITS, H200) / predicted_ms(name, LOGITS, H200)
        assert ratio > asked
        assert f"{eager:.1f} ms, {ratio:.1f} times ours" in text
    eager = combine_ms(H200, torch.float32)
    ratio = eager / combining.predicted_ms(grpo(), 1_000_000, H200)
    assert ratio > 5
    assert f"{eager:.2f} ms in float32, {ratio:.0f} times ours" in text
