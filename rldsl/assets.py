"""Finds the asset folders `grammar/`, `stdlib/`, `codegen/` and `examples/`. Reads text; knows nothing of what it means.

In a wheel the folders lie inside the package; in a checkout and an editable install they lie beside it.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent


def asset_path(*parts: str) -> Path:
    """Where the asset `parts` lies, as in `asset_path("grammar", "rl.lark")`; the package's own folder wins."""
    folder, *rest = parts
    inside = PACKAGE / folder
    base = inside if inside.is_dir() else CHECKOUT / folder
    return base.joinpath(*rest)


def asset_text(*parts: str) -> str:
    """The text of an asset."""
    return asset_path(*parts).read_text(encoding="utf-8")


def asset_names(folder: str, suffix: str) -> tuple[str, ...]:
    """Names of the files under `folder` that end with `suffix`, relative to it, with `/`, sorted."""
    base = asset_path(folder)
    return tuple(sorted(path.relative_to(base).as_posix() for path in base.rglob(f"*{suffix}") if path.is_file()))
