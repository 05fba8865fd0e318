"""Which tile is taken where nobody measured: the first by prediction whose kernels keep in registers what they hold.

What a kernel spills is known once it is compiled, here by whoever asks. The answer is kept on disk, for one device, one text of
kernels, one vocabulary and dtype, and the versions that make machine code. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rldsl.plan.search import Situation, kept_path, write_whole
from rldsl.plan.tiles import Tile

TRIED = 4  # tiles at most, where those before spill
Shape = tuple[int, int, int]


class SpillsUnknown(RuntimeError):
    """Nothing says what a compiled kernel spills."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A tile's shape, the bytes of a thread that its kernels spill (None: unknown, and `note` says why), and tiles that were passed
    over for it, each with its bytes (None: it does not run)."""

    shape: Shape
    spilled: int | None
    passed: tuple[tuple[Shape, int | None], ...] = ()
    note: str = ""

    @property
    def why(self) -> tuple[str, ...]:
        """In sentences."""
        return tuple(self._sentences())

    def _sentences(self) -> Iterator[str]:
        if self.spilled is None:
            yield f"nothing says here whether its kernels spill ({self.note})"
        elif self.spilled:
            yield f"its kernels spill {self.spilled:,} bytes a thread, and so do those of all tiles that were tried"
        for (block, warps, _), spilled in self.passed:
            fault = "it does not run" if spilled is None else f"its kernels spill {spilled:,} bytes a thread"
            yield f"{block:,} columns by {warps} warps would be faster by prediction, but {fault}"


def unspilled(situation: Situation, tiles: Sequence[Tile], spilled: Callable[[Tile], int | None],
              folder: Path | None = None) -> Taken:
    """Of tiles in the order of their predicted times. `spilled` compiles one and gives bytes of a thread, None where it does not
    run, or raises `SpillsUnknown`. Where all spill it is the first that runs, as `rldsl compile --target` has it."""
    path = kept_path("spills", situation, folder)
    kept = _kept(path)
    if kept is not None:
        return kept
    try:
        taken = _first(tiles[:TRIED], spilled)
    except SpillsUnknown as unknown:
        return Taken(tiles[0].shape, None, note=str(unknown))
    write_whole(path, {"situation": asdict(situation), "shape": taken.shape, "spilled": taken.spilled, "passed": taken.passed})
    return taken


def _first(tiles: Sequence[Tile], spilled: Callable[[Tile], int | None]) -> Taken:
    passed: list[tuple[Shape, int | None]] = []
    for tile in tiles:
        count = spilled(tile)
        if count == 0:
            return Taken(tile.shape, 0, tuple(passed))
        passed.append((tile.shape, count))
    shape, count = next((entry for entry in passed if entry[1] is not None), passed[0])
    return Taken(shape, count)


def _kept(path: Path) -> Taken | None:
    """None where nothing was, or what is there cannot be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        passed = tuple((_shape(shape), None if count is None else int(count)) for shape, count in data["passed"])
        return Taken(_shape(data["shape"]), None if data["spilled"] is None else int(data["spilled"]), passed)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _shape(data: Sequence[int]) -> Shape:
    block, warps, stages = (int(part) for part in data)
    return block, warps, stages
