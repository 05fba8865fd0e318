"""Counts the bytes of a tensor that interpreted kernels load and store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from torch import Tensor


@dataclass
class Moved:
    """Bytes of one tensor."""

    loaded: int = 0
    stored: int = 0


@contextmanager
def counted(*tensors: Tensor) -> Iterator[list[Moved]]:
    """Of each tensor, while it is entered: every lane that is not masked counts, by its address."""
    from triton.runtime.interpreter import InterpreterBuilder
    found = [Moved() for _ in tensors]
    ranges = [(tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes, tensor.element_size()) for tensor in tensors]
    load, store = InterpreterBuilder.create_masked_load, InterpreterBuilder.create_masked_store

    def bytes_of(pointers: Any, mask: Any) -> list[int]:
        at, taken = np.asarray(pointers.data), np.asarray(mask.data, dtype=bool)
        return [size * int(np.count_nonzero(taken & (at >= start) & (at < stop))) for start, stop, size in ranges]

    def counted_load(self: Any, pointers: Any, mask: Any, *others: Any) -> Any:
        for entry, size in zip(found, bytes_of(pointers, mask), strict=True):
            entry.loaded += size
        return load(self, pointers, mask, *others)

    def counted_store(self: Any, pointers: Any, value: Any, mask: Any, *others: Any) -> Any:
        for entry, size in zip(found, bytes_of(pointers, mask), strict=True):
            entry.stored += size
        return store(self, pointers, value, mask, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InterpreterBuilder, "create_masked_load", counted_load)
        patch.setattr(InterpreterBuilder, "create_masked_store", counted_store)
        yield found
