"""Say every composite operation in primitive ones.

What: reductions become sums, extrema and quantiles; absent values are left out by explicit choices; truth values are
numbers where they are counted with.
Requires: phase STAGED (or any graph of numbers).
Ensures: phase EXPANDED. Sums have no mask: what is left out is `select(present, x, 0)`, so that an infinity there does
no harm. MINIMUM, MAXIMUM and QUANTILE have a mask that leaves out what is absent. No truth value is optional: a
truth value that may be absent is a Real that is 0, 1 or NaN. Comparisons are IEEE.
Not its job: to make anything simpler.

Which values of a reduction are present must not depend on current weights without need: it would couple them. So a
value that depends on a model read is absent where its frozen parts or empty reductions make it so (see `absence`),
and a NaN from the read itself is a fault that shows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

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
    Pick,
    Position,
    Rank,
    Read,
    Reduce,
    Reduction,
    Scan,
    Shift,
    Size,
    Spread,
)
from rldsl.infer import Builder
from rldsl.infer.elements import BOOL_FUNCTIONS, infer_element
from rldsl.passes.absence import Absence
from rldsl.passes.draft import Draft, rebuild
from rldsl.passes.reductions import Primitives
from rldsl.types import BINARY, Element, Type

_LOGIC = frozenset({Function.AND, Function.OR, Function.NOT})


def run(draft: Draft) -> Draft:
    """Expand every node."""
    expander = Expander(draft.graph)
    return rebuild(draft, expander.expand)


class Expander:
    """Expands the nodes of one graph, in their order, into one builder."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.moved: dict[int, int] = {}
        self.absence = Absence(graph, self.moved)

    def expand(self, builder: Builder, node: Node, inputs: tuple[int, ...]) -> int:
        """The key of the node said in primitives."""
        made = _Expansion(builder, self.graph, node, inputs, self.absence)
        self.moved[node.key] = made.result()
        self.absence.note(builder, node)
        return self.moved[node.key]


class _Expansion:
    """The expansion of one node. `inputs` are expanded already; types of the unexpanded ones say what they mean."""

    def __init__(self, builder: Builder, graph: Graph, node: Node, inputs: tuple[int, ...],
                 absence: Absence) -> None:
        self.builder = builder
        self.node = node
        self.inputs = inputs
        self.types = [graph[key].type for key in node.inputs]
        self.absence = absence
        self.make = Primitives(builder, node.span)

    def result(self) -> int:
        """The expanded node."""
        match self.node.operation:
            case Leaf() | Foreign() | Read():
                return self._outside()
            case Constant() | Position() | Size() | Spread() | Freeze():
                return self._same(self.inputs)
            case Elementwise(function=function):
                return self._elementwise(function)
            case Scan() | Rank():
                return self._same(self._numbers(self.inputs))
            case Mirror():
                return self._same(self.inputs)
            case Shift():
                return self._same(self._alike(self.inputs))
            case Reduce(reduction=reduction):
                return self._reduce(self.node.operation, reduction)
            case Pick():
                return self._same((self.make.number(self.inputs[0]), *self.inputs[1:]))
            case _:
                assert_never(self.node.operation)

    # ------------------------------------------------------------ representation
    def _outside(self) -> int:
        return self.builder.keep(replace(self.node, type=_representation(self.node.type)), self.inputs)

    def _same(self, inputs: tuple[int, ...]) -> int:
        """The same operation of inputs that may now be numbers for truth values, reals for absent integers."""
        type_ = _representation(self.node.type)
        types = [self.builder[key].type for key in inputs]
        if any(now.element is not then.element for now, then in zip(types, self.types, strict=True)):
            type_ = replace(type_, element=infer_element(self.node.operation, types))
        return self.builder.keep(replace(self.node, type=type_), inputs)

    def _numbers(self, keys: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(self.make.number(key) for key in keys)

    def _alike(self, keys: tuple[int, ...]) -> tuple[int, ...]:
        """All truth values, or all numbers."""
        is_truth = all(self.builder[key].type.element is Element.BOOL for key in keys)
        return keys if is_truth else self._numbers(keys)

    def _as_declared(self, key: int) -> int:
        """A truth value again, if the node is one that is never absent."""
        is_truth = self.node.type.element is Element.BOOL and not self.node.type.optional
        return self.make.truth(key) if is_truth else key

    # ------------------------------------------------------------ elementwise
    def _elementwise(self, function: Function) -> int:
        match function:
            case Function.IS_MISSING:
                return self._is_missing()
            case Function.OTHERWISE:
                return self._otherwise()
            case Function.SELECT:
                return self._select()
            case _ if function in BOOL_FUNCTIONS:
                return self._truth_valued(function)
            case Function.POWER:
                return self._absent_with_inputs(self._same(self._numbers(self.inputs)))
            case _:
                return self._same(self._numbers(self.inputs))

    def _absent_with_inputs(self, x: int) -> int:
        """For what IEEE does not make NaN of NaN: `1 ** x`, `x ** 0`."""
        optional = self._absences()
        return self.make.where_absent(self.make.any_of(optional), x) if optional else x

    def _absences(self) -> list[int]:
        return [self.absence.of(self.builder, key) for key, type_ in zip(self.node.inputs, self.types, strict=True)
                if type_.optional]

    def _is_missing(self) -> int:
        if self.absence.is_structural(self.node.inputs[0]):
            return self.absence.of(self.builder, self.node.inputs[0])
        return self._same(self._numbers(self.inputs))

    def _otherwise(self) -> int:
        x, alternative = self._alike(self.inputs)
        if self.builder[x].type.element is Element.BOOL:
            return x
        if self.absence.is_structural(self.node.inputs[0]):
            absent = self.absence.of(self.builder, self.node.inputs[0])
            chosen = self.make.typed(self.node.type, Function.SELECT, absent, alternative, x)
        else:
            chosen = self.make.typed(self.node.type, Function.OTHERWISE, x, alternative)
        return self._as_declared(chosen)

    def _select(self) -> int:
        branches = self._alike(self.inputs[1:])
        condition = self.make.truth(self.inputs[0])
        if not self.types[0].optional:
            return self._same((condition, *branches))
        absent = self.absence.of(self.builder, self.node.inputs[0])
        chosen = self.make.elementwise(Function.SELECT, condition, *self._numbers(branches))
        return self.make.where_absent(absent, chosen)

    def _truth_valued(self, function: Function) -> int:
        """A comparison or connective; of absent values it is absent."""
        to_operand = self.make.truth if function in _LOGIC else self.make.number
        core = self.make.present(function, *(to_operand(key) for key in self.inputs))
        if not self.node.type.optional:
            return core
        return self.make.where_absent(self.make.any_of(self._absences()), self.make.number(core))

    # ------------------------------------------------------------ reductions
    def _reduce(self, operation: Reduce, reduction: Reduction) -> int:
        present = self._present(operation)
        x = self.inputs[0]
        if reduction is Reduction.COUNT:
            return self.make.count_of(x, self.types[0].element is Element.BOOL, present, operation.to)
        if reduction in (Reduction.ANY, Reduction.ALL):
            return self.make.quantified(reduction, self.make.truth(x), present, operation.to)
        if reduction is Reduction.SUM and self.types[0].element is Element.BOOL:
            return self.make.count_of(x, True, present, operation.to)
        level = self.inputs[-1] if reduction is Reduction.QUANTILE else None
        if self.absence.is_structural(self.node.key):
            self.absence.counts[self.node.key] = self.make.count(x, present, operation.to)
        found = self.make.reduction(reduction, self.make.number(x), present, operation.to, level,
                                    _representation(self.node.type))
        return self._as_declared(found)

    def _present(self, operation: Reduce) -> int | None:
        """Which values take part; None if all do."""
        parts = []
        if self.types[0].optional:
            parts.append(self.make.negated(self.absence.of(self.builder, self.node.inputs[0])))
        if operation.masked:
            if self.types[1].optional:
                parts.append(self.make.negated(self.absence.of(self.builder, self.node.inputs[1])))
            parts.append(self.make.truth(self.inputs[1]))
        return self.make.all_of(parts) if parts else None


def _representation(type_: Type) -> Type:
    """A truth value that may be absent is a Real of 0, 1 or NaN."""
    if type_.element is Element.BOOL and type_.optional:
        return replace(type_, element=Element.REAL, interval=BINARY)
    return type_
