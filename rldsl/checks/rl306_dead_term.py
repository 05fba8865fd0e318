"""What: a term is multiplied by 0, and reads a model that nothing else needs.

Why: the model is loaded and run for a term that is worth nothing.

Example: `minimize kl: 0 * mean(k3(actor, ref, y))`

Instead: delete the term and the model.

When this is wrong: where a `param` will be set from outside; give it the value that is used.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts, is_function
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, warning
from rldsl.graph.model import Function

CHECK = Check("RL306", "dead-term", Severity.WARNING, "a term of weight 0 that loads a model")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Terms that are products with the constant 0."""
    for objective, term in facts.terms():
        top = facts.through(term.key)
        if not is_function(top, Function.MULTIPLY) or all(facts.constant(entry) != 0 for entry in top.inputs):
            continue
        others = {read.model for _, other in facts.terms() if other is not term for _, read in facts.reads_of(other.key)}
        loaded = sorted({read.model for _, read in facts.reads_of(term.key) if read.version.is_reference} - others)
        if loaded:
            yield warning("RL306", "this term is worth nothing but loads a model", term.span, "its weight is 0",
                          others=[Label(facts.models[loaded[0]].span, "loaded for this term alone")],
                          why=f"`{loaded[0]}` is loaded and run for a term of `{objective.name}` that is always 0.",
                          fix="delete the term")
