"""Tiles are measured once, on scratch rows, and kept for one device, text, vocabulary and dtype."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rldsl.plan.search import Measured, Situation, kept_tile, search
from rldsl.plan.tiles import Tile
from rldsl.program import CompiledObjective
from rldsl.tuning import Tuned, made_up_rows, tuned_lines
from tests.cli.conftest import Command, project, rldsl
from tests.plan.test_work import staged

__all__ = ["project", "rldsl"]
HERE = Situation("NVIDIA H200", "0123", 1000, ("bf16", "bf16"), ("triton 3.6.0",))
TILES = [Tile(1024, 4, 2), Tile(2048, 4, 2), Tile(2048, 8, 2)]


def test_the_fastest_tile_is_kept_with_what_it_took(tmp_path: Path) -> None:
    times = {(1024, 4, 2): 3e-3, (2048, 4, 2): 1.5e-3, (2048, 8, 2): None}
    found = search(HERE, TILES, lambda tile: times[tile.shape], tmp_path)
    assert found is not None
    assert found.tile == TILES[1]
    assert list(found.seconds) == [(2048, 4, 2), (1024, 4, 2)]
    kept = kept_tile(HERE, tmp_path)
    assert kept is not None
    assert (kept.shape, kept.why) == ((2048, 4, 2), ("measured on NVIDIA H200: 1.500 ms, the fastest of 2 tiles",))


@pytest.mark.parametrize("other", [replace(HERE, device="NVIDIA A100"), replace(HERE, kernels="4567"),
                                   replace(HERE, vocabulary=1001),
                                   replace(HERE, dtypes=("fp32", "bf16")), replace(HERE, versions=("triton 3.9.0",))])
def test_what_was_measured_elsewhere_does_not_count(tmp_path: Path, other: Situation) -> None:
    search(HERE, TILES, lambda _: 1.0, tmp_path)
    assert kept_tile(other, tmp_path) is None


def test_where_nothing_runs_nothing_is_kept(tmp_path: Path) -> None:
    for seconds in (None, float("nan"), float("inf"), 0.0):
        assert search(HERE, TILES, lambda _, seconds=seconds: seconds, tmp_path) is None  # type: ignore[misc]
    assert kept_tile(HERE, tmp_path) is None


def test_a_damaged_file_is_as_none(tmp_path: Path) -> None:
    search(HERE, TILES, lambda _: 1.0, tmp_path)
    file, = tmp_path.iterdir()
    file.write_text(file.read_text(encoding="utf-8")[:30], encoding="utf-8")
    assert kept_tile(HERE, tmp_path) is None


@pytest.mark.parametrize("hidden", [None, 8])
def test_rows_are_made_up_of_the_vocabulary_and_dtype_that_are_asked(hidden: int | None) -> None:
    rows = made_up_rows(Tuned(40, "fp16", hidden), torch.device("cpu"))
    assert rows.vocabulary == 40
    assert rows.given.dtype is torch.float16 and rows.given.shape == (1, 40 if hidden is None else 8)


def test_a_line_says_what_each_tile_took() -> None:
    objective = CompiledObjective(staged("grpo"), "numba")
    measured = Measured(TILES[1], {TILES[1].shape: 1.5e-3, TILES[0].shape: 3e-3})
    assert list(tuned_lines(objective, {0: measured})) == [
        "grpo, y under actor: 2,048 columns by 4 warps 1.500 ms; 1,024 columns by 4 warps 3.000 ms. The first is kept."]
    assert list(tuned_lines(objective, {0: None})) == ["grpo, y under actor: no tile runs; the predicted one is used"]


def test_without_a_gpu_it_is_said_what_to_do(rldsl: Command, project: Path) -> None:
    found = rldsl("tune", "mine.rl")
    assert (found.status, found.out) == (2, "")
    first, _why, fix = found.err.splitlines()
    assert first == "error: tiles are measured on a GPU"
    assert fix == " fix: rldsl compile --target sm_90, which predicts them on any machine"
