"""Which models a part of a reward graph asks for texts, and the services that ask them. Loads them where there are any: a graph of
verifiers alone imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rldsl.graph.model import Foreign
from rldsl.graph.spec import Spec
from rldsl.rewards.run import HostCalls

if TYPE_CHECKING:
    from rldsl.rollouts.models import LoadedModel

SIMILARITY = "similarity:"


def models_asked(spec: Spec, keys: Iterable[int] | None = None) -> frozenset[str]:
    """The embedders that calls on the host name, of some nodes or of all."""
    nodes = spec.graph.nodes if keys is None else [spec.graph[key] for key in keys]
    names = [node.operation.name for node in nodes if isinstance(node.operation, Foreign)]
    return frozenset(name.removeprefix(SIMILARITY) for name in names if name.startswith(SIMILARITY))


def load_named(spec: Spec, names: Iterable[str], project: Path, seed: int) -> dict[str, LoadedModel]:
    """Models of a spec with those that they are made from. Raises `ModelError`."""
    from rldsl.rollouts.models import load_model
    found: dict[str, LoadedModel] = {}
    entries = {entry.name: entry for entry in spec.models}

    def load(name: str) -> LoadedModel:
        if name not in found:
            entry = entries[name]
            base = None if entry.base is None else load(entry.base)
            found[name] = load_model(entry, seed=seed, base=base, root=project)
        return found[name]
    for name in names:
        load(name)
    return found


def serve_models(host: HostCalls, spec: Spec, project: Path, seed: int, keys: Iterable[int] | None = None,
                 models: Mapping[str, LoadedModel] | None = None) -> None:
    """Let the embedders that some nodes (or all) ask answer calls of `host`; `models` are those that are loaded already."""
    asked = models_asked(spec, keys)
    if not asked:
        return
    from rldsl.rollouts.similarity import NAME, Similarity
    loaded = load_named(spec, asked, project, seed) if models is None else models
    host.serve(NAME, Similarity(loaded.__getitem__))
