"""What stays the same over a run: the spec, its data, its models, its calls on the host. Holds; computes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rldsl.data.order import RowOrder
from rldsl.data.rows import Rows
from rldsl.graph.spec import ModelSpec, ResponseSpec, Spec
from rldsl.rewards.run import HostCalls
from rldsl.rollouts.models import LoadedModel
from rldsl.train.failures import FailureBook
from rldsl.train.needs import NeedFinder
from rldsl.train.seeds import seed_for


@dataclass(slots=True)
class World:
    """`models` by name; those of shared weights share a module. `data` are the rows of every data set."""

    spec: Spec
    project: Path
    seed: int
    data: Mapping[str, Rows]
    models: Mapping[str, LoadedModel]
    host: HostCalls
    finder: NeedFinder
    failures: FailureBook
    orders: dict[str, RowOrder] = field(default_factory=dict)

    @property
    def responses(self) -> Mapping[str, ResponseSpec]:
        """By name."""
        return self.finder.responses

    def order_of(self, data: str) -> RowOrder:
        """In which order the rows of a data set are drawn."""
        if data not in self.orders:
            self.orders[data] = RowOrder(len(self.data[data]), seed_for(self.seed, "order", data))
        return self.orders[data]

    def root_of(self, model: str) -> str:
        """The model whose weights `model` uses."""
        return root_model(self.spec, model)


def root_model(spec: Spec, name: str) -> str:
    """The model whose weights `name` uses: itself, or the one that it is another role of."""
    models: dict[str, ModelSpec] = {entry.name: entry for entry in spec.models}
    while models[name].shares_weights and models[name].base is not None:
        name = str(models[name].base)
    return name
