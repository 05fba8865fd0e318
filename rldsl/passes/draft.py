"""One objective on its way through the passes: its graph and the keys that matter. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from rldsl.graph.model import Graph, Node
from rldsl.graph.staged import Input
from rldsl.infer import Builder
from rldsl.types import BATCH, Axis, Level, Stage

Rule: TypeAlias = Callable[[Builder, Node, tuple[int, ...]], int]


@dataclass(frozen=True, slots=True)
class Draft:
    """An objective after some of the passes; what a later pass finds out is empty before it.

    `coefficients` pairs each live read with the derivative of the loss by it.
    """

    name: str
    model: str
    graph: Graph
    loss: int | None
    values: tuple[tuple[str, int], ...]
    inputs: tuple[Input, ...] = ()
    coefficients: tuple[tuple[int, int], ...] = ()
    prepared: tuple[int, ...] = ()
    coupling: Level = Level.TOKEN
    piece_axis: Axis = BATCH
    blocker: int | None = None

    @property
    def roots(self) -> tuple[int, ...]:
        """What must be computed."""
        loss = () if self.loss is None else (self.loss,)
        return (*loss, *(key for _, key in self.values), *(key for _, key in self.coefficients))

    @property
    def labelled_roots(self) -> tuple[tuple[str, int], ...]:
        """The roots with labels, for the printer."""
        loss = () if self.loss is None else (("loss", self.loss),)
        return (*loss, *self.values, *((f"d loss / d %{read}", key) for read, key in self.coefficients))


def builder_after(graph: Graph) -> Builder:
    """An empty builder for the graph of an objective, whose new keys are above those of `graph`."""
    return Builder(stage=Stage.UPDATE, first=max(graph.by_key, default=-1) + 1, expanded=True)


def rebuild(draft: Draft, rule: Rule) -> Draft:
    """Each node in order through `rule(builder, node, new inputs) -> new key`; then what the roots do not need goes.

    A rule that changes nothing returns `builder.keep(node, inputs)`; such nodes keep their keys.
    """
    builder = builder_after(draft.graph)
    moved: dict[int, int] = {}
    for node in draft.graph.nodes:
        moved[node.key] = rule(builder, node, tuple(moved[key] for key in node.inputs))
        pass_name_on(builder, node, moved[node.key])
    return move(draft, builder, moved)


def pass_name_on(builder: Builder, node: Node, key: int) -> None:
    """What was computed under the user's name keeps it, unless it has become a leaf or a constant."""
    if node.name is not None and builder[key].inputs:
        builder.rename(key, node.name)


def move(draft: Draft, builder: Builder, moved: Mapping[int, int]) -> Draft:
    """The draft over a new graph: every key through `moved`, dead nodes and inputs gone."""
    placed = replace(
        draft,
        loss=None if draft.loss is None else moved[draft.loss],
        values=tuple((label, moved[key]) for label, key in draft.values),
        coefficients=tuple((moved[read], moved[key]) for read, key in draft.coefficients))
    # A read stays for its derivative's sake, though the values need it no more; with one of 0 it goes, and the derivative with it.
    live = tuple(read for read, key in placed.coefficients if not _is_zero(builder[key]))
    graph = builder.graph((*placed.roots, *live))
    inputs = tuple(replace(given, key=moved[given.key]) for given in draft.inputs if moved[given.key] in graph.by_key)
    kept = tuple((read, key) for read, key in placed.coefficients if read in graph.by_key)
    return replace(placed, graph=graph, inputs=inputs, coefficients=kept)


def _is_zero(node: Node) -> bool:
    return not node.type.optional and node.type.interval.low == node.type.interval.high == 0.0
