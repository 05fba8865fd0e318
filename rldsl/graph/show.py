"""The one printer of graphs, for dumps, goldens and `explain`: one line a node, no colours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from rldsl.graph.model import (
    Constant,
    Elementwise,
    Foreign,
    Freeze,
    Graph,
    Leaf,
    Mirror,
    Node,
    Operation,
    Pick,
    Position,
    Rank,
    Read,
    ReadKind,
    Reduce,
    Scan,
    Shift,
    Size,
    Spread,
)
from rldsl.graph.order import ancestors
from rldsl.types import Version, format_number


def show_graph(graph: Graph, roots: Iterable[tuple[str, int]] = ()) -> str:
    """What the labelled roots need (everything, if there are none), then the roots.

    `%12 = exp %11 : Real in (0, inf) @ y.token  live(actor)  -- ratio`
    """
    labelled = tuple(roots)
    keep = ancestors(graph, (key for _, key in labelled)) if labelled else graph.by_key.keys()
    lines = [show_node(node) for node in graph.nodes if node.key in keep]
    return "\n".join([*lines, *(f"{label} = %{key}" for label, key in labelled)]) + "\n"


def show_node(node: Node) -> str:
    """One line: operation, inputs, type, whose gradient flows, the user's name."""
    inputs = "".join(f" %{key}" for key in node.inputs)
    live = f"  live({', '.join(sorted(node.type.live))})" if node.type.live else ""
    name = f"  -- {node.name}" if node.name is not None else ""
    return f"%{node.key} = {show_operation(node.operation)}{inputs} : {node.type}{live}{name}"


def show_operation(operation: Operation) -> str:
    """The operation as one word or call."""
    match operation:
        case Constant(value=value):
            return _constant(value)
        case Leaf(kind=kind, owner=owner, field=field):
            return f"{kind.value} {owner}.{field}" if field else f"{kind.value} {owner}"
        case Elementwise(function=function):
            return function.value
        case Reduce(reduction=reduction, to=to, masked=masked):
            return f"{reduction.value}{'_where' if masked else ''}(to: {to})"
        case Pick(reduction=reduction, to=to, masked=masked):
            return f"pick_{reduction.value}{'_where' if masked else ''}(to: {to})"
        case Spread(to=to):
            return f"spread(to: {to})"
        case Scan(per=per, from_end=from_end):
            return f"scan(per: {per}, from: {'end' if from_end else 'start'})"
        case Shift(per=per, offset=offset):
            return f"shift(per: {per}, by: {offset})"
        case Rank(per=per, descending=descending):
            return f"rank(per: {per}{', descending' if descending else ''})"
        case Mirror(per=per):
            return f"mirror(per: {per})"
        case Position(axis=axis, per=per):
            return f"position({axis}, per: {per})"
        case Size(axis=axis, to=to):
            return f"size({axis}, to: {to})"
        case Read():
            return _read(operation)
        case Freeze():
            return "freeze"
        case Foreign(name=name, names=names, settings=settings):
            said = [*names, *(f"{key}={value!r}" for key, value in settings)]
            return f"{name}({', '.join(said)})"
        case _:
            assert_never(operation)


def _constant(value: float | bool | str) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return repr(value)
        case float() if value != value:
            return "absent"
        case _:
            return format_number(value)


def _read(read: Read) -> str:
    models = read.model if read.other is None else f"{read.model}, {read.other}"
    said = [models, read.response, read.version.value]
    if read.other_version not in (None, Version.FROZEN):
        said.append(f"other: {read.other_version}")
    if read.temperature != 1.0:
        said.append(f"temperature: {format_number(read.temperature)}")
    if read.within:
        said.append("within: support")
    if read.parameter is not None and (read.kind, read.parameter) != (ReadKind.JS, 0.5):
        said.append(format_number(read.parameter))
    if read.probe is not None:
        said.append(read.probe)
    return f"{read.kind.value}({', '.join(said)})"
