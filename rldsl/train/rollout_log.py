"""Rollouts as parquet: one row a sample, every reward node's value in a column of its own. Scores nothing.

Columns: `iteration`, `rollout` (its name in the spec), `prompt_index`, `sample_index`, `prompt`,
`response`, `tokens`, `finished`, `rewards/<node>` for every node, `failed` (names of the nodes that
failed), `not_asked` (names of those that nothing needed here), `data/<column>` for those asked for. An absent
value is null; a failed one is null and named in `failed`, one that nobody was asked for in `not_asked`.
Every file of a run has the same columns, so `pandas.read_parquet([…])` and `pyarrow.dataset.dataset([…])`
take them together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from rldsl.train.durable import StorageError, explained, write_atomically

Kind = Literal["real", "integer", "truth", "text", "reals"]

_TYPES: Mapping[str, Any] = {
    "real": pa.float64(),
    "integer": pa.int64(),
    "truth": pa.bool_(),
    "text": pa.string(),
    "reals": pa.list_(pa.float64()),
}
_FIXED: tuple[tuple[str, Any], ...] = (
    ("iteration", pa.int64()),
    ("rollout", pa.string()),
    ("prompt_index", pa.int64()),
    ("sample_index", pa.int64()),
    ("prompt", pa.string()),
    ("response", pa.string()),
    ("tokens", pa.int64()),
    ("finished", pa.bool_()),
)
_FILE = re.compile(r"(?P<kind>iteration|evaluation-(?P<name>\w+))-(?P<iteration>\d{6,})\.parquet")


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled response and what its reward nodes gave; None is an absent value."""

    prompt_index: int
    sample_index: int
    prompt: str
    response: str
    tokens: int
    finished: bool
    rewards: Mapping[str, object] = field(default_factory=dict)
    failed: tuple[str, ...] = ()
    data: Mapping[str, object] = field(default_factory=dict)
    rollout: str = "y"
    not_asked: tuple[str, ...] = ()


class RolloutLog:
    """Writer of one run's rollouts.

    `rewards` and `data` give the columns and their kinds, once for the whole run.
    """

    __slots__ = ("_data", "_folder", "_rewards", "schema")

    def __init__(
        self, folder: Path, rewards: Mapping[str, Kind], data: Mapping[str, Kind] | None = None
    ) -> None:
        self._folder = folder
        self._rewards = dict(rewards)
        self._data = dict(data or {})
        columns = [
            *_FIXED,
            *((f"rewards/{name}", _TYPES[kind]) for name, kind in self._rewards.items()),
            ("failed", pa.list_(pa.string())),
            ("not_asked", pa.list_(pa.string())),
            *((f"data/{name}", _TYPES[kind]) for name, kind in self._data.items()),
        ]
        self.schema = pa.schema(columns, metadata={"rldsl.rollouts": "1"})

    def write(self, iteration: int, samples: Sequence[Sample], *, evaluation: str | None = None) -> Path:
        """One file for an iteration, or for one evaluation at it.

        Replaces what a killed process wrote of it.
        """
        name = "iteration" if evaluation is None else f"evaluation-{evaluation}"
        path = self._folder / f"{name}-{iteration:06d}.parquet"
        if not _FILE.fullmatch(path.name):
            raise ValueError(f"an evaluation's name is letters, digits and _: {evaluation!r}")
        for sample in samples:
            _check(sample, self._rewards.keys(), self._data.keys())
        table = pa.table([_column(samples, iteration, item) for item in self.schema], schema=self.schema)
        buffer = BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        with explained("write", path):
            self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())
        return path

    def truncate(self, iteration: int) -> None:
        """Removes the files of iterations after this one: a run that continues there writes them again."""
        for evaluation in (None, *list_evaluations(self._folder)):
            for number, path in list_files(self._folder, evaluation):
                if number > iteration:
                    with explained("remove", path):
                        path.unlink()


def read_rollouts(folder: Path, *, evaluation: str | None = None) -> Iterator[tuple[int, Sample]]:
    """Iteration and sample, in the order in which they were written.

    `folder` is the run's or its `rollouts`.
    """
    for _, path in list_files(folder, evaluation):
        yield from read_file(path)


def read_file(path: Path) -> Iterator[tuple[int, Sample]]:
    """The samples of one file; a `StorageError` names it when it is no rollout file, or a damaged one."""
    try:
        with explained("read", path), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    yield _from_row(row)
    except (pa.ArrowException, KeyError, TypeError) as error:
        raise StorageError(
            f"{path} is damaged, or holds no rollouts: {str(error).splitlines()[0][:200]}"
        ) from error


def list_files(folder: Path, evaluation: str | None = None) -> list[tuple[int, Path]]:
    """Iteration and file, in the order of iterations: of training, or of one evaluation."""
    found = [
        (int(match["iteration"]), path) for path, match in _matches(folder) if match["name"] == evaluation
    ]
    return sorted(found)


def list_evaluations(folder: Path) -> list[str]:
    """Names of the evaluations that have rollouts here."""
    return sorted({match["name"] for _, match in _matches(folder) if match["name"] is not None})


def _matches(folder: Path) -> list[tuple[Path, re.Match[str]]]:
    inner = folder / "rollouts"
    folder = inner if inner.is_dir() else folder
    if not folder.is_dir():
        return []
    with explained("read", folder):
        return [(path, match) for path in folder.iterdir() if (match := _FILE.fullmatch(path.name))]


def _check(sample: Sample, rewards: Any, data: Any) -> None:
    unknown = (sample.rewards.keys() - rewards) | ({*sample.failed, *sample.not_asked} - rewards) | (sample.data.keys() - data)
    if unknown:
        raise ValueError(f"not among the columns of this run: {', '.join(sorted(unknown))}")


def _column(samples: Sequence[Sample], iteration: int, item: Any) -> Any:
    group, _, name = item.name.partition("/")
    match group:
        case "iteration":
            values: list[object] = [iteration] * len(samples)
        case "rewards":
            values = [None if name in (*sample.failed, *sample.not_asked) else sample.rewards.get(name) for sample in samples]
        case "data":
            values = [sample.data.get(name) for sample in samples]
        case "failed" | "not_asked":
            values = [list(getattr(sample, group)) for sample in samples]
        case _:
            values = [getattr(sample, group) for sample in samples]
    try:
        return pa.array([_encodable(value) for value in values], item.type)
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise TypeError(f"column {item.name} is of {item.type}: {error}") from error


def _encodable(value: object) -> object:
    """Half of a surrogate pair, which a tokenizer of bytes can leave, is no text in parquet."""
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def _from_row(row: dict[str, Any]) -> tuple[int, Sample]:
    def within(group: str) -> dict[str, object]:
        return {name.removeprefix(group): value for name, value in row.items() if name.startswith(group)}

    fixed = {name: row[name] for name, _ in _FIXED if name != "iteration"}
    sample = Sample(**fixed, rewards=within("rewards/"), failed=tuple(row["failed"]), data=within("data/"),
                    not_asked=tuple(row.get("not_asked") or ()))
    return row["iteration"], sample
