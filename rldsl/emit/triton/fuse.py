"""Coefficients that a row kernel computes by itself: between reading a row and writing its gradient, with nothing of other rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rldsl.emit.cells import resolve
from rldsl.emit.expressions import Argument
from rldsl.emit.names import Names
from rldsl.emit.parameters import Parameter, outline
from rldsl.emit.triton.expressions import real
from rldsl.emit.triton.launches import Arrays
from rldsl.emit.triton.places import Block, Place, Writer, count_uses
from rldsl.emit.triton.plan import is_settled
from rldsl.graph.model import Graph, Mirror, Shift
from rldsl.graph.staged import HeadGroup, StagedObjective
from rldsl.source import Source

TOKEN = "t"  # the number of a row's token in the update batch, in the text of a row kernel


@dataclass(frozen=True, slots=True)
class Fused:
    """`parameters` are handed over as `arguments`; `lines` (indented by four) compute `{read}_by` from the reads and `t`.
    `types` are those of the pointers."""

    parameters: tuple[Parameter, ...]
    lines: tuple[str, ...]
    types: Mapping[str, str]


def fused(staged: StagedObjective, group: HeadGroup, read_names: Mapping[int, str], reserved: Names,
          sources: Mapping[str, Source]) -> Fused | None:
    """The coefficients of a group, where each needs frozen values and the reads of its own token alone. `read_names` are
    the variables of its reads in the row kernel."""
    given = outline(staged, "coefficients", reserved, "_at")
    keys = frozenset(parameter.key for parameter in given.given if parameter.key is not None)
    live = frozenset(read.key for other in staged.groups for read in other.reads)
    written = [read for read in group.reads if read.coefficient is not None]
    own = frozenset(read_names)
    if not written or not all(_is_own(staged.graph, keys, read.coefficient or 0, own, live) for read in written):
        return None
    arrays = Arrays({parameter.key: parameter for parameter in given.given if parameter.key is not None}, reserved)
    body = Block("    ")
    roots = [read.coefficient for read in written if read.coefficient is not None]
    writer = Writer(staged.graph, arrays, reserved, body, sources, uses=count_uses(staged.graph, keys, roots), given=keys)
    place = Place(group.axis, TOKEN, None, body)
    writer.known.update({(key, TOKEN): Argument(name) for key, name in read_names.items()})
    for read in written:
        assert read.coefficient is not None
        body.add(f"{read_names[read.key]}_by = {real(writer.value(read.coefficient, place))}")
    parameters = (*arrays.indices.values(), *arrays.used.values())
    return Fused(parameters, tuple(body.lines), dict(arrays.asked))


def _is_own(graph: Graph, given: frozenset[int], root: int, own: frozenset[int], live: frozenset[int]) -> bool:
    """Whether a coefficient needs no settled value, and no read but those of its own token."""
    waiting, seen = [(root, False)], set[tuple[int, bool]]()
    while waiting:
        key, moved = waiting.pop()
        key = resolve(graph, given, key)
        if (key, moved) in seen:
            continue
        seen.add((key, moved))
        node = graph[key]
        if key in given:
            if key in live and (moved or key not in own):
                return False
        elif is_settled(node):
            return False
        else:
            moves = isinstance(node.operation, Shift | Mirror)
            waiting.extend((source, moved or moves) for source in node.inputs)
    return True
