"""Divergences over the vocabulary against what their papers define, in float64: values, gradients, symmetries, limits, ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from rldsl.emit.load import load_module
from rldsl.emit.to_head import RowRead, RowShape, emit_rows
from rldsl.graph.divergences import row_divergence
from rldsl.graph.model import ReadKind
from rldsl.infer.ranges import read_interval
from rldsl.kernels.dense import dense_reads

JS, ALPHA, KL = ReadKind.JS, ReadKind.ALPHA, ReadKind.KL
WEIGHTS = [0.001, 0.2, 0.5, 0.9]
ALPHAS = [-1.0, -0.3, 0.001, 0.3, 0.5, 0.8, 0.999, 1.5, 2.0]


def rows(seed: int = 0, count: int = 6, vocabulary: int = 11) -> tuple[Tensor, Tensor]:
    """Logits of two policies; the first two rows nearly agree."""
    generator = torch.Generator().manual_seed(seed)
    first = 2 * torch.randn(count, vocabulary, generator=generator, dtype=torch.float64)
    noise = torch.randn(count, vocabulary, generator=generator, dtype=torch.float64)
    return first, first + torch.where(torch.arange(count)[:, None] < 2, 1e-4, 1.5) * noise


def read(kind: ReadKind, first: Tensor, second: Tensor, parameter: float | None, *, of_second: bool = False,
         temperature: float = 1.0) -> Tensor:
    """The divergence of (first, second), computed beside the row of the first or `of_second`."""
    name, given = row_divergence(kind, parameter, of_second=of_second)
    own, other = (second, first) if of_second else (first, second)
    return dense_reads(own, [other], torch.zeros(len(own), dtype=torch.int64), temperature, [(name, 0, given)])[0]


def jensen_shannon(first: Tensor, second: Tensor, weight: float) -> Tensor:
    """Agarwal et al. 2024, "On-Policy Distillation of Language Models" (GKD): beta KL(P||m) + (1 - beta) KL(Q||m), the
    mixture m = beta P + (1 - beta) Q."""
    p, q = torch.softmax(first, -1), torch.softmax(second, -1)
    mixture = weight * p + (1 - weight) * q
    return (weight * p * (p / mixture).log() + (1 - weight) * q * (q / mixture).log()).sum(-1)


def alpha_divergence(first: Tensor, second: Tensor, alpha: float) -> Tensor:
    """(1 - sum p^alpha q^(1 - alpha)) / (alpha (1 - alpha))."""
    p, q = torch.softmax(first, -1), torch.softmax(second, -1)
    return (1 - (p**alpha * q ** (1 - alpha)).sum(-1)) / (alpha * (1 - alpha))


CASES = [*((JS, weight) for weight in WEIGHTS), *((ALPHA, alpha) for alpha in ALPHAS)]


@pytest.mark.parametrize(("kind", "parameter"), CASES)
@pytest.mark.parametrize("of_second", [False, True])
def test_values_and_gradients_are_those_of_the_definition(kind: ReadKind, parameter: float, of_second: bool) -> None:
    """By the logits of either policy. A sum of size 1 is off by a few 1e-16, which the definition divides by 1e-3 at least."""
    first, second = (logits.requires_grad_() for logits in rows())
    slopes = torch.linspace(-1.0, 2.0, len(first), dtype=torch.float64)
    found = read(kind, first, second, parameter, of_second=of_second)
    wanted = (jensen_shannon if kind is JS else alpha_divergence)(first, second, parameter)
    torch.testing.assert_close(found, wanted, atol=1e-12, rtol=1e-12)
    by_found = torch.autograd.grad((slopes * found).sum(), [first, second])
    by_wanted = torch.autograd.grad((slopes * wanted).sum(), [first, second])
    for one, other in zip(by_found, by_wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize(("kind", "parameter"), CASES)
def test_the_two_policies_may_change_places(kind: ReadKind, parameter: float) -> None:
    """JS with weight b of p has weight 1 - b of q; alpha becomes 1 - alpha."""
    first, second = rows()
    mirrored = read(kind, second, first, 1 - parameter)
    torch.testing.assert_close(read(kind, first, second, parameter), mirrored, atol=1e-13, rtol=1e-12)


def test_limits_are_the_two_kl_divergences() -> None:
    """Alpha at 1 and 0; JS over its weight at 0, over the other's at 1. They miss by a part in 1e5, their distance."""
    first, second = rows()
    forward, reverse = read(KL, first, second, None), read(KL, second, first, None)
    for found, wanted in ((read(ALPHA, first, second, 1 - 1e-6), forward), (read(ALPHA, first, second, 1e-6), reverse),
                          (read(JS, first, second, 1e-6) / 1e-6, forward), (read(JS, first, second, 1 - 1e-6) / 1e-6, reverse)):
        torch.testing.assert_close(found, wanted, rtol=2e-5, atol=1e-9)


def test_known_members_of_the_families() -> None:
    """Alpha 1/2 is 4 times the squared Hellinger distance 1 - sum sqrt(p q); 2 half of Pearson's chi-square."""
    first, second = rows()
    p, q = torch.softmax(first, -1), torch.softmax(second, -1)
    torch.testing.assert_close(read(ALPHA, first, second, 0.5), 2 * ((p.sqrt() - q.sqrt()) ** 2).sum(-1), atol=1e-12, rtol=1e-9)
    torch.testing.assert_close(read(ALPHA, first, second, 2.0), 0.5 * ((p - q) ** 2 / q).sum(-1), atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize(("kind", "parameter"), CASES)
def test_values_lie_in_the_interval_that_is_inferred(kind: ReadKind, parameter: float) -> None:
    """And policies that share no token reach its end, where there is one."""
    interval = read_interval(kind, parameter)
    first, second = rows(1)
    found = read(kind, first, second, parameter)
    assert all(interval.contains(float(value)) for value in found)
    apart = read(kind, torch.tensor([[0.0, -math.inf]]).double(), torch.tensor([[-math.inf, 0.0]]).double(), parameter)
    assert float(apart) == pytest.approx(interval.high)


def kernel_reads(shape: RowShape, own: np.ndarray, other: np.ndarray) -> list[np.ndarray]:
    """By the emitted rows."""
    count, places = len(own), np.arange(len(own))
    found = [np.empty(count) for _ in shape.reads]
    load_module(emit_rows(shape), "rows").read(
        0, count, 0, own.copy(), np.empty((count, 1), np.float32), np.empty((count, shape.width)), np.zeros(count, np.int64),
        places, 1.0, *shape.parameters, other, places, *found)
    return found


ALL = RowShape(tuple(RowRead(kind, 0, False, parameter) for kind, parameter in (
    ("kl", None), ("reverse_kl", None), ("js", 0.3), ("tv", None), ("alpha", 0.4), ("reverse_alpha", -0.5))), 1)


def test_a_nan_in_a_row_shows_in_every_divergence() -> None:
    """Whichever of the two policies it is of."""
    fine = np.linspace(-1, 1, 40, dtype=np.float32)[None]
    broken = fine.copy()
    broken[0, 7] = np.nan
    for own, other in ((fine, broken), (broken, fine)):
        for shape_read, found in zip(ALL.reads, kernel_reads(ALL, own, other), strict=True):
            assert np.isnan(found).all(), shape_read.name


def test_tokens_that_neither_policy_has_say_nothing() -> None:
    """As if they were not in the vocabulary."""
    generator = np.random.default_rng(0)
    own, other = (generator.standard_normal((3, 40)).astype(np.float32) for _ in range(2))
    wide = [np.full((3, 80), -np.inf, np.float32) for _ in range(2)]
    for full, rows_of in zip(wide, (own, other), strict=True):
        full[:, ::2] = rows_of
    for found, wanted in zip(kernel_reads(ALL, *wide), kernel_reads(ALL, own, other), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_policies_that_agree_have_no_distance() -> None:
    """To the last bit for what is a sum of excesses, within rounding for what is a sum of logarithms."""
    own = np.random.default_rng(0).standard_normal((4, 300)).astype(np.float32)
    found = dict(zip((entry.name for entry in ALL.reads), kernel_reads(ALL, own, own), strict=True))
    assert all(not found[name].any() for name in ("alpha0", "reverse_alpha0", "tv0", "kl0"))
    assert np.abs(found["js0"]).max() <= 2e-7
