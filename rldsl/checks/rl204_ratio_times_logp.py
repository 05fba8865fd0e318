"""What: a live importance ratio multiplies a live log-probability of the same tokens.

Why: the gradient of `ratio * log p` has two parts, `ratio * grad log p` and `ratio * log p * grad log p`; the second is no
part of any policy gradient. The weight of a weighted log-likelihood is a number, not something to be trained.

Example: `mean(clip(ratio, 0 .. 5) * advantage * logp(actor, y))`

Instead: `frozen(clip(ratio, 0 .. 5)) * advantage * logp(actor, y)` (CISPO), or the ratio alone: `ratio * advantage`.

When this is wrong: where the product itself is the quantity to be optimised.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_function, is_ratio
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, error
from rldsl.graph.model import Function, Node, Read, ReadKind

CHECK = Check("RL204", "ratio-times-logp", Severity.ERROR, "a live ratio times a live log-probability")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Products of a live ratio, clipped or weighed or not, with a bare live log-probability."""
    for _, term in facts.terms():
        for node in facts.nodes_of(term.key):
            if is_function(node, Function.MULTIPLY) and (pair := _pair(facts, node.inputs)) is not None:
                yield error("RL204", "the importance weight is differentiated too", facts.span(node.key, term.span),
                            "ratio and log-probability are live",
                            others=[Label(facts.span(pair[0], term.span), "this ratio has a gradient")],
                            why="its gradient adds `ratio * log p * grad log p`, which no policy gradient has.",
                            fix="`frozen(…)` around the ratio, or drop the log-probability")
                break


def _pair(facts: Facts, sides: tuple[int, ...]) -> tuple[int, int] | None:
    for weight, score in (sides, sides[::-1]):
        operation = facts.through(score).operation
        is_score = isinstance(operation, Read) and operation.kind is ReadKind.LOGP
        if is_score and facts.graph[score].type.is_live and weight in facts.have_below(_is_live_ratio, live=True):
            return next(node.key for node in facts.live_nodes_of(weight) if is_ratio(node)), score
    return None


def _is_live_ratio(node: Node) -> bool:
    return is_ratio(node)
