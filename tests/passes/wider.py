"""Random objectives on more than the chain of batch, prompts, samples and tokens: steps that cover tokens, pairs of samples, fixed
parts; and what a group has found, looked at again from below it through whatever lies between."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np

from rldsl.diagnostics import InternalError
from rldsl.graph.model import Function
from rldsl.kernels.layout import Layout
from rldsl.types import BINARY, Axis, Element, Level, pair_axis, parts_axis
from tests.passes.cases import PROBLEM, SAMPLE, TOKEN, Case
from tests.passes.generator import REDUCTIONS, Growing

STEP = Axis("y.step", Level.STEP, "y", SAMPLE, over=TOKEN)
PAIRS = pair_axis(SAMPLE, PROBLEM)
CRITERIA = parts_axis(SAMPLE, Level.CRITERION, 2)


def wider_case(seed: int, size: int = 30) -> Case:
    """An objective for `actor` of about `size` operations. Odd seeds have groups without samples, and long samples beside empty
    ones."""
    return _Wider(seed).grown(size)


def wider_layout(chosen: random.Random, *, is_extreme: bool) -> Layout:
    """One to four prompts; the tokens of each sample cut into steps anywhere; a token at least."""
    samples = [chosen.choice((0, 1, 2, 4) if is_extreme else (1, 2, 3)) for _ in range(chosen.randint(1, 4))]
    samples[-1] += not sum(samples)
    tokens = [chosen.choice((0, 0, 1, 3, 40) if is_extreme else (0, 1, 2, 5)) for _ in range(sum(samples))]
    tokens[chosen.randrange(len(tokens))] = 3
    cuts = [sorted(chosen.randint(0, count) for _ in range(chosen.randint(0, 3))) if count else [] for count in tokens]
    inside = [stop - start for count, between in zip(tokens, cuts, strict=True) if count
              for start, stop in zip([0, *between], [*between, count], strict=True)]
    chain = (PROBLEM, SAMPLE, TOKEN)
    base = Layout.of({axis.name: axis.parent.name for axis in chain if axis.parent is not None},
                     {"problems": [len(samples)], "y.sample": samples, "y.token": tokens})
    steps = [len(between) + 1 if count else 0 for count, between in zip(tokens, cuts, strict=True)]
    return base.with_places("y.step", "y.sample", steps, ("y.token", inside))


class _Wider(Growing):
    """A case that is growing."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.case = Case(wider_layout(self.chosen, is_extreme=seed % 2 == 1), seed)

    def _leaves(self) -> None:
        super()._leaves()
        normal = self.case.random.normal
        for axis in (STEP, PAIRS, CRITERIA):
            places, name = self.case.layout.size(axis.name), axis.level.word
            holes = np.where(normal(size=places) > 1.0, np.nan, normal(size=places))
            mask = (normal(size=places) > -0.3).astype(np.float64)
            self._keep(self.case.leaf(f"wide_{name}", axis), self.case.leaf(f"wide_hole_{name}", axis, holes, optional=True),
                       self.case.leaf(f"wide_mask_{name}", axis, mask, element=Element.BOOL, interval=BINARY))

    def _above(self, key: int) -> Axis:
        axis = self.case.builder[key].type.axis
        return self.chosen.choice([*axis.chain(), *([STEP, STEP] if axis == TOKEN else [])])

    def _makers(self) -> Sequence[Callable[[], int]]:
        return (*super()._makers(), self._nested, self._nested, self._nested, self._mirrored)

    def _made(self, maker: Callable[[], int]) -> None:
        try:
            super()._made(maker)
        except InternalError as fault:  # two values that do not meet, of which the language would speak first
            assert "unrelated axes" in str(fault)

    def _nested(self) -> int:
        """Reduced to a group, then looked at from the places below through a value that stands between, and reduced again."""
        key = self._any(lambda key: self.case.builder[key].type.axis.level >= Level.SAMPLE)
        axis, home = self.case.builder[key].type.axis, self._above(key)
        found = self.case.builder.reduce(self.chosen.choice(REDUCTIONS), key, home)
        through = self._any(lambda key: axis.is_within(self.case.builder[key].type.axis)
                            and self.case.builder[key].type.axis.is_within(home))
        scaled = self.case.make(Function.MULTIPLY, self.case.make(Function.MULTIPLY, found, through), key)
        return self.case.builder.reduce(self.chosen.choice(REDUCTIONS), scaled, home)

    def _mirrored(self) -> int:
        key = self._any(lambda key: self.case.builder[key].type.axis in (SAMPLE, PAIRS))
        x = key if self.case.builder[key].type.axis == PAIRS else self.case.builder.spread(key, PAIRS)
        return self.case.builder.others(x, PROBLEM)
