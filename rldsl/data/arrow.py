"""Readers of Arrow data: parquet files, and the streams that `datasets` saves. They give record batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rldsl.data.errors import Problems
from rldsl.data.table import NESTED

_BATCH = 16_384


def read_parquet(path: Path, shown: str, fields: Sequence[str],
                 problems: Problems) -> Iterator[pa.RecordBatch]:
    """The batches of a parquet file, with the columns that the fields may need."""
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            _check_names(names, shown, problems)
            for batch in file.iter_batches(_BATCH, columns=_needed(names, fields)):
                yield _with_names(batch, names)
    except (pa.ArrowException, OSError) as fault:
        raise problems.stop(f"is not a parquet file that can be read: {_first_line(fault)}", shown) from None


def read_stream(path: Path, shown: str, problems: Problems) -> Iterator[pa.RecordBatch]:
    """The batches of an Arrow stream or Arrow file."""
    try:
        with pa.memory_map(str(path)) as file:
            if file.read(6) == b"ARROW1":
                file.seek(0)
                reader = pa.ipc.open_file(file)
                yield from (reader.get_batch(index) for index in range(reader.num_record_batches))
            else:
                file.seek(0)
                yield from pa.ipc.open_stream(file)
    except (pa.ArrowException, OSError) as fault:
        raise problems.stop(f"is not Arrow data that can be read: {_first_line(fault)}", shown) from None


def _needed(names: Sequence[str], fields: Sequence[str]) -> list[str]:
    wanted = set(fields) | {NESTED[name][0] for name in fields if name in NESTED and name not in names}
    return [name for name in names if name in wanted]


def _with_names(batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
    """The batch with an empty column for each that was not read, so that a message can list them all."""
    missing = [name for name in names if name not in batch.schema.names]
    empty = [pa.nulls(batch.num_rows) for _ in missing]
    return pa.RecordBatch.from_arrays([*batch.columns, *empty], [*batch.schema.names, *missing])


def _check_names(names: Sequence[str], shown: str, problems: Problems) -> None:
    for name in sorted({name for name in names if list(names).count(name) > 1}):
        raise problems.stop(f"the column `{name}` is there twice", shown)


def _first_line(fault: Exception) -> str:
    return str(fault).splitlines()[0][:200] if str(fault) else type(fault).__name__
