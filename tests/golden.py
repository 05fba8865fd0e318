"""Golden files: a text beside the source that it came from, `NAME.out` beside `NAME.rl`."""

from __future__ import annotations

from pathlib import Path


def check_golden(path: Path, text: str, update: bool) -> None:
    """Compare `text` with the file at `path`, or write it there; `pytest --update-golden` sets `update`."""
    if update:
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
        return
    assert path.exists(), f"no golden file {path.name}: run pytest with --update-golden"
    assert text == path.read_text(encoding="utf-8"), f"{path.name} differs: run pytest with --update-golden and look at it"


def sources(folder: Path) -> list[Path]:
    """The specs of a folder, sorted; fails where a golden file has lost its spec."""
    specs = sorted(folder.glob("*.rl"))
    orphans = {path.stem for path in folder.glob("*.out")} - {path.stem for path in specs}
    assert not orphans, f"golden files without a spec: {sorted(orphans)}"
    return specs
