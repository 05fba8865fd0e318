"""The arithmetic of numpy for `evaluation`, in float64: for kept values. No gradients, no vectors, no torch."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from rldsl.diagnostics import InternalError
from rldsl.kernels.arrays import pointwise, reference

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Arrays:
    """Packed arrays of float64."""

    pointwise: Any = pointwise
    reference: Any = reference

    @property
    def vectors(self) -> Any:
        """There are none: products of vectors are torch's."""
        raise InternalError("vectors are computed in torch alone")

    def numbers(self, values: Any) -> Numbers:
        """See `Arithmetic.numbers`."""
        if isinstance(values, list | tuple):
            values = [math.nan if item is None else float(item) for item in values]
        return np.asarray(values, np.float64).reshape(-1)

    def rows(self, values: Any) -> Any:
        """See `Arithmetic.rows`."""
        return self.vectors

    def indices(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """See `Arithmetic.indices`."""
        return places

    def is_numbers(self, value: Any) -> bool:
        """See `Arithmetic.is_numbers`."""
        return isinstance(value, np.ndarray)

    def frozen(self, value: Any) -> Any:
        """See `Arithmetic.frozen`."""
        return value

    def put(self, value: Numbers, where: npt.NDArray[np.bool_], number: float) -> Numbers:
        """See `Arithmetic.put`."""
        return np.where(where, number, value)

    def repeated(self, value: Numbers, count: int) -> Numbers:
        """See `Arithmetic.repeated`."""
        return np.broadcast_to(value, (count,))

    def silent(self) -> AbstractContextManager[None]:
        """See `Arithmetic.silent`."""
        return np.errstate(all="ignore")


ARRAYS: Final = Arrays()
