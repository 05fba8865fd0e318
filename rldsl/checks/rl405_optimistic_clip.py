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
from rldsl.graph.model import Elementwise, Freeze, Function, Node, Spread
from rldsl.graph.spec import TermSpec

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
                yield _finding(facts, term, node)
                break


def _finding(facts: Facts, term: TermSpec, node: Node) -> Diagnostic:
    """Where the sides are a gain and the larger is kept, the choice is at fault; where they are a gain and it is lost, the
    term's direction. Sides with a minus are a loss, and all is the other way round."""
    keeps_larger, are_losses = is_function(node, Function.MAXIMUM), any(_is_negated(facts, side) for side in node.inputs)
    why = "a step that went too far is then never cut."
    if keeps_larger is are_losses:
        written, meant = ("maximize", "minimize") if term.maximize else ("minimize", "maximize")
        what = "a loss" if are_losses else "a gain"
        why = f"`{written}` turns {what} around: good answers become less likely, and {why}"
        fix = f"`{meant}` is probably meant: `{meant} {term.label}: …`"
    else:
        fix = "`min`, or `clipped(…)`" if keeps_larger else "`max`; or `maximize` and `clipped(…)`, without the minus"
    return error("RL405", "this keeps the more optimistic bound", facts.span(node.key, term.span),
                 "the better of the two surrogates", why=why, fix=fix)


def _is_negated(facts: Facts, root: int) -> bool:
    """Whether a product has an odd number of minus signs on factors whose own sign is plain."""
    found: dict[int, bool] = {}
    for key in sorted({*facts.ancestors(root), root}):
        node = facts.graph[key]
        match node.operation:
            case Spread() | Freeze():
                found[key] = found[node.inputs[0]]
            case Elementwise(function=Function.NEGATE):
                found[key] = not found[node.inputs[0]]
            case Elementwise(function=Function.MULTIPLY | Function.DIVIDE):
                found[key] = found[node.inputs[0]] is not found[node.inputs[1]]
            case _:
                found[key] = (facts.constant(key) or 0) < 0
    return found[root]


def _is_pair(facts: Facts, node: Node) -> bool:
    clips, ratios = facts.have_below(_is_clip), facts.have_below(is_ratio)
    return sum(side in clips for side in node.inputs) == 1 and all(side in ratios for side in node.inputs)


def _is_clip(node: Node) -> bool:
    return is_function(node, Function.CLIP)
