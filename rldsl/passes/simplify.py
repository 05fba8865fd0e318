"""Replace values by simpler ones that are equal.

What: constants are folded, neutral elements and double negations go, more exact forms take the place of less exact
ones; functions of spread values are computed where the values came from; a sum of copies is a product.
Requires: phase EXPANDED.
Ensures: the same phase; equal values at every place, absent and infinite ones included, up to rounding.
Not its job: to find equal values (`share`); to reorder sums.
"""

from __future__ import annotations

import math

from rldsl.graph.model import Elementwise, Freeze, Function, Node, Reduce, Reduction, Shift, Spread
from rldsl.infer import Builder, common_axis
from rldsl.infer.elements import BOOL_FUNCTIONS
from rldsl.infer.scalar import evaluate
from rldsl.passes.algebra import simpler
from rldsl.passes.draft import Draft, rebuild
from rldsl.passes.facts import Facts
from rldsl.source import Span
from rldsl.types import Axis, Element


def run(draft: Draft) -> Draft:
    """One sweep in order: what a rule makes is simplified as it is made, so that nothing is left for a second."""
    simplifier: Simplifier | None = None

    def rule(builder: Builder, node: Node, inputs: tuple[int, ...]) -> int:
        nonlocal simplifier
        if simplifier is None:
            simplifier = Simplifier(builder)
        return simplifier.simplify(node, inputs)

    return rebuild(draft, rule)


class Simplifier:
    """Simplifies nodes into one builder."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.facts = Facts(builder)
        self.span: Span | None = None

    def simplify(self, node: Node, inputs: tuple[int, ...]) -> int:
        """The key of the simplified node."""
        self.span = node.span
        found = self._rewritten(node, inputs)
        if found is None:
            found = self.builder.keep(node, inputs)
        self.facts.may_be_nan(found)
        return found

    def _rewritten(self, node: Node, inputs: tuple[int, ...]) -> int | None:
        match node.operation:
            case Elementwise(function=function):
                return self._function(function, inputs)
            case Spread(to=to):
                return self.spread(inputs[0], to)
            case Freeze():
                inner = self.builder[inputs[0]]
                return inputs[0] if isinstance(inner.operation, Freeze) or not inner.type.is_live else None
            case Reduce(reduction=reduction, to=to, masked=masked):
                return self._reduce(reduction, to, masked, inputs)
            case Shift(offset=0):
                return inputs[0]
            case _:
                return None

    # ------------------------------------------------------------ what rules build with
    def make(self, function: Function, *keys: int) -> int:
        """The simplified function of values on one axis."""
        found = self._function(function, keys)
        if found is None:
            found = self.builder.add(Elementwise(function), keys, span=self.span)
        return found

    def number(self, value: float | bool, like: int) -> int:
        """A constant at every place where `like` stands."""
        return self.builder.spread(self.builder.constant(value), self.builder[like].type.axis)

    def spread(self, x: int, to: Axis) -> int:
        """A spread of what is spread already goes in one step."""
        node = self.builder[x]
        return self.builder.spread(node.inputs[0] if isinstance(node.operation, Spread) else x, to, self.span)

    # ------------------------------------------------------------ elementwise
    def _function(self, function: Function, keys: tuple[int, ...]) -> int | None:
        folded = self._folded(function, keys)
        if folded is not None:
            return folded
        found = simpler(self, function, keys)
        if found is not None and self._keeps_element(function, keys, found):
            return found
        return self._where_it_comes_from(function, keys)

    def _keeps_element(self, function: Function, keys: tuple[int, ...], found: int) -> bool:
        """`2 + 0.0` is a Real; 2 is not."""
        return self.builder[found].type.element is self._element(function, keys)

    def _element(self, function: Function, keys: tuple[int, ...]) -> Element:
        return self.builder.infer(Elementwise(function), keys).element

    def _folded(self, function: Function, keys: tuple[int, ...]) -> int | None:
        values = [self.facts.constant(key) for key in keys]
        known = [float(value) for value in values if value is not None]
        if len(known) < len(values):
            return None
        if function in BOOL_FUNCTIONS - {Function.IS_MISSING} and any(math.isnan(value) for value in known):
            return None
        result = evaluate(function, *known)
        if math.isinf(result) or (math.isnan(result) and not any(math.isnan(value) for value in known)):
            return None
        match self._element(function, keys):
            case Element.BOOL:
                return self.number(bool(result), keys[0])
            case Element.INT:
                return self.number(int(result), keys[0])
            case _:
                return self.number(result, keys[0])

    def _where_it_comes_from(self, function: Function, keys: tuple[int, ...]) -> int | None:
        """A function of copies is a copy of the function."""
        nodes = [self.builder[key] for key in keys]
        if not all(isinstance(node.operation, Spread) for node in nodes):
            return None
        sources = [node.inputs[0] for node in nodes]
        finest = common_axis([self.builder[key].type for key in sources])
        if finest is None or not nodes[0].type.axis.is_within(finest):
            return None
        at_source = self.make(function, *(self.spread(key, finest) for key in sources))
        return self.spread(at_source, nodes[0].type.axis)

    # ------------------------------------------------------------ reductions
    def _reduce(self, reduction: Reduction, to: Axis, masked: bool, inputs: tuple[int, ...]) -> int | None:
        x = inputs[0]
        axis = self.builder[x].type.axis
        if masked and self.facts.constant(inputs[1]) is True:
            rest = (x, *inputs[2:])
            return self.builder.add(Reduce(reduction, to), rest, span=self.span)
        if masked or reduction is Reduction.QUANTILE:
            return None
        if axis == to:
            return x
        if reduction is Reduction.SUM and isinstance(self.builder[x].operation, Spread):
            return self._sum_of_copies(self.builder[x].inputs[0], axis, to)
        return None

    def _sum_of_copies(self, value: int, axis: Axis, to: Axis) -> int | None:
        """How many copies, times the value; of no copies 0, whatever the value."""
        source = self.builder[value].type.axis
        if not source.is_within(to) and not to.is_within(source):
            return None
        holder = source if source.is_within(to) else to
        number = self.builder.size(axis, holder, self.span)
        product = self.make(Function.GATED_MULTIPLY, number, self.spread(value, holder))
        return product if holder == to else self.builder.reduce(Reduction.SUM, product, to, span=self.span)
