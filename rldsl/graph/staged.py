"""What the passes hand to the emitters: one objective, cut into what is known before, the reads, and the coefficients."""

from __future__ import annotations

from dataclasses import dataclass

from rldsl.graph.model import Graph, Read, ReadKind
from rldsl.types import Axis, Level


@dataclass(frozen=True, slots=True)
class Input:
    """A frozen value that the caller hands over for the whole update batch: packed, one number for each place of
    `axis` (a scalar for the batch). `key` is its `Leaf(GIVEN)` node. `source` is the key of the node of the spec's
    whole graph that computes it, or None for a parameter, whose name in the spec is `parameter`."""

    key: int
    name: str
    axis: Axis
    source: int | None
    parameter: str = ""


@dataclass(frozen=True, slots=True)
class LiveRead:
    """A read of the model under training, at each place of `axis` (a response's tokens, or samples): its node, and the
    node that holds its coefficient, the derivative of what is *minimised* by that read. None where nothing flows back."""

    key: int
    read: Read
    axis: Axis
    coefficient: int | None

    @property
    def tokens(self) -> Axis:
        """The tokens that the model looks at for it."""
        return self.axis if self.read.tokens is None else self.read.tokens


@dataclass(frozen=True, slots=True)
class HeadGroup:
    """The reads that share one vocabulary row: one model, one response, one temperature, one context,
    all or none within the support of the response.

    `model` is the one under training; in a divergence it may be the second (`read.other`). `context` is the key, in the
    spec's whole graph, of the text of `response given context`.
    """

    model: str
    response: str
    temperature: float
    axis: Axis
    reads: tuple[LiveRead, ...]
    others: tuple[str, ...]  # the other models of exact divergences, sorted
    context: int | None = None
    within: bool = False

    @property
    def rows(self) -> tuple[str, str]:
        """Under which name the caller hands over its rows: the model, and the response (`y given 12` in another context, `y within
        y.support` in what its sampler could draw)."""
        name = self.response if self.context is None else f"{self.response} given {self.context}"
        return self.model, f"{name} within {self.response}.support" if self.within else name


@dataclass(frozen=True, slots=True)
class StagedObjective:
    """One objective, staged. All keys are of `graph`, which holds nothing of the spec that the objective does not use.

    The loss that is minimised is node `loss` (a scalar): the sum of the minimised terms less the maximised ones.
    Every function below works on packed arrays, axis by axis:

    1. `prepare(layout, inputs) -> prepared`: the nodes `prepared`, over the whole update batch, once;
    2. `coefficients(layout, piece, inputs, prepared, reads) -> coefficients`: for one piece;
    3. `values(layout, inputs, prepared, reads) -> values`: loss, terms and metrics, over the whole update batch.

    A piece is a run of places of `piece_axis` with everything below them. `coupling` is the coarsest level at which
    live values meet before the coefficients are known; pieces may be as fine as `piece_axis`, whose level it is
    (`BATCH`: the whole update batch is the only piece).
    """

    name: str
    model: str
    graph: Graph
    inputs: tuple[Input, ...]
    groups: tuple[HeadGroup, ...]      # reads of the vocabulary distribution
    direct: tuple[LiveRead, ...]       # reads that are a plain output of the model (value, score, probe)
    prepared: tuple[int, ...]
    loss: int
    values: tuple[tuple[str, int], ...]  # label -> scalar node; `objective/<label>` for terms, others are metrics
    coupling: Level
    piece_axis: Axis
    axes: tuple[Axis, ...]             # every axis in use that is not derived: coarse to fine, parents first; BATCH included
    blocker: int | None = None         # the node that couples, for messages

    def pulls_every_row(self, group: HeadGroup) -> bool:
        """Whether each row of the group has a gradient, whatever the numbers: one of its coefficients is never 0, by its range."""
        return any(not self.graph[read.coefficient].type.interval.contains(0.0)
                   for read in group.reads if read.coefficient is not None)

    @property
    def multiplies_vectors(self) -> bool:
        """Whether vectors are read: those of the whole update batch are held at once, and it is never split."""
        return any(live.read.kind is ReadKind.PRODUCT for live in self.direct)
