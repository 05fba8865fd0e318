"""What: an importance ratio is the exponential of a log-ratio that was summed over the tokens of an answer.

Why: it grows with the length: a difference of 0.012 nats a token over 1000 tokens is a factor of 163,000.

Example: `exp(sum(logp(actor, y) - y.logp, per: sample))`

Instead: `exp(mean(logp(actor, y) - y.logp, per: sample))` (GSPO), or a ratio per token.

When this is wrong: where answers are short, or the exact trajectory ratio is needed and truncated.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Severity, warning
from rldsl.types import Level, Ratio

CHECK = Check("RL403", "product-ratio", Severity.WARNING, "the ratio of a whole answer as a product")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Ratios whose log-ratio was summed to the answer or beyond."""
    for _, term in facts.terms():
        for node in facts.nodes_of(term.key):
            provenance = node.type.provenance
            if isinstance(provenance, Ratio) and provenance.log.summed is not None and provenance.log.summed <= Level.SAMPLE:
                yield warning("RL403", "this ratio grows with answer length", facts.span(node.key, term.span),
                              "a product over all tokens",
                              why="0.012 nats a token over 1000 tokens make a factor of 163,000; both forms are legitimate.",
                              fix="`mean` instead of `sum`, or a ratio per token")
                break
