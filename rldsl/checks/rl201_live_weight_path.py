"""What: the weight of a policy-gradient term (advantage, importance weight) has a gradient of its own.

Why: the gradient then flows through the weight as well. A value model trained by the policy loss learns to make advantages
large, not to predict returns; an entropy inside an advantage is trained twice.

Example: `maximize pg: mean(ratio * (total - value(actor, y)))`

Instead: `frozen(total - value(actor, y))`, or compute the advantage in a top-level `let`, where everything is frozen.

When this is wrong: where a product of two live quantities is the objective itself, and is meant to be.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_function
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, error
from rldsl.graph.model import Function, Node, Read, ReadKind
from rldsl.graph.spec import TermSpec

CHECK = Check("RL201", "live-weight-path", Severity.ERROR, "a live path through an advantage or importance weight")
WEIGHTS = frozenset({ReadKind.VALUE, ReadKind.ENTROPY, ReadKind.KL, ReadKind.JS, ReadKind.TV, ReadKind.ALPHA})


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Products of a live log-probability with a live value of another kind."""
    for _, term in facts.terms():
        for node in facts.nodes_of(term.key):
            if is_function(node, Function.MULTIPLY) and (found := _weight_read(facts, node.inputs)) is not None:
                yield _finding(facts, term, node.key, *found)
                break


def _weight_read(facts: Facts, sides: tuple[int, ...]) -> tuple[int, int] | None:
    scores, weighs = facts.have_below(_is_live_score, live=True), facts.have_below(_is_live_weight, live=True)
    for policy, weight in (sides, sides[::-1]):
        if policy in scores and weight in weighs:
            found = {read.kind: node.key for node, read in facts.live_reads_of(weight)}
            return weight, found[min(WEIGHTS & found.keys())]
    return None


def _is_live_score(node: Node) -> bool:
    return isinstance(node.operation, Read) and node.operation.kind is ReadKind.LOGP


def _is_live_weight(node: Node) -> bool:
    return isinstance(node.operation, Read) and node.operation.kind in WEIGHTS


def _finding(facts: Facts, term: TermSpec, product: int, weight: int, read: int) -> Diagnostic:
    operation = facts.graph[read].operation
    assert isinstance(operation, Read)
    title = "the policy loss also trains the value model" if operation.kind is ReadKind.VALUE \
        else "this weight has a gradient of its own"
    return error("RL201", title, facts.span_of_use(term.key, weight, term.span), "a live weight",
                 others=[Label(facts.span(read, term.span), "the live path starts here")],
                 why=f"the gradient flows through `{operation.kind.value}` as well as through the policy's probability.",
                 fix="`frozen(…)` around the weight, or a top-level `let`")
