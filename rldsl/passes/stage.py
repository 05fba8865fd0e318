"""Cut an objective's graph at binding time.

What: every value that is known before the update becomes an input, a `Leaf(GIVEN)` with a name. Values of pairs do not:
an update batch has other pairs than the iteration, and they are many; what they are made of does.
Requires: a typed graph with true stages; roots that are numbers.
Ensures: phase STAGED: numbers alone, no foreign calls, reads of current weights only (a product of vectors is one); inputs
in the order of the spec's graph; parameters under their own names.
Not its job: to decide what to compute once for a batch (`normalise`); to compute what was cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from rldsl.diagnostics import InternalError
from rldsl.graph.model import (
    Constant,
    Elementwise,
    Foreign,
    Freeze,
    Function,
    Graph,
    Leaf,
    Node,
    Position,
    Read,
    ReadKind,
    Size,
    SourceKind,
    Spread,
)
from rldsl.graph.order import descendants
from rldsl.graph.staged import Input
from rldsl.infer.gradients import is_current
from rldsl.passes.draft import Draft, builder_after
from rldsl.passes.input_names import input_names
from rldsl.types import BATCH, NUMERIC, Stage, Version

PRODUCTS = (Elementwise(Function.DOT), Elementwise(Function.COSINE))


@dataclass(frozen=True, slots=True)
class Cut:
    """The graph above the cut, its inputs, and where the keys that stay went."""

    graph: Graph
    inputs: tuple[Input, ...]
    moved: Mapping[int, int]


def run(draft: Draft) -> Draft:
    """Cut off what is known before the update."""
    found = cut(draft.graph, draft.roots, lambda node: _is_known_before(draft.graph, node))
    _require_known_inputs(draft.graph, found.inputs)
    return replace(
        draft, graph=found.graph, inputs=found.inputs,
        loss=None if draft.loss is None else found.moved[draft.loss],
        values=tuple((label, found.moved[key]) for label, key in draft.values))


def cut(graph: Graph, roots: Iterable[int], is_input: Callable[[Node], bool]) -> Cut:
    """The part of `graph` that the roots need down to the nodes that are inputs; those are cut off."""
    kept, cut_off = _reach(graph, roots, is_input)
    names = input_names(graph, cut_off)
    builder = builder_after(graph)
    moved: dict[int, int] = {}
    inputs: list[Input] = []
    for node in (node for node in graph.nodes if node.key in kept):
        if node.key in names:
            moved[node.key] = _given(builder.add, node, names[node.key])
            inputs.append(_input(node, names[node.key], moved[node.key]))
        elif is_product(node):
            moved[node.key] = builder.add(_product(graph, node), type=node.type, span=node.span, name=node.name)
        elif isinstance(node.operation, Read):
            moved[node.key] = builder.keep(replace(node, inputs=()), ())
        else:
            moved[node.key] = builder.keep(node, tuple(moved[key] for key in node.inputs))
    return Cut(builder.graph(moved.values()), tuple(inputs), moved)


def _reach(graph: Graph, roots: Iterable[int], is_input: Callable[[Node], bool]) -> tuple[set[int], list[Node]]:
    """Keys from the roots down to the cut, and the nodes at the cut in their order."""
    waiting, kept, cut_off = list(roots), set[int](), set[int]()
    while waiting:
        key = waiting.pop()
        if key in kept:
            continue
        kept.add(key)
        if is_input(graph[key]):
            cut_off.add(key)
        elif not isinstance(graph[key].operation, Read) and not is_product(graph[key]):
            # a read's context is a text, a product's vectors are no numbers: what is read names them
            waiting.extend(graph[key].inputs)
    return kept, [node for node in graph.nodes if node.key in cut_off]


def _require_known_inputs(graph: Graph, inputs: Iterable[Input]) -> None:
    """No input may depend on weights that the update changes."""
    current = [node.key for node in graph.nodes if isinstance(node.operation, Read) and is_current(node.operation)]
    late = descendants(graph, current)
    for given in inputs:
        if given.source in late:
            raise InternalError(f"{given.name} is computed on the host, and depends on the current weights")


def _given(add: Callable[..., int], node: Node, name: str) -> int:
    if node.type.element not in NUMERIC:
        raise InternalError(f"{name} is not a number, and an objective needs it")
    return add(Leaf(SourceKind.GIVEN, name), type=node.type.frozen(), span=node.span, name=name)


def _input(node: Node, name: str, key: int) -> Input:
    match node.operation:
        case Leaf(kind=SourceKind.PARAM, owner=owner):
            return Input(key, name, node.type.axis, None, owner)
        case _:
            return Input(key, name, node.type.axis, node.key)


def is_product(node: Node) -> bool:
    """Whether the node is a number made of vectors of current weights: the graph sees it as a read."""
    return node.operation in PRODUCTS and node.type.stage is Stage.UPDATE


def vector_reads(graph: Graph, key: int) -> tuple[list[Node], list[Node]]:
    """What the vectors below a product come from: reads of current weights, and values that are known before the update."""
    waiting, seen = [key], set[int]()
    live, known = list[Node](), list[Node]()
    while waiting:
        node = graph[waiting.pop()]
        if node.key in seen:
            continue
        seen.add(node.key)
        if is_made_here(node):
            waiting.extend(node.inputs)
        elif node.type.stage < Stage.UPDATE and not node.type.axis.is_of_pairs:
            known.append(node)
        elif isinstance(node.operation, Read):
            live.append(node)
        else:
            waiting.extend(node.inputs)
    return live, known


def is_made_here(node: Node) -> bool:
    """Whether the node needs nothing to be known: constants, and what the layout says."""
    return isinstance(node.operation, Constant | Spread | Position | Size)


def _product(graph: Graph, node: Node) -> Read:
    """The read that stands for it. Its vectors may be of several responses and models; it names one that is current."""
    live, _ = vector_reads(graph, node.key)
    first = min(live, key=lambda entry: entry.key)
    assert isinstance(first.operation, Read)
    return Read(ReadKind.PRODUCT, first.operation.model, first.operation.response, Version.CURRENT,
                tokens=first.type.axis, source=node.key)


def is_foreign(graph: Graph, node: Node) -> bool:
    """Whether only the host can compute the node: a call, a leaf, or a function of texts."""
    if isinstance(node.operation, Foreign | Leaf):
        return True
    return node.operation not in PRODUCTS and any(graph[key].type.element not in NUMERIC for key in node.inputs)


def _is_known_before(graph: Graph, node: Node) -> bool:
    """Whether the node is cut off. What follows cheaply from the layout or by copying is not: it would be stored."""
    if isinstance(node.operation, Read):
        return not is_current(node.operation)
    if is_foreign(graph, node):
        return True
    match node.operation:
        case Constant() | Spread() | Freeze():
            return False
        case _ if node.type.axis.is_of_pairs:
            return False
        case Size(to=coarse) | Position(per=coarse):
            return node.type.stage < Stage.UPDATE and coarse == BATCH
        case _:
            return Stage.CONSTANT < node.type.stage < Stage.UPDATE
