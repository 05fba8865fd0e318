"""Emits `update`: a whole update batch on the kernels of its file, with torch and triton alone. What people carry elsewhere.

The plain case of what `triton_backend` and `kernels.device` do in the package, by the same functions of products and chunks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rldsl.emit.names import Names
from rldsl.emit.parameters import FunctionName, Parameter, read_name
from rldsl.emit.to_head import RowShape
from rldsl.emit.triton.combine import Function
from rldsl.emit.triton.fuse import Fused
from rldsl.emit.triton.launches import RESERVED, wrapped
from rldsl.graph.staged import HeadGroup, LiveRead, StagedObjective
from rldsl.types import BATCH

INDENT = "    "
LAUNCHED = ("Rows", "settings_of", "places_below", "in_batch", "there", "whole_chunks", "row_chunks", "tile_of", "ActiveRows")


@dataclass(frozen=True, slots=True)
class Launcher:
    """The function `update`: its parameters, what each one is, and its body."""

    parameters: tuple[str, ...]
    says: tuple[str, ...]
    lines: tuple[str, ...]

    @property
    def signature(self) -> str:
        """As it stands in the definition, without `def`."""
        return "\n".join(wrapped("def update(", [*self.parameters], 112))


@dataclass(frozen=True, slots=True)
class _Group:
    """One head group in the text: the variable of its rows, and those of its reads and slopes."""

    number: int
    rows: str
    reads: tuple[str, ...]
    slopes: tuple[str, ...]
    group: HeadGroup
    shape: RowShape
    fused: Fused | None

    def tuple_of(self, names: Sequence[str]) -> str:
        """As an argument."""
        return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


def emit_launcher(staged: StagedObjective, functions: Sequence[Function], shapes: Sequence[RowShape],
                  alone: Sequence[Fused | None]) -> Launcher:
    """The function of an objective."""
    return _Writer(staged, functions, shapes, alone).written()


class _Writer:
    def __init__(self, staged: StagedObjective, functions: Sequence[Function], shapes: Sequence[RowShape],
                 alone: Sequence[Fused | None]) -> None:
        self.staged = staged
        self.functions = {function.name: function for function in functions}
        self.names = Names((*RESERVED, *LAUNCHED, "x", "out", "active", "found", "numbers", "rows", "update"))
        self.bounds: dict[tuple[str, str], str] = {}
        self.owners: dict[tuple[str, str], str] = {}
        self.inputs = {given.name: self.names.fresh(given.name, "given") for given in staged.inputs}
        self.prepared = {key: self.names.fresh(staged.graph[key].name or "prepared") for key in staged.prepared}
        self.reads = {live.key: self.names.fresh(read_name(live.read)) for live in self._live()}
        self.slopes = {live.key: self.names.fresh(f"by_{self.reads[live.key]}") for live in self._live()
                       if live.coefficient is not None}
        self.groups = [self._group(*entry) for entry in enumerate(zip(staged.groups, shapes, alone, strict=True))]
        self.sizes: dict[str, str] = {BATCH.name: "1"}
        self.ends: dict[str, tuple[str, str]] = {}  # axes whose size the end of bounds says
        self.counts: dict[str, str] = {}  # axes of which only the caller knows how many places they have
        self.on_host: dict[tuple[str, str], str] = {}  # bounds that the host has to know, too
        self.lines: list[str] = []

    def _live(self) -> list[LiveRead]:
        return [*(read for group in self.staged.groups for read in group.reads), *self.staged.direct]

    def _group(self, number: int, entry: tuple[HeadGroup, RowShape, Fused | None]) -> _Group:
        group, shape, alone = entry
        slopes = tuple(self.slopes[read.key] for read in group.reads if read.coefficient is not None)
        return _Group(number, self.names.fresh("_".join(group.rows)), tuple(self.reads[read.key] for read in group.reads),
                      slopes, group, shape, alone)

    # ------------------------------------------------------------ the function
    def written(self) -> Launcher:
        """Parameters and body."""
        self._collect_layout()
        self._collect_sizes()
        self._indices()
        self._prepare()
        for live in self._live():
            if live not in self.staged.direct:
                self._add(f"{self.reads[live.key]} = {self._filled('zeros', live.axis.name)}")
            if live.coefficient is not None:
                self._add(f"{self.slopes[live.key]} = {self._filled('zeros', live.axis.name)}")
        self._sweeps()
        self._returned()
        given = [*(group.rows for group in self.groups), *(self.reads[live.key] for live in self.staged.direct)]
        layout = [name for pair, name in self.bounds.items() if pair[1] != BATCH.name and pair[0] != pair[1]]
        named = [*layout, *self.inputs.values(), *self.counts.values()]
        return Launcher((*given, *(["*"] if named else []), *named), tuple(self._says()), self._guarded())

    def _guarded(self) -> tuple[str, ...]:
        """The body where its tensors lie: Triton launches on the current device, whatever it is given. Bounds go there first."""
        device, *rest = self.lines
        known = [f"{INDENT}{name} = {self.bounds[pair]}.cpu()" for pair, name in self.on_host.items()]
        sent = [f"{INDENT}{name} = there({name}, device)" for (axis, ancestor), name in self.bounds.items()
                if ancestor not in (BATCH.name, axis)]
        rest = [*known, *sent, *rest]
        return (device, f"{INDENT}with torch.cuda.device_of({self._first()}):", *(INDENT + line for line in rest))

    def _first(self) -> str:
        return self.groups[0].rows + ".targets" if self.groups else self.reads[self.staged.direct[0].key]

    def _says(self) -> Iterator[str]:
        for group in self.groups:
            others = f"; `others`: {', '.join(group.group.others)}" if group.group.others else ""
            yield f"{group.rows}: Rows of `{group.group.response}` under `{group.group.model}`{others}"
        for live in self.staged.direct:
            yield f"{self.reads[live.key]}: [{live.axis.name}] as the model gives it; its gradient is returned"
        for given in self.staged.inputs:
            yield f"{self.inputs[given.name]}: [{given.axis.name}] float64, frozen"
        for (axis, ancestor), name in self.bounds.items():
            if ancestor not in (BATCH.name, axis):
                yield (f"{name}: int64, where the places of {axis} below each place of {ancestor} start, and the last one ends"
                       + ("; best given on the host, which waits for it otherwise" if (axis, ancestor) in self.on_host else ""))
        for axis, name in self.counts.items():
            yield f"{name}: how many places {axis} has"

    def _add(self, line: str, depth: int = 1) -> None:
        self.lines.append(f"{INDENT * depth}{line}")

    def _call(self, function: str, arguments: Sequence[str], depth: int = 1) -> None:
        self.lines += wrapped(f"{INDENT * depth}{function}(", list(arguments), 116)

    # ------------------------------------------------------------ the layout
    def _every_parameter(self) -> Iterator[Parameter]:
        for function in self.functions.values():
            yield from function.parameters
        for group in self.groups:
            yield from group.fused.parameters if group.fused is not None else ()

    def _collect_layout(self) -> None:
        pairs = [(parameter.axis, parameter.ancestor, parameter.kind) for parameter in self._every_parameter()
                 if parameter.ancestor is not None]
        if not self._is_fused():
            piece = self.staged.piece_axis.name
            spans = [parameter.axis for parameter in self.functions["coefficients"].parameters if parameter.kind == "span"]
            pairs += [(axis, piece, "bounds") for axis in (*spans, *(group.group.axis.name for group in self.groups))]
        for axis, ancestor, kind in dict.fromkeys(pairs):
            if (axis, ancestor) not in self.bounds:
                self.bounds[axis, ancestor] = self.names.fresh(f"{axis}_in_{ancestor}", "axis")
            if kind == "owners" and (axis, ancestor) not in self.owners:
                self.owners[axis, ancestor] = self.names.fresh(f"{ancestor}_of_{axis}", "axis")

    def _collect_sizes(self) -> None:
        for group in self.groups:
            self.sizes.setdefault(group.group.axis.name, f"len({group.rows}.targets)")
        for live in self.staged.direct:
            self.sizes.setdefault(live.axis.name, f"len({self.reads[live.key]})")
        for given in self.staged.inputs:
            self.sizes.setdefault(given.axis.name, f"len({self.inputs[given.name]})")
        for (axis, ancestor), name in self.bounds.items():
            if ancestor not in (BATCH.name, axis):
                self.sizes.setdefault(ancestor, f"len({name}) - 1")
        for axis, ancestor in self.bounds:
            if ancestor not in (BATCH.name, axis):
                self.ends.setdefault(axis, (axis, ancestor))

    def _size(self, axis: str) -> str:
        if axis not in self.sizes and axis in self.ends:
            return f"int({self._host_bounds(*self.ends[axis])}[-1])"
        if axis not in self.sizes:
            self.sizes[axis] = self.counts[axis] = self.names.fresh(f"{axis}_count", "axis")
        return self.sizes[axis]

    def _host_bounds(self, axis: str, ancestor: str) -> str:
        """The variable of bounds as the host knows them, of those that the caller gives."""
        if (axis, ancestor) not in self.on_host:
            self.on_host[axis, ancestor] = self.names.fresh(f"{axis}_starts", "axis")
        return self.on_host[axis, ancestor]

    def _filled(self, how: str, axis: str) -> str:
        return f"torch.{how}({self._size(axis)}, dtype=torch.float64, device=device)"

    def _indices(self) -> None:
        self._add(f"device = {self._first()}.device")
        for (axis, ancestor), name in self.bounds.items():
            if ancestor == BATCH.name:
                self._add(f"{name} = in_batch({self._size(axis)}, device)")
            elif axis == ancestor:
                self._add(f"{name} = torch.arange({self._size(axis)} + 1, device=device)")
        for pair, name in self.owners.items():
            self._add(f"{name} = places_below({self.bounds[pair]}, {self._size(pair[0])})")

    # ------------------------------------------------------------ the three functions
    def _argument(self, function: str, parameter: Parameter, span: Mapping[str, str] | None = None) -> str:
        match parameter.kind:
            case "span":
                return span[parameter.axis] if span is not None else f"(0, {self._size(parameter.axis)})"
            case "bounds":
                return self.bounds[parameter.axis, parameter.ancestor or ""]
            case "owners":
                return self.owners[parameter.axis, parameter.ancestor or ""]
            case "input":
                return self.inputs[parameter.label or ""]
            case "read":
                return self._read(parameter.key or 0)
            case "output" if parameter.label is None and function != "prepare":
                return self.slopes[parameter.key or 0]
            case _:
                return self.prepared[parameter.key or 0]

    def _read(self, key: int) -> str:
        direct = any(live.key == key for live in self.staged.direct)
        return f"{self.reads[key]}.detach().double()" if direct else self.reads[key]

    def _prepare(self) -> None:
        function = self.functions["prepare"]
        for key, name in self.prepared.items():
            self._add(f"{name} = {self._filled('empty', self.staged.graph[key].type.axis.name)}")
        if self.prepared:
            self._call("prepare", [self._argument("prepare", parameter) for parameter in function.parameters])

    def _coefficients(self, depth: int, span: Mapping[str, str] | None = None) -> None:
        parameters = self.functions["coefficients"].parameters
        if any(parameter.kind == "output" for parameter in parameters):
            self._call("coefficients", [self._argument("coefficients", entry, span) for entry in parameters], depth)

    @property
    def _labels(self) -> list[str]:
        return [entry.label for entry in self.functions["values"].parameters if entry.label and entry.kind == "output"]

    def _values(self, function: FunctionName) -> None:
        """The numbers of the batch, by a function that computes them, maybe with the coefficients."""
        self._add(f"numbers = torch.empty({len(self._labels)}, dtype=torch.float64, device=device)")
        places = {label: f"numbers[{number}:{number + 1}]" for number, label in enumerate(self._labels)}
        self._call(function, [places[parameter.label] if parameter.kind == "output" and parameter.label else
                              self._argument(function, parameter) for parameter in self.functions[function].parameters])

    def _returned(self) -> None:
        names = ", ".join(repr(label) for label in self._labels)
        slopes = ", ".join(f"{self.reads[live.key]!r}: {self.slopes[live.key]}" for live in self.staged.direct
                           if live.coefficient is not None)
        self._add(f"return dict(zip(({names},), numbers.tolist())), {{{slopes}}}")

    # ------------------------------------------------------------ chunks
    def _is_fused(self) -> bool:
        return bool(self.groups) and all(group.fused is not None for group in self.groups)

    def _sweeps(self) -> None:
        for group in self.groups:
            numbers = (f"{1.0 / group.group.temperature!r}", *(repr(number) for number in group.shape.parameters))
            self._add(f"settings{group.number} = settings_of({group.rows}, ({', '.join(numbers)},))")
            self._add(f"tile{group.number} = tile_of({group.rows}.vocabulary)")
        if self._is_fused():
            for group in self.groups:
                self._fused_sweep(group)
                self._done(group)
            if any(live.coefficient is not None for live in self.staged.direct):
                self._coefficients(1)
            self._values("values")
        elif self.groups and self.staged.piece_axis != BATCH:
            self._piece_sweep()
            self._values("values")
        else:
            self._two_passes()

    def _fused_sweep(self, group: _Group) -> None:
        """Each row is read, weighed and written by one program."""
        assert group.fused is not None
        self._add(f"for start, stop in row_chunks(len({group.rows}.targets), {group.rows}.row_bytes):")
        self._load(group, 2)
        arguments = [self._argument("fused", parameter) for parameter in group.fused.parameters]
        self._launch("fused", group, [group.tuple_of(group.slopes), f"settings{group.number}", group.tuple_of(arguments),
                                      f"tile{group.number}"], writes=True, depth=2)
        self._store(group, 2)

    def _piece_sweep(self) -> None:
        """A chunk holds whole pieces: read, coefficients, write while it lies there."""
        piece = self.staged.piece_axis.name
        starts = {}
        for axis in [*(group.group.axis.name for group in self.groups),
                     *(parameter.axis for parameter in self.functions["coefficients"].parameters if parameter.kind == "span")]:
            if axis == piece and axis not in starts:
                starts[axis] = self.names.fresh(f"{axis}_starts")
                self._add(f"{starts[axis]} = torch.arange({self._size(axis)} + 1)")
            elif axis != piece:
                starts[axis] = self._host_bounds(axis, piece)
        given = ", ".join(starts[group.group.axis.name] for group in self.groups)
        widest = f"max({', '.join(f'{group.rows}.row_bytes' for group in self.groups)})" if len(self.groups) > 1 else (
            f"{self.groups[0].rows}.row_bytes")
        self._add(f"for first, last in whole_chunks([{given}], {widest}):")
        for group in self.groups:
            name = starts[group.group.axis.name]
            self._add(f"start{group.number}, stop{group.number} = int({name}[first]), int({name}[last])", 2)
            self._load(group, 2, str(group.number))
            self._read_rows(group, 2, str(group.number))
        self._coefficients(2, {axis: f"(int({name}[first]), int({name}[last]))" for axis, name in starts.items()})
        for group in self.groups:
            self._write_rows(group, 2, str(group.number))
        for group in self.groups:
            self._done(group)

    def _two_passes(self) -> None:
        """Coefficients need all reads, with which the values are known too: the logits are computed once more for the gradient, but
        those of the last chunk, which still lie there."""
        suffixes = {group.number: str(group.number) if len(self.groups) > 1 else "" for group in self.groups}
        for group in self.groups:
            suffix, count = suffixes[group.number], f"len({group.rows}.targets)"
            self._add(f"for start{suffix}, stop{suffix} in row_chunks({count}, {group.rows}.row_bytes):")
            self._load(group, 2, suffix)
            self._read_rows(group, 2, suffix)
        self._values("combined")
        for group in self.groups:
            suffix, count = suffixes[group.number], f"len({group.rows}.targets)"
            if group.slopes:
                self._add(f"for start{suffix}, stop{suffix} in reversed(row_chunks({count}, {group.rows}.row_bytes)):")
                self._add(f"if stop{suffix} < {count}:  # the last chunk still lies there", 2)
                self._load(group, 3, suffix)
                self._read_rows(group, 3, suffix)
                self._write_rows(group, 2, suffix)
            self._done(group)

    def _load(self, group: _Group, depth: int, suffix: str = "") -> None:
        self._add(f"x{suffix}, out{suffix} = {group.rows}.load(start{suffix}, stop{suffix})", depth)

    def _read_rows(self, group: _Group, depth: int, suffix: str = "") -> None:
        self._add(f"others{suffix} = {group.rows}.beside(start{suffix}, stop{suffix})", depth)
        self._add(f"statistics{suffix} = torch.empty(stop{suffix} - start{suffix}, {group.shape.width}, dtype=torch.float64, "
                  "device=device)", depth)
        self._launch("read", group, [f"statistics{suffix}", f"settings{group.number}", f"tile{group.number}"], writes=False,
                     depth=depth, suffix=suffix, others=f"others{suffix}")

    def _write_rows(self, group: _Group, depth: int, suffix: str = "") -> None:
        if not group.slopes:
            return
        active = self._active(group, depth, suffix)
        self._launch("write", group, [group.tuple_of(group.slopes), f"statistics{suffix}", f"settings{group.number}",
                                      f"tile{group.number}"], writes=True, depth=depth, suffix=suffix, others=f"others{suffix}")
        self._add(f"{group.rows}.store(start{suffix}, out{suffix}, {active})", depth)

    def _launch(self, name: str, group: _Group, rest: Sequence[str], *, writes: bool, depth: int, suffix: str = "",
                others: str = "") -> None:
        rows = group.rows
        beside = others or f"{rows}.beside(start{suffix}, stop{suffix})"
        self._call(f"{name}{group.number}", [
            f"x{suffix}", *([f"out{suffix}"] if writes else []), beside, f"{rows}.targets[start{suffix}:stop{suffix}]", "None",
            f"start{suffix}", group.tuple_of(group.reads), *rest, f"capped={rows}.cap != 0.0"], depth)

    def _store(self, group: _Group, depth: int) -> None:
        self._add(f"{group.rows}.store(start, out, {self._active(group, depth)})", depth)

    def _done(self, group: _Group) -> None:
        self._add(f"{group.rows}.{'done()' if group.slopes else 'buffers.clear()'}")

    def _active(self, group: _Group, depth: int, suffix: str = "") -> str:
        """Which rows have a gradient: the variable; nothing is asked where all of them have one, whatever the numbers."""
        if self.staged.pulls_every_row(group.group):
            return "None"
        parts = ", ".join(f"{slope}[start{suffix}:stop{suffix}]" for slope in group.slopes)
        self._add(f"active{suffix} = ActiveRows([{parts}])", depth)
        return f"active{suffix}"

