"""What: `k3` is used as a loss over the policy's own samples.

Why: its value estimates KL(policy||ref), but its gradient is that of KL(ref||policy) at the current policy: the
mass-covering direction.

Example: `minimize kl: mean(k3(actor, ref, y))`

Instead: `k2(actor, ref, y)` has the gradient of KL(policy||ref).

When this is wrong: most published methods use it so; this is a note, shown with `--pedantic`.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Severity, note

CHECK = Check("RL302", "k3-direction", Severity.NOTE, "k3 as a loss follows the other divergence")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """`exp(-d) - 1 + d` of a live log-ratio against a model that does not move."""
    for _, term in facts.terms():
        for node in facts.nodes_of(term.key):
            if node.type.is_live and facts.is_k3(node) and facts.is_reference_ratio(node):
                yield note("RL302", "this follows the gradient of KL(ref‖policy)",
                           facts.span_of_use(term.key, node.key, term.span), "k3 as a loss",
                           why="its value estimates KL(policy||ref), its gradient is that of the other direction.",
                           fix="`k2(…)` for the gradient of KL(policy||ref)")
                break
