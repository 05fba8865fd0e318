"""An objective whose every name tries to become code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rldsl.graph.model import Graph, Node, Operation, Read
from rldsl.graph.staged import HeadGroup, LiveRead, StagedObjective
from rldsl.source import Source, Span
from rldsl.types import Axis

ATTACKS = (
    "__import__('os').system('echo owned')", "x\nimport os\nos._exit(1)", "{{ 7 * 7 }}", "{% raw %}", "lambda", "None",
    "print", "exp", "accumulate", "start", "torch", "v12", "value", "\u202eevil", "# x", "\"\"\"", "1abc", "", "näme",
    "a\u2028b", "__class__", "segment_sum", "like", "njit", "x" * 300)


def named(staged: StagedObjective) -> StagedObjective:
    """The objective with a harmless name for each value."""
    nodes = tuple(replace(node, name=f"name{index}") for index, node in enumerate(staged.graph.nodes))
    return replace(staged, graph=Graph(nodes))


def attacked(staged: StagedObjective) -> StagedObjective:
    """The objective with attacks for names of values, inputs, labels, models, responses and axes."""
    axes: dict[str, Axis] = {}
    nodes = tuple(_node(node, index, axes) for index, node in enumerate(staged.graph.nodes))
    graph = Graph(nodes)
    names = {given.name: ATTACKS[index % len(ATTACKS)] + str(index) for index, given in enumerate(staged.inputs)}
    return replace(
        staged, name=ATTACKS[1], model=ATTACKS[0], graph=graph,
        inputs=tuple(replace(given, name=names[given.name], axis=_axis(given.axis, axes)) for given in staged.inputs),
        groups=tuple(HeadGroup(ATTACKS[1], ATTACKS[2], group.temperature, _axis(group.axis, axes),
                               tuple(_live(read, graph, axes) for read in group.reads), group.others)
                     for group in staged.groups),
        direct=tuple(_live(read, graph, axes) for read in staged.direct),
        values=tuple((label if label == "loss" else f"{ATTACKS[1]}/{label}", key) for label, key in staged.values),
        piece_axis=_axis(staged.piece_axis, axes), axes=tuple(_axis(axis, axes) for axis in staged.axes))


def _node(node: Node, index: int, axes: dict[str, Axis]) -> Node:
    operation: Operation = node.operation
    if isinstance(operation, Read):
        operation = replace(operation, model=ATTACKS[1], response=ATTACKS[0])
    operation = _moved(operation, axes)
    type_ = replace(node.type, axis=_axis(node.type.axis, axes))
    return Node(node.key, operation, node.inputs, type_, Span("a", 0, 1), ATTACKS[index % len(ATTACKS)])


def _moved(operation: Operation, axes: dict[str, Axis]) -> Operation:
    """The operation over renamed axes."""
    changed: dict[str, Any] = {word: _axis(getattr(operation, word), axes) for word in ("to", "per", "axis")
               if isinstance(getattr(operation, word, None), Axis)}
    return replace(operation, **changed) if changed else operation


def _live(live: LiveRead, graph: Graph, axes: dict[str, Axis]) -> LiveRead:
    read = graph[live.key].operation
    assert isinstance(read, Read)
    return replace(live, read=read, axis=_axis(live.axis, axes))


def _axis(axis: Axis, axes: dict[str, Axis]) -> Axis:
    """Renamed, but for the batch; two axes get names that look the same as identifiers."""
    if axis.parent is None:
        return axis
    if axis.name not in axes:
        parent = _axis(axis.parent, axes)
        name = ["y;token", "y.token", "import os", "y token\n", "\u202ey"][len(axes) % 5] + "!" * (len(axes) // 5)
        axes[axis.name] = Axis(name, axis.level, ATTACKS[0], parent)
    return axes[axis.name]


SOURCE = Source('evil\n"""\nimport os', 'let x = 1 \u2028 import os \r os._exit(1)\x0c """ \x1b[31m\u202e\nnext')
