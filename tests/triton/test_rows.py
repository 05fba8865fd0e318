"""Triton's row kernels against float64 torch: every read with its gradient, dtypes, vocabularies, extreme rows."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

from rldsl.emit.to_head import RowRead, RowShape
from tests.triton.rows import (
    FIRST,
    TILE,
    Case,
    assert_agrees,
    assert_reads_agree,
    beside,
    device,
    exact,
    make_case,
    module_of,
    over_batch,
    poisoned,
    run,
    settings,
    without_gradient,
)
from tests.triton.shapes import SHAPES

pytestmark = pytest.mark.gpu

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.wide(3)
def test_reads_and_gradients_of_every_kind_are_those_of_float64(name: str, dtype: torch.dtype) -> None:
    assert_agrees(SHAPES[name], make_case(SHAPES[name], 1237, dtype))


@pytest.mark.parametrize("vocabulary", [1, 2, 7, 511, 512, 513, 1024, 2050])
@pytest.mark.parametrize("name", ["entropy", "two others"])
@pytest.mark.wide(2)
def test_any_vocabulary_is_served(name: str, vocabulary: int) -> None:
    assert_agrees(SHAPES[name], make_case(SHAPES[name], vocabulary, torch.bfloat16))


@pytest.mark.parametrize("kind", ["far above zero", "far below zero", "large", "masked", "certain"])
@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.wide(3)
def test_extreme_rows_lose_nothing(name: str, kind: str) -> None:
    assert_agrees(SHAPES[name], make_case(SHAPES[name], 700, kind=kind))


@pytest.mark.wide(1)
@pytest.mark.parametrize("tile", [(64, 1, 1), (512, 4, 1), (1024, 8, 3), (2048, 4, 2)], ids=str)
def test_tiles_change_nothing_but_rounding(tile: tuple[int, int, int]) -> None:
    assert_agrees(SHAPES["two others"], make_case(SHAPES["two others"], 1500), tile)


@pytest.mark.parametrize("temperature", [0.25, 1.0, 7.0])
def test_temperatures_scale_logits(temperature: float) -> None:
    assert_agrees(SHAPES["entropy"], make_case(SHAPES["entropy"], 900, temperature=temperature))


def test_a_chosen_token_of_probability_near_1_keeps_its_small_gradient() -> None:
    # p = 1 / (1 + 999 e^-20): d logp / dx = 1 - p = 2.06e-6, of which 1 - float32(p) would hold no digit but the first.
    shape = RowShape((RowRead("logp", None, True),))
    logits = torch.zeros(1, 1000)
    logits[0, 400] = 20.0
    found = run(shape, Case(logits, [], torch.tensor([400]), [torch.ones(1, dtype=torch.float64)]))
    rest = 999 * torch.exp(torch.tensor(-20.0, dtype=torch.float64))
    torch.testing.assert_close(found.gradient[0, 400].double(), rest / (1 + rest), rtol=1e-6, atol=0)
    torch.testing.assert_close(found.reads[0][0], -torch.log1p(rest), rtol=1e-6, atol=0)


@pytest.mark.parametrize("out", DTYPES, ids=str)
def test_gradients_may_go_into_another_buffer(out: torch.dtype) -> None:
    assert_agrees(SHAPES["entropy"], make_case(SHAPES["entropy"], 1100, torch.bfloat16), out=out)


@pytest.mark.parametrize("out", [None, torch.bfloat16], ids=str)
def test_places_say_at_which_row_a_token_is_scored(out: torch.dtype | None) -> None:
    shape = SHAPES["two others"]
    case = make_case(shape, 600, count=6)
    case.places = torch.tensor([4, 0, 5, 2])
    case.other_places = [torch.tensor([1, 1, 3, 0]), None]
    case.others[1] = case.others[1][:4]
    case.targets, case.slopes = case.targets[:4], [slope[:4] for slope in case.slopes]
    found, (reads, gradient) = run(shape, case, out=out), exact(shape, case)
    assert_reads_agree(shape, found.reads, reads)
    ours = found.gradient if out is None else torch.zeros(6, 600).index_copy(0, case.places, found.gradient.float())
    rows = sorted(case.places.tolist())
    tolerance = 16 * 2.0**-24 * 10 if out is None else 2.0**-7
    torch.testing.assert_close(ours[rows].double(), gradient[rows], atol=tolerance, rtol=2.0**-8)
    if out is None:
        assert torch.equal(found.gradient[[1, 3]], case.logits[[1, 3]])


@pytest.mark.wide(1)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", ["entropy", "two others"])
def test_soft_capped_logits_are_read_and_differentiated(name: str, dtype: torch.dtype) -> None:
    case = make_case(SHAPES[name], 1100, dtype)
    case.cap = 5.0
    assert_agrees(SHAPES[name], case)


@pytest.mark.parametrize("kind", ["masked", "large"])
def test_soft_capping_holds_far_from_zero(kind: str) -> None:
    case = make_case(SHAPES["entropy"], 600, kind=kind)
    case.cap = 30.0
    assert_agrees(SHAPES["entropy"], case)


def test_rows_whose_derivatives_are_zero_become_zeros_unread() -> None:
    shape, module = SHAPES["entropy"], module_of(SHAPES["entropy"])
    case = make_case(shape, 700)
    x = poisoned(case.count, 700, dtype=torch.float32)
    nothing = [over_batch(torch.zeros(case.count)) for _ in case.slopes]
    reads = [poisoned(FIRST + case.count + 2) for _ in shape.reads]
    module.write0(x, x, (), case.targets.to(device()), None, FIRST, reads, nothing, poisoned(case.count, shape.width),
                  settings(shape, case), TILE)
    assert torch.equal(x.cpu(), torch.zeros(case.count, 700))


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_a_nan_logit_shows_in_its_row_alone(name: str) -> None:
    shape = SHAPES[name]
    case = make_case(shape, 700)
    case.logits[1, 650] = torch.nan
    found, (reads, _) = run(shape, case), exact(shape, case)
    for ours, theirs in zip(found.reads, reads, strict=True):
        assert torch.equal(ours.isnan(), theirs.isnan())
        assert ours[1].isnan() and not ours[[0, 2, 3, 4]].isnan().any()
    assert found.gradient[1].isnan().all() and not found.gradient[[0, 2, 3, 4]].isnan().any()


def test_a_row_of_nothing_but_masks_is_nan() -> None:
    case = make_case(SHAPES["entropy"], 700)
    case.logits[2] = -torch.inf
    found = run(SHAPES["entropy"], case)
    assert found.reads[0][2].isnan() and not found.reads[0][[0, 1, 3, 4]].isnan().any()


def test_the_lowest_finite_logits_are_logits() -> None:
    # Masks are often written so. A row of nothing else is uniform: log p = -log 700.
    case = make_case(SHAPES["entropy"], 700)
    case.logits[2] = torch.finfo(torch.float32).min
    case.logits[3, 1:] = torch.finfo(torch.float32).min
    case.targets[3] = 0
    found = run(SHAPES["entropy"], case)
    assert float(found.reads[0][2]) == pytest.approx(-6.551080335043404, abs=1e-6)
    assert float(found.reads[0][3]) == 0.0 and float(found.reads[1][3]) == 0.0


def test_no_rows_are_no_launch() -> None:
    assert run(SHAPES["two others"], make_case(SHAPES["two others"], 600, count=0)).gradient.shape == (0, 600)


def test_rows_may_lie_apart() -> None:
    shape = SHAPES["logp"]
    case = make_case(shape, 700)
    wide = torch.zeros(case.count, 1000)
    wide[:, :700] = case.logits
    case.logits = wide.to(device())[:, :700]
    assert_agrees(shape, case)


def test_columns_that_are_no_neighbours_are_refused() -> None:
    shape = SHAPES["logp"]
    case = make_case(shape, 6, count=6)
    with pytest.raises(ValueError, match=r"neighbouring columns.*contiguous"):
        module_of(shape).read0(case.logits.T.to(device()), (), case.targets.to(device()), None, 0, [], None, None, TILE)


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_reads_alone_are_emitted_without_a_write(name: str) -> None:
    shape = without_gradient(SHAPES[name])
    module = module_of(shape)
    assert not hasattr(module, "write0")
    case = make_case(SHAPES[name], 600)
    reads = [over_batch(poisoned(case.count)) for _ in shape.reads]
    module.read0(case.logits.to(device()), beside(case), case.targets.to(device()), None, FIRST, reads,
                 poisoned(case.count, shape.width), settings(shape, case), TILE)
    assert_reads_agree(shape, [read[FIRST:-2].cpu() for read in reads], exact(SHAPES[name], case)[0])
