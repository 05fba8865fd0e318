"""Text of the kernels of one function, and of the host lines that launch them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rldsl.emit.cells import resolve
from rldsl.emit.expressions import Argument
from rldsl.emit.names import Names
from rldsl.emit.parameters import Outline, Parameter
from rldsl.emit.triton.expressions import real
from rldsl.emit.triton.folds import Fold, fold_of
from rldsl.emit.triton.launches import INDENT, MERGE_BLOCK, RESERVED, WHOLE_BLOCK, Arrays, Kernel, LocalNames, warps_of, wrapped
from rldsl.emit.triton.places import Block, Place, Writer, count_uses
from rldsl.emit.triton.plan import Outputs, Plan, Segments, Sorted, Whole, home_of
from rldsl.graph.model import Graph, Node, Pick, Rank, Reduce, Reduction, Scan
from rldsl.source import Source
from rldsl.types import BATCH, Axis, Level

MOST_JOINED = 4     # outputs of the batch that another kernel writes too
FLAT_BLOCK = 512    # places of a launch over all places of an axis


class FunctionWriter:
    """Writes the kernels of `prepare`, `coefficients` or `values`, and the body of the host function that launches them."""

    def __init__(self, graph: Graph, given: Outline, found: Plan, names: Names, sources: Mapping[str, Source], *,
                 fast: bool = False) -> None:
        self.graph, self.given, self.plan, self.names, self.sources, self.fast = graph, given, found, names, sources, fast
        self.arrays = Arrays({parameter.key: parameter for parameter in given.given if parameter.key is not None}, names)
        self.kernels: list[Kernel] = []
        self.host: list[str] = []
        self.helpers: set[str] = set()  # functions of the reference that the host calls

    def write(self) -> None:
        """All kernels and host lines. A few numbers of the batch are written by the kernel that puts the last sums to it together;
        more of them would be more than its registers hold, beside the slow path of a float64 division."""
        before = [step for step in self.plan.steps if not isinstance(step, Outputs)]
        last = before[-1] if before and len(self._numbers()) <= MOST_JOINED else None
        for step in self.plan.steps:
            match step:
                case Segments():
                    self._segments(step)
                case Whole():
                    self._wholes(step, self._numbers() if step is last else ())
                case Sorted(key=key):
                    self._sorted(self.graph[key])
                case Outputs(axis=axis) if axis != BATCH or not isinstance(last, Whole):
                    self._outputs(step)

    def _outputs_of_plan(self) -> list[Outputs]:
        """They are the last steps."""
        return [step for step in self.plan.steps if isinstance(step, Outputs)]

    def _numbers(self) -> list[tuple[int, str]]:
        """The outputs of the batch, each with its array."""
        return [(self.given.computed[number], self.given.outputs[number].name)
                for step in self._outputs_of_plan() if step.axis == BATCH for number in step.numbers]

    # ------------------------------------------------------------ launches
    def _outputs(self, step: Outputs) -> None:
        """Every output of one axis."""
        written = [(self.given.computed[number], self.given.outputs[number].name) for number in step.numbers]
        self._flat(step.axis, written, "Writes " + ", ".join(name.removesuffix("_out") for _, name in written) + ".")

    def _flat(self, axis: Axis, written: Sequence[tuple[int, str]], says: str) -> None:
        """Values at all places of an axis, into arrays."""
        body, writer = self._begin([key for key, _ in written])
        if axis == BATCH:
            for key, array in written:
                body.add(f"tl.store({self._target(array)}, {real(writer.value(key, writer.batch))})")
            self._launch(body.lines, (), 0, "(1,)", (), says)
            return
        place = self._index_block(body, axis, "tl.program_id(0).to(tl.int64) * BLOCK", "last")
        for key, array in written:
            body.add(f"tl.store({self._target(array)} + {place.index}, {real(writer.value(key, place))}, "
                     f"mask={place.mask})")
        span = self.arrays.span(axis)
        self._launch(body.lines, ("first", "last"), FLAT_BLOCK, f"(triton.cdiv({span}[1] - {span}[0], {FLAT_BLOCK}),)",
                     (f"{span}[0]", f"{span}[1]"), says, f"{span}[1] > {span}[0]")

    def _segments(self, step: Segments) -> None:
        """Reductions, picks and scans, a program for each place of their home."""
        for key in step.keys:
            self._keep(key)
        body, writer = self._begin([source for key in step.keys for source in self.graph[key].inputs])
        if step.home != BATCH:
            index = self.locals.fresh(step.home.name, "place")
            body.add(f"{index} = first + tl.program_id(0).to(tl.int64)")
            writer.fixed.append(Place(step.home, index, None, body))
        home = writer.fixed[0] if writer.fixed else writer.batch
        block = 0
        loops, epilogue = [], []
        for over, keys in self._by_axis(step.keys).items():
            block = max(block, _block_of(over))
            first, last = writer.ends(over, step.home, home)
            loop = Block(INDENT * 2, body)
            place = self._looped(writer, loop, over, last)
            folds = [self._accumulate(writer, loop, key, place) for key in keys]
            loops += [*(INDENT + line for fold in folds for line in fold.start()),
                      *self._loop_lines(f"range({first}, {last}, BLOCK)", loop)]
            epilogue += [INDENT + line for key, fold in zip(keys, folds, strict=True)
                         for line in self._end(fold, key, home)]
        scans = self._scans(writer, body, step, home)
        span = self.arrays.span(step.home) if step.home != BATCH else ""
        self._launch([*body.lines, *loops, *scans[0], *epilogue], ("first",) if span else (), max(block, scans[1]),
                     f"({span}[1] - {span}[0],)" if span else "(1,)", (f"{span}[0]",) if span else (),
                     f"Settles {self._said(step.keys)} at each place of {step.home.name}.",
                     f"{span}[1] > {span}[0]" if span else "")

    def _wholes(self, step: Whole, numbers: Sequence[tuple[int, str]]) -> None:
        """Reductions to the batch. In a hurry, sums are added up as programs end."""
        sums = tuple(key for key in step.keys if self.fast and self._is_sum(key))
        rest = tuple(key for key in step.keys if key not in sums)
        if sums:
            self._added(Whole(step.over, sums), () if rest else numbers)
        if rest:
            self._whole(Whole(step.over, rest), numbers)

    def _is_sum(self, key: int) -> bool:
        operation = self.graph[key].operation
        return isinstance(operation, Reduce) and operation.reduction is Reduction.SUM

    def _added(self, step: Whole, numbers: Sequence[tuple[int, str]]) -> None:
        """Sums to the batch in one launch, in the order in which programs end; the last one to end writes outputs of the batch."""
        body, loop, folds = self._part(step)
        sums = self.names.fresh("sums")
        self.host.append(f"{sums} = torch.zeros({len(folds) + 1}, dtype=torch.float64, device=device)")
        for number, key in enumerate(step.keys):
            self.arrays.kept[key] = self.names.fresh(self.graph[key].name or f"v{key}", suffix="_kept")
            self.host.append(f"{self.arrays.kept[key]} = {sums}[{number}:{number + 1}]")
        targets = [self._target(self.arrays.kept[key]) for key in step.keys]
        lines = [*body.lines, *(INDENT + line for fold in folds for line in fold.start()),
                 *self._loop_lines("range(start, stop, BLOCK)", loop),
                 *(INDENT + line for fold in folds for line in fold.finish()),
                 *(f"{INDENT}tl.atomic_add({target}, {fold.name})" for target, fold in zip(targets, folds, strict=True))]
        says = f"Adds up {self._said(step.keys)}, in no certain order"
        if numbers:
            done = self.names.fresh("done", suffix="_kept")
            self.host.append(f"{done} = {sums}[{len(folds)}:{len(folds) + 1}]")
            lines.append(f"{INDENT}if tl.atomic_add({self._target(done)}, 1.0) == tl.num_programs(0) - 1:")
            inside = Block(INDENT * 2)
            for target, fold in zip(targets, folds, strict=True):
                inside.add(f"{fold.name} = tl.load({target}, volatile=True)")
            lines += [*inside.lines, *self._written(step, folds, numbers, self.locals, INDENT * 2)]
            says += f"; the last program writes {', '.join(name.removesuffix('_out') for _, name in numbers)}"
        self._launch_parts(step, lines, says + ".", is_always=bool(numbers))

    def _launch_parts(self, step: Whole, lines: Sequence[str], says: str, *, is_always: bool = False) -> str:
        """Programs of a part of the batch each; the variable that holds how many. `is_always`: one, though there be no places."""
        span, count, length = self.arrays.span(step.over), self.names.fresh("parts"), self.names.fresh("length")
        self.host.append(f"{count}, {length} = divided({span}[1] - {span}[0])")
        kinds = {name: kind for name, kind in self.arrays.asked.items() if name.endswith("_parts")}
        self.host += [f"{array} = torch.empty({count}, dtype=torch.{'float64' if kind == 'fp64' else 'int64'}, device=device)"
                      for array, kind in kinds.items()]
        self._launch(lines, ("first", "last", "length"), WHOLE_BLOCK, f"(max({count}, 1),)" if is_always else f"({count},)",
                     (f"{span}[0]", f"{span}[1]", length), says, "" if is_always else f"{count} > 0")
        return count

    def _part(self, step: Whole) -> tuple[Block, Block, list[Fold]]:
        """The body of a program of one part, its loop, and what it accumulates."""
        body, writer = self._begin([source for key in step.keys for source in self.graph[key].inputs])
        body.add("start = first + tl.program_id(0).to(tl.int64) * length")
        body.add("stop = tl.minimum(start + length, last)")
        loop = Block(INDENT * 2, body)
        place = self._looped(writer, loop, step.over, "stop")
        return body, loop, [self._accumulate(writer, loop, key, place) for key in step.keys]

    def _whole(self, step: Whole, numbers: Sequence[tuple[int, str]]) -> None:
        """Reductions to the batch: parts, then the parts put together, and outputs of the batch with them."""
        body, loop, folds = self._part(step)
        parts = {name: (self.names.fresh(name, suffix="_parts"), kind) for fold in folds for name, kind in fold.parts}
        self.arrays.asked.update({array: "fp64" if kind == "float64" else "i64" for array, kind in parts.values()})
        lines = [*body.lines, *(INDENT + line for fold in folds for line in fold.start()),
                 *self._loop_lines("range(start, stop, BLOCK)", loop),
                 *(INDENT + line for fold in folds for line in fold.finish()),
                 *(f"{INDENT}tl.store({array} + tl.program_id(0), {name})" for name, (array, _) in parts.items())]
        said = self._said(step.keys)
        count = self._launch_parts(step, lines, f"Sums up {said} in parts of the batch.")
        self._merge(step, folds, {name: array for name, (array, _) in parts.items()}, count, numbers)

    def _merge(self, step: Whole, folds: Sequence[Fold], parts: Mapping[str, str], count: str,
               numbers: Sequence[tuple[int, str]]) -> None:
        self.arrays.begin()
        lines = [line for fold in folds for line in fold.start()]
        lines += ["for start in range(0, count, BLOCK):", f"{INDENT}part = start + tl.arange(0, BLOCK)",
                  f"{INDENT}inside = part < count"]
        for fold in folds:
            found = {}
            for name, kind in fold.parts:
                found[name] = f"{name}_part"
                self.arrays.asked[parts[name]] = "fp64" if kind == "float64" else "i64"
                lines.append(f"{INDENT}{name}_part = tl.load({parts[name]} + part, mask=inside, other=0)")
            keep, place = "inside", "part"
            if fold.kind in ("smallest", "largest"):
                keep = f"inside & ({fold.name}_found_part > 0)"
            elif fold.is_place:
                keep, place = f"inside & ({fold.name}_place_part >= 0)", f"{fold.name}_place_part"
            lines += [INDENT + line for line in fold.update(f"{fold.name}_part", keep, place)]
        for key, fold in zip(step.keys, folds, strict=True):
            self._keep(key)
            lines += [*fold.finish(), f"tl.store({self._target(self.arrays.kept[key])}, {fold.result()})"]
        says = f"Puts the parts of {self._said(step.keys)} together" + (
            f", and writes {', '.join(name.removesuffix('_out') for _, name in numbers)}." if numbers else ".")
        names = LocalNames((*RESERVED, *(name + end for fold in folds for name, _ in fold.parts for end in ("", "_part"))))
        written = self._written(step, folds, numbers, names, INDENT) if numbers else []
        self._launch([*(INDENT + line for line in lines), *written], ("count",), MERGE_BLOCK, "(1,)", (count,), says)

    def _written(self, step: Whole, folds: Sequence[Fold], numbers: Sequence[tuple[int, str]], names: LocalNames,
                 indent: str) -> list[str]:
        """Outputs of the batch, after the folds of the kernel that is being written, which it need not load."""
        self.locals = names
        body = Block(indent)
        writer = self._writer(body, [key for key, _ in numbers])
        for key, fold in zip(step.keys, folds, strict=True):
            if not fold.is_place:
                writer.known[key, writer.batch.index] = Argument(self._result(body, fold))
        for key, array in numbers:
            body.add(f"tl.store({self._target(array)}, {real(writer.value(key, writer.batch))})")
        return body.lines

    def _result(self, body: Block, fold: Fold) -> str:
        """The variable of what a fold has found."""
        if fold.result() == fold.name:
            return fold.name
        name = self.locals.fresh(f"{fold.name}_whole")
        body.add(f"{name} = {fold.result()}")
        return name

    def _sorted(self, node: Node) -> None:
        """A sort of the library, on values brought to memory."""
        axis, home = self.graph[node.inputs[0]].type.axis, home_of(node)
        ranked = isinstance(node.operation, Rank)
        masked = not ranked and isinstance(node.operation, Reduce | Pick) and node.operation.masked
        over = self._span(axis)
        to = self._span(home)
        x = f"{self._brought(node.inputs[0], axis)}[{over[0]}:{over[1]}]"
        mask = f"{self._brought(node.inputs[1], axis)}[{over[0]}:{over[1]}]" if masked else "None"
        level = "" if ranked else self._level(node.inputs[-1], to)
        keep = "None"
        if masked or (not ranked and self.graph[node.inputs[0]].type.optional):
            self.helpers.add("present")
            keep = f"present({x}, {mask}, {self.graph[node.inputs[0]].type.optional})"
        self._keep(node.key)
        part = to if node.type.axis == home and not ranked else over
        given = [x, self._local_owners(axis, home, over, to[0]), f"{to[1]} - {to[0]}"]
        match node.operation:
            case Rank(descending=descending):
                name, given = "rank", [*given, repr(descending)]
            case Pick():
                name, given = "pick_quantile", [*given, level, keep]
            case _:
                name, given = "segment_quantile", [*given, level, keep]
        self.helpers.add(name)
        self.host += wrapped(f"{self.arrays.kept[node.key]}[{part[0]}:{part[1]}] = {name}(", given)

    def _span(self, axis: Axis) -> tuple[str, str]:
        """The first place to compute and the one after the last."""
        if axis == BATCH:
            return "0", "1"
        span = self.arrays.span(axis)
        return f"{span}[0]", f"{span}[1]"

    def _level(self, key: int, to: tuple[str, str]) -> str:
        """The level of a quantile, for each of the places that it is taken at."""
        axis = self.graph[resolve(self.graph, self.plan.given, key)].type.axis
        array = self._brought(key, axis)
        return f"{array}.expand({to[1]} - {to[0]})" if axis == BATCH else f"{array}[{to[0]}:{to[1]}]"

    def _local_owners(self, axis: Axis, home: Axis, over: tuple[str, str], first: str) -> str:
        if home == BATCH:
            return f"torch.zeros({over[1]} - {over[0]}, dtype=torch.int64, device=device)"
        owners = self.arrays.index("owners", axis, home, by_host=True)
        return f"{owners}[{over[0]}:{over[1]}] - {first}"

    def _brought(self, key: int, axis: Axis) -> str:
        """The array of a value on an axis, which is written first where it is in none."""
        key = resolve(self.graph, self.plan.given, key)
        array = self.arrays.values(key) if self.graph[key].type.axis == axis and not self._is_place(key) else None
        if array is not None:
            return array
        name = self.names.fresh(self.graph[key].name or f"v{key}", suffix="_kept")
        self._allocate(name, axis)
        self._flat(axis, [(key, name)], f"Brings {self._said([key])} to memory.")
        return name

    def _is_place(self, key: int) -> bool:
        operation = self.graph[key].operation
        return isinstance(operation, Pick) and operation.reduction is not Reduction.QUANTILE and key not in self.plan.given

    # ------------------------------------------------------------ pieces of kernels
    def _begin(self, roots: Sequence[int]) -> tuple[Block, Writer]:
        """Another kernel is written, which looks at the values `roots`."""
        self.arrays.begin()
        self.locals = LocalNames(RESERVED)
        body = Block(INDENT)
        return body, self._writer(body, roots)

    def _writer(self, body: Block, roots: Sequence[int]) -> Writer:
        uses = count_uses(self.graph, self.plan.given | frozenset(self.arrays.kept), [*roots, *roots])
        return Writer(self.graph, self.arrays, self.locals, body, self.sources, uses=uses, given=self.plan.given)

    def _index_block(self, body: Block, axis: Axis, offset: str, last: str) -> Place:
        index, inside = self.locals.fresh(axis.name, "place"), self.locals.fresh("inside")
        body.add(f"{index} = first + {offset} + tl.arange(0, BLOCK)")
        body.add(f"{inside} = {index} < {last}")
        return Place(axis, index, inside, body)

    def _looped(self, writer: Writer, loop: Block, axis: Axis, last: str) -> Place:
        index, inside = self.locals.fresh(axis.name, "place"), self.locals.fresh("inside")
        loop.add(f"{index} = at + tl.arange(0, BLOCK)")
        loop.add(f"{inside} = {index} < {last}")
        writer.looped = writer.looped | {index}
        return Place(axis, index, inside, loop)

    def _loop_lines(self, over: str, loop: Block) -> list[str]:
        return [f"{INDENT}for at in {over}:", *loop.lines]

    def _by_axis(self, keys: Iterable[int]) -> dict[Axis, list[int]]:
        """Reductions and picks by the axis that they run over."""
        found: dict[Axis, list[int]] = {}
        for key in keys:
            if not isinstance(self.graph[key].operation, Scan):
                found.setdefault(self.graph[self.graph[key].inputs[0]].type.axis, []).append(key)
        return found

    def _accumulate(self, writer: Writer, loop: Block, key: int, place: Place) -> Fold:
        node = self.graph[key]
        assert isinstance(node.operation, Reduce | Pick)
        fold = fold_of(node.operation, self.locals.fresh(node.name or f"v{key}"))
        value = writer.value(node.inputs[0], place)
        keep = [place.mask or ""]
        if node.operation.masked:
            keep.append(writer.value(node.inputs[1], place).fact)
        if self.graph[node.inputs[0]].type.optional and not value.truth:
            keep.append(f"({value.text} == {value.text})")
        for line in fold.update(real(value), " & ".join(keep), place.index):
            loop.add(line)
        return fold

    def _end(self, fold: Fold, key: int, home: Place) -> list[str]:
        target = self._target(self.arrays.kept[key])
        where = target if home.axis == BATCH else f"{target} + {home.index}"
        return [*fold.finish(), f"tl.store({where}, {fold.result()})"]

    def _scans(self, writer: Writer, body: Block, step: Segments, home: Place) -> tuple[list[str], int]:
        """Loops that carry a value from block to block, from the first or the last place on."""
        lines: list[str] = []
        block = 0
        for key in step.keys:
            node = self.graph[key]
            if not isinstance(node.operation, Scan):
                continue
            axis = node.type.axis
            block = max(block, _block_of(axis))
            first, last = writer.ends(axis, step.home, home)
            loop = Block(INDENT * 2, body)
            place = self._looped(writer, loop, axis, last) if not node.operation.from_end else self._backwards(
                writer, loop, axis, first, last)
            x, decay = (real(writer.value(source, place)) for source in node.inputs)
            carried, factor, term = (self.locals.fresh(f"v{key}_{word}") for word in ("carried", "factor", "term"))
            target = self._target(self.arrays.kept[key])
            loop.add(f"{factor} = tl.where({place.mask}, {decay}, 1.0)")
            loop.add(f"{term} = tl.where({place.mask}, {x}, 0.0)")
            loop.add(f"{factor}, {term} = tl.associative_scan(({factor}, {term}), 0, after)")
            loop.add(f"{term} = {term} + {factor} * {carried}")
            loop.add(f"tl.store({target} + {place.index}, {term}, mask={place.mask})")
            loop.add(f"{carried} = tl.sum(tl.where(tl.arange(0, BLOCK) == BLOCK - 1, {term}, 0.0), 0)")
            lines += [f"{INDENT}{carried} = tl.full((), 0.0, tl.float64)",
                      *self._loop_lines(f"range({first}, {last}, BLOCK)", loop)]
        return lines, block

    def _backwards(self, writer: Writer, loop: Block, axis: Axis, first: str, last: str) -> Place:
        index, inside = self.locals.fresh(axis.name, "place"), self.locals.fresh("inside")
        loop.add(f"{index} = {last} - 1 - (at - {first}) - tl.arange(0, BLOCK)")
        loop.add(f"{inside} = {index} >= {first}")
        writer.looped = writer.looped | {index}
        return Place(axis, index, inside, loop)

    # ------------------------------------------------------------ arrays
    def _keep(self, key: int) -> None:
        """An array for a settled value."""
        if key in self.arrays.kept:
            return
        node = self.graph[key]
        name = self.names.fresh(node.name or f"v{key}", suffix="_kept")
        axis = home_of(node) if isinstance(node.operation, Pick) and self._is_place(key) else node.type.axis
        self._allocate(name, axis)
        self.arrays.kept[key] = name

    def _allocate(self, name: str, axis: Axis) -> None:
        size = "1" if axis == BATCH else f"{self.arrays.span(axis)}[1]"
        self.host.append(f"{name} = torch.empty({size}, dtype=torch.float64, device=device)")

    def _target(self, array: str) -> str:
        self.arrays.asked[array] = "fp64"
        return array

    def _said(self, keys: Iterable[int]) -> str:
        return ", ".join(dict.fromkeys(self.graph[key].name or f"v{key}" for key in keys))

    def _launch(self, lines: Sequence[str], integers: tuple[str, ...], block: int, grid: str, numbers: tuple[str, ...],
                says: str, condition: str = "") -> None:
        name = self.names.fresh(f"{self.given.name}_{len(self.kernels) + 1}")
        kernel = Kernel(name, integers, tuple(self.arrays.asked.items()), tuple(lines), block, says)
        self.kernels.append(kernel)
        tail = [*([f"BLOCK={block}"] if block else []), f"num_warps={warps_of(block)}", "enable_fp_fusion=False"]
        given = [*numbers, *(pointer for pointer, _ in kernel.pointers), *tail]
        if condition:
            self.host.append(f"if {condition}:")
        self.host += wrapped(f"{INDENT if condition else ''}{name}[{grid}](", given)

    def parameters(self) -> Iterator[Parameter]:
        """What the host function takes, in no order: outputs apart."""
        yield from self.arrays.spans.values()
        yield from self.arrays.indices.values()
        yield from self.arrays.used.values()


def _block_of(axis: Axis) -> int:
    """How many places a program looks at together, of those below one place."""
    return 256 if axis.level is Level.TOKEN else 32
