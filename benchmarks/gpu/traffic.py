"""The least time that eager torch can take, counted without a GPU: each of its kernels reads what it is given and writes what it
gives, through memory.

Counted are the operations that torch dispatches, the way back among them, each with the bytes of its tensors, once each. A view is
no kernel. Of what is gathered or scattered only the chosen entries count. Real kernels may read an input again; products of
matrices are not counted at all. So the ratios that follow are the least there can be at that bandwidth, not estimates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.combine import Batch
from benchmarks.combine import eager as eager_combine
from benchmarks.gpu.combining import GROUP
from benchmarks.gpu.eager import loss_of_logits
from benchmarks.gpu.peers import differentiated
from benchmarks.gpu.place import FULL, Place
from benchmarks.gpu.problems import make_problem
from rldsl.plan.machines import LAUNCH, Machine
from rldsl.plan.work import Sizes

SCALE = 128  # rows and vocabulary are so many times shorter: bytes are by their product
LENGTH = 8
CHOSEN = ("gather", "scatter", "scatter_add_", "index", "index_put_", "index_select")


@dataclass
class Watch(TorchDispatchMode):
    """The bytes of each operation that is dispatched while this is entered, in their order."""

    kernels: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run it, and count."""
        given = tensors((args, kwargs))
        found = func(*args, **(kwargs or {}))
        made = tensors(found)
        held = {tensor.untyped_storage().data_ptr() for tensor in given}
        is_view = made and not func._schema.is_mutable and all(entry.untyped_storage().data_ptr() in held for entry in made)
        if not is_view:
            self.kernels.append(_bytes_of(func._schema.name.partition("::")[2], given, made))
        return found


def tensors(tree: Any) -> list[Tensor]:
    """In any nesting."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _bytes_of(name: str, given: list[Tensor], made: list[Tensor]) -> int:
    moved = list({(tensor.data_ptr(), tensor.nbytes): tensor for tensor in (*given, *made)}.values())  # in place: once
    if name in CHOSEN:
        few = min(len(tensor.reshape(-1)) for tensor in moved)
        return sum(few * tensor.itemsize for tensor in moved)
    return sum(min(tensor.nbytes, tensor.untyped_storage().nbytes()) for tensor in moved)  # what is expanded is read once


def kernels_of(call: Callable[[], object]) -> list[int]:
    """The bytes of every kernel of a call."""
    with Watch() as watch:
        call()
    return watch.kernels


def logits_bytes(name: str, sizes: Sizes) -> int:
    """What eager torch moves from bf16 logits, there and back: counted where rows and vocabulary are `SCALE` times shorter."""
    place = Place(torch.device("cpu"), True)
    tokens, vocabulary = sizes.tokens // SCALE, sizes.vocabulary // SCALE
    logits = place.normal(tokens, vocabulary, seed=8)
    problem = make_problem(place, tokens, LENGTH, lambda part: logits[part])
    logits.requires_grad_()
    return SCALE**2 * sum(kernels_of(lambda: differentiated(loss_of_logits(name, logits, problem), logits)))


def logits_ms(name: str, sizes: Sizes, machine: Machine) -> float:
    """At the machine's bandwidth."""
    return 1e3 * logits_bytes(name, sizes) / machine.copy


def combine_ms(machine: Machine, dtype: torch.dtype) -> float:
    """Of the combine step on padded tensors, whose every kernel takes its bytes or its launch, whichever is longer."""
    samples, longest = FULL.combined
    kernels = kernels_of(eager_combine(Batch.random(samples, GROUP, longest), GROUP, dtype))
    return 1e3 * sum(max(moved / machine.copy, LAUNCH) for moved in kernels)
