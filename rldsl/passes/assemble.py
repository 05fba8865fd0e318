"""Put together what the emitters get from what the passes found out. Computes nothing new."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from rldsl.diagnostics import InternalError
from rldsl.graph.model import Graph, Mirror, Node, Pick, Position, Rank, Read, ReadKind, Reduce, Scan, Shift, Size
from rldsl.graph.staged import HeadGroup, LiveRead, StagedObjective
from rldsl.passes.draft import Draft
from rldsl.types import BATCH, Axis, Version

_VOCABULARY = frozenset({ReadKind.LOGP, ReadKind.ENTROPY, ReadKind.KL, ReadKind.JS, ReadKind.TV, ReadKind.ALPHA,
                         ReadKind.LOGZ})


def assemble(draft: Draft) -> StagedObjective:
    """The staged objective."""
    if draft.loss is None:
        raise InternalError("an objective without a loss")
    reads = _live_reads(draft)
    return StagedObjective(
        name=draft.name, model=draft.model, graph=draft.graph, inputs=draft.inputs,
        groups=_groups(read for read in reads if read.read.kind in _VOCABULARY),
        direct=tuple(read for read in reads if read.read.kind not in _VOCABULARY),
        prepared=draft.prepared, loss=draft.loss, values=(("loss", draft.loss), *draft.values),
        coupling=draft.coupling, piece_axis=draft.piece_axis,
        axes=axes_in_use(draft.graph, [draft.piece_axis]), blocker=draft.blocker)


def _live_reads(draft: Draft) -> list[LiveRead]:
    coefficients = dict(draft.coefficients)
    return [LiveRead(node.key, node.operation, node.type.axis, coefficients.get(node.key))
            for node in draft.graph.nodes if isinstance(node.operation, Read)]


def _groups(reads: Iterable[LiveRead]) -> tuple[HeadGroup, ...]:
    """Reads of one vocabulary row together, in sorted order."""
    ordered = sorted(reads, key=lambda read: (*_row(read), read.key))
    groups = []
    for (owner, response, temperature, context, within), members in groupby(ordered, _row):
        together = tuple(members)
        others = sorted({other for read in together for other in _others(owner, read.read)})
        groups.append(HeadGroup(owner, response, temperature, together[0].axis, together, tuple(others),
                                None if context < 0 else context, within))
    return tuple(groups)


def _row(live: LiveRead) -> tuple[str, str, float, int, bool]:
    """Model, response, temperature, context, support. A divergence from another model to the trained one is of its row."""
    read = live.read
    owner = read.model if read.version is Version.CURRENT or read.other is None else read.other
    return owner, read.response, read.temperature, -1 if read.context is None else read.context, read.within


def _others(owner: str, read: Read) -> set[str]:
    return {name for name in (read.model, read.other) if name is not None and name != owner}


def axes_in_use(graph: Graph, more: Iterable[Axis] = ()) -> tuple[Axis, ...]:
    """Every axis that a node stands on or works along, with those above: coarse to fine, parents first. Those of pairs and of
    fixed parts follow from their parents and are left out."""
    used = {BATCH}
    for node in graph.nodes:
        used.update(node.type.axis.chain())
        used.update(_along(node))
    for axis in more:
        used.update(axis.chain())
    given = (axis for axis in used if not axis.is_derived)
    return tuple(sorted(given, key=lambda axis: (len(axis.chain()), axis.level, axis.name)))


def _along(node: Node) -> tuple[Axis, ...]:
    match node.operation:
        case Reduce(to=axis) | Pick(to=axis) | Scan(per=axis) | Shift(per=axis) | Rank(per=axis) | Mirror(per=axis):
            return axis.chain()
        case Position(axis=axis) | Size(axis=axis) | Read(tokens=Axis() as axis):
            return axis.chain()
        case _:
            return ()
