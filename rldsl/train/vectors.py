"""Products of vectors, as an update reads them: from the hidden states of current models, through means and pairs, to numbers.

Autograd leads back from the numbers to the models; what the numbers are for is the objective's matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy.typing as npt
import torch
from torch import Tensor

from rldsl.emit.evaluate import evaluate
from rldsl.graph.model import Read
from rldsl.graph.spec import Spec
from rldsl.graph.staged import StagedObjective
from rldsl.kernels.device.products import moved_to
from rldsl.kernels.layout import Layout
from rldsl.passes.stage import vector_reads
from rldsl.types import Axis

Vectors = Mapping[int, npt.NDArray]  # type: ignore[type-arg]


@dataclass(frozen=True, slots=True)
class Products:
    """The products that an objective reads. `sources` pairs the keys of its reads with nodes of the spec's graph; `live`
    are the hidden states of current weights below them, `known` the vectors that do not change, with their axes."""

    sources: tuple[tuple[int, int], ...]
    live: tuple[tuple[int, Read], ...]
    known: tuple[tuple[int, Axis], ...]

    @staticmethod
    def of(spec: Spec, staged: StagedObjective) -> Products:
        """Those of one objective."""
        sources, live, known = [], dict[int, Read](), dict[int, Axis]()
        for entry in staged.direct:
            if entry.read.source is None:
                continue
            sources.append((entry.key, entry.read.source))
            reads, before = vector_reads(spec.graph, entry.read.source)
            for node in reads:
                assert isinstance(node.operation, Read)
                live[node.key] = node.operation
            known.update((node.key, node.type.axis) for node in before)
        return Products(tuple(sources), tuple(live.items()), tuple(known.items()))

    def computed(self, spec: Spec, layout: Layout, live: Mapping[int, Tensor], known: Vectors) -> dict[int, Tensor]:
        """The numbers by the keys of the reads. `live` are hidden states [tokens, H] by node, in whatever number format;
        products are of float32, where the states are."""
        if not self.sources:
            return {}
        device = next(iter(live.values())).device
        leaves = {**live, **{key: moved_to(torch.as_tensor(value), device) for key, value in known.items()}}
        found = evaluate(spec.graph, [source for _, source in self.sources], layout, leaves, dtype=torch.float32, device=device)
        products = {}
        for key, source in self.sources:
            value = found[source]
            assert isinstance(value, Tensor)
            products[key] = value
        return products
