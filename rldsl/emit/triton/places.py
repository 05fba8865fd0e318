"""Text of values at places: loads, owners, and everything elementwise, each written once for each place it is looked at.

A place is a variable of a kernel, a scalar or a block of them. A value that is looked at from below stands at the owner of
the place. Decides nothing about launches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rldsl.diagnostics import InternalError
from rldsl.emit.cells import is_truth, resolve
from rldsl.emit.expressions import Argument, number_text, repeats_first
from rldsl.emit.names import Names, comment
from rldsl.emit.sources import source_line
from rldsl.emit.triton.expressions import held, is_exact, real, triton_expression
from rldsl.emit.triton.plan import is_settled
from rldsl.graph.model import Constant, Elementwise, Graph, Mirror, Node, Pick, Position, Reduction, Shift, Size
from rldsl.source import Source
from rldsl.types import BATCH, Axis

LONGEST_PART = 50  # of an expression that is written inside another one


class Arrays(Protocol):
    """What a kernel may be handed: the names of arrays, which become parameters as they are asked for."""

    def values(self, key: int) -> str | None:
        """The array in which a value lies, if it does."""
        ...

    def bounds(self, axis: Axis, ancestor: Axis) -> str:
        """Where the places of an axis below those of another one start."""
        ...

    def owners(self, axis: Axis, ancestor: Axis) -> str:
        """In which place of another axis each place of an axis lies."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Places of `axis` by the variable `index`; `mask` says which lanes count, None that it is a scalar that does. `block`:
    which of the kernel's blocks of lines its values belong to."""

    axis: Axis
    index: str
    mask: str | None
    block: Block


@dataclass(slots=True, eq=False)
class Block:
    """Lines that run one after the other: the body of the program, or of a loop in it (`outer` is around it) that looks at `width`
    places together."""

    indent: str
    outer: Block | None = None
    lines: list[str] = field(default_factory=list)
    width: str = "BLOCK"

    def add(self, line: str) -> None:
        """One line more."""
        self.lines.append(f"{self.indent}{line}")


BATCH_PLACE = "0"


class Writer:
    """Writes the values of one kernel. `fixed` are scalar places that the program stands at: what lies below them finds its
    owners there. `known` are variables that hold a value at a place already, by key and index; `picked` those that hold the place
    that the program found for a pick."""

    def __init__(self, graph: Graph, arrays: Arrays, names: Names, body: Block, sources: Mapping[str, Source], *,
                 uses: Counter[int], given: frozenset[int]) -> None:
        self.graph, self.arrays, self.names, self.body, self.sources = graph, arrays, names, body, sources
        self.uses, self.given = uses, given
        self.batch = Place(BATCH, BATCH_PLACE, None, body)
        self.fixed: list[Place] = []
        self.known: dict[tuple[int, str], Argument] = {}
        self.picked: dict[int, str] = {}
        self._owners: dict[tuple[str, str], Place] = {}
        self._ends: dict[tuple[str, str, str], tuple[str, str]] = {}
        self._constants: dict[float, str] = {}
        self._last_comment: dict[int, str] = {}

    # ------------------------------------------------------------ values
    def value(self, key: int, place: Place) -> Argument:
        """The value at a place of its own axis, or below it."""
        key = resolve(self.graph, self.given, key)
        node = self.graph[key]
        if isinstance(node.operation, Constant) and key not in self.given:
            return self._literal(node)
        place = self.at(place, node.type.axis)
        found = self.known.get((key, place.index))
        if found is None:
            found = self.known[key, place.index] = self._written(node, place)
        return found

    def _written(self, node: Node, place: Place) -> Argument:
        if node.key in self.picked:
            return self._picked(node, self.picked[node.key], place)
        truth = is_truth(node)
        array = self.arrays.values(node.key)
        match node.operation:
            case Pick(to=to, reduction=reduction) if array and reduction is not Reduction.QUANTILE and node.key not in self.given:
                return self._picked(node, self._load(array, self.at(place, to)), place)
            case _ if array is not None:
                text = self._load(array, place)
                return self._named(node, f"{text} != 0.0" if truth else text, place, truth, inline=False)
            case Elementwise(function=function):
                arguments = _not_folded([self.value(source, place) for source in node.inputs])
                return self._named(node, triton_expression(function, arguments, truth), place, truth, inline=True)
            case Shift() as shift:
                return self._shifted(node, shift, place)
            case Mirror() as mirror:
                return self._mirrored(node, mirror, place)
            case Position(axis=axis, per=per):
                first, _ = self.ends(axis, per, self.at(place, per))
                return self._named(node, f"({place.index} - {first}).to(tl.float64)", place, truth, inline=False)
            case Size(axis=axis, to=to):
                first, last = self.ends(axis, to, self.at(place, to))
                return self._named(node, f"({last} - {first}).to(tl.float64)", place, truth, inline=False)
            case other:
                raise InternalError(f"{type(other).__name__} is not in memory and cannot be computed at a place")

    def _named(self, node: Node, text: str, place: Place, truth: bool, *, inline: bool) -> Argument:
        if inline and node.name is None and self.uses[node.key] == 1 and len(text) <= LONGEST_PART:
            return Argument(f"({text})", truth)
        line = source_line(node.span, self.sources)
        if line is not None and line != self._last_comment.get(id(place.block)):
            place.block.add(f"# {comment(line)}")
            self._last_comment[id(place.block)] = line
        name = self.names.fresh(node.name or f"v{node.key}")
        place.block.add(f"{name} = {text}")
        return Argument(name, truth)

    def _literal(self, node: Node) -> Argument:
        assert isinstance(node.operation, Constant)
        value = node.operation.value
        assert not isinstance(value, str)
        if isinstance(value, bool) and is_truth(node):
            return Argument(repr(value), True, float(value))
        number = float(value)
        if number != number or number in (float("inf"), float("-inf")):
            return Argument(f'float("{number}")', False, number)
        if is_exact(number):
            return Argument(number_text(number), False, number)
        if number not in self._constants:
            name = self._constants[number] = self.names.fresh("constant")
            self.body.add(f"{name} = tl.full((), {number!r}, tl.float64)")
        return Argument(self._constants[number], False, None)

    # ------------------------------------------------------------ elsewhere
    def _shifted(self, node: Node, shift: Shift, place: Place) -> Argument:
        first, last = self.ends(node.type.axis, shift.per, self.at(place, shift.per))
        there = self.names.fresh(f"{place.index}_shifted")
        place.block.add(f"{there} = {place.index} {'+' if shift.offset >= 0 else '-'} {abs(shift.offset)}")
        inside = self.names.fresh(f"{there}_inside")
        bounds = f"({there} >= {first}) & ({there} < {last})"
        place.block.add(f"{inside} = {bounds if place.mask is None else f'{place.mask} & {bounds}'}")
        value = self.value(node.inputs[0], Place(place.axis, there, inside, place.block))
        fill = self.value(node.inputs[1], place)
        return self._named(node, f"tl.where({inside}, {real(value)}, {real(fill)})", place, truth=False, inline=False)

    def _mirrored(self, node: Node, mirror: Mirror, place: Place) -> Argument:
        """Members stand in their order; the pairs of each follow that order, without itself."""
        members = node.type.axis.members
        me = self.at(place, members)
        low, _ = self.ends(members, mirror.per, self.at(place, mirror.per))
        first, _ = self.ends(node.type.axis, members, me)
        other, there = self.names.fresh("other"), self.names.fresh(f"{place.index}_mirrored")
        add = place.block.add
        add(f"{other} = {low} + {place.index} - {first}")
        add(f"{other} = {other} + ({other} >= {me.index}).to(tl.int64)")
        starts = self._load(self.arrays.bounds(node.type.axis, members), Place(members, other, place.mask, place.block))
        add(f"{there} = {starts} + {me.index} - {low} - ({me.index} > {other}).to(tl.int64)")
        value = self.value(node.inputs[0], Place(place.axis, there, place.mask, place.block))
        return self._named(node, real(value), place, truth=False, inline=False)

    def _picked(self, node: Node, best: str, place: Place) -> Argument:
        """1 at the best place, 0 elsewhere."""
        return self._named(node, f"({place.index} == {best}).to(tl.float64)", place, truth=False, inline=False)

    # ------------------------------------------------------------ places
    def at(self, place: Place, axis: Axis) -> Place:
        """The place of a coarser axis in which a place lies."""
        for fixed in self.fixed:  # also where a loop goes over the places of its own axis: it has one
            if fixed.axis == axis and self._stands_below(place, fixed):
                return fixed
        if place.axis == axis:
            return place
        if axis == BATCH:
            return self.batch
        if not place.axis.is_within(axis):
            raise InternalError(f"{place.axis} does not lie within {axis}")
        found = self._owners.get((place.index, axis.name))
        if found is None:
            above = next((fixed for fixed in self.fixed if fixed is not place and self._stands_below(place, fixed)
                          and fixed.axis.is_within(axis)), None)
            found = self.at(above, axis) if above is not None else self._owner(place, axis)
            self._owners[place.index, axis.name] = found
        return found

    def _stands_below(self, place: Place, fixed: Place) -> bool:
        """Whether a place lies in the one that the program stands at: the loops over it do, places elsewhere may not."""
        return place.block is not fixed.block and place.axis.is_within(fixed.axis) and place.index in self.looped

    looped: frozenset[str] = frozenset()  # the variables of loops over what lies below a fixed place, and of owners found there

    def _owner(self, place: Place, axis: Axis) -> Place:
        name = self.names.fresh(f"{axis.name}_of_{place.index}", "axis")
        place.block.add(f"{name} = {self._load(self.arrays.owners(place.axis, axis), place)}")
        if place.index in self.looped:
            self.looped = self.looped | {name}
        return Place(axis, name, place.mask, place.block)

    def ends(self, axis: Axis, within: Axis, place: Place) -> tuple[str, str]:
        """Variables that hold where the places of `axis` in a place of `within` start and stop."""
        identity = (axis.name, within.name, place.index)
        if identity not in self._ends:
            bounds = self.arrays.bounds(axis, within)
            first, last = (self.names.fresh(f"{word}_{axis.name}", "axis") for word in ("first", "last"))
            place.block.add(f"{first} = {self._load(bounds, place)}")
            place.block.add(f"{last} = {self._load(bounds, Place(within, f'{place.index} + 1', place.mask, place.block))}")
            self._ends[identity] = first, last
        return self._ends[identity]

    def _load(self, array: str, place: Place) -> str:
        where = array if place.index == BATCH_PLACE else f"{array} + {place.index}"
        return f"tl.load({where})" if place.mask is None else f"tl.load({where}, mask={place.mask}, other=0)"


def _not_folded(arguments: list[Argument]) -> list[Argument]:
    """Of literals alone the first becomes a value of the kernel: what Python makes of them is not IEEE 754."""
    if not arguments or any(argument.number is None for argument in arguments):
        return arguments
    return [Argument(held(arguments[0]), arguments[0].truth), *arguments[1:]]


def count_uses(graph: Graph, given: frozenset[int], roots: Sequence[int]) -> Counter[int]:
    """How often each value is written in the text of others; what stands twice in one text counts twice."""
    uses: Counter[int] = Counter()
    waiting = [resolve(graph, given, key) for key in roots]
    uses.update(waiting)
    seen = set[int]()
    while waiting:
        key = waiting.pop()
        if key in seen or key in given or is_settled(graph[key]):
            continue
        seen.add(key)
        node = graph[key]
        inputs = [resolve(graph, given, source) for source in node.inputs]
        uses.update(inputs)
        if isinstance(node.operation, Elementwise) and inputs and repeats_first(node.operation.function, is_truth(node)):
            uses[inputs[0]] += 1
        if not isinstance(node.operation, Elementwise):
            uses.update(inputs)  # what stands in conditions and bounds is looked at more than once
        waiting.extend(inputs)
    return uses

