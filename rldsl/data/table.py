"""From rows as they are read to packed, checked columns. Knows fields and places, not file formats."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, overload

import pyarrow as pa
import pyarrow.compute as pc

from rldsl.data.errors import MOST_SHOWN, Enough, Problems
from rldsl.data.rows import ARROW_TYPES, Rows
from rldsl.data.signatures import did_you_mean
from rldsl.data.values import CONVERTERS, WrongValue, from_cell
from rldsl.graph.spec import FieldSpec
from rldsl.types import Element

BLOCK = 16_384
MISSING: Any = object()

# verl keeps the reference answer of a row in `reward_model.ground_truth`.
NESTED = dict.fromkeys(("answer", "ground_truth", "solution"), ("reward_model", "ground_truth"))

# Where a row stands: a file, and a line of it, or the number of the row in it (both from 1).
Place: TypeAlias = tuple[str, int | None, int | None]

# What a value is that needs no conversion, and the bounds within which it needs none.
_PLAIN: dict[Element, tuple[type, float, float]] = {
    Element.TEXT: (str, 0, 0), Element.BOOL: (bool, 0, 1), Element.JSON: (object, 0, 0),
    Element.INT: (int, -(2**63), 2**63 - 1), Element.REAL: (float, -sys.float_info.max, sys.float_info.max),
}


@dataclass(slots=True)
class _Building:
    """A column that grows: the values of the current block, and the blocks that are packed already."""

    name: str
    element: Element
    optional: bool
    convert: Callable[[Any], Any]
    plain: type
    low: float
    high: float
    values: list[Any] = field(default_factory=list)
    blocks: list[pa.Array] = field(default_factory=list)
    seen: bool = False
    without: list[Place] = field(default_factory=list)


class _Numbered(Sequence[Place]):
    """The places of consecutive rows of a file, made when they are asked for."""

    def __init__(self, file: str, first: int, count: int) -> None:
        self._file, self._first, self._count = file, first, count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Place: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Place]: ...

    def __getitem__(self, index: int | slice) -> Place | Sequence[Place]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self._count))]
        if not 0 <= index < self._count:
            raise IndexError(index)
        return self._file, None, self._first + index


class TableBuilder:
    """Takes rows one by one (`add`) or in Arrow batches (`add_batch`); `finish` gives the `Rows`.

    Faults go to `problems`.
    """

    def __init__(self, fields: Sequence[FieldSpec], problems: Problems) -> None:
        self.problems = problems
        self.count = 0
        self._columns = [_Building(spec.name, spec.element, bool(getattr(spec, "optional", False)),
                                   CONVERTERS[spec.element], *_PLAIN[spec.element]) for spec in fields]
        self._rows: list[Place] = []
        self._places: Sequence[Place] = self._rows
        self._known: dict[str, None] = {}

    def add(self, row: Mapping[str, Any], place: Place, *, cells: bool = False) -> None:
        """One row; `cells` says that its values are the text of csv cells."""
        if self.count < MOST_SHOWN:
            self._known.update(dict.fromkeys(map(str, row)))
        self.count += 1
        self._rows.append(place)
        for column in self._columns:
            value = row.get(column.name, MISSING)
            kind: type = type(value)
            if kind is column.plain and (kind is str or column.low <= value <= column.high):
                column.values.append(value)
                column.seen = True
                continue
            if value is MISSING and column.name in NESTED:
                value = _nested(row, column.name)
            if value is MISSING:
                self._note_missing(column, place)
                continue
            column.seen = True
            column.values.append(self._checked(column, value, place, cells))
        if len(self._rows) >= BLOCK:
            self._pack()

    def add_batch(self, batch: pa.RecordBatch, file: str, first: int) -> None:
        """Rows in Arrow; the first is row `first` (from 1) of `file`."""
        self._pack()
        self._known.update(dict.fromkeys(batch.schema.names))
        self.count += batch.num_rows
        self._places = _Numbered(file, first, batch.num_rows)
        for column in self._columns:
            values = _batch_column(batch, column.name)
            if values is None and column.optional:
                column.blocks.append(pa.nulls(batch.num_rows, ARROW_TYPES[column.element]))
            elif values is None:
                column.without.append((file, None, None))
            else:
                column.seen = True
                self._keep_array(column, values)
        self._places = self._rows

    def finish(self) -> Rows:
        """The packed rows. Raises `Enough` where anything was wrong."""
        self._report_missing()
        self._pack()
        if self.problems.found:
            raise Enough
        columns = {column.name: _joined(column) for column in self._columns}
        elements = {column.name: column.element for column in self._columns}
        return Rows(columns, elements, self.count)

    def _checked(self, column: _Building, value: Any, place: Place, cells: bool) -> Any:
        try:
            if cells:
                value = from_cell(value, column.element)
            if value is not None:
                return column.convert(value)
        except WrongValue as wrong:
            self._report(place, f"`{column.name}`: {wrong}")
            return None
        if not column.optional:
            self._report(place, f"`{column.name}` is missing")
        return None

    def _keep_array(self, column: _Building, values: pa.Array) -> None:
        packed = _packed(values, column.element)
        if packed is None:
            texts = _without_broken_texts(values, lambda index: self._report(
                self._places[index], f"`{column.name}`: is not UTF-8"))
            column.values = [self._checked(column, value, place, False)
                             for value, place in zip(texts, self._places, strict=True)]
            self._pack_column(column)
            return
        if packed.null_count and not column.optional:
            for index in pc.indices_nonzero(packed.is_null()).to_pylist():
                self._report(self._places[index], f"`{column.name}` is missing")
        self._check_texts(column, packed)
        column.blocks.append(packed)

    def _note_missing(self, column: _Building, place: Place) -> None:
        column.values.append(None)
        if column.optional:
            return
        column.without.append(place)
        if len(column.without) >= MOST_SHOWN:
            self._report_missing()
            raise Enough

    def _report_missing(self) -> None:
        for column in self._columns:
            places, column.without = column.without, []
            if column.optional and not column.seen:
                continue
            if column.seen:
                for place in places:
                    self._report(place, f"`{column.name}` is missing")
            elif places:
                meant = did_you_mean(column.name, self._known) or "; there are no columns"
                self._report((places[0][0], None, None), f"there is no column `{column.name}`{meant}")

    def _pack(self) -> None:
        for column in self._columns:
            self._pack_column(column)
        self._rows.clear()

    def _pack_column(self, column: _Building) -> None:
        if not column.values:
            return
        try:
            block = pa.array(column.values, ARROW_TYPES[column.element])
        except UnicodeEncodeError:
            self._report_surrogates(column)
            block = pa.nulls(len(column.values), ARROW_TYPES[column.element])
        self._check_texts(column, block)
        column.blocks.append(block)
        column.values = []

    def _report_surrogates(self, column: _Building) -> None:
        for value, place in zip(column.values, self._places, strict=True):
            try:
                (value or "").encode()
            except UnicodeEncodeError as fault:
                half = f"\\u{ord(value[fault.start]):04x}"
                self._report(place, f"`{column.name}`: has half of a surrogate pair ({half})")

    def _check_texts(self, column: _Building, block: pa.Array) -> None:
        if column.element is not Element.TEXT:
            return
        with_nul = pc.match_substring(block, "\0")
        if pc.any(with_nul).as_py():
            for index in pc.indices_nonzero(with_nul).to_pylist():
                self._report(self._places[index], f"`{column.name}`: has a NUL character")

    def _report(self, place: Place, message: str) -> None:
        file, line, row = place
        self.problems.add(message if row is None else f"row {row}: {message}", file, line)


def _joined(column: _Building) -> pa.Array:
    if not column.blocks:
        return pa.array([], ARROW_TYPES[column.element])
    joined = pa.concat_arrays(column.blocks)
    column.blocks.clear()
    return joined


def _nested(row: Mapping[str, Any], name: str) -> Any:
    outer, inner = NESTED[name]
    found = row.get(outer)
    return found.get(inner, MISSING) if isinstance(found, Mapping) else MISSING


def _batch_column(batch: pa.RecordBatch, name: str) -> pa.Array | None:
    if name in batch.schema.names:
        return batch.column(name)
    outer, inner = NESTED.get(name, ("", ""))
    if outer in batch.schema.names and pa.types.is_struct(batch.schema.field(outer).type):
        struct = batch.column(outer)
        if inner in [struct.type.field(index).name for index in range(struct.type.num_fields)]:
            return pc.struct_field(struct, inner)
    return None


def _packed(values: pa.Array, element: Element) -> pa.Array | None:
    """The array cast without looking at single values, or None where each has to be looked at."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _packed(values.dictionary_decode(), element)
    if element is Element.TEXT and _is_text(kind):
        return values.cast(pa.large_string()) if _broken_text(values) is None else None
    if element is Element.BOOL and pa.types.is_boolean(kind):
        return values
    if element is Element.INT and pa.types.is_integer(kind) and not pa.types.is_uint64(kind):
        return values.cast(pa.int64())
    if element is Element.REAL and pa.types.is_floating(kind):
        number = values.cast(pa.float64())
        return number if pc.all(pc.is_finite(number)).as_py() is not False else None
    if element is Element.REAL and (pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        return values.cast(pa.float64(), safe=False)
    return None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _broken_text(values: pa.Array) -> str | None:
    """What is wrong with the bytes of the array: Arrow takes them on trust, and we do not."""
    try:
        values.validate(full=True)
    except pa.ArrowInvalid as fault:
        return str(fault)
    return None


def _without_broken_texts(values: pa.Array, report: Callable[[int], None]) -> list[Any]:
    """The values as Python's, with an empty text (and a report) for each that is not UTF-8."""
    if not _is_text(values.type) or _broken_text(values) is None:
        found: list[Any] = values.to_pylist()
        return found
    kept: list[Any] = []
    for index in range(len(values)):
        broken = _broken_text(pa.concat_arrays([values.slice(index, 1)])) is not None
        if broken:
            report(index)
        kept.append("" if broken else values[index].as_py())
    return kept
