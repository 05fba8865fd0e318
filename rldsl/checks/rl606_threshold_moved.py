"""What: a value that was divided by its standard deviation is compared with a number from the raw scale.

Why: after normalising, 0.5 means half a standard deviation, not half of the reward.

Example: `where(normalize(total, per: prompt, guard: 1e-4) > 0.5, 1, 0)`

Instead: compare before normalising: `total > 0.5`.

When this is wrong: where the threshold is meant in standard deviations; 0 is not reported.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_function, is_reduction
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Severity, warning
from rldsl.graph.model import Function, Node, Reduction

CHECK = Check("RL606", "threshold-moved", Severity.WARNING, "a normalised value compared with a raw threshold")

COMPARISONS = (Function.LESS, Function.LESS_EQUAL, Function.GREATER, Function.GREATER_EQUAL)


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Comparisons of a quotient by a standard deviation with a constant other than 0."""
    for node in facts.graph.nodes:
        if is_function(node, *COMPARISONS) and node.span is not None:
            for value, bound in (node.inputs, node.inputs[::-1]):
                number = facts.constant(bound)
                if number not in (None, 0.0) and _is_normalised(facts, facts.through(value)):
                    yield warning("RL606", "this threshold is on the wrong scale", node.span, "a value in standard deviations",
                                  why="after normalising the raw scale is gone.", fix="compare before normalising")


def _is_normalised(facts: Facts, node: Node) -> bool:
    if not is_function(node, Function.DIVIDE):
        return False
    return node.inputs[1] in facts.have_below(_is_deviation)


def _is_deviation(node: Node) -> bool:
    return is_reduction(node, Reduction.STD, Reduction.STD_POPULATION)
