"""What: a ratio against log-probabilities that were recorded under `top_p` or `top_k`.

Why: the sampler renormalised over the tokens it kept, the trainer does not: the ratio is off by the mass that was
cut.

Example: `top_p: 0.9` in the rollout and `logp(actor, y) - y.logp`

Instead: `top_p: 1` and `top_k: 0` for training.

When this is wrong: where the cut mass is tiny and the bias accepted.
"""

from __future__ import annotations

from collections.abc import Iterator

from rldsl.checks.facts import Facts
from rldsl.checks.model import Check
from rldsl.diagnostics import Diagnostic, Label, Severity, warning
from rldsl.types import LogRatio

CHECK = Check("RL407", "truncated-support", Severity.WARNING, "a ratio against a truncated sampler")


def run(facts: Facts) -> Iterator[Diagnostic]:
    """Log-ratios against a sampler that truncated, once for each rollout."""
    seen: set[str] = set()
    for node in facts.graph.nodes:
        match node.type.provenance:
            case LogRatio(denominator=below) if (below.top_p < 1 or below.top_k > 0) and below.response not in seen \
                    and node.span is not None:
                seen.add(below.response)
                yield warning("RL407", "the ratio is off by the mass that was cut", node.span, "against a truncated sampler",
                              others=[Label(facts.responses[below.response].span, "truncated here")],
                              why="the sampler renormalised over what it kept; the trainer scores the whole vocabulary.",
                              fix="`top_p: 1`, `top_k: 0`")
            case _:
                pass
