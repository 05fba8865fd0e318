"""Emits the combine functions of a staged objective as a numba module: loops over packed storage, no padding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rldsl.diagnostics import InternalError
from rldsl.emit.cells import Accumulate, Across, Cell, Compute, Fold, Quantile, Series, Store, Task, collect
from rldsl.emit.expressions import Argument, checked, literal, numba_expression
from rldsl.emit.inline import single_uses
from rldsl.emit.names import Names, comment
from rldsl.emit.numba_series import series_lines
from rldsl.emit.parameters import FUNCTIONS, FunctionName, Outline, Parameter, ordered, outline, signature
from rldsl.emit.schedule import Begin, Do, Load, Loop, Statement, schedule
from rldsl.emit.sources import header, source_line
from rldsl.emit.templates import render
from rldsl.graph.model import Graph, Position, Reduction, Size
from rldsl.graph.staged import StagedObjective
from rldsl.source import Source
from rldsl.types import BATCH, Axis

HELPERS = (
    "accumulate", "gate", "smaller", "larger", "clip", "sign", "relu", "power", "known", "choose", "otherwise", "exp",
    "expm1", "log", "log1p", "sigmoid", "log_sigmoid", "softplus", "tanh", "quantile", "pick_quantile", "widest")
LONGEST_PART = 50  # of an expression that is written inside another one
RESERVED = (*HELPERS, *FUNCTIONS, "np", "math", "njit", "start", "stop", "compiled", "inlined", "polynomial", "split",
            "growth", "powers", "nth", "has_nan", "place_of")


@dataclass(frozen=True, slots=True)
class NumbaSource:
    """The text of the module, and the parameters of its three functions after `start, stop`, in their order.

    `start, stop` are places of the axis of a piece for `coefficients`; `prepare` and `values` run over the whole
    update batch whatever they are given.
    """

    text: str
    prepare: tuple[Parameter, ...]
    coefficients: tuple[Parameter, ...]
    values: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class _Function:
    name: str
    parameters: tuple[Parameter, ...]
    lines: tuple[str, ...]

    @property
    def signature(self) -> str:
        """The parameters as they stand between the parentheses."""
        return signature(self.name, ["start", "stop", *(parameter.name for parameter in self.parameters)])


def emit_numba(staged: StagedObjective, sources: Mapping[str, Source] | None = None) -> NumbaSource:
    """The module of an objective. `sources` are the texts that spans point into, for the comments."""
    functions = {name: _function(staged, name, sources or {}) for name in FUNCTIONS}
    body = "\n".join(line for function in functions.values() for line in function.lines)
    used = [helper for helper in HELPERS if f"{helper}(" in body]
    text = render("numba/combine.py.jinja", header=header(staged, sources or {}), functions=functions.values(),
                  used=_closure(used))
    return NumbaSource(text, **{name: function.parameters for name, function in functions.items()})


def _closure(used: Sequence[str]) -> frozenset[str]:
    """Helpers with those that they call."""
    calls = {"exp": ("split",), "expm1": ("split",), "log1p": ("log",), "tanh": ("expm1",), "sigmoid": ("exp",),
             "log_sigmoid": ("log1p", "exp"), "softplus": ("log1p", "exp"), "quantile": ("nth",), "pick_quantile": ("nth",)}
    found: set[str] = set()
    waiting = list(used)
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting.extend(calls.get(name, ()))
    return frozenset(found)


def _function(staged: StagedObjective, name: FunctionName, sources: Mapping[str, Source]) -> _Function:
    names = Names(RESERVED)
    given = outline(staged, name, names, "_at")
    task = collect(staged.graph, {parameter.key for parameter in given.given if parameter.key is not None},
                   given.computed, given.piece)
    writer = Writer(staged.graph, task, given, names=names, sources=sources)
    lines = tuple(writer.lines()) or ("    return",)
    return _Function(name, writer.parameters(), lines)


class Writer:
    """Writes one function. Holds the names given so far and the loops that are open."""

    def __init__(self, graph: Graph, task: Task, given: Outline, *, names: Names,
                 sources: Mapping[str, Source]) -> None:
        self.graph, self.task, self.given = graph, task, given
        self.nest = schedule(task)
        self.names, self.sources = names, sources
        self._parameters = {parameter.key: parameter for parameter in given.given}
        self._used: dict[str, Parameter] = {}
        self._indices: dict[tuple[str, str, str], Parameter] = {}
        self._variables: dict[int, str] = {}
        self._locals: dict[tuple[int, str], str] = {}
        self._scratch: dict[int, str] = {}
        self._scope: set[int] = set()
        self._open: list[Axis] = [BATCH]
        self._places: dict[Axis, str] = {BATCH: "0"}
        self._place_names: dict[Axis, str] = {}
        self._pending: dict[int, str] = {}
        self._inlined = single_uses(graph, task, self.nest.kept)
        self._bases: dict[tuple[Axis, Axis], str] = {}
        self._axes = {**task.arrays, **{cell.key: cell.axis for cell in task.cells}}
        self._truths = task.truths | {cell.key for cell in task.cells if cell.truth}
        self._last_comment: str | None = None

    # ------------------------------------------------------------ the function
    def lines(self) -> list[str]:
        """The body of the function."""
        for key in self.nest.kept:
            self._scratch[key] = self.names.fresh(f"{self.variable(key)}_kept")
        body = list(self._body(self.nest.body, BATCH, "    "))
        return [*self._allocations("    "), *body]

    def parameters(self) -> tuple[Parameter, ...]:
        """What the function takes after `start, stop`."""
        every = (*self._indices.values(), *self.given.given, *self.given.outputs)
        return ordered(every, lambda parameter: parameter.kind in ("bounds", "owners") or parameter.name in self._used)

    def _allocations(self, indent: str) -> Iterator[str]:
        for key, scope in self.nest.kept.items():
            yield f"{indent}{self._scratch[key]} = np.empty({self._width(self._axes[key], scope)})"

    def _width(self, axis: Axis, scope: Axis) -> str:
        """The most places of `axis` below one place of `scope` in the piece."""
        if scope == BATCH:
            return f"{self.bounds(axis, BATCH)}[1]"
        first, last = "start", "stop"
        if self.given.piece == BATCH:
            first, last = "0", f"{self.bounds(scope, BATCH)}[1]"
        elif scope != self.given.piece:
            inner = self.bounds(scope, self.given.piece)
            first, last = f"{inner}[start]", f"{inner}[stop]"
        return f"widest({self.bounds(axis, scope)}, {first}, {last})"

    # ------------------------------------------------------------ statements
    def _body(self, statements: Sequence[Statement], axis: Axis, indent: str) -> Iterator[str]:
        for scope_key, base in self._new_bases(axis):
            yield f"{indent}{base} = {self.bounds(scope_key, axis)}[{self._places[axis]}]"
        before = set(self._scope)
        for statement in statements:
            match statement:
                case Load(key=key):
                    yield f"{indent}{self.variable(key)} = {self._element(key)}"
                    self._scope.add(key)
                case Begin(work=work):
                    yield from self._begin(work, indent)
                case Do(cell=cell):
                    yield from self._remark(cell, indent)
                    yield from self._do(cell, indent)
                case Loop():
                    yield from self._loop(statement, indent)
        self._scope = before

    def _new_bases(self, axis: Axis) -> Iterator[tuple[Axis, str]]:
        """Where the arrays kept for one place of this axis begin."""
        for key, scope in self.nest.kept.items():
            pair = (self._axes[key], axis)
            if scope == axis and axis != BATCH and pair not in self._bases:
                self._bases[pair] = self.names.fresh(f"{pair[0].name}_base")
                yield pair[0], self._bases[pair]

    def _remark(self, cell: Cell, indent: str) -> Iterator[str]:
        """The line of the spec, where it is another one than that of the statement before."""
        if cell.key in self.graph.by_key and not isinstance(cell.work, Store):
            line = source_line(self.graph[cell.key].span, self.sources)
            if line is not None and line != self._last_comment:
                yield f"{indent}# {comment(line)}"
                self._last_comment = line

    def _loop(self, loop: Loop, indent: str) -> Iterator[str]:
        place = self._place_names.setdefault(loop.axis, "") or self.names.fresh(loop.axis.name, "place")
        self._place_names[loop.axis] = place
        if loop.axis == self.task.outside and loop.within == BATCH:
            yield f"{indent}if stop <= start:"
            yield f"{indent}    return"
        yield f"{indent}for {place} in range({self._range(loop)}):"
        self._open.append(loop.axis)
        self._places[loop.axis] = place
        saved = dict(self._bases)
        yield from self._body(loop.body, loop.axis, indent + "    ")
        self._bases = saved
        self._open.pop()
        del self._places[loop.axis]

    def _range(self, loop: Loop) -> str:
        piece, outside = self.given.piece, self.task.outside
        if loop.within == BATCH and piece != BATCH:
            if outside is None:
                return "start, stop"
            owners = self.owners(piece, outside)
            return f"{owners}[start], {owners}[stop - 1] + 1"
        first, last = self.ends(loop.axis, loop.within)
        if loop.within == outside and loop.axis == piece:
            return f"max(start, {first}), min(stop, {last})"
        return f"{first}, {last}"

    def ends(self, axis: Axis, within: Axis) -> tuple[str, str]:
        """Where the places of `axis` below the present place of `within` start and stop."""
        bounds, place = self.bounds(axis, within), self.place(within)
        return f"{bounds}[{place}]", f"{bounds}[1]" if within == BATCH else f"{bounds}[{place} + 1]"

    def _begin(self, work: Accumulate, indent: str) -> Iterator[str]:
        name = self.variable(work.into)
        if work.reduction is Reduction.SUM:
            yield f"{indent}{name} = 0.0"
        else:
            yield f"{indent}{name} = {'math.inf' if work.reduction is Reduction.MINIMUM else '(-math.inf)'}"
            yield f"{indent}{self.local(work.into, 'found')} = False"

    def _do(self, cell: Cell, indent: str) -> Iterator[str]:
        name = "" if cell.key in self._inlined else self.variable(cell.key)
        match cell.work:
            case Store(output=output):
                yield f"{indent}{self._output(output)} = {checked(self.argument(cell.inputs[0]).real)}"
                return
            case Accumulate() as work:
                yield from self._accumulate(cell, work, indent)
                return
            case Compute(function=function):
                arguments = [self.argument(key) for key in cell.inputs]
                text = numba_expression(function, arguments, cell.truth)
                if cell.key in self._inlined and len(text) <= LONGEST_PART:
                    self._pending[cell.key] = text
                    return
                name = self.variable(cell.key)
                yield f"{indent}{name} = {text}"
            case Position(axis=axis, per=per):
                yield f"{indent}{name} = float({self.place(axis)} - {self._start(axis, per)})"
            case Size(axis=axis, to=to):
                first, last = self.ends(axis, to)
                yield f"{indent}{name} = float({last} - {first})"
            case Fold(reduction=reduction):
                if reduction is not Reduction.SUM:
                    yield f"{indent}{name} = {name} if {self.local(cell.key, 'found')} else math.nan"
            case Across() | Quantile() | Series():
                yield from series_lines(self, cell, indent)
        yield from self._keep(cell, name, indent)

    def _keep(self, cell: Cell, name: str, indent: str) -> Iterator[str]:
        if isinstance(cell.work, Series):
            return
        self._scope.add(cell.key)
        if cell.key in self._scratch and self.nest.kept[cell.key] in self._open:
            yield f"{indent}{self._element(cell.key, cell.axis)} = {name}"

    def _accumulate(self, cell: Cell, work: Accumulate, indent: str) -> Iterator[str]:
        total, value, kept = self.variable(work.into), self.argument(cell.inputs[0]), self.condition(cell)
        if work.reduction is Reduction.SUM:
            term = value.real if kept is None else f"{value.real} if {kept} else 0.0"
            yield f"{indent}{total} = {checked(f'accumulate({total}, {term})')}"
            return
        helper, bound = ("smaller", "math.inf") if work.reduction is Reduction.MINIMUM else ("larger", "(-math.inf)")
        term = value.real if kept is None else f"{value.real} if {kept} else {bound}"
        yield f"{indent}{total} = {checked(f'{helper}({total}, {term})')}"
        found = self.local(work.into, "found")
        yield f"{indent}{found} = {'True' if kept is None else f'{found} | ({kept})'}"

    def input(self, cell: Cell, number: int, place: str | None = None) -> Argument:
        """An input of a cell, where its loops stand, or at the place of the axis that the cell runs over."""
        key = cell.inputs[number]
        source = self._axes.get(key)
        if place is None or source is None or source == cell.over or key in self._scope:
            return self.argument(key, place)
        return self.argument(key, f"{self.owners(cell.over, source)}[{place}]")

    def condition(self, cell: Cell, place: str | None = None) -> str | None:
        """Whether a reduction keeps the value at this place; None if it keeps all."""
        facts = [self.input(cell, 1, place).fact] if cell.masked else []
        value = self.input(cell, 0, place)
        if cell.optional and not value.truth:
            facts.append(f"({value.text} == {value.text})")
        return " & ".join(facts) if facts else None

    # ------------------------------------------------------------ names and places
    def variable(self, key: int) -> str:
        """The name of a value, the user's where there is one."""
        if key not in self._variables:
            node = self.graph.by_key.get(key)
            wanted = node.name if node is not None and node.name is not None else None
            parameter = self._parameters.get(key)
            if wanted is None and parameter is not None:
                wanted = parameter.name.removesuffix("_at")
            self._variables[key] = self.names.fresh(wanted or f"v{key}", "value")
        return self._variables[key]

    def local(self, key: int, suffix: str) -> str:
        """A further variable that belongs to a value."""
        if (key, suffix) not in self._locals:
            self._locals[key, suffix] = self.names.fresh(f"{self.variable(key)}_{suffix}")
        return self._locals[key, suffix]

    def argument(self, key: int, place: str | None = None) -> Argument:
        """A value as it is used: a literal, a scalar in scope, or an element of an array, at `place` of the array's
        own axis if that is given."""
        if key in self.task.literals:
            return literal(self.task.literals[key])
        if key in self._pending:
            return Argument(f"({self._pending[key]})", key in self._truths)
        if key in self._scope:
            return Argument(self.variable(key), key in self._truths)
        return Argument(self._element(key, None, place), key in self._truths)

    def _element(self, key: int, written: Axis | None = None, place: str | None = None) -> str:
        """An element of the array in which a value is handed over or kept. Bools are kept as floats."""
        axis = self._axes[key]
        where = place if place is not None else self.place(axis)
        if key in self._scratch:
            if self.nest.kept[key] not in self._open:
                raise InternalError(f"value {key} is kept for one place of {self.nest.kept[key]} and used outside of it")
            base = self._bases.get((axis, self.nest.kept[key]))
            text = f"{self._scratch[key]}[{where if base is None else f'{where} - {base}'}]"
        else:
            parameter = self._parameters[key]
            self._used[parameter.name] = parameter
            text = f"{parameter.name}[{where}]"
        return f"({text} != 0.0)" if key in self._truths and written is None else text

    def _output(self, number: int) -> str:
        parameter = self.given.outputs[number]
        axis = self.graph[self.given.computed[number]].type.axis
        return f"{parameter.name}[{self.place(axis)}]"

    def place(self, axis: Axis) -> str:
        """The present place of an axis."""
        if axis in self._places:
            return self._places[axis]
        innermost = self._open[-1]
        return f"{self.owners(innermost, axis)}[{self._places[innermost]}]"

    def _start(self, axis: Axis, per: Axis) -> str:
        return f"{self.bounds(axis, per)}[{self.place(per) if per in self._places else self._owner(axis, per)}]"

    def _owner(self, axis: Axis, per: Axis) -> str:
        return f"{self.owners(axis, per)}[{self.place(axis)}]"

    def kept_element(self, key: int, place: str) -> str:
        """The element of a kept array at a place of its axis."""
        return self._element(key, self._axes[key], place)

    def bounds(self, axis: Axis, ancestor: Axis) -> str:
        """The parameter with the bounds of `axis` below `ancestor`."""
        return self._index("bounds", axis, ancestor, f"{axis.name}_in_{ancestor.name}")

    def owners(self, axis: Axis, ancestor: Axis) -> str:
        """The parameter with the owners of `axis` among `ancestor`."""
        return self._index("owners", axis, ancestor, f"{ancestor.name}_of_{axis.name}")

    def _index(self, kind: str, axis: Axis, ancestor: Axis, text: str) -> str:
        identity = (kind, axis.name, ancestor.name)
        if identity not in self._indices:
            name = self.names.fresh(text, "axis")
            self._indices[identity] = Parameter("bounds" if kind == "bounds" else "owners", name, axis.name,
                                                ancestor.name)
        return self._indices[identity].name
