"""Rows in memory: packed Arrow columns, read as lists or arrays. Knows nothing of files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rldsl.data.signatures import did_you_mean
from rldsl.types import Element

Column: TypeAlias = "list[Any] | npt.NDArray[Any]"

ARROW_TYPES: dict[Element, pa.DataType] = {
    Element.TEXT: pa.large_string(),
    Element.JSON: pa.large_string(),
    Element.REAL: pa.float64(),
    Element.INT: pa.int64(),
    Element.BOOL: pa.bool_(),
}


class Rows:
    """The rows of a data set, or a selection of them.

    `rows["answer"]` gives a column: Text as a list of str, Json as a list of values, both with None for an
    absent value; Real as float64 with NaN for absent; Int as int64 and Bool as bool (float64 with NaN, where
    any is absent). A column is decoded when it is asked for: select first.
    """

    __slots__ = ("_columns", "_count", "_elements")

    def __init__(self, columns: Mapping[str, pa.Array], elements: Mapping[str, Element], count: int) -> None:
        self._columns = dict(columns)
        self._elements = dict(elements)
        self._count = count

    def __len__(self) -> int:
        return self._count

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in the order in which they were declared."""
        return tuple(self._columns)

    @property
    def nbytes(self) -> int:
        """Memory of the packed columns."""
        return sum(column.nbytes for column in self._columns.values())

    def element(self, name: str) -> Element:
        """What a value of the column is."""
        self._check(name)
        return self._elements[name]

    def __getitem__(self, name: str) -> Column:
        self._check(name)
        return _decode(self._columns[name], self._elements[name])

    def select(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> Rows:
        """The rows at `indices`, in that order; a row may come more than once."""
        taken = pa.array(np.asarray(indices, dtype=np.int64))
        columns = {name: column.take(taken) for name, column in self._columns.items()}
        return Rows(columns, self._elements, len(taken))

    def _check(self, name: str) -> None:
        if name not in self._columns:
            raise KeyError(f"no column `{name}`{did_you_mean(name, self._columns)}")


def _decode(column: pa.Array, element: Element) -> Column:
    if element is Element.JSON:
        return [None if text is None else json.loads(text) for text in column.to_pylist()]
    if element is Element.TEXT:
        texts: list[Any] = column.to_pylist()
        return texts
    if column.null_count:
        column = column.cast(pa.float64())
    array: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return array
