"""What: a term that no gradient flows through.

Why: it is computed and logged, and trains nothing.

Example: `maximize reward: mean(total)`; rewards are numbers about samples, they have no gradient.

Instead: weigh a log-probability with it: `mean(advantage * logp(actor, y))`. A number to watch belongs into an `eval`.

When this is wrong: never; a term of an objective is there to train.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, error
from rldsl.graph.model import Freeze
from rldsl.types import Version

CHECK = Check("RL203", "nothing-learns", Severity.ERROR, "no live path to a trained model")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Frozen terms."""
    for objective, term in facts.terms():
        if not facts.graph[term.key].type.is_live:
            yield error("RL203", "no trainable model is reached by this term", term.span, "this term is frozen",
                        others=_cause(facts, term.key),
                        why=f"nothing in it depends on the weights of `{objective.model}` in a way that has a gradient.",
                        fix=f"weigh `logp({objective.model}, …)` with it, or drop the term")


def _cause(facts: Facts, key: int) -> list[Label]:
    for node in facts.nodes_of(key):
        live_inputs = [entry for entry in node.inputs if facts.graph[entry].type.is_live]
        if live_inputs and node.span is not None:
            return [Label(node.span, "the gradient stops here" if not isinstance(node.operation, Freeze)
                          else "`frozen` stops the gradient here")]
    for node, read in facts.reads_of(key):
        if read.version is not Version.CURRENT and node.span is not None:
            return [Label(node.span, "this model is not trained here")]
    return []
