"""What: a divergence from a reference is maximised, or subtracted from what is minimised.

Why: the policy is paid for moving away from the reference, and there is no bound to that.

Example: `maximize kl: 0.01 * mean(k3(actor, ref, y))`

Instead: `minimize kl: 0.01 * mean(k3(actor, ref, y))`.

When this is wrong: where moving away is the aim (unlearning); write the sign into a `let` with that name and accept
the finding.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.checks.polarity import polarities
from rldsl.diagnostics import Diagnostic, Severity, error

CHECK = Check("RL303", "kl-sign", Severity.ERROR, "a divergence is rewarded")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Divergences that enter a term by the wrong sign alone."""
    for _, term in facts.terms():
        signs = polarities(facts, term.key)
        wrong = {1} if term.maximize else {-1}
        for node in facts.live_nodes_of(term.key):
            if facts.is_divergence(node) and signs.get(node.key) == wrong:
                yield error("RL303", "this rewards moving away from the reference",
                            facts.span_of_use(term.key, node.key, term.span), "a divergence, made larger",
                            why=f"the term is {'maximised' if term.maximize else 'minimised'} and grows "
                                f"{'with' if term.maximize else 'as minus'} the divergence.",
                            fix=f"`{'minimize' if term.maximize else 'maximize'} {term.label}: …`, or the other sign")
                break
