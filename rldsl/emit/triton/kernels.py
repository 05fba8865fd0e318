"""Text of the kernels of one function, and of the host lines that launch them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from rldsl.emit.triton.bodies import Body, Written, block_of
from rldsl.emit.triton.expressions import real
from rldsl.emit.triton.folds import Fold
from rldsl.emit.triton.host import Host
from rldsl.emit.triton.launches import INDENT, MERGE_BLOCK, WHOLE_BLOCK
from rldsl.emit.triton.places import Block, Place
from rldsl.emit.triton.plan import Outputs, Plan, Segments, Sorted, Whole
from rldsl.emit.triton.sorts import sort
from rldsl.graph.model import Graph, Reduce, Reduction, Scan
from rldsl.source import Source
from rldsl.types import BATCH, Axis

FLAT_BLOCK = 256    # places of a launch over all places of an axis
_BOUNDS = ("first", "last", "length", "start", "stop")
Found: TypeAlias = Sequence[tuple[int, Fold]]  # a settled value, and how it is accumulated
End: TypeAlias = Callable[[int, Fold], Iterable[str]]  # the lines that follow when a value is accumulated


class FunctionWriter:
    """Writes the kernels of one function of an objective, and the body of the host function that launches them."""

    def __init__(self, host: Host, found: Plan, sources: Mapping[str, Source], *, fast: bool = False) -> None:
        self.host, self.plan, self.sources, self.fast = host, found, sources, fast

    @property
    def graph(self) -> Graph:
        """Of which the function computes values."""
        return self.host.graph

    def write(self) -> None:
        """All kernels and host lines."""
        for step in self.plan.steps:
            match step:
                case Segments():
                    self._segments(step)
                case Whole():
                    self._wholes(step)
                case Sorted(key=key):
                    sort(self.host, self.graph[key], lambda key, axis, array: self._flat(
                        axis, [(key, array)], f"Brings {self.host.said([key])} to memory."))
                case Outputs(axis=axis, numbers=numbers, beside=beside):
                    written = [*numbers, *beside]
                    self._flat(axis, self._written(numbers), f"Writes {self._names(written)}.", self._written(beside))

    def _written(self, numbers: Iterable[int]) -> list[Written]:
        """Outputs by number, each with its array."""
        given = self.host.given
        return [(given.computed[number], given.outputs[number].name) for number in numbers]

    def _names(self, numbers: Iterable[int]) -> str:
        return ", ".join(array.removesuffix("_out") for _, array in self._written(numbers))

    def _below(self, below: Iterable[Outputs]) -> dict[Axis, list[Written]]:
        return {outputs.axis: self._written(outputs.numbers) for outputs in below}

    # ------------------------------------------------------------ a program for each place, or block of places
    def _body(self, roots: Iterable[int], beside: Sequence[Written], size: int | None = None) -> Body:
        """Of a kernel of which one program more writes the outputs of the batch `beside`."""
        body = Body(self.host, self.sources, roots, INDENT * 2 if beside else INDENT, size)
        if beside:
            only = Block(INDENT * 2)
            writer = body.another(only, [key for key, _ in beside])
            body.write(beside, writer.batch, writer)
            body.lines[:0] = [f"{INDENT}if tl.program_id(0) == tl.num_programs(0) - 1:", *only.lines, f"{INDENT}else:"]
        return body

    def _flat(self, axis: Axis, written: Sequence[Written], says: str, beside: Sequence[Written] = ()) -> None:
        """Values at all places of an axis, into arrays."""
        body = self._body([key for key, _ in written], beside)
        if axis == BATCH:
            body.write(written, body.writer.batch)
            self.host.launch(body.lines, (), 0, "1", (), says)
            return
        body.write(written, body.lanes(axis, "first + tl.program_id(0).to(tl.int64) * BLOCK", "last"))
        places = self.host.places(axis)
        self.host.launch(body.lines, ("first", "last"), FLAT_BLOCK, f"triton.cdiv({places}, {FLAT_BLOCK})" + " + 1" * bool(beside),
                         self.host.span(axis), says, "" if beside else f"{places} > 0")

    def _segments(self, step: Segments) -> None:
        """Reductions, picks and scans, a program for each place of their home; then outputs at the places below."""
        below = self._below(step.below)
        roots = [*(source for key in step.keys for source in self.graph[key].inputs),
                 *(key for written in below.values() for key, _ in written)]
        axes = [*(self._over(key) for key in step.keys), *(axis for axis in below if axis != step.home)]
        size = max(map(block_of, axes))
        body = self._body(roots, self._written(step.beside), size)
        home = self._home(body, step.home)
        for keys in step.rounds:
            self._round(body, keys, home)
        for axis, written in below.items():
            self._write_below(body, axis, written, home)
        numbers = [*(number for outputs in step.below for number in outputs.numbers), *step.beside]
        says = f"Settles {self.host.said(step.keys)} at each place of {step.home.name}" + (
            f", and writes {self._names(numbers)}." if numbers else ".")
        is_placed = step.home != BATCH
        places = self.host.places(step.home)
        self.host.launch(body.lines, ("first",) if is_placed else (), size,
                         (f"{places} + 1" if step.beside else places) if is_placed else "1",
                         self.host.span(step.home)[:1] if is_placed else (), says,
                         f"{places} > 0" if is_placed and not step.beside else "")

    def _home(self, body: Body, axis: Axis) -> Place:
        """The place that a program stands at."""
        if axis == BATCH:
            return body.writer.batch
        home = Place(axis, body.locals.fresh(axis.name, "place"), None, body.block)
        body.add(f"{home.index} = first + tl.program_id(0).to(tl.int64)")
        body.writer.fixed.append(home)
        return home

    def _over(self, key: int) -> Axis:
        """The axis over whose places a settled value runs."""
        node = self.graph[key]
        return node.type.axis if isinstance(node.operation, Scan) else self.graph[node.inputs[0]].type.axis

    def _round(self, body: Body, keys: Sequence[int], home: Place) -> None:
        """What a program settles from what it has settled: one loop for each axis, and one for each scan."""
        axes: dict[Axis, list[int]] = {}
        for key in keys:
            if not isinstance(self.graph[key].operation, Scan):
                axes.setdefault(self._over(key), []).append(key)
        for axis, folded in axes.items():
            first, last = body.writer.ends(axis, home.axis, home)
            place = body.loop(axis, last)
            folds = body.folds(folded, place)
            body.run(first, last, place, [line for fold in folds for line in fold.start()])
            for key, fold in zip(folded, folds, strict=True):
                body.finish(key, fold, home, kept=key in self.plan.kept)
        for key in keys:
            if isinstance(self.graph[key].operation, Scan):
                body.scan(key, home)

    def _write_below(self, body: Body, axis: Axis, written: Sequence[Written], home: Place) -> None:
        """Outputs at the place of a program, or at those below it."""
        if axis == home.axis:
            body.write(written, home)
            return
        first, last = body.writer.ends(axis, home.axis, home)
        place = body.loop(axis, last)
        body.write(written, place)
        body.run(first, last, place)

    # ------------------------------------------------------------ reductions to the batch
    def _wholes(self, step: Whole) -> None:
        """Reductions to the batch. In a hurry, sums are added up as programs end."""
        keys = [key for _, keys in step.over for key in keys]
        sums = [key for key in keys if self.fast and self._is_sum(key)]
        rest = [key for key in keys if key not in sums]
        if not sums:
            self._whole(step)
        elif not rest:
            self._added(step)
        else:
            added = _only(step, sums)
            self._added(added)
            below = tuple(outputs for outputs in step.below if outputs not in added.below)
            self._whole(Whole(_only(step, rest).over, below, step.beside))

    def _is_sum(self, key: int) -> bool:
        operation = self.graph[key].operation
        return isinstance(operation, Reduce) and operation.reduction is Reduction.SUM

    def _parts(self, step: Whole, end: End) -> tuple[Body, list[tuple[int, Fold]], tuple[str, ...]]:
        """The kernel of one part of each axis, what it accumulates, and its integers. What a loop has found is
        stored by the lines of `end` before the next one begins: no register holds it any longer."""
        below = self._below(step.below)
        roots = [source for _, keys in step.over for key in keys for source in self.graph[key].inputs]
        body = Body(self.host, self.sources, [*roots, *(key for written in below.values() for key, _ in written)])
        found: list[tuple[int, Fold]] = []
        integers: list[str] = []
        for number, (axis, keys) in enumerate(step.over):
            first, last, length, start, stop = _BOUNDS if not number else (
                body.locals.fresh(f"{word}_{number + 1}") for word in _BOUNDS)
            body.add(f"{start} = {first} + tl.program_id(0).to(tl.int64) * {length}",
                     f"{stop} = tl.minimum({start} + {length}, {last})")
            place = body.loop(axis, stop)
            folds = body.folds(keys, place)
            body.write(below.get(axis, ()), place)
            body.run(start, stop, place, [line for fold in folds for line in fold.start()])
            for key, fold in zip(keys, folds, strict=True):
                body.add(*fold.finish())
                body.add(*end(key, fold))
                found.append((key, fold))
            integers += [first, last, length]
        return body, found, tuple(integers)

    def _divided(self, step: Whole) -> tuple[str, list[str]]:
        """Host lines that divide the places of all axes: how many programs there are, and the integers of the kernel."""
        counts, numbers = [], []
        for axis, _ in step.over:
            count, length = self.host.names.fresh("parts"), self.host.names.fresh("length")
            self.host.lines.append(f"{count}, {length} = divided({self.host.places(axis)})")
            counts.append(count)
            numbers += [*self.host.span(axis), length]
        if len(counts) > 1:
            most = self.host.names.fresh("parts")
            self.host.lines.append(f"{most} = max({', '.join(counts)})")
            return most, numbers
        return counts[0], numbers

    def _whole(self, step: Whole) -> None:
        """Parts, then one program that puts them together and writes outputs of the batch."""
        parts: dict[str, tuple[str, str]] = {}

        def stored(_: int, fold: Fold) -> Iterator[str]:
            for name, kind in fold.parts:
                parts[name] = self.host.names.fresh(name, suffix="_parts"), "fp64" if kind == "float64" else "i64"
                yield f"tl.store({self.host.target(*parts[name])} + tl.program_id(0), {name})"

        body, found, integers = self._parts(step, stored)
        count, numbers = self._divided(step)
        for name, kind in (part for _, fold in found for part in fold.parts):
            self.host.lines.append(f"{parts[name][0]} = torch.empty({count}, dtype=torch.{kind}, device=device)")
        said = self.host.said(key for key, _ in found)
        written = [number for outputs in step.below for number in outputs.numbers]
        self.host.launch(body.lines, integers, WHOLE_BLOCK, count, tuple(numbers), f"Sums up {said} in parts of the batch" + (
            f", and writes {self._names(written)}." if written else "."), f"{count} > 0")
        self._merge(found, parts, count, said, step.beside)

    def _merge(self, found: Found, parts: Mapping[str, tuple[str, str]], count: str, said: str, beside: Sequence[int]) -> None:
        """The parts put together, and outputs of the batch after them."""
        body = Body(self.host, self.sources, ())
        body.reserve(f"{name}{end}" for _, fold in found for name, _ in fold.parts for end in ("", "_part"))
        part = Place(BATCH, "part", "inside", Block(INDENT * 2, body.block))
        part.block.add("part = at + tl.arange(0, BLOCK)")
        part.block.add("inside = part < count")
        for _, fold in found:
            for name, _ in fold.parts:
                part.block.add(f"{name}_part = tl.load({self.host.target(*parts[name])} + part, mask=inside, other=0)")
            for line in _update(fold):
                part.block.add(line)
        body.run("0", "count", part, [line for _, fold in found for line in fold.start()])
        for key, fold in found:
            body.add(*fold.finish())
            body.keep(key, body.writer.batch, fold.result())
        self._after_barrier(body, self._written(beside), body.block)
        says = f"Puts the parts of {said} together" + (f", and writes {self._names(beside)}." if beside else ".")
        self.host.launch(body.lines, ("count",), MERGE_BLOCK, "1", (count,), says)

    def _after_barrier(self, body: Body, beside: Sequence[Written], block: Block) -> None:
        """Outputs of the batch from what the program has stored: read anew, more of them are no more than registers hold. Terms
        come before the loss that is made of them: they need not wait for it in registers."""
        if beside:
            places = {node.key: place for place, node in enumerate(self.graph.nodes)}
            body.barrier(block)
            writer = body.another(block, [key for key, _ in beside])
            for key, array in sorted(beside, key=lambda entry: places[entry[0]]):
                body.store(array, writer.batch, real(writer.value(key, writer.batch)), block)

    def _added(self, step: Whole) -> None:
        """Sums to the batch in one launch, in the order in which programs end; the last one to end writes outputs of the batch."""
        def added(key: int, fold: Fold) -> Iterator[str]:
            self.host.arrays.kept[key] = self.host.names.fresh(self.graph[key].name or f"v{key}", suffix="_kept")
            yield f"tl.atomic_add({self.host.target(self.host.arrays.kept[key])}, {fold.name})"

        body, found, integers = self._parts(step, added)
        count, numbers = self._divided(step)
        sums = self.host.names.fresh("sums")
        self.host.lines.append(f"{sums} = torch.zeros({len(found) + 1}, dtype=torch.float64, device=device)")
        for number, (key, _) in enumerate(found):
            self.host.lines.append(f"{self.host.arrays.kept[key]} = {sums}[{number}:{number + 1}]")
        says = f"Adds up {self.host.said(key for key, _ in found)}, in no certain order"
        if step.beside:
            done = self.host.names.fresh("done", suffix="_kept")
            self.host.lines.append(f"{done} = {sums}[{len(found)}:{len(found) + 1}]")
            body.add(f"if tl.atomic_add({self.host.target(done)}, 1.0) == tl.num_programs(0) - 1:")
            inside = Block(INDENT * 2, body.block)
            self._after_barrier(body, self._written(step.beside), inside)
            body.lines.extend(inside.lines)
            says += f"; the last program writes {self._names(step.beside)}"
        self.host.launch(body.lines, integers, WHOLE_BLOCK, f"max({count}, 1)" if step.beside else count, tuple(numbers),
                         f"{says}.", "" if step.beside else f"{count} > 0")


def _only(step: Whole, keys: Sequence[int]) -> Whole:
    """Of what is reduced, these, with the outputs below the axes that they run over."""
    over = tuple((axis, tuple(key for key in found if key in keys)) for axis, found in step.over)
    over = tuple((axis, found) for axis, found in over if found)
    return Whole(over, tuple(outputs for outputs in step.below if outputs.axis in dict(over)))


def _update(fold: Fold) -> list[str]:
    """A block of parts more: what a program found in its own part, if it found anything."""
    keep = "inside" if fold.kind == "sum" else f"inside & ({fold.name}_found_part > 0)"
    return fold.update(f"{fold.name}_part", keep, "part")
