"""What: an estimate of one divergence is used as a loss over the policy's own samples, where it follows another: `k3`, and the
sampled forms of total variation, Jensen-Shannon and alpha divergences.

Why: the gradient of what is averaged is not the gradient of the average, since the samples move as well. `k3` estimates
KL(policy||ref), but its gradient is that of KL(ref||policy): the mass-covering direction.

Example: `minimize kl: mean(k3(actor, ref, y))`

Instead: `k2(actor, ref, y)` has the gradient of KL(policy||ref); `k3_straight_through` has that gradient and the value of `k3`,
and so have the other `..._straight_through` forms of `std.divergence` for theirs.

When this is wrong: most published methods use `k3` so; this is a note, shown with `--pedantic`.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.estimators import Estimator
from rldsl.checks.facts import Facts, is_function, is_ratio
from rldsl.checks.model import Check
from rldsl.checks.rl301_k1_as_loss import is_own
from rldsl.diagnostics import Diagnostic, Severity, note
from rldsl.graph.model import Function, Node
from rldsl.graph.spec import TermSpec

CHECK = Check("RL302", "k3-direction", Severity.NOTE, "an estimator that, as a loss, follows another divergence")

STRAIGHT_THROUGH = {"the total variation": "tv", "the Jensen-Shannon divergence": "js", "KL(ref‖policy)": "forward_kl"}


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Live estimates, over own samples, of one divergence with the slope of another; one finding for each term."""
    for _, term in facts.terms():
        if not any(is_own(facts, read) for _, read in facts.live_reads_of(term.key)):
            continue
        for node in facts.live_nodes_of(term.key):
            found = facts.estimator(node) if facts.is_reference_ratio(node) else None
            if found is not None and _differs(found) and _counts(facts, term, node):
                yield _finding(facts, term, node, found)
                break


def _differs(found: Estimator) -> bool:
    return found.value is not None and not found.is_flat and found.value != found.slope


def _counts(facts: Facts, term: TermSpec, node: Node) -> bool:
    """Whether it is used as it is: not as a part of another function of the log-ratio, which has a value and a slope of its
    own, nor weighted by a live ratio everywhere, whose gradient sees how the samples move."""
    users = [user for user in facts.live_nodes_of(term.key) if node.key in user.inputs]
    whole = [user for user in users if facts.estimator(user) is None]
    return bool(whole) and not all(is_function(user, Function.MULTIPLY) and any(
        is_ratio(facts.graph[key]) and facts.graph[key].type.is_live for key in user.inputs) for user in whole)


def _finding(facts: Facts, term: TermSpec, node: Node, found: Estimator) -> Diagnostic:
    follows = "the other direction" if found.slope == "KL(ref‖policy)" else found.slope or "another divergence"
    form = STRAIGHT_THROUGH.get(found.value or "", "alpha")
    return note("RL302", f"this follows the gradient of {found.slope or 'another divergence'}"[:60],
                facts.span_of_use(term.key, node.key, term.span),
                "k3 as a loss" if found.slope == "KL(ref‖policy)" else "an estimate as a loss",
                why=f"its value estimates {found.value}, its gradient is that of {follows}.",
                fix="`k2(…)` for the gradient of KL(policy||ref)" if found.value == "KL(policy‖ref)"
                else f"`{form}_straight_through_of(…)` for the gradient of what it estimates")
