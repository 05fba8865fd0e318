"""Weights that follow trained ones: averages after each optimizer step, stored versions after each iteration.

A stored version needs the weights at the start of as many iterations as it lies back; they are kept here and in
checkpoints.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from rldsl.graph.spec import Average, ModelSpec, Spec, Stored
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.weights import average_weights, put_weights, weights_now
from rldsl.train.durable import StorageError, explained
from rldsl.train.world import root_model

Weights = Mapping[str, Tensor]


@dataclass(slots=True)
class Followers:
    """`starts[name]` are the base's weights at the start of the last `lag` iterations, the present one included, oldest
    first: what a stored version will become."""

    spec: Spec
    models: Mapping[str, LoadedModel]
    starts: dict[str, deque[Weights]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for entry, _ in self._stored():
            self.starts[entry.name] = deque([weights_now(self._base(entry))])

    def after_step(self, root: str) -> None:
        """The averages of a model whose optimizer has stepped."""
        for entry in self.spec.models:
            if isinstance(entry.follows, Average) and root_model(self.spec, str(entry.base)) == root:
                average_weights(self._base(entry), self.models[entry.name], entry.follows.rate)

    def after_reset(self) -> None:
        """Weights were put into a model between two iterations: the next one starts with them."""
        for entry, _ in self._stored():
            self.starts[entry.name][-1] = weights_now(self._base(entry))

    def after_iteration(self) -> None:
        """Stored versions become what they are in the next iteration."""
        for entry, follows in self._stored():
            starts = self.starts[entry.name]
            if len(starts) == follows.lag:
                put_weights(self.models[entry.name], starts.popleft())
            starts.append(weights_now(self._base(entry)))

    def _stored(self) -> Iterator[tuple[ModelSpec, Stored]]:
        return ((entry, entry.follows) for entry in self.spec.models
                if isinstance(entry.follows, Stored) and entry.name in self.models)

    def _base(self, entry: ModelSpec) -> LoadedModel:
        return self.models[str(entry.base)]

    # ------------------------------------------------------------------ keeping
    def write(self, folder: Path) -> None:
        """The weights that wait, as `start-NAME-PLACE.safetensors`. Those of the models themselves are kept elsewhere."""
        for name, starts in self.starts.items():
            for place, weights in enumerate(starts):
                save_file(dict(weights), folder / f"start-{name}-{place}.safetensors")

    def read(self, folder: Path) -> None:
        """What `write` wrote, to the bit."""
        for entry, follows in self._stored():
            paths = [folder / f"start-{entry.name}-{place}.safetensors" for place in range(follows.lag)]
            self.starts[entry.name] = deque(_loaded(path) for path in paths if path.is_file())
            if not self.starts[entry.name]:
                raise StorageError(f"{folder} lacks the earlier weights that `{entry.name}` is made of")


def _loaded(path: Path) -> Weights:
    try:
        with explained("read", path):
            found: Weights = load_file(path)
            return found
    except SafetensorError as fault:
        raise StorageError(f"{path} holds no weights: {fault}") from fault
