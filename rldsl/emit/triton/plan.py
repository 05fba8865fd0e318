"""Cuts one function of a staged objective into launches: what is kept in memory between them, and in which order.

Everything elementwise, every shift and every mirror is *fluid*: computed wherever it is used, at whatever place it is used,
from what is in memory. What looks at many places is *settled*: reductions, picks, scans, ranks. Values share a launch where
they can: those that need nothing of each other, and those that look at what their own program has settled before. Decides
nothing about text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from rldsl.emit.cells import resolve
from rldsl.graph.model import Graph, Mirror, Node, Pick, Rank, Reduce, Reduction, Scan, Shift
from rldsl.types import BATCH, Axis, Level


@dataclass(frozen=True, slots=True)
class Outputs:
    """Values at the places of `axis`, written where the caller asked for them: their numbers among the outputs. `beside`: those
    of the batch, which one program more writes."""

    axis: Axis
    numbers: tuple[int, ...]
    beside: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Segments:
    """One program for each place of `home`: it runs over the places below, block by block, and settles reductions to `home`,
    picks (of which the best place is kept), or scans within it, in `rounds`, of which each may look at what the program has found
    in those before. Then it writes the outputs `below`. `beside`: outputs of the batch, which one program more writes."""

    home: Axis
    rounds: tuple[tuple[int, ...], ...]
    below: tuple[Outputs, ...] = ()
    beside: tuple[int, ...] = ()

    @property
    def keys(self) -> tuple[int, ...]:
        """All that is settled."""
        return tuple(key for keys in self.rounds for key in keys)


@dataclass(frozen=True, slots=True)
class Whole:
    """Reductions of the places of some axes to the batch: many programs, of one part of each axis, then one over the parts, which
    also writes the outputs of the batch `beside`. `below`: outputs at those places, which the parts write as they pass."""

    over: tuple[tuple[Axis, tuple[int, ...]], ...]
    below: tuple[Outputs, ...] = ()
    beside: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Sorted:
    """A quantile, the pick of one, or a rank: a sort of the library on its inputs, which are brought to memory for it."""

    key: int


Step: TypeAlias = Segments | Whole | Sorted | Outputs


@dataclass(frozen=True, slots=True)
class Plan:
    """The launches of one function, in order. `kept`: the settled values that another launch looks at than the one they are settled
    in, which lie in memory between them."""

    steps: tuple[Step, ...]
    kept: frozenset[int]


def plan(graph: Graph, given: Collection[int], outputs: Sequence[int]) -> Plan:
    """The launches that compute the nodes `outputs` from the values `given`."""
    depths = _depths(graph, given, outputs)
    launches = _Launches(graph, given)
    for key in sorted(depths, key=lambda key: depths[key]):  # stable: in the order of the graph where depths are equal
        launches.settle(key)
    for axis in dict.fromkeys(graph[key].type.axis for key in outputs):
        if axis != BATCH:
            launches.write(axis, {number: key for number, key in enumerate(outputs) if graph[key].type.axis == axis})
    launches.write_batch({number: key for number, key in enumerate(outputs) if graph[key].type.axis == BATCH})
    return Plan(tuple(launches.steps), frozenset(launches.kept))


def is_long(axis: Axis) -> bool:
    """Whether thousands of its places may lie below one place: tokens. Of others there are dozens."""
    return axis.level is Level.TOKEN


@dataclass(slots=True)
class _Launches:
    """Puts each value into the earliest launch that may hold it."""

    graph: Graph
    given: Collection[int]
    steps: list[Step] = field(default_factory=list)
    at: dict[int, tuple[int, int]] = field(default_factory=dict)  # of a settled value: its launch, and its round there
    kept: set[int] = field(default_factory=set)

    def settle(self, key: int) -> None:
        """One value, all of whose sources are settled."""
        node = self.graph[key]
        after = self._after(node.inputs)
        home = home_of(node)
        if is_sorted(node):
            self._append(Sorted(key), key)
        elif home == BATCH and isinstance(node.operation, Reduce):
            self._settle_whole(key, self.graph[node.inputs[0]].type.axis, after)
        else:
            self._settle_segment(key, home, after)
        self._look(node.inputs, self.at[key][0])

    def _settle_whole(self, key: int, over: Axis, after: int) -> None:
        for number, step in self._from(after):
            if isinstance(step, Whole):
                parts = dict(step.over)
                parts[over] = (*parts.get(over, ()), key)
                self.steps[number] = replace(step, over=tuple(parts.items()))
                self.at[key] = number, 0
                return
        self._append(Whole(((over, (key,)),)), key)

    def _settle_segment(self, key: int, home: Axis, after: int) -> None:
        inputs = self.graph[key].inputs
        for number, step in self._from(after - 1 if self._is_own(inputs, home, after - 1) else after):
            if isinstance(step, Segments) and step.home == home:
                rounds = [*map(list, step.rounds)]
                turn = 1 + max((self.at[source][1] for source in self._settled(inputs) if self.at[source][0] == number), default=-1)
                rounds[turn:turn + 1] = [[*(rounds[turn] if turn < len(rounds) else ()), key]]
                self.steps[number] = replace(step, rounds=tuple(map(tuple, rounds)))
                self.at[key] = number, turn
                return
        self._append(Segments(home, ((key,),)), key)

    def write(self, axis: Axis, outputs: Mapping[int, int]) -> None:
        """Outputs at the places of an axis, by number: where a launch runs over these anyway, else in one of their own."""
        left = [number for number, key in outputs.items() if not self._is_written_below(axis, number, key)]
        if left:
            self._look([outputs[number] for number in left], len(self.steps))
            self.steps.append(Outputs(axis, tuple(left)))

    def _is_written_below(self, axis: Axis, output: int, key: int) -> bool:
        after = self._after((key,))
        for number, step in self._from(after):
            if isinstance(step, Whole) and axis in dict(step.over):
                return self._write_in(number, step, axis, output, key)
        for number, step in self._from(after - 1):
            if isinstance(step, Segments) and step.home != BATCH and axis.nests_in(step.home) and (
                    axis == step.home or not is_long(axis)) and (number >= after or self._is_own((key,), step.home, number)):
                return self._write_in(number, step, axis, output, key)
        return False

    def _write_in(self, number: int, step: Segments | Whole, axis: Axis, output: int, key: int) -> bool:
        """An output more of a launch."""
        self.steps[number] = replace(step, below=_with(step.below, axis, output))
        self._look((key,), number)
        return True

    def write_batch(self, outputs: Mapping[int, int]) -> None:
        """Outputs of the batch, by number, all in one place."""
        if not outputs:
            return
        self._look(outputs.values(), len(self.steps))
        after, numbers = self._after(outputs.values()), tuple(outputs)
        for number, step in self._from(after - 1):
            if isinstance(step, Whole) or (number >= after and isinstance(step, Segments | Outputs) and _axis_of(step) != BATCH):
                self.steps[number] = replace(step, beside=numbers)
                return
        self.steps.append(Outputs(BATCH, numbers))

    def _look(self, roots: Iterable[int], launch: int) -> None:
        """Something in a launch looks at values: those of other launches are kept, and those that another program settles."""
        self.kept.update(key for key in self._settled(roots) if self.at[key][0] != launch)

    def _append(self, step: Step, key: int) -> None:
        self.at[key] = len(self.steps), 0
        self.steps.append(step)

    def _from(self, first: int) -> list[tuple[int, Step]]:
        return [(number, step) for number, step in enumerate(self.steps) if number >= first]

    def _settled(self, roots: Iterable[int]) -> list[int]:
        """The values in memory that roots look at, handed over apart."""
        return [key for key in fluid_sources(self.graph, self.given, roots) if key not in self.given]

    def _after(self, roots: Iterable[int]) -> int:
        """The first launch before which all that roots look at is settled."""
        return max((self.at[key][0] + 1 for key in self._settled(roots)), default=0)

    def _is_own(self, roots: Sequence[int], home: Axis, launch: int) -> bool:
        """Whether what roots look at of a launch is what the program of the same place of `home` has found: reductions and picks,
        at no shifted place."""
        own = [key for key in self._settled(roots) if self.at[key][0] == launch]
        if not all(isinstance(self.graph[key].operation, Reduce | Pick) and home_of(self.graph[key]) == home for key in own):
            return False
        return not own or not _moves(self.graph, self.given, roots)


def _with(below: tuple[Outputs, ...], axis: Axis, number: int) -> tuple[Outputs, ...]:
    """One output more."""
    found = {outputs.axis: outputs.numbers for outputs in below}
    found[axis] = (*found.get(axis, ()), number)
    return tuple(Outputs(axis, numbers) for axis, numbers in found.items())


def _axis_of(step: Segments | Outputs) -> Axis:
    """Of whose places the launch has programs."""
    return step.home if isinstance(step, Segments) else step.axis


def is_settled(node: Node) -> bool:
    """Whether the value is kept in memory between launches."""
    return isinstance(node.operation, Reduce | Pick | Scan | Rank)


def is_sorted(node: Node) -> bool:
    """Whether a sort settles it."""
    match node.operation:
        case Rank():
            return True
        case Reduce(reduction=reduction) | Pick(reduction=reduction):
            return reduction is Reduction.QUANTILE
        case _:
            return False


def fluid_sources(graph: Graph, given: Collection[int], roots: Iterable[int]) -> dict[int, None]:
    """The settled and given values in the fluid closure of the roots, without the roots' own inputs where they are settled."""
    return {key: None for key in _closure(graph, given, roots) if key in given or is_settled(graph[key])}


def _moves(graph: Graph, given: Collection[int], roots: Iterable[int]) -> bool:
    """Whether roots look at other places than their own."""
    return any(isinstance(graph[key].operation, Shift | Mirror) for key in _closure(graph, given, roots) if key not in given)


def _closure(graph: Graph, given: Collection[int], roots: Iterable[int]) -> list[int]:
    """All that is computed where the roots are, and the settled and given values that it begins with."""
    found: dict[int, None] = {}
    waiting = [resolve(graph, given, key) for key in roots]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found[key] = None
            if key not in given and not is_settled(graph[key]):
                waiting.extend(resolve(graph, given, source) for source in graph[key].inputs)
    return list(found)


def _depths(graph: Graph, given: Collection[int], outputs: Sequence[int]) -> dict[int, int]:
    """The depth of every settled value that the outputs need, in the order of the graph."""
    needed: dict[int, dict[int, None]] = {}
    waiting = [key for key in fluid_sources(graph, given, outputs) if key not in given]
    while waiting:
        key = waiting.pop()
        if key not in needed:
            needed[key] = {source: None for source in fluid_sources(graph, given, graph[key].inputs) if source not in given}
            waiting.extend(needed[key])
    depths: dict[int, int] = {}
    for node in graph.nodes:
        if node.key in needed:
            depths[node.key] = 1 + max((depths[source] for source in needed[node.key]), default=0)
    return depths


def home_of(node: Node) -> Axis:
    """The axis at each of whose places a program settles the value."""
    match node.operation:
        case Reduce(to=to) | Pick(to=to):
            return to
        case Scan(per=per) | Rank(per=per):
            return per
        case _:
            return node.type.axis
