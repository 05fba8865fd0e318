"""The folder of a scoring: parts while it goes on, whole files at its end. Each file appears whole or not at all.

`score.json` says of what the folder is; `summary.json` is written last: a folder that has it is complete.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rldsl.rewards.engine.asked import Asked
from rldsl.rewards.outcome import Failure
from rldsl.scores.faults import ScoreError
from rldsl.scores.groups import Batch
from rldsl.scores.names import Names
from rldsl.scores.plan import Plan, is_number
from rldsl.scores.states import WORDS, States, call_states, value_states
from rldsl.train.durable import explained, remove_unfinished, sync_file, sync_folder, write_atomically
from rldsl.train.lock import RunLock
from rldsl.types import Axis, Element

if TYPE_CHECKING:
    from rldsl.scores.host import Evaluated

IDENTITY, SUMMARY, SPEC, PARTS = "score.json", "summary.json", "spec.rl", "parts"
SCORES, NODES, EVIDENCE = "scores.parquet", "nodes.parquet", "evidence.jsonl"
FILES = (SCORES, NODES, EVIDENCE)
CALLS = "calls.json"  # of a part: what its calls took; written last
_TOOK = re.compile(r" \(\d+ calls? in [\d.]+ s\)$")  # of a judge's failure: no two are alike
AXIS = "axis "  # before the name of an axis, where `nodes.parquet` says how many places it has below each of its parent

NODE_SCHEMA = pa.schema([("node", pa.string()), ("name", pa.string()), ("axis", pa.string()), ("place", pa.int64()),
                         ("number", pa.float64()), ("text", pa.large_string()), ("state", pa.int8())])
_TYPES = {Element.TEXT: pa.large_string(), Element.JSON: pa.large_string(), Element.BOOL: pa.bool_(), Element.INT: pa.int64(),
          Element.REAL: pa.float64()}


class ScoreFolder:
    """A folder that one process writes. A context manager."""

    def __init__(self, path: Path, plan: Plan, names: Names, identity: Mapping[str, Any]) -> None:
        self.path, self.plan, self.names, self.identity = path, plan, names, identity
        self.sizes: dict[str, int] = {}
        self._lock: RunLock | None = None
        self._forgets = False

    def open(self, *, resume: bool, replace: bool) -> bool:
        """Take the folder; True if it is complete already. Raises `ScoreError` where it holds something else. Changes nothing in
        it before `begin`."""
        with explained("create the folder", self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        self._lock = RunLock(self.path)
        remove_unfinished(self.path)
        before = read_identity(self.path)
        if before is None:
            _refuse_foreign(self.path)
        elif replace:
            self._forgets = True
            return False
        elif before != dict(self.identity):
            raise ScoreError(f"{self.path} holds other scores: {_difference(before, self.identity)}",
                             "scores of two kinds do not go into one folder.", "`--out` another folder, or `--replace` these")
        elif not resume:
            what = "these scores" if (self.path / SUMMARY).exists() else "a part of these scores"
            raise ScoreError(f"{self.path} holds {what} already", "",
                             "`--resume` goes on with what is there and asks nothing twice; `--replace` scores again")
        return (self.path / SUMMARY).exists()

    def close(self) -> None:
        """Let other processes write."""
        if self._lock is not None:
            self._lock.release()

    def __enter__(self) -> ScoreFolder:
        return self

    def __exit__(self, *leaving: object) -> None:
        self.close()

    def begin(self) -> None:
        """Make it ready for parts; what `replace` forgets is forgotten here."""
        if self._forgets:
            self._clear()
        if not (self.path / IDENTITY).exists():
            for name, source in self.plan.spec.sources.items():
                if name == self.plan.spec.source.name:
                    write_atomically(self.path / SPEC, source.text.encode("utf-8", "surrogatepass"))
            write_atomically(self.path / IDENTITY, _json(self.identity))
        with explained("create the folder", self.path):
            if not (self.path / SUMMARY).exists():
                (self.path / PARTS).mkdir(exist_ok=True)
        if (self.path / PARTS).exists():
            remove_unfinished(self.path / PARTS)

    def _clear(self) -> None:
        with explained("clear", self.path):
            for name in (SUMMARY, IDENTITY, SPEC, *FILES, "scores.jsonl", "report.html"):
                (self.path / name).unlink(missing_ok=True)
            shutil.rmtree(self.path / PARTS, ignore_errors=True)

    # ------------------------------------------------------------------ parts
    def has_part(self, number: int) -> bool:
        """Whether a batch was scored before."""
        return self._part(number, CALLS).exists()

    def skip_part(self, number: int) -> None:
        """Go past a batch that was scored before."""
        table = pq.read_table(self._part(number, NODES), columns=["name", "axis", "place", "number", "node"])
        added: dict[str, int] = {}
        for entry in table.group_by(["node", "name", "axis"]).aggregate([("place", "max"), ("number", "sum")]).to_pylist():
            if entry["node"].startswith(AXIS):
                added[entry["name"]] = self.sizes.get(entry["name"], 0) + int(entry["number_sum"])
            else:
                added.setdefault(entry["axis"], entry["place_max"] + 1)
        self.sizes |= added

    def write_part(self, number: int, batch: Batch, found: Evaluated) -> None:
        """What one batch gave."""
        states = {key: call_states(called) for key, called in found.calls.items()}
        _write_table(self._part(number, SCORES), self._scores(batch, found, states))
        _write_table(self._part(number, NODES), self._nodes(found, states))
        write_atomically(self._part(number, EVIDENCE), self._evidence(batch, found))
        write_atomically(self._part(number, CALLS), _json(self._took(batch, found)))

    def took(self, count: int) -> dict[str, dict[str, float]]:
        """What the calls of all parts took, by their digests: `computed`, `seconds`, `calls`, `tokens_in`, `tokens_out`,
        `money`; `stopped` where `else stop` had no value."""
        total: dict[str, dict[str, float]] = {}
        for number in range(count):
            for digest, entry in self._calls(number)["took"].items():
                sums = total.setdefault(digest, {})
                for name, value in entry.items():
                    sums[name] = sums.get(name, 0) + value
        return total

    def failures(self, count: int) -> dict[str, list[tuple[str, str, int, int]]]:
        """By the digests of calls: kind and message of failures, how many, and the row of the first; the most frequent first."""
        total: dict[str, dict[tuple[str, str], tuple[int, int]]] = {}
        for number in range(count):
            for digest, entries in self._calls(number)["failed"].items():
                known = total.setdefault(digest, {})
                for kind, message, found, row in entries:
                    before, first = known.get((kind, message), (0, row))
                    known[kind, message] = before + found, first
        return {digest: [(*said, *known[said]) for said in sorted(known, key=lambda said: -known[said][0])]
                for digest, known in total.items()}

    def _calls(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._part(number, CALLS).read_bytes())
        return found

    def _took(self, batch: Batch, found: Evaluated) -> dict[str, Any]:
        took: dict[str, dict[str, float]] = {
            self.names.digests[key]: {"computed": called.computed, "seconds": called.seconds, **asdict(called.cost)}
            for key, called in found.calls.items()}
        took |= {self.names.digests[key]: {"stopped": count} for key, count in found.stopped.items()}
        return {"took": took, "failed": {self.names.digests[key]: self._failed(batch, found, key, called.failed)
                                         for key, called in found.calls.items() if called.failed}}

    def _failed(self, batch: Batch, found: Evaluated, key: int, failed: Mapping[int, Failure]) -> list[tuple[str, str, int, int]]:
        """Kind, message, how many, row of the first."""
        axis, sample = self.plan.spec.graph[key].type.axis.name, self.plan.response.sample_axis.name
        said = {place: (failure.kind.value, _TOOK.sub("", failure.message)) for place, failure in sorted(failed.items())}
        counts = Counter(said.values())
        firsts = {message: place for place, message in reversed(said.items())}
        return [(*message, count, _row(batch, _where(batch, found, axis, sample, firsts[message])))
                for message, count in counts.items()]

    def _part(self, number: int, name: str) -> Path:
        return self.path / PARTS / f"{number:06d}.{name}"

    def _scores(self, batch: Batch, found: Evaluated, calls: Mapping[int, States]) -> pa.Table:
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(batch.counts)])
        within = np.arange(len(batch.completions)) - starts[batch.groups - batch.groups[0]]
        columns: dict[str, Any] = {
            "row": pa.array([entry.row for entry in batch.completions], pa.int64()), "group": pa.array(batch.groups),
            "sample": pa.array(within), "prompt": pa.array([entry.prompt for entry in batch.completions], pa.large_string()),
            "completion": pa.array([entry.text for entry in batch.completions], pa.large_string())}
        if batch.completions[0].side is not None:
            columns["side"] = pa.array([entry.side for entry in batch.completions])
        if self.plan.needs_finished:
            columns["finished"] = pa.array([entry.finished for entry in batch.completions], pa.bool_())
        for place, field in enumerate(self.plan.fields):
            column = [entry.values[place] for entry in batch.completions]
            columns[self.names.fields[field.name]] = pa.array(column, _TYPES[field.element])
        for place, field in enumerate(self.plan.own):
            column = [entry.own[place] for entry in batch.completions]
            columns[self.names.fields[field.name]] = pa.array(column, _TYPES[field.element])
        for entry in self.plan.values:
            columns.update(self._value_columns(entry.key, self.names.values[entry.name], found, calls))
        return pa.table(columns)

    def _value_columns(self, key: int, name: str, found: Evaluated, calls: Mapping[int, States]) -> Iterator[tuple[str, Any]]:
        node, layout = self.plan.spec.graph[key], found.layout
        sample = self.plan.response.sample_axis
        states = value_states(self.plan.spec, layout, key, found.values[key], calls, found.open.get(key))
        axis = node.type.axis
        kind = pa.float64() if is_number(node.type.element) else pa.large_string()
        values = arrow_values(found.values[key], kind)
        if sample.is_within(axis):
            owners = pa.array(layout.owners(sample.name, axis.name))
            yield name, values.take(owners)
        else:
            bounds = layout.bounds(axis.name, sample.name)
            yield name, pa.LargeListArray.from_arrays(pa.array(bounds), values)
            states = _worst(states, bounds)
        marks = states[layout.owners(sample.name, axis.name)] if sample.is_within(axis) else states
        yield f"{name}.state", pa.DictionaryArray.from_arrays(pa.array(marks), pa.array(WORDS))
        seconds = sum(found.calls[call].seconds for call in self.names.calls_of[key] if call in found.calls)
        each = seconds / max(1, layout.size(sample.name))
        yield f"{name}.seconds", pa.array(np.full(layout.size(sample.name), each))

    def _nodes(self, found: Evaluated, states: Mapping[int, States]) -> pa.Table:
        tables = [self._axis_table(found, axis) for axis in self._axes(found)]
        for key, called in found.calls.items():
            node = self.plan.spec.graph[key]
            tables.append(self._node_table(key, node.type.axis, called, states[key], is_number(node.type.element)))
        axes = {axis.name for axis in self._axes(found)} | {self.plan.spec.graph[key].type.axis.name for key in found.calls}
        for name in axes:
            self.sizes[name] = self.sizes.get(name, 0) + found.layout.size(name)
        return pa.concat_tables(tables)

    def _axes(self, found: Evaluated) -> list[Axis]:
        axes = {axis.name: axis for key in self.plan.keys for axis in self.plan.spec.graph[key].type.axis.chain()}
        response = self.plan.response
        axes |= {axis.name: axis for axis in (response.prompt_axis, response.sample_axis, response.token_axis)}
        return [axes[name] for name in found.layout.offsets if name in axes]

    def _axis_table(self, found: Evaluated, axis: Axis) -> pa.Table:
        assert axis.parent is not None
        counts = np.diff(found.layout.offsets[axis.name])
        first = 0 if axis.parent.parent is None else self.sizes.get(axis.parent.name, 0)
        return _rows(f"{AXIS}{axis.name}", axis.name, axis.parent.name, first, pa.array(counts, pa.float64()), None, None)

    def _node_table(self, key: int, axis: Axis, called: Asked, states: States, numeric: bool) -> pa.Table:
        numbers = arrow_values(called.values, pa.float64()) if numeric else None
        texts = None if numeric else pa.array([None if value is None else json.dumps(value) for value in called.values],
                                              pa.large_string())
        return _rows(self.names.digests[key], self.names.labels[key], axis.name, self.sizes.get(axis.name, 0), numbers, texts,
                     states)

    def _evidence(self, batch: Batch, found: Evaluated) -> bytes:
        lines = []
        sample = self.plan.response.sample_axis.name
        for key, called in found.calls.items():
            axis = self.plan.spec.graph[key].type.axis.name
            for place in sorted({*called.failed, *called.evidence}):
                entry: dict[str, Any] = {"node": self.names.labels[key], "key": self.names.digests[key],
                                         **_where(batch, found, axis, sample, place)}
                if place in called.failed:
                    entry |= {"failed": called.failed[place].kind.value, "message": called.failed[place].message}
                if place in called.evidence:
                    entry["evidence"] = called.evidence[place]
                lines.append(json.dumps(entry, default=str))
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")

    # ------------------------------------------------------------------ the end
    def join(self, count: int) -> None:
        """The parts as whole files."""
        for name in FILES:
            _joined(self.path / name, [self._part(number, name) for number in range(count)])

    def finish(self, summary: Mapping[str, Any]) -> None:
        """`summary.json`, after which the folder is complete."""
        write_atomically(self.path / SUMMARY, _json(summary))
        shutil.rmtree(self.path / PARTS, ignore_errors=True)


def read_identity(path: Path) -> dict[str, Any] | None:
    """Of what the scores in a folder are; None where it holds none."""
    try:
        found = json.loads((path / IDENTITY).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def arrow_values(values: Any, kind: Any) -> Any:
    """Numbers or texts in Arrow, null where there is none."""
    if isinstance(values, np.ndarray):
        return pa.array(values, kind, mask=np.isnan(values))
    if pa.types.is_floating(kind):
        return pa.array([None if value is None or value != value else float(value) for value in values], kind)
    return pa.array([None if value is None else value if isinstance(value, str) else json.dumps(value) for value in values], kind)


def _rows(node: str, name: str, axis: str, first: int, numbers: Any, texts: Any, states: Any) -> pa.Table:
    count = len(numbers if numbers is not None else texts)
    columns = [*(pa.repeat(word, count) for word in (node, name, axis)), pa.array(np.arange(first, first + count)),
               numbers if numbers is not None else pa.nulls(count, pa.float64()),
               texts if texts is not None else pa.nulls(count, pa.large_string()),
               pa.array(states if states is not None else np.zeros(count, np.int8))]
    return pa.Table.from_arrays(columns, schema=NODE_SCHEMA)


def _where(batch: Batch, found: Evaluated, axis: str, sample: str, place: int) -> dict[str, int]:
    """The completion that a place belongs to, as its row and its number in the row's group; of a prompt its group."""
    try:
        index = int(found.layout.owners(axis, sample)[place])
    except KeyError:
        return {"group": int(batch.groups[0]) + place}
    entry = batch.completions[index]
    return {"row": entry.row, "completion": batch.first + index,
            **({"place": place - int(found.layout.bounds(axis, sample)[index])} if axis != sample else {})}


def _row(batch: Batch, where: Mapping[str, int]) -> int:
    """The row of the file that a place belongs to; of a prompt that of its first completion."""
    return where["row"] if "row" in where else batch.heads[where["group"] - int(batch.groups[0])].row


def _worst(states: States, bounds: Any) -> States:
    found = np.zeros(len(bounds) - 1, np.int8)
    owners = np.repeat(np.arange(len(found)), np.diff(bounds))
    np.maximum.at(found, owners, states)
    return found


def _write_table(path: Path, table: pa.Table) -> None:
    buffer = BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_atomically(path, buffer.getvalue())


def write_jsonl(folder: Path) -> None:
    """`scores.jsonl` beside `scores.parquet`: the same rows, one object a line, null where there is no value."""
    with _appearing(folder / "scores.jsonl") as unfinished, unfinished.open("w", encoding="utf-8") as file, \
            pq.ParquetFile(folder / SCORES) as scores:
        for batch in scores.iter_batches(batch_size=1024):
            file.writelines(f"{json.dumps(row)}\n" for row in batch.to_pylist())


def _joined(path: Path, parts: Sequence[Path]) -> None:
    with _appearing(path) as unfinished:
        if path.suffix == ".parquet":
            schema = pq.read_schema(parts[0])
            with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
                for part in parts:
                    writer.write_table(pq.read_table(part).cast(schema))
        else:
            with unfinished.open("wb") as file:
                for part in parts:
                    file.write(part.read_bytes())


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """A name to write to; the file appears under its own when it is whole."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.writing")
    try:
        with explained("write", path):
            yield unfinished
            sync_file(unfinished)
            os.replace(unfinished, path)
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise


def _refuse_foreign(path: Path) -> None:
    found = sorted(entry.name for entry in path.iterdir() if entry.name != ".lock" and not entry.name.startswith("."))
    if found:
        raise ScoreError(f"{path} is not empty and holds no scores (it has {found[0]})", "", "`--out` another folder")


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if before.get("format") != now["format"]:
        return f"of format {before.get('format')}, and this version writes format {now['format']}"
    names = [name for name in now if before.get(name) != now[name]]
    return f"another {names[0].replace('_', ' ')}" if names else "of another version"


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=True) + "\n").encode()
