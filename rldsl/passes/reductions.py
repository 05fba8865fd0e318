"""Formulas of composite reductions in primitive ones, over values of which some may not take part.

`present` is a truth value on x's axis, or None if all values take part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from rldsl.diagnostics import InternalError
from rldsl.graph.model import Elementwise, Function, Reduction
from rldsl.infer import Builder, common_axis
from rldsl.source import Span
from rldsl.types import Axis, Element, Type


class Primitives:
    """Builds the formulas; what it makes carries `span`."""

    def __init__(self, builder: Builder, span: Span | None = None) -> None:
        self.builder = builder
        self.span = span

    # ------------------------------------------------------------ elementwise
    def elementwise(self, function: Function, *keys: int) -> int:
        """A function of values; see `Builder.elementwise`."""
        return self.builder.elementwise(function, *keys, span=self.span)

    def typed(self, type_: Type, function: Function, *keys: int) -> int:
        """A function of values on one axis, whose absence is that of a given type."""
        keys = self._on_one_axis(keys)
        found = self.builder.infer(Elementwise(function), keys)
        return self.builder.add(Elementwise(function), keys, type=replace(found, optional=type_.optional),
                                span=self.span)

    def present(self, function: Function, *keys: int) -> int:
        """A function of values whose absent places do not matter."""
        keys = self._on_one_axis(keys)
        found = self.builder.infer(Elementwise(function), keys)
        return self.builder.add(Elementwise(function), keys, type=replace(found, optional=False), span=self.span)

    def _on_one_axis(self, keys: tuple[int, ...]) -> tuple[int, ...]:
        """Coarser values are spread to the finest axis."""
        finest = common_axis([self.builder[key].type for key in keys])
        assert finest is not None, "values that belong together"
        return tuple(self.builder.spread(key, finest, self.span) for key in keys)

    def number(self, key: int) -> int:
        """A truth value as 1.0 or 0.0; a number as it is."""
        if self.builder[key].type.element is not Element.BOOL:
            return key
        return self.elementwise(Function.SELECT, key, self.builder.constant(1.0), self.builder.constant(0.0))

    def truth(self, key: int) -> int:
        """A number as whether it is not 0; a truth value as it is."""
        if self.builder[key].type.element is Element.BOOL:
            return key
        return self.present(Function.NOT_EQUAL, key, self.builder.constant(0.0))

    def negated(self, key: int) -> int:
        """Whether a truth value does not hold."""
        return self.elementwise(Function.NOT, key)

    def any_of(self, keys: Sequence[int]) -> int:
        """Whether one of some truth values holds."""
        found, *others = dict.fromkeys(keys)
        for key in others:
            found = self.elementwise(Function.OR, found, key)
        return found

    def all_of(self, keys: Sequence[int]) -> int:
        """Whether all of some truth values hold."""
        found, *others = dict.fromkeys(keys)
        for key in others:
            found = self.elementwise(Function.AND, found, key)
        return found

    def where_absent(self, absent: int, x: int) -> int:
        """x, absent where `absent` holds."""
        return self.elementwise(Function.SELECT, absent, self.builder.constant(math.nan), x)

    # ------------------------------------------------------------ sums and counts
    def kept(self, x: int, present: int | None) -> int:
        """x, and 0 where it does not take part."""
        if present is None:
            return x
        is_int = self.builder[x].type.element is Element.INT
        return self.present(Function.SELECT, present, x, self.builder.constant(0 if is_int else 0.0))

    def sum(self, x: int, present: int | None, to: Axis) -> int:
        """Sum of what takes part."""
        return self.builder.reduce(Reduction.SUM, self.kept(x, present), to, span=self.span)

    def count(self, x: int, present: int | None, to: Axis) -> int:
        """How many values take part."""
        if present is None:
            return self.builder.size(self.builder[x].type.axis, to, self.span)
        one, none = self.builder.constant(1), self.builder.constant(0)
        return self.builder.reduce(Reduction.SUM, self.elementwise(Function.SELECT, present, one, none), to,
                                   span=self.span)

    def count_of(self, x: int, is_truth: bool, present: int | None, to: Axis) -> int:
        """How many values take part; of truth values those that hold."""
        if not is_truth:
            return self.count(x, present, to)
        held = self.truth(x)
        return self.count(held, held if present is None else self.all_of([present, held]), to)

    def quantified(self, reduction: Reduction, x: int, present: int | None, to: Axis) -> int:
        """Whether any, or all, of the truth values that take part hold."""
        counted = x if reduction is Reduction.ANY else self.negated(x)
        number = self.count_of(counted, True, present, to)
        function = Function.GREATER if reduction is Reduction.ANY else Function.EQUAL
        return self.elementwise(function, number, self.builder.constant(0))

    # ------------------------------------------------------------ the rest
    def reduction(self, reduction: Reduction, x: int, present: int | None, to: Axis, level: int | None,
                  type_: Type) -> int:
        """A reduction of the numbers x; `type_` is that of the result."""
        match reduction:
            case Reduction.SUM:
                return self.sum(x, present, to)
            case Reduction.MEAN:
                total, number = self.sum(x, present, to), self.count(x, present, to)
                return self.typed(type_, Function.DIVIDE, total, number)
            case Reduction.VAR | Reduction.VAR_POPULATION:
                return self._variance(x, present, to, type_, reduction is Reduction.VAR)
            case Reduction.STD:
                return self._root(self._variance(x, present, to, type_, True), type_)
            case Reduction.STD_POPULATION:
                return self._root(self._variance(x, present, to, type_, False), type_)
            case Reduction.FIRST | Reduction.LAST:
                return self._end(reduction, x, present, to, type_)
            case Reduction.MINIMUM | Reduction.MAXIMUM | Reduction.QUANTILE:
                return self.builder.reduce(reduction, x, to, present, level, self.span)
            case Reduction.COUNT | Reduction.ANY | Reduction.ALL:
                raise InternalError(f"{reduction} is no reduction of numbers")
            case _:
                assert_never(reduction)

    def _variance(self, x: int, present: int | None, to: Axis, type_: Type, of_sample: bool) -> int:
        """Mean square of the distances from the mean; of a sample over n - 1, and absent for n < 2. Of equal values exactly
        0, whatever their mean rounds to: `std(x) > 0` asks just that."""
        number = self.count(x, present, to)
        mean = self.typed(type_, Function.DIVIDE, self.sum(x, present, to), number)
        centred = self.elementwise(Function.SUBTRACT, x, mean)
        squares = self.sum(self.elementwise(Function.MULTIPLY, centred, centred), present, to)
        squares = self.present(Function.SELECT, self._are_equal(x, present, to), self.builder.constant(0.0), squares)
        if not of_sample:
            return self.typed(type_, Function.DIVIDE, squares, number)
        freedom = self.elementwise(Function.SUBTRACT, number, self.builder.constant(1))
        too_few = self.elementwise(Function.LESS, number, self.builder.constant(2))
        return self.where_absent(too_few, self.elementwise(Function.DIVIDE, squares, freedom))

    def _are_equal(self, x: int, present: int | None, to: Axis) -> int:
        """Whether all values that take part are one."""
        ends = [self.builder.reduce(reduction, x, to, present, span=self.span)
                for reduction in (Reduction.MINIMUM, Reduction.MAXIMUM)]
        return self.present(Function.EQUAL, *ends)

    def _root(self, variance: int, type_: Type) -> int:
        """Square root; where the variance is 0 so are the root and its gradient (as in torch), not infinite."""
        positive = self.present(Function.GREATER, variance, self.builder.constant(0.0))
        return self.typed(type_, Function.SELECT, positive, self.elementwise(Function.SQRT, variance), variance)

    def _end(self, reduction: Reduction, x: int, present: int | None, to: Axis, type_: Type) -> int:
        """The first or last value that takes part: the sum of the one that stands there."""
        axis = self.builder[x].type.axis
        place = self.builder.position(axis, to, self.span)
        extremum = Reduction.MINIMUM if reduction is Reduction.FIRST else Reduction.MAXIMUM
        end = self.builder.reduce(extremum, place, to, present, span=self.span)
        here = self.present(Function.EQUAL, place, end)
        found = self.sum(x, here if present is None else self.all_of([here, present]), to)
        if not type_.optional:
            return found
        return self.where_absent(self.present(Function.IS_MISSING, end), found)
