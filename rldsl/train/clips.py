"""How often a clip of an importance ratio acts in an update, under TRL's names. Decides nothing.

A clip acts where the ratio lies beyond a bound and, if the clip stands in a minimum or maximum beside the plain ratio, as
in the clipped surrogate, where that takes the clipped side: below for negative advantages, above for positive ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rldsl.batch import UpdateBatch
from rldsl.graph.model import Elementwise, Function, Graph, Node
from rldsl.graph.order import descendants
from rldsl.graph.spec import ObjectiveSpec, Spec
from rldsl.meaning import Meaning
from rldsl.types import Ratio, Stage


@dataclass(frozen=True, slots=True)
class Clip:
    """Nodes of the spec's graph: the clipped value and its bounds, and of the minimum or maximum that may not take it the
    sides, the plain one first."""

    ratio: int
    low: int
    high: int
    sides: tuple[int, int] | None
    is_minimum: bool = True

    def shares(self, meaning: Meaning, batch: UpdateBatch) -> dict[str, float]:
        """The shares of the places (tokens, or answers) at which it acts."""
        keys = (self.ratio, self.low, self.high, *(self.sides or ()))
        known = meaning.values(batch.staged, batch.layout, batch.inputs, batch.reads, keys)
        ratio, low, high, *sides = (known[key] for key in keys)
        acts = np.ones(len(ratio), np.bool_)
        if sides:
            plain, clipped = sides
            acts = clipped < plain if self.is_minimum else clipped > plain
        below, above = float(np.mean(acts & (ratio < low))), float(np.mean(acts & (ratio > high)))
        return {"clip_ratio/low_mean": below, "clip_ratio/high_mean": above, "clip_ratio/region_mean": below + above}


def first_clip(spec: Spec, objective: ObjectiveSpec) -> Clip | None:
    """The first clip of a ratio to current weights that the terms of an objective depend on."""
    nodes = _below(spec.graph, (term.key for term in objective.terms))
    for node in nodes:
        if node.operation == Elementwise(Function.CLIP) and _is_ratio(spec.graph[node.inputs[0]]):
            return _clip(spec.graph, nodes, node)
    return None


def _below(graph: Graph, roots: Iterable[int]) -> list[Node]:
    waiting, found = list(roots), set[int]()
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting.extend(graph[key].inputs)
    return [graph[key] for key in sorted(found)]


def _is_ratio(node: Node) -> bool:
    return isinstance(node.type.provenance, Ratio) and node.type.stage is Stage.UPDATE


def _clip(graph: Graph, nodes: Iterable[Node], clip: Node) -> Clip:
    ratio, low, high = clip.inputs
    of_ratio, of_clip = set(descendants(graph, [ratio])), set(descendants(graph, [clip.key]))
    for node in nodes:
        if node.operation in (Elementwise(Function.MINIMUM), Elementwise(Function.MAXIMUM)) and node.type.axis == clip.type.axis:
            clipped = [key for key in node.inputs if key in of_clip]
            plain = [key for key in node.inputs if key in of_ratio and key not in of_clip]
            if clipped and plain:
                return Clip(ratio, low, high, (plain[0], clipped[0]), node.operation.function is Function.MINIMUM)
    return Clip(ratio, low, high, None)
