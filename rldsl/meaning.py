"""What an objective means, before any pass: its terms on the spec's own graph, in plain torch, with autograd.

The oracle of `certify`: it shares no pass, no emitted text and no kernel with what it judges. Slow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rldsl.emit.evaluate import evaluate
from rldsl.graph.model import Foreign, Leaf, Read
from rldsl.graph.order import ancestors
from rldsl.graph.spec import ObjectiveSpec, Spec
from rldsl.graph.staged import LiveRead, StagedObjective
from rldsl.kernels.layout import Layout
from rldsl.types import BATCH, NUMERIC

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Meaning:
    """An objective as it stands in its spec."""

    spec: Spec
    objective: ObjectiveSpec

    def slopes(self, staged: StagedObjective, layout: Layout, inputs: Mapping[str, Numbers],
               reads: Mapping[int, Numbers]) -> dict[int, Numbers]:
        """The derivatives of the loss by the reads; reads and inputs as `staged` has them."""
        live = {key: torch.tensor(value, requires_grad=True) for key, value in reads.items()}
        loss = self.loss(staged, layout, inputs, live)
        if not loss.requires_grad:
            return {key: np.zeros(len(value)) for key, value in reads.items()}
        found = torch.autograd.grad(loss, list(live.values()), allow_unused=True)
        return {key: np.zeros(len(reads[key])) if slope is None else slope.numpy()
                for key, slope in zip(live, found, strict=True)}

    def loss(self, staged: StagedObjective, layout: Layout, inputs: Mapping[str, Numbers],
             reads: Mapping[int, Tensor]) -> Tensor:
        """The minimised terms less the maximised ones; an absent term adds nothing, a NaN that nothing promised stays one."""
        leaves = {**self._inputs(staged, inputs), **self._reads(staged, reads)}
        keys = [term.key for term in self.objective.terms]
        terms = evaluate(self.spec.graph, keys, layout, {**self._counted(keys, leaves, layout), **leaves})
        total = torch.zeros((), dtype=torch.float64)
        for term in self.objective.terms:
            value = terms[term.key]
            assert isinstance(value, Tensor)
            may_be_absent = self.spec.graph[term.key].type.optional
            present = torch.where(torch.isnan(value), 0.0, value).sum() if may_be_absent else value.sum()
            total = total - present if term.maximize else total + present
        return total

    def values(self, staged: StagedObjective, layout: Layout, inputs: Mapping[str, Numbers], reads: Mapping[int, Numbers],
               keys: Iterable[int]) -> dict[int, Numbers]:
        """Numbers of the spec's graph that the objective depends on."""
        given = {key: torch.from_numpy(value) for key, value in reads.items()}
        found = evaluate(self.spec.graph, keys, layout, {**self._inputs(staged, inputs), **self._reads(staged, given)})
        return {key: value.numpy() for key, value in found.items() if isinstance(value, Tensor)}

    def _counted(self, keys: list[int], leaves: Mapping[int, Tensor], layout: Layout) -> dict[int, Tensor]:
        """Any numbers for what is only counted, so that no input says what it is: what a model or the data would give, or a call
        of the host (`weight + 0 * text.length(said)` is the weight, at each answer)."""
        below = (self.spec.graph[key] for key in ancestors(self.spec.graph, keys) if key not in leaves)
        return {node.key: torch.zeros(layout.size(node.type.axis.name), dtype=torch.float64) for node in below
                if isinstance(node.operation, Leaf | Read | Foreign) and node.type.element in NUMERIC
                and node.type.axis.name in {*layout.offsets, BATCH.name}}

    def _inputs(self, staged: StagedObjective, inputs: Mapping[str, Numbers]) -> dict[int, Tensor]:
        parameters = {parameter.name: parameter.key for parameter in self.spec.params}
        return {parameters[given.parameter] if given.source is None else given.source: torch.from_numpy(inputs[given.name])
                for given in staged.inputs}

    def _reads(self, staged: StagedObjective, reads: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """One value for all nodes that read the same."""
        live: list[LiveRead] = [*(read for group in staged.groups for read in group.reads), *staged.direct]
        values = {read.read: reads[read.key] for read in live}
        found = {node.key: values[node.operation] for node in self.spec.graph.nodes
                 if isinstance(node.operation, Read) and node.operation in values}
        return found | {read.source: value for read, value in values.items() if read.source is not None}
