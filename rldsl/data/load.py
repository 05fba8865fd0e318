"""`load_data`: a declared data set as checked rows, before any model is loaded. Shuffles nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from rldsl.data.arrow import read_parquet, read_stream
from rldsl.data.errors import MOST_SHOWN, DataErrors, Enough, Problems
from rldsl.data.folders import find_dataset, find_file, find_parquet
from rldsl.data.lines import read_csv, read_jsonl
from rldsl.data.loading import Loading
from rldsl.data.made import read_puzzles, read_python
from rldsl.data.rows import Rows
from rldsl.data.signatures import SOURCES, did_you_mean, match_arguments
from rldsl.data.table import TableBuilder
from rldsl.graph.spec import DataSpec, Invocation

_Reader: TypeAlias = Callable[[Loading], None]


def load_data(spec: DataSpec, *, project: Path, seed: int) -> Rows:
    """The rows of a data set, every field checked; paths are relative to `project`.

    Raises `DataErrors` with the first twenty faults, each with its file and line.
    """
    problems = Problems()
    try:
        table = TableBuilder(spec.fields, problems)
        loading = Loading(spec, _arguments(spec.source, problems), project, seed, table, problems)
        _READERS[spec.source.name](loading)
        if not table.count and not problems.found:
            raise problems.stop("there are no rows", loading.origin)
        return table.finish()
    except Enough:
        stopped = len(problems.found) >= MOST_SHOWN
        raise DataErrors(spec.name, problems.in_order(), stopped) from None


def _arguments(source: Invocation, problems: Problems) -> Mapping[str, Any]:
    signature = SOURCES.get(source.name)
    if signature is None:
        meant = did_you_mean(source.name, SOURCES)
        raise problems.stop(f"there is no source `{source.name}`{meant}", source.name)
    names = [name for name, _ in source.named]
    matched = match_arguments(signature.parameters, len(source.positional), names, others=signature.others)
    if matched.problems:
        raise problems.stop("; ".join(matched.problems), source.name)
    defaults = {parameter.name: parameter.default for parameter in signature.parameters}
    values = [*source.positional, *(value for _, value in source.named)]
    return {**defaults, **dict(zip(matched.names, values, strict=True))}


def _read_jsonl(loading: Loading) -> None:
    path = find_file(loading.project, loading.arguments["path"], loading.problems)
    loading.add_rows(read_jsonl(path, loading.arguments["path"], loading.problems))


def _read_csv(loading: Loading) -> None:
    written, separator = loading.arguments["path"], loading.arguments["separator"]
    if len(separator) != 1:
        raise loading.problems.stop(f'`separator` must be one character, not "{separator}"', written)
    path = find_file(loading.project, written, loading.problems)
    loading.add_rows(read_csv(path, written, separator, loading.problems), cells=True)


def _read_parquet(loading: Loading) -> None:
    for path in find_parquet(loading.project, loading.arguments["path"], loading.problems):
        _read_batches(loading, path)


def _read_folder(loading: Loading) -> None:
    arguments = loading.arguments
    for path in find_dataset(loading.project, arguments["path"], arguments["split"], loading.problems):
        shown = loading.shown(path)
        if path.name.endswith((".jsonl", ".jsonl.gz")):
            loading.add_rows(read_jsonl(path, shown, loading.problems))
        elif path.suffix == ".csv":
            loading.add_rows(read_csv(path, shown, ",", loading.problems), cells=True)
        else:
            _read_batches(loading, path)


def _read_batches(loading: Loading, path: Path) -> None:
    shown, names = loading.shown(path), [spec.name for spec in loading.spec.fields]
    if path.suffix == ".arrow":
        batches = read_stream(path, shown, loading.problems)
    else:
        batches = read_parquet(path, shown, names, loading.problems)
    first = 1
    for batch in batches:
        if loading.room == 0:
            break
        loading.table.add_batch(batch.slice(0, loading.room), shown, first)
        first += batch.num_rows


_READERS: dict[str, _Reader] = {
    "jsonl": _read_jsonl, "csv": _read_csv, "parquet": _read_parquet, "hf": _read_folder,
    "python": read_python, "reasoning_gym": read_puzzles,
}
