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
from rldsl.graph.model import Function, Read, ReadKind
from rldsl.graph.spec import TermSpec

CHECK = Check("RL201", "live-weight-path", Severity.ERROR, "a live path through an advantage or importance weight")
WEIGHTS = frozenset({ReadKind.VALUE, ReadKind.ENTROPY, ReadKind.KL, ReadKind.JS, ReadKind.TV})


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Products of a live log-probability with a live value of another kind."""
    for _, term in facts.terms():
        for node in facts.nodes_of(term.key):
            if is_function(node, Function.MULTIPLY) and (found := _weight_read(facts, node.inputs)) is not None:
                yield _finding(facts, term, node.key, *found)
                break


def _live_kinds(facts: Facts, key: int) -> dict[ReadKind, int]:
    return {read.kind: node.key for node, read in facts.live_reads_of(key)}


def _weight_read(facts: Facts, sides: tuple[int, ...]) -> tuple[int, int] | None:
    for policy, weight in (sides, sides[::-1]):
        weights = _live_kinds(facts, weight)
        if ReadKind.LOGP in _live_kinds(facts, policy) and (kinds := WEIGHTS & weights.keys()):
            return weight, weights[min(kinds)]
    return None


def _finding(facts: Facts, term: TermSpec, product: int, weight: int, read: int) -> Diagnostic:
    operation = facts.graph[read].operation
    assert isinstance(operation, Read)
    title = "the policy loss also trains the value model" if operation.kind is ReadKind.VALUE \
        else "this weight has a gradient of its own"
    return error("RL201", title, facts.span_of_use(term.key, weight, term.span), "a live weight",
                 others=[Label(facts.span(read, term.span), "the live path starts here")],
                 why=f"the gradient flows through `{operation.kind.value}` as well as through the policy's probability.",
                 fix="`frozen(…)` around the weight, or a top-level `let`")
