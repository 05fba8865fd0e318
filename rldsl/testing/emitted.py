"""Evaluates a test's graph through the passes and the emitted kernels: the way a staged objective goes, gradients and all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from rldsl.emit.combine import Backend, Combine
from rldsl.graph.model import Graph, Leaf, SourceKind
from rldsl.graph.spec import TestSpec
from rldsl.graph.staged import StagedObjective
from rldsl.kernels.layout import Layout
from rldsl.passes import differentiate_scalar, stage_values
from rldsl.types import BATCH, Level

Array = npt.NDArray[np.float64]


def evaluate_emitted(test: TestSpec, leaves: Mapping[int, Array], layout: Layout, backend: Backend) -> dict[int, Array]:
    """The sides of all expectations. Gradients first: they are leaves of the expectations."""
    known = dict(leaves)
    for result, scalar, probe in test.gradients:
        graph, gradients = differentiate_scalar(test.graph, scalar, [probe])
        known[result] = _run(graph, [gradients[probe]], known, layout, backend)[gradients[probe]]
    return _run(test.graph, sorted({key for expect in test.expects for key in (expect.key, expect.expected)}), known, layout,
                backend)


def _run(graph: Graph, keys: Sequence[int], known: Mapping[int, Array], layout: Layout,
         backend: Backend) -> dict[int, Array]:
    staged = stage_values(graph, [(str(key), key) for key in keys])
    moved = {int(label): key for label, key in staged.values}
    objective = StagedObjective(
        name="test", model="", graph=staged.graph, inputs=staged.inputs, groups=(), direct=(),
        prepared=tuple(dict.fromkeys(moved.values())), loss=next(iter(moved.values())), values=(), coupling=Level.BATCH,
        piece_axis=BATCH, axes=staged.axes)
    inputs = {given.name: _input(graph, given.source, given.name, known) for given in staged.inputs}
    found = Combine(objective, backend).prepare(layout, inputs)
    return {key: found[moved[key]] for key in keys}


def _input(graph: Graph, source: int | None, name: str, known: Mapping[int, Array]) -> Array:
    if source is not None:
        return known[source]
    return next(known[node.key] for node in graph.nodes
                if isinstance(node.operation, Leaf) and node.operation.kind is SourceKind.PARAM
                and node.operation.owner == name)
