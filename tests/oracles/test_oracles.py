"""Every entry of the library that a peer has is equal to the peer's own code. Without a peer, its comparisons are skipped."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import rldsl
from rldsl.assets import asset_path
from tests.oracles.absent import ABSENT
from tests.oracles.catalog import COMPARISONS, library, unmatched
from tests.oracles.compare import LANGUAGE, Comparison, holds, measured
from tests.oracles.page import row
from tests.oracles.peers import missing
from tests.oracles.world import Padded


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the peers
@pytest.mark.parametrize("comparison", COMPARISONS, ids=[comparison.name for comparison in COMPARISONS])
def test_an_entry_is_equal_to_the_peers_own_code(comparison: Comparison) -> None:
    if why := missing(comparison.peer):
        pytest.skip(why)
    found = measured(comparison)
    assert holds(comparison, found), found


# ------------------------------------------------------------------ without peers
@pytest.mark.slow
def test_every_comparison_is_a_program_of_the_library_that_uses_its_entries() -> None:
    for comparison in COMPARISONS:
        assert [entry for entry in rldsl.check(comparison.spec) if entry.severity == "error"] == [], comparison.name
        for entry in comparison.entries:
            assert entry in library() or entry.startswith(f"{LANGUAGE}."), (comparison.name, entry)
            assert re.search(rf"\b{entry.split('.')[1]}\b", comparison.body), (comparison.name, entry)


def test_the_page_has_a_row_for_every_comparison() -> None:
    page = (asset_path("docs") / "oracles.md").read_text(encoding="utf-8")
    missing_rows = [comparison.name for comparison in COMPARISONS if f"| {' | '.join(row(comparison))} |" not in page]
    assert not missing_rows, "`make oracles` writes them"


def test_what_is_said_to_be_in_no_peer_has_no_comparison() -> None:
    assert sorted(set(ABSENT) - set(unmatched())) == [], "compared, or no entry any more: take it out of absent.py"


def _half_the_square(given: Padded) -> Tensor:
    mask = given.mask().bool()
    return 0.5 * torch.nn.functional.mse_loss(given.value()[mask], given.frozen("token_return")[mask])


MEAN_SQUARE = Comparison(
    ("value.value_loss",),
    "torch",
    "mse_loss",
    "minimize a: mean(value_loss(value(v, y), token_return))",
    _half_the_square,
    trains="v",
)


def test_a_comparison_sees_a_wrong_constant_a_wrong_mask_and_a_wrong_gradient() -> None:
    assert holds(MEAN_SQUARE, measured(MEAN_SQUARE))
    for body in (
        "minimize a: 1.000001 * mean(value_loss(value(v, y), token_return))",
        "minimize a: mean(value_loss(value(v, y), token_return), where: token_return < 1.5)",
        "minimize a: mean(value_loss(frozen(value(v, y)), token_return)) + 0 * sum(value(v, y))",
    ):
        wrong = replace(MEAN_SQUARE, body=body)
        assert not holds(wrong, measured(wrong)), body


def test_a_peer_that_is_said_to_differ_must_differ() -> None:
    same = replace(MEAN_SQUARE, differs="the half")
    assert not holds(same, measured(same))
    apart = replace(same, body="minimize a: 2 * mean(value_loss(value(v, y), token_return))")
    assert holds(apart, measured(apart))
