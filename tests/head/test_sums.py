"""Sums over chunks in float32 become gradients in the dtype of what they are by."""

from __future__ import annotations

import pytest
import torch

from rldsl.kernels import sums
from rldsl.kernels.sums import Sums, rounded


@pytest.mark.parametrize("apart", [1, 3, 1 << 20])
@pytest.mark.parametrize("shape", [(0, 4), (1, 1), (7, 5), (33, 64)])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_sum_is_rounded_where_it_lies(dtype: torch.dtype, shape: tuple[int, int], apart: int,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bit what a copy is, wherever the part ends that is rounded beside the others; and nothing is allocated."""
    monkeypatch.setattr(sums, "ROUNDED_APART", apart)
    total = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    wanted, place = total.to(dtype), total.data_ptr()
    found = rounded(total, dtype)
    assert found.dtype is dtype and torch.equal(found, wanted) and found.is_contiguous()
    assert found.data_ptr() == place


def test_a_sum_of_its_own_dtype_stays_as_it_is() -> None:
    total = torch.ones(3)
    assert rounded(total, torch.float32) is total


def test_gradients_are_taken_in_the_dtypes_of_what_they_are_by() -> None:
    weight, bias = (torch.zeros(2, dtype=dtype, requires_grad=True) for dtype in (torch.bfloat16, torch.float32))
    held = Sums()
    for given in (weight, bias, weight):
        part = held.of(given)
        assert part is not None
        part.add(torch.tensor([1.0, 1 / 3]))
    (_, by_weight), (_, by_bias) = held.take()
    assert by_weight.dtype is torch.bfloat16 and by_weight.tolist() == [2.0, 0.66796875]
    assert by_bias.dtype is torch.float32 and by_bias.tolist() == pytest.approx([1.0, 1 / 3])
    assert held.take() == []
