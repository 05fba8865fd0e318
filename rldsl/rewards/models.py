"""Models of a spec, loaded by their names with those that they are made from. Imports torch only when asked."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rldsl.graph.spec import Spec

if TYPE_CHECKING:
    from rldsl.rollouts.models import LoadedModel
    from rldsl.rollouts.placement import Placement


def load_named(spec: Spec, names: Iterable[str], project: Path, seed: int,
               placement: Placement | None = None) -> dict[str, LoadedModel]:
    """The models of these names, and their bases; without a placement, on the CPU. Raises `ModelError`."""
    from rldsl.rollouts.models import load_model
    from rldsl.rollouts.placement import CPU
    found: dict[str, LoadedModel] = {}
    entries = {entry.name: entry for entry in spec.models}

    def load(name: str) -> LoadedModel:
        if name not in found:
            entry = entries[name]
            base = None if entry.base is None else load(entry.base)
            found[name] = load_model(entry, seed=seed, base=base, root=project, placement=placement or CPU)
        return found[name]
    for name in names:
        load(name)
    return found
