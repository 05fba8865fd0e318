"""Measured tiles: the few best candidates are timed on the device that is there, once, and the fastest is kept on disk.

A tile is kept for one device, one text of kernels, one vocabulary and dtype, and the versions that make machine code. Whoever
measures does so on scratch copies (kernels work in place) and never inside a training step: a step only looks up what is kept.
Imports no torch."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import isfinite
from pathlib import Path
from tempfile import mkstemp
from typing import Any

from rldsl.emit.load import cache_folder
from rldsl.plan.tiles import Tile


@dataclass(frozen=True, slots=True)
class Situation:
    """What a measured tile belongs to. `device` as its driver names it, `kernels` the digest of their text, `dtypes` of the logits
    and of their gradient, `versions` of what compiles, such as `triton 3.6.0`."""

    device: str
    kernels: str
    vocabulary: int
    dtypes: tuple[str, str]
    versions: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The name of the file."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode("utf-8")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Measured:
    """The fastest tile, and the seconds of all that ran."""

    tile: Tile
    seconds: Mapping[tuple[int, int, int], float]


def kernels_digest(text: str) -> str:
    """Of the text of an emitted module."""
    return sha256(text.encode("utf-8")).hexdigest()[:32]


def kept_tile(situation: Situation, folder: Path | None = None) -> Tile | None:
    """What was measured before, with that as its reason; None where nothing was, or what is there cannot be read."""
    try:
        data = json.loads(kept_path("tiles", situation, folder).read_text(encoding="utf-8"))
        block, warps, stages = (int(part) for part in data["tile"])
        seconds, count = float(data["seconds"][0][1]), len(data["seconds"])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None
    return Tile(block, warps, stages, (f"measured on {situation.device}: {seconds * 1e3:.3f} ms, the fastest of {count} tiles",))


def search(situation: Situation, tiles: Sequence[Tile], measure: Callable[[Tile], float | None],
           folder: Path | None = None) -> Measured | None:
    """Time each tile and keep the fastest, of equal ones the first. `measure` gives seconds, or None where a tile does not run or
    spills. None if none runs: then nothing is kept."""
    timed = [(tile, seconds) for tile in tiles if (seconds := measure(tile)) is not None and isfinite(seconds) and seconds > 0]
    if not timed:
        return None
    ordered = sorted(timed, key=lambda entry: entry[1])
    measured = Measured(ordered[0][0], {tile.shape: seconds for tile, seconds in ordered})
    _keep(situation, measured, folder)
    return measured


def kept_path(kind: str, situation: Situation, folder: Path | None) -> Path:
    """Where what is known of a situation is kept, in `folder` or beside the emitted modules."""
    return (folder if folder is not None else cache_folder().parent / kind) / f"{situation.digest}.json"


def _keep(situation: Situation, measured: Measured, folder: Path | None) -> None:
    write_whole(kept_path("tiles", situation, folder), {
        "situation": asdict(situation), "tile": measured.tile.shape,
        "seconds": [[shape, seconds] for shape, seconds in measured.seconds.items()]})


def write_whole(path: Path, data: Mapping[str, Any]) -> None:
    """As JSON. Who reads it at the same time sees what was there before, or all of this."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(data, file)
    os.replace(temporary, path)
