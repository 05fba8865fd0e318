"""Quantiles, picks of them and ranks: sorts of the library, which the host calls on values in memory."""

from __future__ import annotations

from collections.abc import Callable

from rldsl.emit.cells import resolve
from rldsl.emit.triton.host import Host
from rldsl.emit.triton.launches import wrapped
from rldsl.emit.triton.plan import home_of
from rldsl.graph.model import Node, Pick, Rank, Reduce
from rldsl.types import BATCH, Axis

Bring = Callable[[int, Axis, str], None]  # launches a kernel that writes a value at all places of an axis to an array


def sort(host: Host, node: Node, bring: Bring) -> None:
    """The lines that settle one value."""
    axis, home = host.graph[node.inputs[0]].type.axis, home_of(node)
    over, to = host.span(axis), host.span(home)
    ranked = isinstance(node.operation, Rank)
    masked = isinstance(node.operation, Reduce | Pick) and node.operation.masked
    optional = not ranked and host.graph[node.inputs[0]].type.optional
    x = f"{_brought(host, node.inputs[0], axis, bring)}[{over[0]}:{over[1]}]"
    mask = f"{_brought(host, node.inputs[1], axis, bring)}[{over[0]}:{over[1]}]" if masked else "None"
    level = "" if ranked else _level(host, node.inputs[-1], to, bring)
    keep = "None"
    if masked or optional:
        host.library.add("present")
        keep = f"present({x}, {mask}, {optional})"
    part = to if node.type.axis == home and not ranked else over
    given = [x, _local_owners(host, axis, home), f"{to[1]} - {to[0]}"]
    match node.operation:
        case Rank(descending=descending):
            name, given = "rank", [*given, repr(descending)]
        case Pick():
            name, given = "pick_quantile", [*given, level, keep]
        case _:
            name, given = "segment_quantile", [*given, level, keep]
    host.library.add(name)
    host.lines += wrapped(f"{host.keep(node.key)}[{part[0]}:{part[1]}] = {name}(", given)


def _level(host: Host, key: int, to: tuple[str, str], bring: Bring) -> str:
    """The level of a quantile, for each of the places that it is taken at."""
    axis = host.graph[resolve(host.graph, host.handed, key)].type.axis
    array = _brought(host, key, axis, bring)
    return f"{array}.expand({to[1]} - {to[0]})" if axis == BATCH else f"{array}[{to[0]}:{to[1]}]"


def _local_owners(host: Host, axis: Axis, home: Axis) -> str:
    """In which of the places to compute each place lies."""
    (first, last), (home_first, _) = host.span(axis), host.span(home)
    if home == BATCH:
        return f"torch.zeros({last} - {first}, dtype=torch.int64, device=device)"
    return f"{host.arrays.index('owners', axis, home, by_host=True)}[{first}:{last}].long() - {home_first}"


def _brought(host: Host, key: int, axis: Axis, bring: Bring) -> str:
    """The array of a value on an axis, which is written first where it is in none."""
    key = resolve(host.graph, host.handed, key)
    array = host.arrays.values(key) if host.graph[key].type.axis == axis and not host.is_place(key) else None
    if array is not None:
        return array
    name = host.made(key, axis)
    bring(key, axis, name)
    return name
