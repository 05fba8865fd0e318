"""What: the larger of the clipped and the unclipped surrogate is maximised.

Why: the clip is there to be pessimistic: with `max` a step that went too far is never cut, and the bound holds back
good steps instead.

Example: `maximize s: mean(max(ratio * a, clip(ratio, 0.8 .. 1.2) * a))`

Instead: `min(…)`, or `clipped(ratio, a, 0.8 .. 1.2)` of `std.surrogate`.

When this is wrong: as a loss (minimised, both sides negated) `max` is right, and is not reported.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_function, is_ratio
from rldsl.checks.model import Check
from rldsl.checks.polarity import polarities
from rldsl.diagnostics import Diagnostic, Severity, error
from rldsl.graph.model import Function, Node

CHECK = Check("RL405", "optimistic-clip", Severity.ERROR, "the larger of the two surrogates")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """`max` of a clipped and an unclipped ratio that a maximised term rises with, or `min` that a minimised one does."""
    for _, term in facts.terms():
        signs = polarities(facts, term.key)
        for node in facts.live_nodes_of(term.key):
            if not is_function(node, Function.MAXIMUM, Function.MINIMUM) or not _is_pair(facts, node):
                continue
            larger = 1 if is_function(node, Function.MAXIMUM) else -1
            if signs.get(node.key) == {larger if term.maximize else -larger}:
                word = "min" if larger == 1 else "max"
                yield error("RL405", "this keeps the more optimistic bound", facts.span(node.key, term.span),
                            "the better of the two surrogates",
                            why="a step that went too far is then never cut.", fix=f"`{word}`, or `clipped(…)`")
                break


def _is_pair(facts: Facts, node: Node) -> bool:
    clips, ratios = facts.have_below(_is_clip), facts.have_below(is_ratio)
    return sum(side in clips for side in node.inputs) == 1 and all(side in ratios for side in node.inputs)


def _is_clip(node: Node) -> bool:
    return is_function(node, Function.CLIP)
