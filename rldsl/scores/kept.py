"""The kept values of a scoring, read back: what `--what-if`, `--against` and the report compute from. Calls nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rldsl.emit.arrays import ARRAYS
from rldsl.graph.model import Foreign, Leaf, Node, Read, SourceKind
from rldsl.kernels.layout import Layout
from rldsl.rewards.calls import promise_of
from rldsl.rewards.engine.asked import Mask
from rldsl.rewards.engine.inline import GROUPED
from rldsl.rewards.engine.partial import Partial
from rldsl.scores.faults import ScoreError
from rldsl.scores.names import Names
from rldsl.scores.plan import Plan, below, is_inline, is_number, scalar_leaf
from rldsl.scores.states import State, States, value_states
from rldsl.scores.writing import AXIS, NODES, SCORES, read_identity
from rldsl.types import BATCH, Axis, Element

Numbers = npt.NDArray[np.float64]


class NotKept(Exception):
    """A node that the kept values do not reach: it would have to be asked."""

    def __init__(self, node: Node) -> None:
        super().__init__(str(node.operation))
        self.node = node


@dataclass(slots=True)
class Kept:
    """`layout` of all completions. Values by the digest of their node."""

    path: Path
    layout: Layout
    numbers: Mapping[str, Numbers]
    states: Mapping[str, States]
    _texts: Mapping[str, Any]
    _columns: dict[str, Any] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Completions."""
        return int(pq.read_metadata(self.path / SCORES).num_rows)

    def column(self, name: str) -> Any:
        """A column of `scores.parquet`, in Arrow."""
        if name not in self._columns:
            self._columns[name] = pq.read_table(self.path / SCORES, columns=[name]).column(0).combine_chunks()
        return self._columns[name]

    def take(self, name: str, places: Sequence[int]) -> list[Any]:
        """Some values of a column, as Python's; reads no more of a file of long texts than the groups of rows they lie in."""
        found: dict[int, Any] = {}
        with pq.ParquetFile(self.path / SCORES) as file:
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
            groups = np.searchsorted(starts, np.asarray(places, np.int64), side="right") - 1
            for group in np.unique(groups).tolist():
                column = file.read_row_group(group, columns=[name]).column(0)
                inside = [place for place, own in zip(places, groups, strict=True) if own == group]
                found.update((place, column[int(place - starts[group])].as_py()) for place in inside)
        return [found[place] for place in places]

    def lengths(self) -> Numbers:
        """Characters of each completion; the texts are not held."""
        with pq.ParquetFile(self.path / SCORES) as file:
            parts = [pc.utf8_length(batch.column(0)).to_numpy(zero_copy_only=False)
                     for batch in file.iter_batches(columns=["completion"])]
        return np.concatenate([np.zeros(0), *parts]).astype(np.float64)

    def texts(self, digest: str) -> list[Any]:
        """The values of a node that are no numbers."""
        if digest not in self._texts:
            return [None] * len(self.states[digest])
        return [None if text is None else json.loads(text) for text in self._texts[digest].to_pylist()]

    def __contains__(self, digest: object) -> bool:
        return digest in self.numbers or digest in self._texts


def open_kept(path: Path) -> Kept:
    """What a folder holds. Raises `ScoreError` where that is no whole scoring."""
    if read_identity(path) is None or not (path / NODES).exists():
        raise ScoreError(f"{path} holds no whole scores", "", f"`rldsl score SPEC COMPLETIONS --out {path} --resume`")
    words = ["node", "axis"]
    table = pq.read_table(path / NODES, columns=[*words, "number", "text", "state"], read_dictionary=words).unify_dictionaries()
    nodes = table.column("node").combine_chunks()
    codes = nodes.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(nodes.dictionary) + 1))
    numbers = table.column("number").to_numpy()
    marks, axes = table.column("state").to_numpy(), table.column("axis").combine_chunks()
    texts = table.column("text").combine_chunks()
    found, states, kept, counts, parents = {}, {}, {}, {}, {}
    for code, digest in enumerate(nodes.dictionary.to_pylist()):
        places = order[bounds[code]:bounds[code + 1]]
        if digest.startswith(AXIS):
            axis = digest.removeprefix(AXIS)
            counts[axis], parents[axis] = numbers[places].astype(np.int64), axes[int(places[0])].as_py()
            continue
        if axes[int(places[0])].as_py() == BATCH.name:
            places = places[:1]
        states[digest] = marks[places]
        of_texts = texts.take(pa.array(places))
        if of_texts.null_count < len(of_texts):
            kept[digest] = of_texts
        else:
            found[digest] = numbers[places]
    for axis, parent in parents.items():
        if parent == BATCH.name:
            counts[axis] = np.array([counts[axis].sum()])
    return Kept(path, Layout.of(parents, counts), found, states, kept)


@dataclass(slots=True)
class Recomputed:
    """Values of a plan from kept ones: its spec may differ from the one that was scored."""

    plan: Plan
    names: Names
    kept: Kept
    fixed: dict[int, Any] = field(default_factory=dict)

    def values(self, keys: Sequence[int]) -> dict[int, Any]:
        """Arrays or lists of whole axes. Raises `NotKept` where a call was not made."""
        partial = self._partial(keys)
        return {key: partial.whole(key) for key in keys}

    def states(self, key: int, values: Any) -> States:
        """The states of a value's places."""
        calls = {call: self.kept.states[digest] for call in self.names.calls_of.get(key, ())
                 if (digest := self.names.digests[call]) in self.kept.states}
        return value_states(self.plan.spec, self.kept.layout, key, values, calls, self.open_places(key))

    def open_places(self, key: int) -> Mask | None:
        """Where nobody was asked what a value needs; None for nowhere."""
        return self._partial([key]).open.get(key)

    def _partial(self, keys: Sequence[int]) -> Partial:
        """What follows from the kept values: what needs an answer that nobody was asked for is open there."""
        known, within = self._leaves(keys), below(self.plan.spec, keys)
        marks = {key: self.kept.states[digest] == State.NOT_ASKED for key in known
                 if (digest := self.names.digests[key]) in self.kept.states and key not in self.fixed}
        ordered = [node.key for node in self.plan.spec.graph.nodes if node.key in within]  # not by keys: a what-if adds some
        return Partial(self.plan.spec.graph, self.kept.layout, ARRAYS, known, marks, self, ordered)

    def at_once(self, node: Node, inputs: Any, marks: Any) -> Any:
        """Of the engine: nothing can be called here."""
        if not is_inline(node):
            raise NotKept(node)
        assert isinstance(node.operation, Foreign)
        grouped = GROUPED.get(node.operation.name)
        return inputs[0] if grouped is None else grouped(node.operation, inputs[0], self.kept.layout)

    def may_be_absent(self, node: Node) -> bool:
        """Of the engine: whether a call may give nothing although its inputs are there."""
        assert isinstance(node.operation, Foreign)
        promise = promise_of(node.operation, {extern.name: extern for extern in self.plan.spec.externs})
        return node.type.optional if promise is None else promise.optional

    def _leaves(self, keys: Sequence[int]) -> dict[int, Any]:
        """Everything from which the keys follow; of a node that is kept nothing below is needed."""
        waiting, seen, found = list(keys), set[int](), dict(self.fixed)
        while waiting:
            key = waiting.pop()
            if key in seen or key in found:
                continue
            seen.add(key)
            node, digest = self.plan.spec.graph[key], self.names.digests[key]
            if digest in self.kept:
                is_numeric = is_number(node.type.element)
                found[key] = self.kept.numbers[digest] if is_numeric else self.kept.texts(digest)
            elif isinstance(node.operation, Leaf):
                found[key] = self._leaf(node, node.operation)
            elif isinstance(node.operation, Read) or (isinstance(node.operation, Foreign) and not is_inline(node)):
                raise NotKept(node)
            else:
                waiting.extend(node.inputs)
        return found

    def _leaf(self, node: Node, leaf: Leaf) -> Any:
        scalar = scalar_leaf(self.plan, leaf)
        if scalar is not None:
            return scalar
        if leaf.kind is SourceKind.RECORDED:
            own = {field.name: self.names.fields[field.name] for field in self.plan.own}
            return self._of_axis("completion" if leaf.field == "text" else own.get(leaf.field, leaf.field), node)
        if leaf.field not in self.names.fields:
            raise NotKept(node)
        return self._of_axis(self.names.fields[leaf.field], node)

    def _of_axis(self, column: str, node: Node) -> Any:
        try:
            values = self.kept.column(column)
        except (pa.ArrowException, KeyError, IndexError):
            raise NotKept(node) from None
        sample, axis = self.plan.response.sample_axis, node.type.axis
        if axis != sample:
            values = values.take(pa.array(first_below(self.kept.layout, sample, axis)))
        if is_number(node.type.element):
            return pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False)
        texts = values.to_pylist()
        return [None if text is None else json.loads(text) for text in texts] if node.type.element is Element.JSON else texts


def first_below(layout: Layout, fine: Axis, coarse: Axis) -> npt.NDArray[np.int64]:
    """The first place of a finer axis below each place of a coarser one."""
    return layout.bounds(fine.name, coarse.name)[:-1]
