"""What: a division by a standard deviation with nothing added.

Why: where all answers of a group agree it is 0, and the advantage is not a number.

Example: `(total - mean(total, per: prompt)) / std(total, per: prompt)`

Instead: `/ (std(total, per: prompt) + 1e-4)`, or `else 0` behind the quotient.

When this is wrong: where groups that agree were left out before.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_function, is_reduction
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Severity, warning
from rldsl.graph.model import Function, Reduction

CHECK = Check("RL504", "std-without-guard", Severity.WARNING, "division by a standard deviation that can be 0")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Quotients by a bare STD whose result nothing fills in."""
    filled = {facts.through(node.inputs[0]).key for node in facts.graph.nodes if is_function(node, Function.OTHERWISE)}
    for node in facts.graph.nodes:
        if is_function(node, Function.DIVIDE) and node.key not in filled and node.span is not None:
            below = facts.through(node.inputs[1])
            if is_reduction(below, Reduction.STD, Reduction.STD_POPULATION) and below.type.interval.contains(0.0):
                yield warning("RL504", "this divides by zero when a group agrees", facts.span(below.key, node.span),
                              "0 where all values are equal", why="0 / 0 is not a number, and the run stops there.",
                              fix="`(std(…) + 1e-4)`, or `else 0`")
