"""Random well-typed objectives with tame values, for property tests of passes and emitters.

`random_case(seed, size)` is deterministic. Every operation of the numeric graph occurs: functions, reductions with and
without masks, spreads, scans, shifts, ranks, positions, sizes, freezes; on a ragged layout with empty samples, samples
of a single token and prompts of a single sample; with values that may be absent. What would be infinite, huge, or
NaN without being absent is not kept, so that a comparison of two back ends is one of numbers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np

from rldsl.graph.model import Elementwise, Function, Node, Reduction, SourceKind
from rldsl.kernels.layout import Layout
from rldsl.types import BATCH, BINARY, UNIT, Axis, Element, Interval
from tests.passes.cases import AXES, Case
from tests.passes.interpreter import Array, evaluate_node

_CHAIN = AXES[:4]
_LARGEST = 1e3
F = Function
_LOGIC = (F.AND, F.OR)
_ORDERED = (F.LESS, F.LESS_EQUAL, F.GREATER, F.GREATER_EQUAL)
_UNARY = (F.NEGATE, F.ABSOLUTE, F.SIGN, F.EXP, F.LOG, F.EXPM1, F.LOG1P, F.SQRT, F.SIGMOID, F.LOG_SIGMOID, F.SOFTPLUS,
          F.TANH, F.RELU, F.FLOOR)
_BINARY = (F.ADD, F.SUBTRACT, F.MULTIPLY, F.DIVIDE, F.POWER, F.MINIMUM, F.MAXIMUM)
REDUCTIONS = tuple(reduction for reduction in Reduction if reduction is not Reduction.QUANTILE)


def random_layout(chosen: random.Random) -> Layout:
    """One to four prompts, one to four samples of each, none to six tokens of each; at least one token in all."""
    prompts = chosen.randint(1, 4)
    samples = [chosen.randint(1, 4) for _ in range(prompts)]
    tokens = [chosen.choice((0, 1, 1, 2, 3, 4, 6)) for _ in range(sum(samples))]
    tokens[chosen.randrange(len(tokens))] = 3
    parents = {axis.name: axis.parent.name for axis in _CHAIN if axis.parent is not None}
    return Layout.of(parents, {"problems": [prompts], "y.sample": samples, "y.token": tokens})


def random_case(seed: int, size: int = 30) -> Case:
    """An objective for `actor` of about `size` operations; its loss depends on live reads."""
    return Growing(seed).grown(size)


class Growing:
    """A case that is growing; knows the value of each node, to keep them tame."""

    def __init__(self, seed: int) -> None:
        self.chosen = random.Random(seed)
        self.case = Case(random_layout(self.chosen), seed)
        self.values: dict[int, Array] = {}
        self.keys: list[int] = []

    def grown(self, size: int) -> Case:
        """Leaves, early operations, reads, late operations, two terms."""
        self._leaves()
        self._steps(size // 3)
        self.case.at_update()
        self._keep(self.case.logp(), self.case.entropy(), self.case.probe("sample", _CHAIN[2]))
        self._steps(size - size // 3)
        self._terms()
        return self.case

    # ------------------------------------------------------------ what there is
    def _leaves(self) -> None:
        normal = self.case.random.normal
        for axis in _CHAIN[1:]:
            places = self.case.layout.size(axis.name)
            holes = np.where(normal(size=places) > 1.0, np.nan, normal(size=places))
            self._keep(self.case.leaf(f"real_{axis.level.word}", axis),
                       self.case.leaf(f"hole_{axis.level.word}", axis, holes, optional=True),
                       self.case.leaf(f"unit_{axis.level.word}", axis, self.case.random.uniform(size=places),
                                      interval=UNIT))
            mask = (normal(size=places) > -0.3).astype(np.float64)
            self._keep(self.case.leaf(f"mask_{axis.level.word}", axis, mask, element=Element.BOOL, interval=BINARY))
        truth = np.where(normal(size=self.case.layout.size("y.sample")) > 0.8, np.nan, 1.0)
        self._keep(self.case.leaf("maybe", _CHAIN[2], truth, element=Element.BOOL, interval=BINARY, optional=True))
        self._keep(self.case.leaf("beta", BATCH, [0.3], interval=Interval(0.1, 1.0), kind=SourceKind.PARAM))
        self._keep(*(self.case.builder.constant(value) for value in (0.0, 1.0, 2.0, -0.5, 3, True)))

    def _keep(self, *keys: int) -> None:
        for key in keys:
            if self._is_tame(key):
                self.keys.append(key)

    def _is_tame(self, key: int) -> bool:
        """Computes the value; whether it and what it is made of may stay."""
        if key not in self.values:
            node = self.case.builder[key]
            for below in node.inputs:
                if not self._is_tame(below):
                    return False
            if key in self.case.given:
                self.values[key] = self.case.given[key]
            else:
                with np.errstate(all="ignore"):
                    inputs = [self.values[below] for below in node.inputs]
                    self.values[key] = evaluate_node(self.case.builder, self.case.layout, node, inputs)
        value, node = self.values[key], self.case.builder[key]
        known = value[~np.isnan(value)] if node.type.optional else value
        return not self._is_fault(node) and bool(np.all(np.isfinite(known)) and np.all(np.abs(known) < _LARGEST))

    def _is_fault(self, node: Node) -> bool:
        """Whether a function makes NaN of numbers: that is no absent value."""
        if not isinstance(node.operation, Elementwise):
            return False
        absent = np.any([np.isnan(self.values[key]) for key in node.inputs], axis=0)
        return bool(np.any(np.isnan(self.values[node.key]) & ~absent))

    def _any(self, fits: Callable[[int], bool] = lambda _: True) -> int:
        """One of the values, late ones more often."""
        fitting = [key for key in self.keys if fits(key)]
        recent = fitting[-8:] if self.chosen.random() < 0.6 else fitting
        return self.chosen.choice(recent)

    def _number(self) -> int:
        return self._any(lambda key: self.case.builder[key].type.element is not Element.BOOL)

    def _truth(self) -> int:
        return self._any(lambda key: self.case.builder[key].type.element is Element.BOOL)

    # ------------------------------------------------------------ what is made
    def _steps(self, count: int) -> None:
        makers = self._makers()
        for _ in range(count):
            self._made(self.chosen.choice(makers))

    def _makers(self) -> Sequence[Callable[[], int]]:
        return (self._unary, self._unary, self._binary, self._binary, self._binary, self._compare, self._logic,
                self._select, self._otherwise, self._reduce, self._reduce, self._quantile, self._along, self._freeze,
                self._clip, self._counted, self._exponential)

    def _made(self, maker: Callable[[], int]) -> None:
        self._keep(maker())

    def _unary(self) -> int:
        return self.case.make(self.chosen.choice(_UNARY), self._any())

    def _binary(self) -> int:
        return self.case.make(self.chosen.choice(_BINARY), self._any(), self._any())

    def _exponential(self) -> int:
        """Shapes that have a more exact form."""
        x, one = self._number(), 1.0
        exponential, sigmoid = self.case.make(F.EXP, x), self.case.make(F.SIGMOID, x)
        return self.chosen.choice((
            lambda: self.case.make(F.SUBTRACT, exponential, one),
            lambda: self.case.make(F.LOG, self.case.make(F.ADD, exponential, one)),
            lambda: self.case.make(F.LOG, sigmoid),
            lambda: self.case.make(F.LOG, self.case.make(F.SUBTRACT, self.case.builder.constant(one), sigmoid)),
            lambda: self.case.make(F.EXP, self.case.make(F.LOG, exponential))))()

    def _compare(self) -> int:
        return self.case.make(self.chosen.choice(_ORDERED), self._number(), self._number())

    def _logic(self) -> int:
        if self.chosen.random() < 0.3:
            return self.case.make(self.chosen.choice((F.NOT,)), self._truth())
        return self.case.make(self.chosen.choice(_LOGIC), self._truth(), self._truth())

    def _select(self) -> int:
        return self.case.make(F.SELECT, self._truth(), self._any(), self._any())

    def _otherwise(self) -> int:
        if self.chosen.random() < 0.3:
            return self.case.make(F.IS_MISSING, self._any())
        return self.case.make(F.OTHERWISE, self._any(), self._any())

    def _clip(self) -> int:
        return self.case.make(F.CLIP, self._number(), -0.7, self.chosen.choice((0.5, 50.0)))

    def _freeze(self) -> int:
        return self.case.builder.freeze(self._any())

    def _above(self, key: int) -> Axis:
        return self.chosen.choice(self.case.builder[key].type.axis.chain())

    def _mask_for(self, key: int) -> int | None:
        axis = self.case.builder[key].type.axis
        masks = [k for k in self.keys if self.case.builder[k].type.element is Element.BOOL
                 and axis.is_within(self.case.builder[k].type.axis)]
        return self.chosen.choice(masks) if masks and self.chosen.random() < 0.4 else None

    def _reduce(self) -> int:
        x = self._any()
        return self.case.builder.reduce(self.chosen.choice(REDUCTIONS), x, self._above(x), self._mask_for(x))

    def _quantile(self) -> int:
        x = self._number()
        level = self.case.builder.constant(self.chosen.choice((0.0, 0.3, 0.5, 0.9)))
        return self.case.builder.reduce(Reduction.QUANTILE, x, self._above(x), self._mask_for(x), level)

    def _along(self) -> int:
        x = self._number()
        axis, per = self.case.builder[x].type.axis, self._above(x)
        if self.chosen.random() < 0.4:
            decay = self.case.builder.constant(self.chosen.choice((0.0, 0.5, 0.95)))
            return self.case.builder.scan(x, decay, per, self.chosen.random() < 0.5)
        if self.chosen.random() < 0.7:
            fill = self._any(lambda key: axis.is_within(self.case.builder[key].type.axis))
            return self.case.builder.shift(x, fill, per, self.chosen.randint(-2, 2))
        return self.case.builder.rank(x, per, self.chosen.random() < 0.5)

    def _counted(self) -> int:
        axis = self.chosen.choice(_CHAIN[1:])
        to = self.chosen.choice(axis.chain()[1:])
        make = self.case.builder.position if self.chosen.random() < 0.5 else self.case.builder.size
        return make(axis, to)

    # ------------------------------------------------------------ the objective
    def _terms(self) -> None:
        """Sums of tamed live values, one minimised, one maximised; the log-probability itself is always in."""
        live = [key for key in self.keys if self.case.builder[key].type.is_live]
        for direction, x in ((self.case.minimize, live[0]), (self.case.minimize, live[-1]),
                             (self.case.maximize, self.chosen.choice(live))):
            tamed = self.case.make(F.TANH, self.case.make(F.MULTIPLY, x, 0.5))
            direction(self.case.builder.reduce(self.chosen.choice((Reduction.SUM, Reduction.MEAN)), tamed, BATCH))


