"""The lines of one kernel: loops over places, and what is accumulated, carried along and written in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rldsl.emit.expressions import Argument
from rldsl.emit.triton.expressions import real
from rldsl.emit.triton.folds import Fold, fold_of
from rldsl.emit.triton.host import Host
from rldsl.emit.triton.launches import INDENT, RESERVED, LocalNames
from rldsl.emit.triton.places import BATCH_PLACE, Block, Place, Writer, count_uses
from rldsl.emit.triton.plan import is_long
from rldsl.graph.model import Pick, Reduce, Scan
from rldsl.source import Source
from rldsl.types import Axis

Written = tuple[int, str]  # a value, and the array that it is written to


class Body:
    """A kernel that is being written: its lines so far, and the writer of its values."""

    def __init__(self, host: Host, sources: Mapping[str, Source], roots: Iterable[int], indent: str = INDENT,
                 size: int | None = None) -> None:
        """It will look at the values `roots`. `size`: of BLOCK, where axes say how many of their places are looked at together, so
        that sums run in the same order whatever else a launch settles."""
        host.arrays.begin()
        self.size = size
        self.host, self.graph, self.sources = host, host.graph, sources
        self.locals = LocalNames(RESERVED)
        self.block = Block(indent)
        self.writer = self.another(self.block, roots)

    def another(self, block: Block, roots: Iterable[int]) -> Writer:
        """A writer of values that know nothing of those written before."""
        twice = [key for key in roots for _ in range(2)]
        uses = count_uses(self.graph, self.host.handed, twice)
        return Writer(self.graph, self.host.arrays, self.locals, block, self.sources, uses=uses, given=self.host.handed)

    def reserve(self, names: Iterable[str]) -> None:
        """Names that no variable gets from here on."""
        for name in names:
            self.locals.fresh(name)

    @property
    def lines(self) -> list[str]:
        """Those so far."""
        return self.block.lines

    def add(self, *lines: str) -> None:
        """More of them."""
        for line in lines:
            self.block.add(line)

    # ------------------------------------------------------------ places
    def lanes(self, axis: Axis, start: str, last: str) -> Place:
        """A block of places from a start on."""
        return self._place(self.block, axis, f"{start} + tl.arange(0, BLOCK)", f"< {last}")

    def loop(self, axis: Axis, last: str) -> Place:
        """A block of places within a loop over them, whose variable is `at`."""
        return self._looped(axis, "at + tl.arange(0, {width})", f"< {last}")

    def loop_backwards(self, axis: Axis, first: str, last: str) -> Place:
        """A block of places, the last one first."""
        return self._looped(axis, f"{last} - 1 - (at - {first}) - tl.arange(0, {{width}})", f">= {first}")

    def _looped(self, axis: Axis, index: str, bound: str) -> Place:
        width = "BLOCK" if self.size is None or block_of(axis) == self.size else str(block_of(axis))
        block = Block(self.block.indent + INDENT, self.block, width=width)
        place = self._place(block, axis, index.format(width=width), bound)
        self.writer.looped = self.writer.looped | {place.index}
        return place

    def _place(self, block: Block, axis: Axis, index: str, bound: str) -> Place:
        name, inside = self.locals.fresh(axis.name, "place"), self.locals.fresh("inside")
        block.add(f"{name} = {index}")
        block.add(f"{inside} = {name} {bound}")
        return Place(axis, name, inside, block)

    def run(self, first: str, last: str, place: Place, before: Iterable[str] = ()) -> None:
        """Over the places from `first` to `last`, after the lines `before`: the block of `place` is the loop's body."""
        self.add(*before, f"for at in range({first}, {last}, {place.block.width}):")
        self.lines.extend(place.block.lines)

    # ------------------------------------------------------------ what loops do
    def folds(self, keys: Sequence[int], place: Place) -> list[Fold]:
        """Reductions and picks, accumulated over the places of a loop."""
        return [self._accumulated(key, place) for key in keys]

    def _accumulated(self, key: int, place: Place) -> Fold:
        node = self.graph[key]
        assert isinstance(node.operation, Reduce | Pick)
        fold = fold_of(node.operation, self.locals.fresh(node.name or f"v{key}"), place.block.width)
        self.reserve(name for name, _ in fold.parts if name != fold.name)
        value = self.writer.value(node.inputs[0], place)
        keep = [place.mask or ""]
        if node.operation.masked:
            keep.append(self.writer.value(node.inputs[1], place).fact)
        if self.graph[node.inputs[0]].type.optional and not value.truth:
            keep.append(f"({value.text} == {value.text})")
        for line in fold.update(real(value), " & ".join(keep), place.index):
            place.block.add(line)
        return fold

    def finish(self, key: int, fold: Fold, home: Place, *, kept: bool) -> None:
        """The lanes of a fold put together: what comes later in the kernel finds it in a variable. `kept`: stored for other kernels
        too."""
        self.add(*fold.finish())
        found = fold.result()
        if fold.is_place:
            self.writer.picked[key] = f"{fold.name}_place"
        else:
            if found != fold.name:
                name = self.locals.fresh(f"{fold.name}_settled")
                self.add(f"{name} = {found}")
                found = name
            self.writer.known[key, home.index] = Argument(found)
        if kept:
            self.keep(key, home, found)

    def keep(self, key: int, place: Place, text: str) -> None:
        """A settled value, for other launches: none of this one may read it."""
        self.store(self.host.keep(key), place, text, place.block)
        self.host.arrays.settling.add(key)

    def barrier(self, block: Block) -> None:
        """Behind it a launch of one program reads what it has stored."""
        block.add("tl.debug_barrier()")
        self.host.arrays.settling.clear()

    def store(self, array: str, place: Place, text: str, block: Block) -> None:
        """At a place of an array."""
        target = self.host.target(array)
        where = target if place.index == BATCH_PLACE else f"{target} + {place.index}"
        block.add(f"tl.store({where}, {text})" if place.mask is None else f"tl.store({where}, {text}, mask={place.mask})")

    def write(self, written: Iterable[Written], place: Place, writer: Writer | None = None) -> None:
        """Values at a place, to their arrays."""
        for key, array in written:
            self.store(array, place, real((writer or self.writer).value(key, place)), place.block)

    def scan(self, key: int, home: Place) -> None:
        """A value that is carried from block to block, from the first or the last place of `home` on."""
        node = self.graph[key]
        assert isinstance(node.operation, Scan)
        first, last = self.writer.ends(node.type.axis, home.axis, home)
        place = self.loop_backwards(node.type.axis, first, last) if node.operation.from_end else self.loop(node.type.axis, last)
        x, decay = (real(self.writer.value(source, place)) for source in node.inputs)
        carried, factor, term = (self.locals.fresh(f"v{key}_{word}") for word in ("carried", "factor", "term"))
        add = place.block.add
        add(f"{factor} = tl.where({place.mask}, {decay}, 1.0)")
        add(f"{term} = tl.where({place.mask}, {x}, 0.0)")
        add(f"{factor}, {term} = tl.associative_scan(({factor}, {term}), 0, after)")
        add(f"{term} = {term} + {factor} * {carried}")
        self.keep(key, place, term)
        width = place.block.width
        add(f"{carried} = tl.sum(tl.where(tl.arange(0, {width}) == {width} - 1, {term}, 0.0), 0)")
        self.run(first, last, place, [f"{carried} = tl.full((), 0.0, tl.float64)"])


def block_of(axis: Axis) -> int:
    """How many places a program looks at together, of those below one place."""
    return 256 if is_long(axis) else 32
