"""What: an importance ratio is clipped to a range that does not contain 1, is reversed, or is an epsilon.

Why: the ratio of an unchanged policy is 1; a clip that excludes it cuts every gradient from the first step on.

Example: `clip(ratio, 0 .. 0.2)`, `clip(ratio, 1.2 .. 0.8)`, `clip(ratio, 0.2)`

Instead: `clip(ratio, 0.8 .. 1.2)`: the bounds of the ratio itself.

When this is wrong: never for a ratio; other values are clipped as one likes.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_function
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Severity, error
from rldsl.graph.model import Function
from rldsl.types import Ratio, format_number

CHECK = Check("RL404", "clip-range", Severity.ERROR, "clip bounds that are not around 1")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Clips of ratios whose constant bounds do not enclose 1."""
    for _, term in facts.terms():
        for node in facts.nodes_of(term.key):
            if not is_function(node, Function.CLIP) or not isinstance(facts.graph[node.inputs[0]].type.provenance, Ratio):
                continue
            low, high = (facts.constant(entry) for entry in node.inputs[1:])
            if low is not None and high is not None and not low <= 1 <= high:
                yield error("RL404", "the clip range must contain 1", facts.span(node.key, term.span),
                            f"{format_number(low)} .. {format_number(high)}",
                            why="an unchanged policy has ratio 1; outside the range no gradient is left.",
                            fix="`0.8 .. 1.2`")
                break
