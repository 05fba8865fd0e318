"""What: a reduction to the level that a value already has.

Why: of one value the mean, the sum, the smallest and the largest are that value, and `x - mean(x)` is 0 everywhere: an
advantage that trains nothing, and says nothing.

Example: `score - mean(score, per: sample)` where `score` is one number per sample

Instead: the group that is meant: `score - mean(score, per: prompt)`.

When this is wrong: where a value of the data may stand at either level; then reduce it where it is finer.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Severity, warning
from rldsl.graph.model import Node, Reduce, Reduction
from rldsl.types import Axis, Level

CHECK = Check("RL107", "level-it-has", Severity.WARNING, "a reduction to the level that the value already has")

SAME = frozenset({Reduction.SUM, Reduction.MEAN, Reduction.MINIMUM, Reduction.MAXIMUM, Reduction.QUANTILE, Reduction.FIRST,
                  Reduction.LAST, Reduction.STD, Reduction.VAR, Reduction.STD_POPULATION, Reduction.VAR_POPULATION})


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Reductions of one value each, of rollouts: a row of the data is prompt and sample at once."""
    sampled = {response.sample_axis for response in facts.spec.responses if response.is_sampled}
    for node in facts.graph.nodes:
        if isinstance(node.operation, Reduce) and _does_nothing(facts, node, node.operation) and node.span is not None \
                and any(axis in sampled for axis in node.type.axis.chain()):
            word = node.type.axis.level.word
            above = _above(node.type.axis)
            yield warning("RL107", f"this is of one {word} each", node.span, f"the value is a {word}'s already"[:40],
                          why="of one value the mean is that value, the deviation absent, and the value less its mean 0.",
                          fix=f"`per: {above}`, or leave the reduction out")


def _above(axis: Axis) -> str:
    """The next level to which a reduction would do something."""
    if axis.level.is_of_parts and axis.parent is not None:
        return axis.parent.level.word
    return Level(max(axis.level - 1, 0)).word if axis.level is not Level.TOKEN else "sample"


def _does_nothing(facts: Facts, node: Node, reduce: Reduce) -> bool:
    return (reduce.reduction in SAME and not reduce.masked
            and facts.graph[node.inputs[0]].type.axis == reduce.to and not facts.graph[node.inputs[0]].type.is_error)
