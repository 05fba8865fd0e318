"""What values need: nodes, data sets, responses, through the prompts of responses too. Computes no value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from rldsl.graph.expanding import axes_of, makers
from rldsl.graph.model import Foreign, Leaf, Node, Read, SourceKind
from rldsl.graph.spec import ResponseSpec, Spec
from rldsl.graph.staged import StagedObjective
from rldsl.types import Axis


@dataclass(frozen=True, slots=True)
class Needs:
    """Everything below some values. `keys` are nodes of the spec's graph."""

    keys: frozenset[int]
    data: frozenset[str]
    responses: frozenset[str]

    def within(self, data: Iterable[str], responses: Iterable[str]) -> bool:
        """Whether these data sets and responses are enough."""
        return self.data <= frozenset(data) and self.responses <= frozenset(responses)


@dataclass(slots=True)
class NeedFinder:
    """Finds needs in one spec, each only once."""

    spec: Spec
    responses: dict[str, ResponseSpec] = field(init=False)
    within: frozenset[str] = field(init=False)  # the responses in whose support something is read
    _found: dict[frozenset[int], Needs] = field(default_factory=dict)
    _data: frozenset[str] = field(init=False)
    _makers: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.responses = {entry.name: entry for entry in self.spec.responses}
        self._makers = makers(self.spec.graph)
        self.within = frozenset(node.operation.response for node in self.spec.graph.nodes
                                if isinstance(node.operation, Read) and node.operation.within)
        self._data = frozenset(entry.name for entry in self.spec.data)

    def of(self, keys: Iterable[int], responses: Iterable[str] = ()) -> Needs:
        """What some nodes need, and the tokens of some responses."""
        roots = frozenset(keys) | {key for name in responses for key in self.texts_of(name)}
        if roots not in self._found:
            self._found[roots] = self._close(roots)
        found = self._found[roots]
        return Needs(found.keys, found.data, found.responses | frozenset(responses))

    def of_objective(self, staged: StagedObjective, vectors: Iterable[int] = (), hidden: Iterable[Read] = ()) -> Needs:
        """What an update with an objective needs; also the known vectors and the hidden states of its products."""
        sources = [given.source for given in staged.inputs if given.source is not None]
        sources += self.makers_of(staged)
        read = {live.read.response for live in staged.direct} | {group.response for group in staged.groups}
        return self.of([*sources, *vectors], read | {entry.response for entry in hidden})

    def makers_of(self, staged: StagedObjective) -> tuple[int, ...]:
        """The calls that make the axes of an objective."""
        return tuple(self._makers[axis.name] for axis in staged.axes if axis.name in self._makers)

    def texts_of(self, response: str) -> tuple[int, ...]:
        """The nodes of a response's prompt and, if it was given, of its text."""
        spec = self.responses[response]
        return (spec.prompt,) if spec.text is None else (spec.prompt, spec.text)

    def node_responses(self, node: Node) -> Iterator[str]:
        """The responses whose tokens or places a node itself names."""
        match node.operation:
            case Leaf(kind=SourceKind.RECORDED, owner=owner) | Read(response=owner):
                yield owner
            case _:
                pass
        yield from (axis.owner for axis in self._axes(node) if axis.owner in self.responses)

    def _axes(self, node: Node) -> Iterator[Axis]:
        yield from node.type.axis.chain()
        axis = getattr(node.operation, "axis", None)
        if isinstance(axis, Axis):  # sizes and positions count the places of a finer axis
            yield from axis.chain()

    def _close(self, roots: frozenset[int]) -> Needs:
        waiting, keys = list(roots), set[int]()
        data, responses = set[str](), set[str]()
        while waiting:
            key = waiting.pop()
            if key in keys:
                continue
            keys.add(key)
            node = self.spec.graph[key]
            waiting.extend(node.inputs)
            waiting.extend(self._makers[axis.name] for axis in axes_of(node) if axis.name in self._makers)
            for name in self.node_responses(node):
                responses.add(name)
                waiting.extend(self.texts_of(name))
            data.update(axis.owner for axis in self._axes(node) if axis.owner in self._data)
            if isinstance(node.operation, Leaf) and node.operation.kind is SourceKind.DATA:
                data.add(node.operation.owner)
        return Needs(frozenset(keys), frozenset(data), frozenset(responses))


def foreign_nodes(spec: Spec) -> list[tuple[Node, Foreign]]:
    """The calls on the host, in their order."""
    return [(node, node.operation) for node in spec.graph.nodes if isinstance(node.operation, Foreign)]
