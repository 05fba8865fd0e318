"""The polynomial of each value of a graph: what it means, whatever names it has and however it is written.

Two values with one digest are equal wherever both are defined, in value and, but for ties, in gradient. Two values with different
digests may still be equal: nothing is claimed of what no rule can prove.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import assert_never

from rldsl.canonical import polynomial as poly
from rldsl.canonical.functions import function_of
from rldsl.canonical.naming import Names
from rldsl.canonical.polynomial import Atom, Polynomial
from rldsl.canonical.reductions import Span, reduced, size
from rldsl.graph.model import (
    Constant,
    Elementwise,
    Foreign,
    Freeze,
    Function,
    Graph,
    Leaf,
    Mirror,
    Node,
    Operation,
    Pick,
    Position,
    Rank,
    Read,
    ReadKind,
    Reduce,
    Scan,
    Setting,
    Shift,
    Size,
    SourceKind,
    Spread,
)
from rldsl.graph.spec import Schedule
from rldsl.infer.gradients import FLAT_FUNCTIONS, FLAT_REDUCTIONS
from rldsl.types import Axis, Element

JUDGE = "judge"  # the constant of a call that names a model
_SYMMETRIC = frozenset({ReadKind.JS, ReadKind.TV})


@dataclass(frozen=True, slots=True)
class World:
    """What a graph does not say of its leaves: the values of parameters (those without one stand for themselves), what
    externs call, how many samples a rollout draws at least. `is_symbolic`: a gradient may flow through any leaf."""

    names: Names = field(default_factory=Names)
    params: Mapping[str, float | bool | str | Schedule] = field(default_factory=dict)
    externs: Mapping[str, str] = field(default_factory=dict)
    samples: Mapping[Axis, int] = field(default_factory=dict)
    is_symbolic: bool = False


class Meaning:
    """Polynomials of the nodes of one graph, each computed once. Iterative: any depth."""

    def __init__(self, graph: Graph, world: World | None = None) -> None:
        self.graph = graph
        self.world = world or World()
        self.names = self.world.names
        self._found: dict[tuple[int, bool], Polynomial] = {}

    def of(self, key: int, frozen: bool = False) -> Polynomial:
        """The polynomial of a value; `frozen`: of the value without its gradient."""
        wanted = self._use(key, frozen)
        waiting = [wanted]
        while waiting:
            here = waiting[-1]
            needed = [] if here in self._found else [use for use in self._needs(*here) if use not in self._found]
            if needed:
                waiting.extend(needed)
            else:
                waiting.pop()
                if here not in self._found:
                    self._found[here] = self._polynomial(*here)
        return self._found[wanted]

    def digest(self, key: int, frozen: bool = False) -> str:
        """The structural hash of a value, as hexadecimal."""
        return self.of(key, frozen).digest

    # ------------------------------------------------------------ the walk
    def _use(self, key: int, frozen: bool) -> tuple[int, bool]:
        """A value without its gradient is the value itself where there is none."""
        return key, frozen and (self.world.is_symbolic or self.graph[key].type.is_live)

    def _needs(self, key: int, frozen: bool) -> tuple[tuple[int, bool], ...]:
        """The values that a value is computed from, and whether it sees them without their gradients."""
        return tuple(self._use(*use) for use in self.sees(key, frozen))

    def sees(self, key: int, frozen: bool) -> tuple[tuple[int, bool], ...]:
        """The inputs of a value, those of a sum through all its sums; with `True` where no gradient goes on to an input."""
        node = self.graph[key]
        if is_sum(node):
            return tuple((entry, frozen) for entry, _ in addends_of(self.graph, key))
        if is_product(node):
            return tuple((entry, frozen) for entry, _ in factors_of(self.graph, key))
        match node.operation:
            case Freeze():
                return ((node.inputs[0], True),)
            case Elementwise(function=Function.SELECT):
                return ((node.inputs[0], True), (node.inputs[1], frozen), (node.inputs[2], frozen))
            case Elementwise(function=function) if function in FLAT_FUNCTIONS:
                return tuple((entry, True) for entry in node.inputs)
            case Reduce(reduction=reduction):
                return (node.inputs[0], frozen or reduction in FLAT_REDUCTIONS), *((entry, True) for entry in node.inputs[1:])
            case Rank() | Pick() | Foreign():
                return tuple((entry, True) for entry in node.inputs)
            case _:
                return tuple((entry, frozen) for entry in node.inputs)

    def _polynomial(self, key: int, frozen: bool) -> Polynomial:
        node = self.graph[key]
        if is_sum(node):
            return poly.add(*(poly.scale(self._found[self._use(entry, frozen)], Fraction(sign))
                              for entry, sign in addends_of(self.graph, key)))
        if is_product(node):
            return poly.product((self._found[self._use(entry, frozen)], exponent)
                                for entry, exponent in factors_of(self.graph, key))
        inputs = [self._found[use] for use in self._needs(key, frozen)]
        match node.operation:
            case Constant(value=value):
                return poly.of_atom(Atom(("text", value))) if isinstance(value, str) else poly.number(value)
            case Leaf():
                return self._leaf(node.operation, node, frozen)
            case Elementwise(function=function):
                may_be_absent = bool(node.inputs) and self.graph[node.inputs[0]].type.optional
                return function_of(function, inputs, may_be_absent=may_be_absent)
            case Spread() | Freeze():
                return inputs[0]
            case Reduce():
                return self._reduce(node.operation, node, inputs)
            case Size(axis=axis, to=to):
                return size(Span(axis, to, self._axes(axis, to)))
            case Read():
                return self._read(node.operation, node, inputs, frozen)
            case Foreign():
                return self._foreign(node.operation, node, inputs)
            case Scan() | Shift() | Mirror():
                return self._linear(node, self.head(node.operation), inputs)
            case Rank():
                scaled = poly.scale(inputs[0], 1 / abs(inputs[0].lead))
                return self._atom(node, self.head(node.operation), [scaled], is_optional=False)
            case Position() | Pick():
                return self._atom(node, self.head(node.operation), inputs, is_optional=False)
            case _:
                assert_never(node.operation)

    def head(self, operation: Operation) -> tuple[str, ...]:
        """An operation and all that is constant about it, axes by their words."""
        said = (getattr(operation, part.name) for part in fields(operation))
        return type(operation).__name__.lower(), *(self.names.axis(value) if isinstance(value, Axis) else _plain(value)
                                                   for value in said)

    def _atom(self, node: Node, head: tuple[str, ...], inputs: list[Polynomial], *, is_optional: bool) -> Polynomial:
        return poly.of_atom(Atom(head, tuple(inputs), node.type.axis, is_optional=is_optional))

    def _linear(self, node: Node, head: tuple[str, ...], inputs: list[Polynomial]) -> Polynomial:
        """A scan, a mirrored pair, or a shift that fills with 0: a factor stands before it."""
        factor = Fraction(1) if isinstance(node.operation, Shift) and inputs[1].number != 0 else inputs[0].lead
        scaled = [poly.scale(inputs[0], 1 / factor), *inputs[1:]]
        return poly.scale(self._atom(node, head, scaled, is_optional=any(part.marks for part in inputs)), factor)

    # ------------------------------------------------------------ what comes from outside
    def _leaf(self, leaf: Leaf, node: Node, frozen: bool) -> Polynomial:
        match leaf.kind:
            case SourceKind.PARAM if leaf.owner in self.world.params:
                value = self.world.params[leaf.owner]
                if isinstance(value, (bool, int, float)):
                    return poly.number(value)
                return self._atom(node, ("schedule", repr(value)), [], is_optional=False)
            case SourceKind.STATE:
                owner = self.names.states.get(leaf.owner, leaf.owner)
            case SourceKind.DATA | SourceKind.RECORDED:
                owner = self.names.owners.get(leaf.owner, leaf.owner)
            case _:
                owner = leaf.owner
        frozen_mark = ("frozen",) if frozen and self.world.is_symbolic else ()
        return self._atom(node, (leaf.kind.value, owner, leaf.field, *frozen_mark), [], is_optional=node.type.optional)

    def _read(self, read: Read, node: Node, inputs: list[Polynomial], frozen: bool) -> Polynomial:
        mark = ("frozen",) if frozen and node.type.is_live else ()
        head = ("read", *self._said(read), *mark)
        return self._atom(node, head, inputs, is_optional=node.type.optional)

    def _said(self, read: Read) -> tuple[str, ...]:
        """Every field of a read, models and responses by their words. The context is an input, and its key no part of it."""
        said = {part.name: getattr(read, part.name) for part in fields(read) if part.name != "context"}
        if not read.within:
            del said["within"]  # as most reads are
        sides = [(self._model(said.pop("model")), str(said.pop("version"))),
                 (self._model(said.pop("other")), str(said.pop("other_version")))]
        said["response"] = self.names.owners.get(read.response, read.response)
        if read.kind in _SYMMETRIC:
            sides.sort()
        return *(word for side in sides for word in side), *(f"{name}={_plain(value)}" for name, value in sorted(said.items()))

    def _model(self, name: str | None) -> str:
        return "" if name is None else self.names.models.get(name, name)

    def _foreign(self, call: Foreign, node: Node, inputs: list[Polynomial]) -> Polynomial:
        """A call on the host: by what an extern calls or a rubric asks, not by its name; axes in settings by their words."""
        kind, _, own = call.name.partition(":")
        name = f"{kind}:{self.world.externs.get(own, self.names.externs.get(own, own))}" if own else call.name
        if JUDGE in dict(call.settings):
            name = kind
        axes: dict[Setting, str] = {axis.name: self.names.axis(axis) for axis in self._nearby(node)}
        settings = (f"{word}={self._setting(call, word, value, axes)}" for word, value in call.settings)
        if call.name == "text.concat":
            inputs = [entry for part in inputs for entry in _joined_texts(part)]
        head = ("call", name, *(call.names if call.name != "text.concat" else ()), *settings)
        return self._atom(node, head, inputs, is_optional=node.type.optional)

    def _setting(self, call: Foreign, word: str, value: Setting, axes: Mapping[Setting, str]) -> str:
        if "per" in dict(call.settings) and value in axes:
            return axes[value]
        return self._model(str(value)) if word == JUDGE else _plain(value)

    def _nearby(self, node: Node) -> set[Axis]:
        return {*node.type.axis.chain(), *(axis for key in node.inputs for axis in self.graph[key].type.axis.chain())}

    # ------------------------------------------------------------ reductions
    def _axes(self, *axes: Axis) -> dict[Axis, str]:
        return {above: self.names.axis(above) for axis in axes for above in axis.chain()}

    def _reduce(self, operation: Reduce, node: Node, inputs: list[Polynomial]) -> Polynomial:
        source = self.graph[node.inputs[0]].type
        mask = inputs[1] if operation.masked else None
        level = inputs[-1] if len(inputs) > 1 + operation.masked else None
        is_full = not inputs[0].marks and mask is None and operation.to != source.axis
        least = self.world.samples.get(source.axis, 0) if is_full else 0
        span = Span(source.axis, operation.to, self._axes(source.axis, operation.to), mask, least=least)
        return reduced(operation.reduction, inputs[0], span, level, source.element is Element.BOOL)


def is_sum(node: Node) -> bool:
    """Whether the node adds."""
    return isinstance(node.operation, Elementwise) and node.operation.function in (Function.ADD, Function.SUBTRACT)


def is_product(node: Node) -> bool:
    """Whether the node multiplies or divides."""
    return isinstance(node.operation, Elementwise) and node.operation.function in (Function.MULTIPLY, Function.DIVIDE)


def addends_of(graph: Graph, key: int) -> list[tuple[int, int]]:
    """The values that a sum adds, with their signs, through sums of sums and copies."""
    return _flat(graph, key, is_sum, Function.SUBTRACT)


def factors_of(graph: Graph, key: int) -> list[tuple[int, int]]:
    """The values that a product multiplies, with their exponents, through products of products and copies."""
    return _flat(graph, key, is_product, Function.DIVIDE)


def _flat(graph: Graph, key: int, is_part: Callable[[Node], bool], turning: Function) -> list[tuple[int, int]]:
    """What an operation in whatever nesting is of, in order; -1 for what an odd number of `turning` ones stand before."""
    found: list[tuple[int, int]] = []
    waiting = [(key, 1)]
    while waiting:
        here, sign = waiting.pop()
        node = graph[here]
        while isinstance(node.operation, Spread):
            node = graph[node.inputs[0]]
        if not is_part(node):
            found.append((here, sign))
            continue
        assert isinstance(node.operation, Elementwise)
        second = -sign if node.operation.function is turning else sign
        waiting += [(node.inputs[1], second), (node.inputs[0], sign)]
    return found


def _joined_texts(part: Polynomial) -> tuple[Polynomial, ...]:
    """What a text is joined of."""
    [(monomial, _)] = part.addends
    atom = monomial[0][0]
    return atom.parts if atom.head == ("call", "text.concat") else (part,)


def _plain(value: object) -> str:
    """A constant as a word that depends on nothing but the constant. `1` and `1.0` are one number."""
    match value:
        case bool() | None | str():
            return f"{type(value).__name__} {value}"
        case int() | float():
            return f"number {float(value)!r}"
        case tuple():
            return f"[{', '.join(_plain(entry) for entry in value)}]"
        case _:
            return str(value)
