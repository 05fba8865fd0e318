"""What: the policy's entropy is made smaller.

Why: the policy becomes more certain of whatever it does now, and stops exploring.

Example: `minimize entropy: 0.01 * mean(entropy(actor, y))`

Instead: `maximize entropy: 0.01 * mean(entropy(actor, y))`.

When this is wrong: in methods that sharpen a policy on purpose (entropy minimisation); say so in a term labelled
`penalize`, which is not reported.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.checks.polarity import polarities
from rldsl.diagnostics import Diagnostic, Severity, error
from rldsl.graph.model import Read, ReadKind

CHECK = Check("RL305", "entropy-sign", Severity.ERROR, "the entropy is minimised")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Entropies that enter by the wrong sign alone, unless the label says `penalize`."""
    for _, term in facts.terms():
        if term.label.startswith("penalize"):
            continue
        signs = polarities(facts, term.key)
        wrong = {-1} if term.maximize else {1}
        for node in facts.live_nodes_of(term.key):
            if isinstance(node.operation, Read) and node.operation.kind is ReadKind.ENTROPY and signs.get(node.key) == wrong:
                yield error("RL305", "this makes the policy less random", facts.span_of_use(term.key, node.key, term.span),
                            "an entropy, made smaller", why="a policy that is sure of everything explores nothing.",
                            fix=f"`maximize {term.label}: …`, or the label `penalize` if it is meant")
                break
