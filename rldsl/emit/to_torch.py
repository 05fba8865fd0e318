"""Emits a staged objective as a readable torch module: one statement a value, whole update batches, any dtype."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rldsl.diagnostics import InternalError
from rldsl.emit.excerpts import defined_names, excerpts
from rldsl.emit.expressions import checked, deciding_inputs, number_text, torch_expression
from rldsl.emit.names import Names, comment
from rldsl.emit.parameters import FUNCTIONS, Outline, Parameter, live_reads, ordered, outline, signature
from rldsl.emit.sources import header, source_line
from rldsl.emit.templates import render
from rldsl.graph.model import (
    Constant,
    Elementwise,
    Freeze,
    Graph,
    Mirror,
    Node,
    Pick,
    Position,
    Rank,
    Reduce,
    Reduction,
    Scan,
    Shift,
    Size,
    Spread,
)
from rldsl.graph.staged import StagedObjective
from rldsl.source import Source
from rldsl.types import Axis

RESERVED = ("torch", "Tensor", "math", "Any", "TypeAlias", "like", *FUNCTIONS)


@dataclass(frozen=True, slots=True)
class TorchSource:
    """The text of the module, and the parameters of its functions in their order, with those that they return.

    `bounds` parameters are int64 tensors. `loss` is given inputs and reads and returns one scalar, whose gradient by the
    reads is what `coefficients` says: the staged graph no longer knows what was frozen, so autograd cannot derive it.
    """

    text: str
    prepare: tuple[Parameter, ...]
    coefficients: tuple[Parameter, ...]
    values: tuple[Parameter, ...]
    loss: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class _Function:
    name: str
    parameters: tuple[Parameter, ...]
    lines: tuple[str, ...]
    returns: str = "tuple[Tensor, ...]"

    @property
    def signature(self) -> str:
        """The parameters as they stand between the parentheses."""
        given = [f"{parameter.name}: Tensor" for parameter in self.parameters if parameter.kind != "output"]
        return signature(self.name, given, 95)

    @property
    def results(self) -> str:
        """What is returned, for a comment."""
        return comment(", ".join(parameter.label or parameter.name.removesuffix("_out")
                                 for parameter in self.parameters if parameter.kind == "output"))


def emit_torch(staged: StagedObjective, sources: Mapping[str, Source] | None = None) -> str:
    """The module of an objective. `sources` are the texts that spans point into, for the comments."""
    return torch_source(staged, sources).text


def torch_source(staged: StagedObjective, sources: Mapping[str, Source] | None = None) -> TorchSource:
    """The module of an objective, and how to call it."""
    functions, used = [], {"linked"}
    for name in FUNCTIONS:
        names = Names({*RESERVED, *defined_names()})
        writer = _Writer(staged.graph, outline(staged, name, names), names, sources or {})
        functions.append(_Function(name, *writer.written()))
        used |= writer.helpers
    functions.append(_loss(staged, functions))
    text = render("torch/objective.py.jinja", header=header(staged, sources or {}), functions=functions,
                  excerpts=excerpts(sorted(used)))
    return TorchSource(text, *(function.parameters for function in functions))


def _loss(staged: StagedObjective, functions: Sequence[_Function]) -> _Function:
    """The function that ties the other three together: the loss, with the coefficients as its gradient."""
    names = Names({*RESERVED, *defined_names()})
    found = {_identity(function, parameter): parameter for function in functions for parameter in function.parameters}
    called = {identity: names.fresh(parameter.label or parameter.name.removesuffix("_out"))
              for identity, parameter in found.items()}
    lines = ["    with torch.no_grad():"]
    for function in functions:
        words = {is_output: [called[_identity(function, parameter)] for parameter in function.parameters
                             if (parameter.kind == "output") is is_output] for is_output in (False, True)}
        if words[True]:
            lines.append(f"        {', '.join(words[True])}, = {function.name}({', '.join(words[False])})")
    value = called["values", "batch", None, "loss"]
    places = [(live.axis.name, None, live.key) for live in live_reads(staged) if live.coefficient is not None]
    pairs = [f"({called['read', *place]}, {called['coefficients', *place]})"
             for place in places if ("read", *place) in called]
    lines.append(f"    return linked({', '.join([f'{value}.reshape(())', *pairs])})")
    given = [replace(parameter, name=called[identity]) for identity, parameter in found.items()
             if parameter.kind not in ("output", "prepared")]
    last = Parameter("output", "loss_out", "batch", None, staged.loss, "loss")
    return _Function("loss", ordered([*given, last], lambda _: True), tuple(lines), "Tensor")


def _identity(function: _Function, parameter: Parameter) -> tuple[str, str, str | None, int | str | None]:
    """What a parameter stands for, whichever function it is of."""
    if parameter.kind != "output":
        return parameter.kind, parameter.axis, parameter.ancestor, parameter.key
    if function.name == "prepare":
        return "prepared", parameter.axis, None, parameter.key
    return function.name, parameter.axis, None, parameter.label or parameter.key


@dataclass(frozen=True, slots=True)
class _Text:
    """An expression; `is_atom` if it can stand as an operand as it is, `number` if it is a literal."""

    text: str
    is_atom: bool = True
    is_number: bool = False

    @property
    def operand(self) -> str:
        """As part of another expression."""
        return self.text if self.is_atom else f"({self.text})"


class _Writer:
    """Writes one function, node by node."""

    def __init__(self, graph: Graph, given: Outline, names: Names, sources: Mapping[str, Source]) -> None:
        self.graph, self.given, self.names, self.sources = graph, given, names, sources
        self.helpers: set[str] = set()
        self._given = {parameter.key: parameter for parameter in given.given if parameter.key is not None}
        self._indices: dict[tuple[str, str], Parameter] = {}
        self._owners: dict[tuple[str, str], str] = {}
        self._counts: dict[str, str] = {}
        self._prologue: list[str] = []
        self._texts: dict[int, _Text] = {}
        self._order = self._needed(given.computed)
        inputs = [source for node in self._order if node.key not in self._given for source in node.inputs]
        self._uses = Counter([*inputs, *given.computed])
        self._last_comment: str | None = None

    def written(self) -> tuple[tuple[Parameter, ...], tuple[str, ...]]:
        """The parameters and the body."""
        body = [line for node in self._order for line in self._statement(node)]
        results = [checked(self._result(key)) for key in self.given.computed]
        body.append(f"    return ({', '.join(results)}{',' if len(results) == 1 else ''})")
        used = {node.key for node in self._order}
        every = (*self._indices.values(), *self.given.given, *self.given.outputs)
        parameters = ordered(every, lambda parameter: parameter.key is None or parameter.key in used)
        return parameters, (*self._likeness(), *self._prologue, *body)

    def _needed(self, roots: Sequence[int]) -> list[Node]:
        waiting, seen = list(roots), set[int]()
        while waiting:
            key = waiting.pop()
            if key not in seen:
                seen.add(key)
                waiting.extend(() if key in self._given else self.graph[key].inputs)
        return [node for node in self.graph.nodes if node.key in seen]

    def _likeness(self) -> Iterator[str]:
        """A tensor of the dtype and device of the inputs, for values that are made of nothing."""
        if not self.helpers & {"position", "size", "filled"}:
            return
        floats = [self._given[node.key].name for node in self._order if node.key in self._given]
        yield f"    like = {floats[0]}" if floats else "    like = torch.zeros((), dtype=torch.float64)"

    def _statement(self, node: Node) -> Iterator[str]:
        """Nothing for a value that is written where it is used."""
        text = self._expression(node)
        inline = self._uses[node.key] == 1 and len(text.text) < 60 and node.name is None
        if node.key in self._given or text.is_number or inline:
            self._texts[node.key] = text
            return
        line = source_line(node.span, self.sources)
        if line is not None and line != self._last_comment:
            yield f"    # {comment(line)}"
            self._last_comment = line
        name = self.names.fresh(node.name or f"v{node.key}")
        self._texts[node.key] = _Text(name)
        yield f"    {name} = {checked(text.text)}"

    def _result(self, key: int) -> str:
        text, node = self._texts[key], self.graph[key]
        return self._filled(text.text, node.type.axis) if text.is_number else text.text

    # ------------------------------------------------------------ expressions
    def _expression(self, node: Node) -> _Text:
        if node.key in self._given:
            return _Text(self._given[node.key].name)
        match node.operation:
            case Constant(value=value) if not isinstance(value, str):
                return _Text(number_text(float(value)), True, True)
            case Elementwise():
                return self._elementwise(node)
            case Freeze():
                source = self._texts[node.inputs[0]]
                return source if source.is_number else _Text(f"{source.operand}.detach()")
            case Spread(to=to):
                source = self._texts[node.inputs[0]]
                owners = "" if source.is_number else self._owner(to, self.graph[node.inputs[0]].type.axis)
                return source if source.is_number else _Text(f"{source.operand}[{owners}]")
            case _:
                helper, arguments = self._call(node)
                self.helpers.add(helper)
                return _Text(f"{helper}({', '.join(arguments)})")

    def _elementwise(self, node: Node) -> _Text:
        assert isinstance(node.operation, Elementwise)
        texts = [self._texts[key] for key in node.inputs]
        if all(text.is_number for text in texts):
            texts = [_Text(self._filled(texts[0].text, node.type.axis)), *texts[1:]]
        form, helper = torch_expression(node.operation.function, [text.text for text in texts],
                                        [text.operand for text in texts])
        if helper is not None:
            self.helpers.add(helper)
        deciding = deciding_inputs(self.graph, node, node.operation.function)
        if deciding:
            self.helpers.add("unless_missing")
            return _Text(f"unless_missing({', '.join([form, *(texts[i].text for i in deciding)])})")
        return _Text(form, helper is not None)

    def _call(self, node: Node) -> tuple[str, list[str]]:
        """The function of the reference for what looks at more than one place, and its arguments."""
        match node.operation:
            case Position(axis=axis, per=per):
                return "position", [self._owner(axis, per), self._count(per), "like"]
            case Size(axis=axis, to=to):
                return "size", [self._owner(axis, to), self._count(to), "like"]
            case Reduce(reduction=reduction, to=to, masked=masked):
                return f"segment_{reduction.value}", self._reduced(node, reduction, to, masked)
            case Pick(reduction=reduction, to=to, masked=masked):
                return f"pick_{reduction.value}", self._reduced(node, reduction, to, masked)
            case Scan(per=per, from_end=from_end):
                return "scan", [*self._tensors(node), self._owner(node.type.axis, per), repr(from_end)]
            case Shift(per=per, offset=offset):
                return "shift", [*self._tensors(node), self._owner(node.type.axis, per), repr(offset)]
            case Rank(per=per, descending=descending):
                owners = self._owner(node.type.axis, per)
                return "rank", [*self._tensors(node), owners, self._count(per), repr(descending)]
            case Mirror(per=per):
                members = node.type.axis.members
                indices = [self._owner(node.type.axis, members), self._owner(members, per)]
                return "mirror", [*self._tensors(node), *indices, self._count(members), self._count(per)]
            case other:
                raise InternalError(f"{type(other).__name__} in a staged objective is not given by the caller")

    def _reduced(self, node: Node, reduction: Reduction, to: Axis, masked: bool) -> list[str]:
        if reduction not in (Reduction.SUM, Reduction.MINIMUM, Reduction.MAXIMUM, Reduction.QUANTILE):
            raise InternalError(f"reduction {reduction} must be expanded before code is emitted")
        source, inputs = self.graph[node.inputs[0]].type, self._tensors(node)
        level = [f"{inputs[-1]}.expand({self._count(to)})"] if reduction is Reduction.QUANTILE else []
        keep = []
        if masked or source.optional:
            self.helpers.add("present")
            keep = [f"present({inputs[0]}, {inputs[1] if masked else None}, {source.optional})"]
        return [inputs[0], self._owner(source.axis, to), self._count(to), *level, *keep]

    def _tensors(self, node: Node) -> list[str]:
        """The inputs, none of them a bare number."""
        return [self._filled(self._texts[key].text, self.graph[key].type.axis) if self._texts[key].is_number
                else self._texts[key].text for key in node.inputs]

    def _filled(self, number: str, axis: Axis) -> str:
        self.helpers.add("filled")
        return f"filled(like, {number}, {self._count(axis)})"

    # ------------------------------------------------------------ the layout
    def _bounds(self, axis: Axis, ancestor: Axis) -> str:
        pair = (axis.name, ancestor.name)
        if pair not in self._indices:
            name = self.names.fresh(f"{axis.name}_in_{ancestor.name}", "axis")
            self._indices[pair] = Parameter("bounds", name, *pair)
        return self._indices[pair].name

    def _owner(self, axis: Axis, ancestor: Axis) -> str:
        pair = (axis.name, ancestor.name)
        if pair not in self._owners:
            self.helpers.add("owners_of")
            name = self._owners[pair] = self.names.fresh(f"{ancestor.name}_of_{axis.name}", "axis")
            self._prologue.append(f"    {name} = owners_of({self._bounds(axis, ancestor)})")
        return self._owners[pair]

    def _count(self, axis: Axis) -> str:
        """How many places an axis has."""
        if axis.parent is None:
            return "1"
        if axis.name not in self._counts:
            name = self._counts[axis.name] = self.names.fresh(f"{axis.name}_count", "axis")
            pair = next((pair for pair in self._indices if pair[1] == axis.name), None)
            size = (f"{self._indices[pair].name}.numel() - 1" if pair is not None
                    else f"int({self._bounds(axis, axis.chain()[-1])}[-1])")
            self._prologue.append(f"    {name} = {size}")
        return self._counts[axis.name]
