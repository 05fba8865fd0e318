"""Evaluates a graph in plain torch, node by node: the oracle, and what runs rewards, statistics and tests.

Numbers are tensors of one dtype, with gradients if the leaves have them; the rest is as in `evaluation`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rldsl.diagnostics import InternalError
from rldsl.emit.evaluation import Evaluation, Expanded, ForeignCall, ReadCall, extended
from rldsl.graph.expanding import made_below
from rldsl.graph.model import Graph
from rldsl.kernels import pointwise, reference, vectors
from rldsl.kernels.device.products import moved_to
from rldsl.kernels.layout import Layout
from rldsl.kernels.vectors import Taken

__all__ = ["Expanded", "Tensors", "Value", "evaluate", "extended", "with_found_axes"]

HOST: Final = torch.device("cpu")
Value: TypeAlias = "Tensor | Taken | list[Any]"


@dataclass(frozen=True, slots=True)
class Tensors:
    """The arithmetic of torch, in one dtype, on one device. What the host knows goes up without anybody waiting."""

    dtype: torch.dtype = torch.float64
    device: torch.device = HOST
    pointwise: Any = pointwise
    reference: Any = reference
    vectors: Any = vectors

    def numbers(self, values: Any) -> Tensor:
        """See `Arithmetic.numbers`."""
        if isinstance(values, list | tuple):
            values = [math.nan if item is None else float(item) for item in values]
        tensor = values if isinstance(values, Tensor) else self._there(torch.tensor(np.asarray(values, dtype=np.float64)))
        return tensor.to(self.dtype).reshape(-1)

    def rows(self, values: Any) -> Tensor:
        """See `Arithmetic.rows`."""
        return (values if isinstance(values, Tensor) else self._there(torch.as_tensor(values))).to(self.dtype)

    def indices(self, places: npt.NDArray[np.int64]) -> Tensor:
        """See `Arithmetic.indices`."""
        return self._there(torch.from_numpy(places))

    def is_numbers(self, value: Any) -> bool:
        """See `Arithmetic.is_numbers`."""
        return isinstance(value, Tensor)

    def frozen(self, value: Any) -> Any:
        """See `Arithmetic.frozen`."""
        return value.detached() if isinstance(value, Taken) else value.detach()

    def put(self, value: Tensor, where: npt.NDArray[np.bool_], number: float) -> Tensor:
        """See `Arithmetic.put`."""
        return value.masked_fill(self._there(torch.from_numpy(where)), number)

    def repeated(self, value: Tensor, count: int) -> Tensor:
        """See `Arithmetic.repeated`."""
        return value.expand(count)

    def silent(self) -> AbstractContextManager[None]:
        """See `Arithmetic.silent`; torch never warns."""
        return nullcontext()

    def _there(self, values: Tensor) -> Tensor:
        return moved_to(values, self.device)


DOUBLE: Final = Tensors()


def evaluate(graph: Graph, keys: Iterable[int], layout: Layout, leaves: Mapping[int, Any], *,
             dtype: torch.dtype = torch.float64, foreign: ForeignCall | None = None,
             read: ReadCall | None = None, device: torch.device = HOST) -> dict[int, Value]:
    """The values of `keys`. `leaves` gives any nodes that are known already: tensors of `device` (with gradients if they have
    them), arrays or lists, packed. `foreign` and `read` compute the calls and the model reads that are needed; a call that
    makes an axis gives `Expanded`."""
    layout, leaves = with_found_axes(graph, keys := tuple(keys), layout, leaves, dtype=dtype, foreign=foreign, read=read)
    evaluation = Evaluation(graph, layout, leaves, Tensors(dtype, device), foreign=foreign, read=read)
    return {key: evaluation.value(key) for key in keys}


def with_found_axes(graph: Graph, keys: Iterable[int], layout: Layout, leaves: Mapping[int, Any], *,
                    dtype: torch.dtype = torch.float64, foreign: ForeignCall | None = None,
                    read: ReadCall | None = None) -> tuple[Layout, Mapping[int, Any]]:
    """The layout with all axes that `keys` need and that calls have to find, and the leaves with the values of these calls."""
    known: dict[int, Any] = {}
    for key in made_below(graph, keys, leaves):
        node = graph[key]
        axis = node.type.axis
        if axis.name in layout.offsets or axis.parent is None:
            continue
        inputs = evaluate(graph, node.inputs, layout, {**leaves, **known}, dtype=dtype, foreign=foreign, read=read)
        if foreign is None:
            raise InternalError(f"nobody can compute {node.operation} here")
        made = foreign(node, [inputs[source] for source in node.inputs])
        if not isinstance(made, Expanded):
            raise InternalError(f"{node.operation} makes `{axis}`, and its values came without their counts")
        known |= {**inputs, key: made.values}
        layout = extended(layout, axis, made)
    return layout, {**leaves, **known} if known else leaves
