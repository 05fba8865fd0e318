"""Where nobody measured, the first tile by prediction is taken whose kernels do not spill, and the answer is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from rldsl.plan.search import Situation
from rldsl.plan.spills import TRIED, Shape, SpillsUnknown, Taken, unspilled
from rldsl.plan.tiles import Tile

HERE = Situation("NVIDIA H200", "0123 0", 1000, ("bf16", "bf16"), ("triton 3.6.0",))
TILES = [Tile(16_384, 32, 1), Tile(8192, 32, 1), Tile(2048, 4, 1), Tile(4096, 8, 1), Tile(1024, 4, 1)]


def compiler(counts: Mapping[Shape, int | None], asked: list[Shape]) -> Callable[[Tile], int | None]:
    """What is said of each tile; no other may be asked for."""
    def spilled(tile: Tile) -> int | None:
        asked.append(tile.shape)
        return counts[tile.shape]
    return spilled


def test_tiles_that_spill_or_do_not_run_are_passed_over_and_named(tmp_path: Path) -> None:
    asked: list[Shape] = []
    taken = unspilled(HERE, TILES, compiler({(16_384, 32, 1): 24, (8192, 32, 1): None, (2048, 4, 1): 0}, asked), tmp_path)
    assert taken == Taken((2048, 4, 1), 0, (((16_384, 32, 1), 24), ((8192, 32, 1), None)))
    assert taken.why == ("16,384 columns by 32 warps would be faster by prediction, but its kernels spill 24 bytes a thread",
                         "8,192 columns by 32 warps would be faster by prediction, but it does not run")
    assert asked == [(16_384, 32, 1), (8192, 32, 1), (2048, 4, 1)]


def test_a_first_tile_that_does_not_spill_is_the_only_one_that_is_compiled(tmp_path: Path) -> None:
    asked: list[Shape] = []
    taken = unspilled(HERE, TILES, compiler({(16_384, 32, 1): 0}, asked), tmp_path)
    assert (taken.shape, taken.why, len(asked)) == ((16_384, 32, 1), (), 1)


def test_the_answer_is_kept_for_the_next_process(tmp_path: Path) -> None:
    first = unspilled(HERE, TILES, compiler({(16_384, 32, 1): 24, (8192, 32, 1): 0}, []), tmp_path)
    assert unspilled(HERE, TILES, compiler({}, []), tmp_path) == first
    file, = tmp_path.iterdir()
    file.write_text(file.read_text(encoding="utf-8")[:40], encoding="utf-8")
    asked: list[Shape] = []
    assert unspilled(HERE, TILES, compiler({(16_384, 32, 1): 0}, asked), tmp_path).shape == (16_384, 32, 1)
    assert asked == [(16_384, 32, 1)]


def test_where_all_spill_the_first_that_runs_is_taken_and_says_so(tmp_path: Path) -> None:
    asked: list[Shape] = []
    counts = {tile.shape: 8 * (place + 1) if place else None for place, tile in enumerate(TILES)}
    taken = unspilled(HERE, TILES, compiler(counts, asked), tmp_path)
    assert len(asked) == TRIED and taken == Taken((8192, 32, 1), 16)
    assert taken.why == ("its kernels spill 16 bytes a thread, and so do those of all tiles that were tried",)


def test_what_nobody_says_is_neither_guessed_nor_kept(tmp_path: Path) -> None:
    def silent(tile: Tile) -> int | None:
        raise SpillsUnknown("Triton says nothing")

    taken = unspilled(HERE, TILES, silent, tmp_path)
    assert taken == Taken((16_384, 32, 1), None, note="Triton says nothing") and list(tmp_path.iterdir()) == []
    assert taken.why == ("nothing says here whether its kernels spill (Triton says nothing)",)


@pytest.mark.parametrize("text", ["{}", "[]", '{"shape": [1, 2], "spilled": 0, "passed": []}',
                                  '{"shape": [1, 2, 3], "spilled": 0, "passed": [[1]]}'])
def test_a_file_that_says_something_else_is_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / f"{HERE.digest}.json").write_text(text, encoding="utf-8")
    assert unspilled(HERE, TILES, compiler({(16_384, 32, 1): 0}, []), tmp_path).shape == (16_384, 32, 1)
