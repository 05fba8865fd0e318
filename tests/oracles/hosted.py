"""What the host computes of a world's texts and numbers before an objective takes it: calls on texts, strengths of comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from rldsl.graph.model import Node
from rldsl.graph.spec import Spec
from rldsl.graph.staged import Input
from rldsl.rewards.engine.run import HostRun
from rldsl.rewards.hosting import open_host
from rldsl.rewards.outcome import Outcome
from tests.oracles.world import World


@dataclass(frozen=True)
class Strict:
    """Nothing may fail."""

    def answered(self, node: Node, outcome: Outcome, places: Sequence[int]) -> None:
        """A call was asked."""
        assert not outcome.failed, (node, outcome.failed)

    def stopped(self, node: Node, count: int, places: Sequence[int]) -> None:
        """`else stop` met what is absent."""
        raise AssertionError(node)


def hosted(spec: Spec, asked: Sequence[Input], numbers: World) -> dict[str, Tensor]:
    """The inputs that a world does not have by name, of those that it has."""
    if not asked:
        return {}
    layout = numbers.layout_of(spec)
    known = {entry.key: numbers.packed(entry.name).numpy() for entry in (*spec.rewards, *spec.lets) if entry.name in numbers.inputs}
    known |= {entry.key: list(numbers.texts[entry.name]) for entry in spec.lets if entry.name in numbers.texts}
    host = open_host(spec, Path())
    try:
        run = HostRun(spec.graph, host, Strict(), lambda: layout, known)
        sources = {entry.name: entry.source for entry in asked if entry.source is not None}
        run.run(list(sources.values()))
        return {name: torch.as_tensor(run.known[key], dtype=torch.float64) for name, key in sources.items()}
    finally:
        host.close()
