"""One of two specs under comparison: its values, what they mean, how they are shown, and views of them for alignment.

A view takes a value apart one step: a sum into addends with factors, a product into factors with exponents, a minimum into
options, all else into the inputs of its operation. Copies and names disappear; where a gradient stops is remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from fractions import Fraction

from rldsl.canonical.meaning import Meaning
from rldsl.canonical.naming import Names
from rldsl.canonical.polynomial import Polynomial
from rldsl.difference.correspondence import world_of
from rldsl.difference.show import show_setting
from rldsl.explain.equation import Style, Writer
from rldsl.graph.model import Constant, Elementwise, Freeze, Function, Graph, Leaf, Node, Reduce, Reduction, SourceKind, Spread
from rldsl.graph.order import ancestors
from rldsl.graph.spec import Spec
from rldsl.types import BATCH, Axis, Stage, format_number

HIDDEN = "…"
_OF_ONE = frozenset({Reduction.SUM, Reduction.MEAN, Reduction.MINIMUM, Reduction.MAXIMUM, Reduction.FIRST, Reduction.LAST})
_BETWEEN = (Constant, Elementwise, Spread, Freeze)
_MANY = {Function.MINIMUM: "min", Function.MAXIMUM: "max", Function.AND: "and", Function.OR: "or"}


@dataclass(frozen=True, slots=True)
class Ref:
    """A value of a graph, with or without its gradient."""

    key: int
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a view: `by` is its factor in a sum, its exponent in a product."""

    ref: Ref
    by: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class View:
    """One step of a value. `kind` is `sum`, `product`, `min`, `max`, `and`, `or`, or `operation`; `number` is added to a sum
    and multiplies a product."""

    kind: str
    parts: tuple[Part, ...]
    number: Fraction = Fraction(0)


class Side:
    """A spec, under names that both sides share. `named` are values by key that both sides have by one name: they are
    reported by themselves, and views do not look into them."""

    def __init__(self, spec: Spec, names: Names) -> None:
        self.spec = spec
        self.names = names
        self.graph = spec.graph
        self.meaning = Meaning(spec.graph, world_of(spec, names))
        self.named: Mapping[int, str] = {}
        self._words: dict[int, frozenset[str]] = {}

    # ------------------------------------------------------------ what a value is
    def of(self, ref: Ref) -> Polynomial:
        """What it means."""
        return self.meaning.of(ref.key, ref.frozen)

    def number(self, ref: Ref) -> Fraction | None:
        """The number that constants and parameters make; None of all else."""
        return self.of(ref).number if self.node(ref).type.stage is Stage.CONSTANT else None

    def node(self, ref: Ref) -> Node:
        """Its node."""
        return self.graph[ref.key]

    def axis(self, ref: Ref) -> Axis:
        """The axis on which it really differs."""
        return self.node(self.bare(ref)).type.axis

    def bare(self, ref: Ref) -> Ref:
        """Without copies, freezes and means of one value; a value that is reported by itself stays."""
        while ref.key not in self.named:
            node = self.graph[ref.key]
            match node.operation:
                case Spread():
                    ref = Ref(node.inputs[0], ref.frozen)
                case Freeze():
                    ref = Ref(node.inputs[0], True)
                case Reduce(reduction=reduction, to=to, masked=False) if reduction in _OF_ONE \
                        and self.graph[node.inputs[0]].type.axis == to:
                    ref = Ref(node.inputs[0], ref.frozen)
                case _:
                    break
        return Ref(ref.key, ref.frozen and self.graph[ref.key].type.is_live)

    def words(self, ref: Ref) -> frozenset[str]:
        """Digests of what a value is computed from, for likeness: all but what lies between reads, leaves and reductions."""
        if ref.key not in self._words:
            keys = (key for key in ancestors(self.graph, [ref.key]) if not isinstance(self.graph[key].operation, _BETWEEN))
            self._words[ref.key] = frozenset(self.meaning.digest(key) for key in keys)
        return self._words[ref.key]

    def is_part(self, digest: str, ref: Ref, depth: int) -> bool:
        """Whether a value of that digest lies at most so many steps below."""
        below = [Ref(key, True) for key in self.node(self.bare(ref)).inputs]
        return depth > 0 and any(digest in (self.of(entry).digest, self.of(Ref(entry.key)).digest)
                                 or self.is_part(digest, entry, depth - 1) for entry in below)

    # ------------------------------------------------------------ views
    def without(self, name: str) -> Side:
        """The same, but looking into the value of that name."""
        other = copy(self)
        other.named = {key: word for key, word in self.named.items() if word != name}
        return other

    def view(self, ref: Ref) -> View:
        """One step of a value."""
        number, addends = self.addends(ref)
        if len(addends) != 1 or number != 0 or addends[0].by != 1:
            return View("sum", tuple(addends), number)
        here = self.bare(addends[0].ref)
        function = self.function(here)
        if here.key in self.named:
            return View("operation", ())
        if function in (Function.MULTIPLY, Function.DIVIDE):
            factor, factors = self.factors(here)
            return View("product", tuple(factors), factor)
        if function in _MANY:
            return View(_MANY[function], tuple(Part(entry) for entry in self._flat(here, function)))
        return View("operation", tuple(Part(Ref(*use)) for use in self.meaning.sees(here.key, here.frozen)))

    def function(self, ref: Ref) -> Function | None:
        """The elementwise function that a value is of."""
        operation = self.node(ref).operation
        return operation.function if isinstance(operation, Elementwise) else None

    def addends(self, ref: Ref) -> tuple[Fraction, list[Part]]:
        """A sum as a number and multiples of values, through sums of sums and multiples of them."""
        number, found = Fraction(0), list[Part]()
        waiting = [Part(ref)]
        while waiting:
            part = waiting.pop()
            here = self.bare(part.ref)
            known = self.number(here)
            if known is not None:
                number += part.by * known
                continue
            below = self._addends_below(here)
            if below is None:
                found.append(Part(part.ref, part.by))
            else:
                waiting.extend(Part(entry.ref, entry.by * part.by) for entry in reversed(below))
        return number, found

    def _addends_below(self, ref: Ref) -> list[Part] | None:
        if ref.key in self.named:
            return None
        inputs = [Ref(key, ref.frozen) for key in self.node(ref).inputs]
        match self.function(ref):
            case Function.ADD:
                return [Part(entry) for entry in inputs]
            case Function.SUBTRACT:
                return [Part(inputs[0]), Part(inputs[1], Fraction(-1))]
            case Function.NEGATE:
                return [Part(inputs[0], Fraction(-1))]
            case Function.MULTIPLY:
                numbers = [self.number(entry) for entry in inputs]
                return next(([Part(other, number)] for number, other in zip(numbers, reversed(inputs), strict=True)
                             if number is not None), None)
            case Function.DIVIDE if divisor := self.number(inputs[1]):
                return [Part(inputs[0], 1 / divisor)]
            case _:
                return None

    def factors(self, ref: Ref) -> tuple[Fraction, list[Part]]:
        """A product as a number and powers of values."""
        number, found = Fraction(1), list[Part]()
        waiting = [Part(ref)]
        while waiting:
            part = waiting.pop()
            here = self.bare(part.ref)
            known = self.number(here)
            inputs = [Ref(key, here.frozen) for key in self.node(here).inputs]
            match None if here.key in self.named else self.function(here):
                case _ if known:
                    number *= known if part.by > 0 else 1 / known
                case Function.MULTIPLY:
                    waiting += [Part(entry, part.by) for entry in reversed(inputs)]
                case Function.DIVIDE:
                    waiting += [Part(inputs[1], -part.by), Part(inputs[0], part.by)]
                case Function.NEGATE:
                    number = -number
                    waiting.append(Part(inputs[0], part.by))
                case _:
                    found.append(part)
        return number, found

    def _flat(self, ref: Ref, function: Function | None) -> list[Ref]:
        found: list[Ref] = []
        waiting = [ref]
        while waiting:
            entry = waiting.pop()
            here = self.bare(entry)
            if here.key not in self.named and self.function(here) is function:
                waiting += [Ref(key, here.frozen) for key in reversed(self.node(here).inputs)]
            else:
                found.append(entry)
        return found

    def is_weight(self, ref: Ref) -> bool:
        """Whether it is one frozen number for the whole batch."""
        return self.axis(ref) == BATCH and not self.node(ref).type.is_live

    # ------------------------------------------------------------ how it is shown
    def equation(self, ref: Ref, hidden: Ref | None = None) -> str:
        """The equation of a value, values below it by their names; `hidden` is a part that is left out."""
        graph = self.graph if hidden is None else self._hiding(self.bare(hidden).key)
        text = Writer(graph, Style.TEXT).expression(ref.key, by_name=ref.key in self.named)
        return f"frozen({text})" if ref.frozen and self.node(ref).type.is_live else text

    def described(self, ref: Ref) -> str:
        """A value in a few words: a parameter with what it is set to."""
        operation = self.node(self.bare(ref)).operation
        if isinstance(operation, Leaf) and operation.kind is SourceKind.PARAM:
            value = next((param.value for param in self.spec.params if param.name == operation.owner), None)
            return f"{operation.owner} = {show_setting(value)}"
        return self.equation(ref)

    def _hiding(self, key: int) -> Graph:
        return Graph(tuple(replace(node, name=HIDDEN) if node.key == key else node for node in self.graph.nodes))

    def multiple(self, part: Part) -> str:
        """An addend with its factor."""
        text = self.equation(part.ref)
        size = abs(part.by)
        bound = f"({text})" if len(self.view(part.ref).parts) > 1 and self.view(part.ref).kind == "sum" else text
        return f"{'-' if part.by < 0 else ''}{bound if size == 1 else f'{show_number(size)} * {bound}'}"


def show_number(value: Fraction) -> str:
    """A number as a spec would write it; a share such as `1 / 4096` where that is shorter."""
    text = format_number(float(value))
    is_exact = Fraction(text) == value
    share = f"{value.numerator} / {value.denominator}"
    return share if value.denominator != 1 and len(share) < len(text) and (not is_exact or len(text) > 7) else text
